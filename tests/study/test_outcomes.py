"""What a study is about: each outcome on predictions with a known answer, and on real runs."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest

from finscale.config import ExperimentConfig, StudyConfig, load_config
from finscale.config.outcomes import OUTCOMES as RULES
from finscale.config.outcomes import CostsConfig
from finscale.evaluation.backtest import FREE, Costs, follow
from finscale.evaluation.bootstrap import day_weights, stationary_indices
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.ranking import Ranking, weighted_auc
from finscale.evaluation.scores import classification_scores
from finscale.evaluation.sharpe import sharpe_ratio
from finscale.evaluation.targets import TARGETS
from finscale.experiment import run_experiment
from finscale.judging.gather import bars_of, market_of, predictions_of
from finscale.runs import RunStore
from finscale.scaling import VERDICTS
from finscale.study import Study
from finscale.study.control_runs import control_outcomes
from finscale.study.daily import daily_values
from finscale.study.export import export_study
from finscale.study.outcomes import OUTCOMES, Trade
from finscale.study.planning import plan_study
from finscale.study.study_diff import StudyRecord, compare

FIRST = dt.date(2020, 1, 1)


def predicted(target: list[float], logit: list[float], fold: int = 0, start: int = 0):
    """Return validation and test rows, one a day: the same numbers in both."""
    parts = []
    for split, shift in (("validation", start), ("test", start + len(target))):
        days = [FIRST + dt.timedelta(days=shift + i) for i in range(len(target))]
        columns = {"date": days, "target": target, "logit": logit}
        parts.append(
            pl.DataFrame(columns).with_columns(
                symbol=pl.lit("A"), fold=pl.lit(fold), split=pl.lit(split)
            )
        )
    return pl.concat(parts)


def judged(table: pl.DataFrame, target: str = "classification") -> Predictions:
    return Predictions(table, TARGETS[target], train_means={0: 0.0, 1: 0.5})


def value(name: str, one: Predictions, trade: Trade | None = None) -> float:
    outcome = OUTCOMES[name]
    return float(outcome.daily(outcome.rows(one, trade))["value"].mean())


def test_outcomes_are_those_that_a_file_may_name() -> None:
    assert list(OUTCOMES) == list(RULES)
    for name, outcome in OUTCOMES.items():
        for target in RULES[name].sesoi:
            assert outcome.measure(TARGETS[target]).title
    assert CostsConfig().model_dump() == vars(Costs())


def test_auc_ranks_days_within_their_fold() -> None:
    # three of four pairs in order, then four of four; pairs across folds are all in disorder
    first = predicted([0, 1, 0, 1], [9.0, 8.0, 7.0, 10.0])
    second = predicted([0, 1, 0, 1], [-4.0, -1.0, -3.0, -2.0], fold=1, start=8)
    assert value("auc", judged(first)) == 0.75
    assert value("auc", judged(second)) == 1.0
    assert value("auc", judged(pl.concat([first, second]))) == 0.875
    # the base rate ranks nothing, however much it differs between folds
    flat = [
        predicted([0, 1, 0, 1], [level] * 4, fold, 8 * fold) for fold, level in ((0, -3), (1, 2))
    ]
    assert value("auc", judged(pl.concat(flat))) == 0.5


def test_r2_is_measured_against_the_mean_of_the_training_years() -> None:
    first = predicted([1.0, -1.0, 1.0, -1.0], [0.5, -0.5, 0.5, -0.5])
    assert value("r2", judged(first, "regression")) == pytest.approx(1 - 4 * 0.25 / 4)
    # fold 1 has a mean of .5 to beat: 2 · .5² + 2 · 1.5² = 5
    second = predicted([1.0, -1.0, 1.0, -1.0], [0.5] * 4, fold=1, start=8)
    assert value("r2", judged(second, "regression")) == pytest.approx(0.0)
    both = judged(pl.concat([first, second]), "regression")
    assert value("r2", both) == pytest.approx(1 - (1 + 5) / (4 + 5))


def test_a_sharpe_ratio_is_net_of_the_costs_that_are_stated() -> None:
    days = [FIRST + dt.timedelta(days=i) for i in range(9)]
    close = 100 * np.cumprod([1, 1, 1, 1, 1, 1.02, 0.99, 1.03, 0.98])
    bars = pl.DataFrame({"date": days, "symbol": ["A"] * 9, "open": close, "close": close})
    # long on days 4 and 6 alone: the returns of days 5 and 7
    rows = predicted([1.0, -1.0, 1.0, -1.0], [0.5, -0.5, 0.5, -0.5])
    market = market_of(bars, ["A"])
    one = judged(rows, "regression")
    assert value("sharpe", one, (market, FREE)) == pytest.approx(
        sharpe_ratio([0.0, 0.02, 0.0, 0.03, 0.0])
    )
    held = np.array([0.999, 1.02 * 0.999, 0.999, 1.03 * 0.999, 1.0]) - 1
    dear = Costs(10.0, 0.0, 0.0, 0.0)
    assert value("sharpe", one, (market, dear)) == pytest.approx(sharpe_ratio(held))


def test_a_loss_weighs_days_not_symbols() -> None:
    rows = predicted([1.0, 3.0], [0.0, 0.0])
    more = rows.filter(pl.col("date") == rows["date"].max()).with_columns(symbol=pl.lit("B"))
    assert value("loss", judged(pl.concat([rows, more]), "regression")) == pytest.approx(5.0)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("outcomes")


def study_of(root, workplace, task: str, outcome: str, *, folds: int = 2, **changes) -> Study:
    """Return a finished study of four sizes, two seeds; outcomes share the runs.

    One fold: 1,005 test days.
    """
    split = ["split.method=walk_forward", f"split.folds={folds}"] if folds > 1 else []
    settings = [
        f"task.name={task}",
        "training.batch_size=256",
        "training.threads=1",
        "training.epochs=2",
        "model.linear_path=none",  # two epochs would leave every size at its linear start
        "training.thermal.enabled=false",
        *split,
        f"data.root={workplace / 'data'}",
    ]
    config = StudyConfig(
        name="_".join([task, outcome, str(folds), *changes]),
        experiment=load_config(
            ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings
        ),
        axes={"parameters": (3_000, 5_000, 9_000, 16_000)},
        seeds=(0, 1),
        outcome=outcome,
        **{"baselines": ("base_rate",)} | changes,
    )
    study = Study(config, studies=workplace / "studies", runs=RunStore(workplace / "runs"))
    study.registration.register()
    for planned in study.missing():
        run_experiment(planned.cell.config, runs=study.runs)
    return study


@pytest.fixture(scope="module")
def ranked(root, workplace) -> Study:
    controls = {"kinds": ("planted_signal",), "sizes": (16_000,), "seeds": (0,)}
    return study_of(root, workplace, "threshold_1pct", "auc", controls=controls)


def test_the_verdict_is_about_the_auc(ranked) -> None:
    verdict = ranked.verdict()
    assert verdict.name in VERDICTS
    assert "AUC" in verdict.sentence
    assert "loss" not in verdict.sentence
    assert "nats" not in verdict.sentence
    assert verdict.gain.value == pytest.approx(verdict.mean_G[-1] - verdict.mean_G[0])
    stored = json.loads((ranked.folder / "law.json").read_text())["verdict"]
    assert stored["statement"]["measure"]["title"] == "AUC"
    assert stored["statement"]["sesoi"] == 0.01
    assert stored["mean"] == verdict.mean_G.tolist()
    # by hand: in each fold the AUC of its own run, weighed by its pairs
    areas = []
    for seed in (0, 1):
        total = pairs = 0.0
        for planned, run in ranked.completed():
            sizes = planned.cell.sizes
            if sizes.get("parameters") == 16_000 and run.config.seed == seed:
                test = run.predictions("test")
                event = test["target"].to_numpy() > 0.5
                own = event.sum() * (~event).sum()
                area = classification_scores(
                    test["target"], test["logit"], test["date"], num_replicates=0
                )["auc"].value
                total, pairs = total + own * area, pairs + own
        areas.append(total / pairs)
    assert verdict.mean_G[-1] == pytest.approx(np.mean(areas), abs=1e-12)


def test_the_linear_model_is_met_in_the_studys_own_outcome(root, workplace, ranked) -> None:
    assert ranked.beyond_linear() is None  # it has no linear model among its baselines
    named = {"baselines": ("base_rate", "logistic")}
    study = study_of(root, workplace, "threshold_1pct", "auc", **named)
    beyond, verdict = study.beyond_linear(), study.verdict()
    linear = [run for _, run in study.completed() if "logistic" in str(run.config.model)]
    area = value("auc", predictions_of(linear))
    assert [gain.value for gain in beyond.gains] == pytest.approx(list(verdict.mean_G - area))
    assert " in AUC" in beyond.sentence(pays=False)
    assert verdict.sentence == f"{ranked.verdict().sentence} " + beyond.sentence(
        pays=verdict.name == "LAW"
    )


def test_its_error_is_that_of_a_paired_bootstrap_of_the_auc(root, workplace) -> None:
    """The days' part of a difference of two sizes against the metric itself, days resampled."""
    study = study_of(root, workplace, "threshold_1pct", "auc", folds=1)
    covariance = study.verdict().covariance
    tests: dict[int, list[pl.DataFrame]] = {}
    for planned, run in study.completed():
        if not planned.cell.is_baseline:
            tests.setdefault(planned.cell.sizes["parameters"], []).append(run.predictions("test"))
    # a stationary bootstrap of mean length b weighs lag k by (1 - 1/b)^k, Bartlett's by 1 - k/b'
    block = (covariance.bandwidth + 1) / 2 + 0.5
    weights = day_weights(stationary_indices(1_005, block, 4_000, 0))

    def areas(size: int) -> np.ndarray:
        found = [
            weighted_auc(
                Ranking.of(test["logit"].to_numpy()),
                test["target"].cast(pl.Float64).to_numpy(),
                weights,
            )
            for test in tests[size]
        ]
        return np.mean(found, axis=0)

    for index, size in ((0, 3_000), (1, 5_000), (2, 9_000)):
        contrast = np.array([0.0, 0.0, 0.0, -1.0])
        contrast[index] = 1.0
        error = float(np.sqrt(contrast @ covariance.day_GG @ contrast))
        direct = float((areas(size) - areas(16_000)).std(ddof=1))
        assert error == pytest.approx(direct, rel=0.10)


def test_a_planted_signal_is_judged_in_the_same_terms(ranked) -> None:
    [planted] = control_outcomes(ranked)
    assert planted.expected == "an AUC above that of the base rate is seen"
    assert planted.found.startswith("gain in AUC ")
    # above guessing, and not above what the best possible ranking gains
    assert 0 < planted.facts["gain"]["value"] < planted.facts["possible"] < 0.5


def test_power_is_said_in_the_same_terms(ranked) -> None:
    plan = plan_study(ranked, seconds=0.01)
    assert plan.power is not None
    assert (plan.power.outcome, plan.power.unit) == ("AUC", "")
    assert "AUC 0.75" in plan.power.assumed
    assert 0.005 < plan.power.smallest_fall < 0.2
    assert [size.sees is not None for size in plan.sizes] == [True] * 4 + [False] * 2
    assert 0.005 < plan.sizes[0].sees < 0.2


def test_days_are_exported(ranked, tmp_path) -> None:
    paths = export_study(ranked, tmp_path, format="csv")
    assert [path.name.removeprefix("threshold_1pct_auc_2_controls_") for path in paths] == [
        "runs.csv",
        "daily_losses.csv",
        "daily_auc.csv",
    ]
    table = pl.read_csv(paths[-1])
    means = table.group_by("size_parameters").agg(pl.col("value").mean()).sort("size_parameters")
    assert means["value"].to_list() == pytest.approx(ranked.verdict().mean_G.tolist())


@pytest.mark.parametrize("task", ["threshold_1pct", "regression"])
def test_a_study_of_trading(root, workplace, task: str) -> None:
    study = study_of(root, workplace, task, "sharpe", costs={"commission": 2.0})
    verdict = study.verdict()
    assert "Sharpe ratio after costs" in verdict.sentence
    assert verdict.statement.sesoi == 0.2
    # the largest size's seeds, each traded over both folds as one account
    runs: dict[int, list] = {}
    for planned, run in study.completed():
        if planned.cell.sizes.get("parameters") == 16_000:
            runs.setdefault(run.config.seed, []).append(run)
    market: Market = market_of(bars_of(runs[0][0], study.data), ["SP500"])
    ratios = [
        sharpe_ratio(follow(predictions_of(own), market, Costs(commission=2.0)).returns)
        for own in runs.values()
    ]
    assert verdict.mean_G[-1] == pytest.approx(np.mean(ratios), abs=1e-10)
    free = study.config.model_copy(update={"costs": CostsConfig(commission=0.0)})
    cheaper = Study(free, studies=workplace / "free", runs=study.runs, data=study.data)
    assert cheaper.verdict().mean_G.sum() > verdict.mean_G.sum()
    assert cheaper.config.hash() != study.config.hash()


def test_a_study_of_r2_and_its_loss_agree(root, workplace) -> None:
    study = study_of(root, workplace, "regression", "r2")
    verdict = study.verdict()
    assert "R²" in verdict.sentence
    rows = daily_values(study.completed(), OUTCOMES["loss"])
    loss = rows.group_by("size_parameters").agg(pl.col("value").mean()).sort("size_parameters")
    base = np.concatenate(
        [
            (run.predictions("test")["target"] - run.info["windows"]["train_mean"]).to_numpy()
            for planned, run in study.completed()
            if planned.cell.is_baseline
        ]
    )
    expected = 1 - loss["value"].to_numpy() / np.mean(base.astype(np.float64) ** 2)
    assert verdict.mean_G == pytest.approx(expected, abs=1e-6)
    plan = plan_study(study, seconds=0.01)
    assert plan.power is not None
    assert "R² 0.005" in plan.power.assumed


def test_a_squared_error_says_that_its_power_is_not_known(root, workplace) -> None:
    study = study_of(root, workplace, "regression", "loss")
    assert study.config.sesoi == 1e-7
    plan = plan_study(study, seconds=0.01)
    assert plan.power is None
    assert "outcome r2" in plan.why_no_power
    assert all(size.sees is None for size in plan.sizes)


@pytest.mark.slow
def test_the_surface_of_an_auc(root, workplace) -> None:
    study = study_of(root, workplace, "threshold_1pct", "auc", level=0.1)
    axes = {"parameters": (3_000, 5_000, 9_000, 16_000), "context_length": (40, 80)}
    config = study.config.model_copy(update={"axes": axes, "name": "surface"})
    wide = Study(config, studies=workplace / "studies", runs=study.runs, data=study.data)
    for planned in wide.missing():
        run_experiment(planned.cell.config, runs=wide.runs)
    law = wide.surface()
    assert law.table.num_sizes == 8
    # fitted to 1 - AUC
    assert 0 < float(np.nanmean(law.table.losses_nST)) < 0.5
    assert wide.verdicts()[80].to_dict() == study.verdict().to_dict()


def test_two_studies_are_compared_by_the_outcome_that_both_have(ranked, workplace) -> None:
    config = ranked.config.model_copy(update={"name": "stricter", "level": 0.01})
    other = Study(config, studies=workplace / "studies", runs=ranked.runs, data=ranked.data)
    other.registration.register()
    for study in (ranked, other):
        study.results()
        study.verdict()
    found = compare(StudyRecord.read(ranked.folder), StudyRecord.read(other.folder))
    assert found.what == "test AUC"
    assert [row["change"] for row in found.losses] == [0.0] * 4
    assert found.losses[-1]["first"] == ranked.verdict().mean_G[-1]
    assert found.losses[-1]["model"].startswith("parameters 1")
