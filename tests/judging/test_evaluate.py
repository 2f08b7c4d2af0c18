"""Finished runs judged again: baselines are runs too, so that nothing here has to be trained."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from finscale.cli.evaluate_tables import print_judgement
from finscale.config import BaselineConfig, ExperimentConfig, SplitConfig, TaskConfig, load_config
from finscale.config.baselines import DEFAULT_BASELINES
from finscale.data import DataStore
from finscale.errors import DataError
from finscale.evaluation.operating import OperatingRule
from finscale.experiment.experiment import run_experiment
from finscale.experiment.preparation import _WINDOWS
from finscale.judging import pool as room
from finscale.judging.bench import Bench, count_runs
from finscale.judging.judge import (
    join_folds,
    judge,
    judge_all,
    judge_pairs,
    model_id,
)
from finscale.judging.scoring import scorecard
from finscale.judging.tables import Options
from finscale.judging.writing import write_comparison, write_judgement
from finscale.models.baselines.linear import TunedLinear
from finscale.runs import RunStore

FAST = Options(num_replicates=100)


@pytest.fixture(scope="module")
def world(root, tmp_path_factory):
    """Return (run by name, store, data): a function that fits a baseline as a run of its own."""
    folder = tmp_path_factory.mktemp("evaluate")
    store, data = RunStore(folder / "runs"), DataStore(folder / "data")
    base = load_config(
        ExperimentConfig,
        root / "configs/daily/threshold_1pct.yaml",
        [f"data.root={folder / 'data'}"],
    )

    def run(name: str, **changes):
        config = base.model_copy(update={"model": BaselineConfig(name=name), **changes})
        return run_experiment(config, runs=store, data=data)

    return run, store, data


def test_a_run_is_judged_on_every_window(world):
    run, store, data = world
    (model,) = join_folds([run("volatility_ranges")])
    names = ("base_rate", "volatility", "volatility_ranges", "logistic")
    judged = judge(model, store, data=data, options=Options(names, num_replicates=100))
    evaluation = judged.evaluation
    assert (judged.title, evaluation.num_rows, evaluation.num_days) == (
        "volatility_ranges",
        1005,
        1005,
    )
    # the figures of the design notes: base rate .4594 nats, volatility .3705 and AUC .777
    table = {line["name"]: line for line in judged.baselines.to_dicts()}
    assert list(table) == list(names)
    assert table["base_rate"]["log_loss"] == pytest.approx(0.4594, abs=5e-4)
    assert table["volatility"]["log_loss"] == pytest.approx(0.3705, abs=5e-4)
    assert table["volatility"]["auc"] == pytest.approx(0.777, abs=1e-3)
    assert table["volatility"]["skill_low"] > 0
    # over itself a model has no skill, and the test says so
    assert (table["volatility_ranges"]["skill"], table["volatility_ranges"]["p_value"]) == (0, 1)
    groups = evaluation.scores["group"].unique(maintain_order=True).to_list()
    assert groups == ["all", "year", "volatility"]
    assert judged.power["days"][0] == 1005


def test_calibration_coverage_and_backtest_are_tables(world):
    run, store, data = world
    (model,) = join_folds([run("volatility")])
    options = Options(("base_rate",), OperatingRule("top", 0.2), "open", num_replicates=100)
    judged = judge(model, store, data=data, options=options)
    assert judged.calibration["method"].to_list() == [
        "none", "temperature", "platt", "beta", "isotonic"
    ]  # fmt: skip
    assert judged.calibration["gain"][0] == 0
    assert judged.reliability["count"].sum() == 1005
    assert judged.coverage["year"].to_list() == ["all", "2015", "2016", "2017", "2018"]
    assert judged.coverage["value"][0] == pytest.approx(0.9, abs=0.02)
    assert judged.backtest["name"].to_list() == [
        "long_flat",
        "long_short",
        "volatility_scaled",
        "volatility_timing",
        "buy and hold",
    ]
    hold = judged.backtest.filter(name="buy and hold").row(0, named=True)
    assert (hold["versus_hold_low"], hold["versus_hold_high"]) == (0, 0)
    assert hold["cagr"] == pytest.approx(0.05, abs=0.01)
    assert judged.num_trials == 3 * count_runs(store, model[0].config)


def test_trials_are_counted_on_the_same_windows_only(world):
    run, store, _ = world
    (model,) = join_folds([run("volatility")])
    before = count_runs(store, model[0].config)
    run("momentum")
    run("momentum", task=TaskConfig(name="direction"))
    assert count_runs(store, model[0].config) == before + 1


def test_folds_of_a_walk_forward_are_one_model(world):
    run, store, data = world
    runs = []
    for fold in (0, 1):
        split = SplitConfig(method="walk_forward", folds=4, fold=fold, test_days=120)
        runs.append(run("volatility", split=split))
    (model,) = join_folds(runs)
    assert model_id(model) == f"{runs[0].id}+{runs[1].id}"
    judged = judge(model, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.evaluation.num_rows == 240
    assert set(judged.evaluation.thresholds) == {0, 1}
    folds = judged.evaluation.table("fold").filter(score="log_loss")
    assert folds["label"].to_list() == ["0", "1"]
    # the model and the base rate that it is held against, whatever their number of folds
    assert count_runs(store, model[0].config) == 2


def test_weekly_bars_make_years_of_52(world):
    """Buying and holding the S&P 500 from 2012 to 2018 seemed to gain 50 % a year."""
    run, store, data = world
    config = run("volatility").config.data.model_copy(update={"timescale": "weekly"})
    (model,) = join_folds([run("volatility", data=config)])
    judged = judge(model, store, data=data, options=Options(("base_rate",), num_replicates=100))
    hold = judged.backtest.filter(name="buy and hold").row(0, named=True)
    assert hold["years"] == pytest.approx(4, abs=0.1)
    assert hold["cagr"] == pytest.approx(0.05, abs=0.02)
    assert 0.1 < hold["volatility"] < 0.2
    timing = judged.backtest.filter(name="volatility_timing").row(0, named=True)
    assert timing["exposure"] > 0.8
    assert judged.power["sharpe"][0] == pytest.approx(1.4, abs=0.1)


def test_of_a_rare_event_what_can_be_told_is_told(world):
    run, store, data = world
    split = SplitConfig(
        train_end=dt.date(2007, 12, 31),
        validation_end=dt.date(2011, 11, 20),
        test_end=dt.date(2014, 12, 31),
    )
    task = TaskConfig(name="threshold_3pct")
    (model,) = join_folds([run("volatility", task=task, split=split)])
    judged = judge(model, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert 0 < judged.evaluation.metric("base_rate").value < 0.005
    assert judged.power["auc"][0] > 0.7
    assert judged.coverage.height > 1


def test_chunks_are_held_against_the_market_on_their_own_days(world):
    run, store, data = world
    (model,) = join_folds([run("volatility", split=SplitConfig(method="chunks"))])
    judged = judge(model, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.coverage.is_empty()
    assert any("validation days lie among the test days" in note for note in judged.notes)
    years = judged.backtest["years"]
    assert years.max() == years.min()
    assert years[0] == pytest.approx(judged.evaluation.num_days / 252, rel=0.1)


def test_an_event_that_validation_lacks_is_noted_and_the_rest_stands(world, tmp_path):
    """From 2012 to 2014 the S&P 500 never rose 3 % within a day, from 2015 to 2018 it did."""
    run, store, data = world
    (model,) = join_folds([run("volatility", task=TaskConfig(name="threshold_3pct"))])
    judged = judge(model, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.notes == ("validation holds one class only, so nothing can be calibrated on it.",)
    assert judged.backtest.height == 5


def test_days_that_all_end_alike_are_refused_before_training_and_in_judging(world, monkeypatch):
    """The S&P 500 never rose 5 % within a day from 2015 to 2018."""
    run, store, data = world
    task = TaskConfig(name="threshold_5pct")
    with pytest.raises(DataError, match="none of the 1,005 windows of test has a positive label"):
        run("volatility", task=task)
    # a run that was made before such labels were refused
    monkeypatch.setattr("finscale.experiment.preparation.label_fault", lambda *_: None)
    _WINDOWS.clear()
    model = (run("volatility", task=task),)
    _WINDOWS.clear()
    with pytest.raises(DataError, match="no positive label among its 1,005 test windows"):
        judge(model, store, data=data, options=FAST)
    with pytest.raises(DataError, match="nothing to judge"):
        list(judge_all([model], Bench(store, data, FAST)))
    with pytest.raises(DataError, match="nothing to judge"):
        scorecard(*model, store, data=data)


def test_regression_is_judged_by_its_errors(world):
    run, store, data = world
    task = TaskConfig(name="regression", horizon=5)
    (model,) = join_folds([run("logistic", task=task)])
    judged = judge(model, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.baselines.columns[1:3] == ["rmse", "rank_correlation"]
    assert judged.evaluation.metric("r2_oos").value < 0.1
    assert judged.calibration.is_empty()
    assert judged.power.is_empty()
    assert judged.coverage["value"][0] == pytest.approx(0.9, abs=0.03)
    assert judged.evaluation.block_length >= 20


def test_quantiles_are_judged_by_their_pinball_loss(tiny, world):
    """Held against the same quantiles of baselines: those of their validation errors."""
    _, store, data = world
    training = tiny.training.model_copy(update={"loss": "quantile"})
    where = tiny.data.model_copy(update={"root": data.root})
    changes = {"data": where, "task": TaskConfig(name="regression"), "training": training}
    network = run_experiment(tiny.model_copy(update=changes), runs=store, data=data)
    judged = judge((network,), store, data=data, options=FAST)
    assert judged.evaluation.kind == "quantile"
    table = network.predictions("test")
    error = (
        table["target"].cast(pl.Float64).to_numpy()[:, None]
        - table.select("quantile_0.1", "quantile_0.5", "quantile_0.9").to_numpy()
    )
    levels = np.array([0.1, 0.5, 0.9])
    pinball = np.maximum(levels * error, (levels - 1) * error).mean()
    assert judged.evaluation.metric("pinball").value == pytest.approx(pinball)
    assert judged.baselines["name"].to_list() == list(DEFAULT_BASELINES)
    base = judged.baselines.row(0, named=True)
    # a constant and the quantiles of its validation errors are the quantiles of validation targets
    past = network.predictions("validation")["target"].cast(pl.Float64).to_numpy()
    target = table["target"].cast(pl.Float64).to_numpy()[:, None]
    error = target - np.quantile(past, levels)
    spread = np.maximum(levels * error, (levels - 1) * error).mean()
    assert base["pinball"] == pytest.approx(spread, rel=1e-6)
    assert judged.calibration.is_empty()
    assert judged.coverage["value"][0] == pytest.approx(0.9, abs=0.05)
    mean = run_experiment(
        tiny.model_copy(update={**changes, "training": tiny.training}), runs=store, data=data
    )
    bench = Bench(store, data, FAST)
    with pytest.raises(DataError, match="predicts a number"):
        judge_pairs(join_folds([network, mean]), bench)


def test_models_are_compared_on_the_same_windows(world, tmp_path):
    run, store, data = world
    models = join_folds([run("volatility"), run("base_rate"), run("volatility_ranges")])
    bench = Bench(store, data, Options(("base_rate", "logistic"), num_replicates=100))
    comparison = judge_pairs(models, bench)
    assert comparison.pairs.height == 12
    best = model_id(models[2])
    assert comparison.confidence is not None
    assert comparison.confidence.members == (best,)
    assert comparison.superior["base_rate"].better == (model_id(models[0]), best)
    assert comparison.superior["logistic"].better == ()
    path = write_comparison(models, comparison, tmp_path)
    content = json.loads(path.read_text())
    assert content["models"][best] == "volatility_ranges"
    assert len(content["pairs"]) == 12
    assert content["superior"]["logistic"]["p_value"] > 0.05
    other = join_folds([run("volatility", task=TaskConfig(name="direction"))])
    with pytest.raises(DataError, match="answers direction over 1"):
        judge_pairs([*models, *other], bench)


def test_many_are_judged_as_one_by_one(world, monkeypatch):
    """In one process or in several, each model has the numbers that it has alone."""
    run, store, data = world
    names = ("volatility", "base_rate", "volatility_ranges", "logistic", "momentum")
    runs = [run(name) for name in names]
    runs.append(run("volatility", task=TaskConfig(name="direction")))
    models, options = join_folds(runs), Options(("base_rate",), num_replicates=100)
    alone = [judge(one, store, data=data, options=options).to_json() for one in models]
    together = list(judge_all(models, Bench(store, data, options)))
    assert [one.to_json() for one in together] == alone
    monkeypatch.setattr(room, "_MODELS_A_PROCESS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with room.judging_pool(len(models)) as pool:
        apart = list(judge_all(models, Bench(store, data, options), pool=pool))
    assert [one.to_json() for one in apart] == alone


def test_few_models_are_judged_in_this_process():
    assert room.judging_pool(29) is None


def test_models_of_a_pool_that_died_are_judged_here(world):
    run, store, data = world
    models = join_folds([run(name) for name in ("volatility", "base_rate")])
    options = Options(("base_rate",), num_replicates=100)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(BrokenExecutor):
            pool.submit(os._exit, 9).result()
        together = list(judge_all(models, Bench(store, data, options), pool=pool))
    assert [one.id for one in together] == [model_id(one) for one in models]


def test_a_judgement_is_written_beside_the_sealed_run(world, tmp_path):
    run, store, data = world
    (model,) = join_folds([run("base_rate")])
    sealed = sorted(path.name for path in model[0].folder.iterdir())
    judged = judge(model, store, data=data, options=FAST)
    path = write_judgement(judged, tmp_path)
    assert path == tmp_path / model_id(model) / "evaluation.json"
    content = json.loads(path.read_text())
    assert content["evaluation"]["collapsed"] is True
    assert content["evaluation"]["num_rows"] == 1005
    assert {line["method"] for line in content["calibration"]} >= {"none", "platt"}
    assert sorted(path.name for path in model[0].folder.iterdir()) == sealed


def test_predictions_that_lost_windows_are_refused(world):
    run, store, data = world
    whole = run("persistence")
    path = whole.folder / "predictions.parquet"
    table = pl.read_parquet(path)
    try:
        table.filter(pl.int_range(pl.len()) != table.height - 1).write_parquet(path)
        with pytest.raises(DataError, match="1,004 windows were tested, 1,005 should have been"):
            judge(join_folds([whole])[0], store, data=data, options=Options((), num_replicates=100))
    finally:
        table.write_parquet(path)
    assert np.isfinite(table["logit"].to_numpy()).all()


def test_a_logistic_that_fails_is_marked_wherever_it_is_shown(world, tmp_path, monkeypatch):
    """It is sure of everything on days after 2014, as where a column separated the classes."""
    run, _, data = world
    candidate = run("volatility_ranges")
    store = RunStore(tmp_path / "runs")
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        TunedLinear, "predict", lambda self, frame, ends: rng.choice([-9.0, 9.0], len(ends))
    )
    card = scorecard(candidate, store, data=data)
    assert list(card.claims.failed) == ["logistic"]
    assert "skill over logistic (failed)" in dict(card.rows())
    assert "The logistic baseline failed: it loses" in " ".join(card.sentences())
    assert "Skill over volatility is seen" in " ".join(card.sentences())
    judged = judge((candidate,), store, data=data, options=FAST)
    assert {name: judged.claims.standing(name) for name in judged.claims.gains} == {
        "base_rate": "seen",
        "volatility": "seen",
        "volatility_ranges": "none",
        "logistic": "failed",
        "lightgbm": "none",
    }
    content = json.loads(write_judgement(judged, tmp_path).read_text())
    assert content["claims"]["logistic"] == "failed"
    page = io.StringIO()
    print_judgement(judged, Console(file=page, width=120), quiet=True)
    assert "logistic (failed)" in page.getvalue()
    assert "Skill over logistic is seen" not in page.getvalue()
