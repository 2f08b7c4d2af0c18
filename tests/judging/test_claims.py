"""What may be claimed over a baseline, and what a run's decision makes of it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.cli.evaluate_tables import _conclusion
from finscale.config import BaselineConfig, ExperimentConfig
from finscale.evaluation.bootstrap import Metric
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.targets import TARGETS, target_of
from finscale.judging.claims import Claims, Known, known_by_baselines, lost_to_base_rate
from finscale.judging.decision import decide_run, mend, which
from finscale.judging.scoring import Scorecard, skill
from finscale.scaling.digits import number

UP, DOWN, OPEN = Metric(0.02, 0.01, 0.03), Metric(-0.02, -0.03, -0.01), Metric(0.0, -0.01, 0.01)
NONE = Metric(0.0, 0.0, 0.0)
RANKS, GUESSES = Metric(0.7, 0.65, 0.75), Metric(0.48, 0.44, 0.52)


def claims(
    base_rate: Metric = UP,
    volatility: Metric = UP,
    logistic: Metric = UP,
    *,
    knows: Metric = UP,
    auc: Metric = RANKS,
) -> Claims:
    gains = {"base_rate": base_rate, "volatility": volatility, "logistic": logistic}
    known = {"volatility": Known(UP), "logistic": Known(knows)}
    return Claims(gains, 1005, "nats", known, auc, (0.151, 0.319))


@pytest.mark.parametrize(
    ("made", "name", "standing", "said"),
    [
        (claims(), "logistic", "seen", "Skill over logistic is seen with 1,005 test days."),
        (claims(logistic=OPEN), "logistic", "none", "No skill over logistic is seen"),
        (claims(volatility=DOWN), "volatility", "worse", "Worse than volatility: the difference"),
        # a network that stayed at its linear start
        (
            claims(logistic=NONE),
            "logistic",
            "none",
            "The same as logistic: nothing is added to it.",
        ),
        (
            claims(knows=DOWN),
            "logistic",
            "failed",
            "The logistic baseline failed: it loses .0200 [.0100, .0300] nats more than the base "
            "rate: nothing is claimed over it.",
        ),
        (claims(OPEN), "logistic", "unfounded", "Less loss than logistic, but no skill over the"),
        (
            claims(auc=GUESSES),
            "base_rate",
            "moved",
            "Less loss than base rate, but days are not ranked (AUC .480; the base rate moved from "
            "15.1 % in train to 31.9 %): no skill.",
        ),
        (claims(auc=GUESSES), "logistic", "unfounded", "nothing is claimed over logistic"),
    ],
)
def test_every_standing(made: Claims, name: str, standing: str, said: str) -> None:
    assert made.standing(name) == standing
    assert said in made.sentence(name)


def test_what_the_test_could_have_shown_is_said_where_nothing_was_seen() -> None:
    assert (
        claims(logistic=OPEN)
        .sentence("logistic", ".01 nats")
        .endswith("; they could show a gain of .01 nats.")
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (claims(), "Use it: it loses .0200 [.0100, .0300] nats less than"),
        (claims(volatility=DOWN, logistic=DOWN), "Use volatility: it loses .0200"),
        (claims(volatility=OPEN, logistic=OPEN), "Use volatility: it is not seen to lose less."),
        (claims(volatility=NONE), "Use volatility: it adds nothing to it."),
        (Claims({"base_rate": UP}, 500, auc=RANKS), "Use it: it loses .0200"),
        (Claims({"base_rate": OPEN}, 500, auc=GUESSES), "Use none of these models"),
        (Claims({"logistic": UP}, 500), "no base rate stands beside"),
    ],
)
def test_which_model_to_use(made: Claims, said: str) -> None:
    assert said in which(made, "it")


def test_a_failed_baseline_is_never_the_best_and_is_to_be_mended() -> None:
    made = claims(knows=Metric(-1.45, -1.7, -1.2))
    assert made.best_baseline == "volatility"
    assert mend(made).startswith("Mend the logistic first")
    assert mend(claims()) == ""


def test_a_run_ends_with_a_decision() -> None:
    scores = {"log_loss": UP, "auc": RANKS}
    gains = {"base_rate": UP, "volatility": UP, "logistic": OPEN}
    known = {"volatility": Known(UP), "logistic": Known(Metric(0.05, 0.03, 0.07))}
    card = Scorecard("classification", 1005, scores, gains, {}, is_collapsed=False, known=known)
    use, pay, then = decide_run(card, ExperimentConfig())
    assert use == "Use the logistic: this network is not seen to lose less."
    # ± .01 is a standard error of .0051 and a smallest effect of .0143: (.0143 / .005)² times 1,005
    assert "takes about 8,200 test days, and there are 1,005." in pay
    assert then.startswith("Next: finscale study new mine --symbols SP500 --task threshold_1pct")
    baseline = ExperimentConfig(model=BaselineConfig(name="volatility"))
    assert decide_run(card, baseline) == ()


def test_a_failed_logistic_is_marked_and_nothing_is_said_beyond_it() -> None:
    known = {"volatility": Known(UP), "logistic": Known(Metric(-1.45, -1.7, -1.2))}
    gains = {"base_rate": UP, "volatility": UP, "logistic": Metric(1.5, 1.3, 1.7)}
    card = Scorecard(
        "regression",
        1005,
        {"rmse": UP, "r2_oos": UP, "rank_correlation": UP},
        gains,
        {},
        is_collapsed=False,
        beyond_linear=gains["logistic"],
        linear_loss=2.16,
        known=known,
    )
    assert "skill over logistic (failed)" in dict(card.rows())
    assert "not said. The logistic baseline failed: it loses 1.45" in card.beyond_line()
    assert not any("Skill over logistic is seen" in said for said in card.sentences())


def made_predictions(logit_N: np.ndarray, target_N: np.ndarray, **about) -> Predictions:
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(len(target_N))]
    table = pl.DataFrame(
        {"date": days, "symbol": "X", "fold": 0, "split": "test", "target": target_N}
    ).with_columns(logit=pl.Series(logit_N))
    return Predictions(table, train_means={0: 0.5}, **about)


def test_a_baseline_that_explodes_on_test_days_failed_and_an_honest_one_did_not() -> None:
    rng = np.random.default_rng(0)
    target_N = (rng.random(600) < 0.5).astype(float)
    base = made_predictions(np.zeros(600), target_N)
    # separable columns: sure of everything, and right half of the time
    sure = made_predictions(np.where(rng.random(600) < 0.5, 9.0, -9.0), target_N)
    honest = made_predictions(np.where(target_N > rng.random(600), 1.0, -1.0), target_N)
    tied = made_predictions(np.full(600, 1e-9), target_N)
    others = {"logistic": sure, "volatility": honest, "momentum": tied}
    with_it = lost_to_base_rate({"base_rate": base, **others})
    assert list(with_it) == ["logistic"]
    assert with_it["logistic"].low > 2
    # without a base rate among them, the mean of the training rows stands for it
    assert list(lost_to_base_rate(others)) == ["logistic"]
    known = known_by_baselines({"base_rate": base, **others})
    assert known["volatility"].is_seen
    assert not known["logistic"].ranks
    assert known["momentum"].gain == NONE


def test_numbers_are_held_against_their_training_mean() -> None:
    rng = np.random.default_rng(1)
    target_N = rng.normal(size=400)
    wild = made_predictions(50 * rng.normal(size=400), target_N, target=TARGETS["regression"])
    assert list(lost_to_base_rate({"logistic": wild})) == ["logistic"]


def test_on_coin_tosses_hardly_anything_is_seen_over_a_noisy_logistic() -> None:
    """20 walks: a forecast that says next to nothing beats an overfitted logistic most days."""
    by_interval = seen = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        target_N = (rng.random(400) < 0.5).astype(float)
        base = made_predictions(np.zeros(400), target_N)
        logistic = made_predictions(rng.normal(0, 0.35, 400), target_N)
        quiet = made_predictions(rng.normal(0, 0.05, 400), target_N)
        gains = {"base_rate": skill(quiet, base), "logistic": skill(quiet, logistic)}
        known = known_by_baselines({"base_rate": base, "logistic": logistic, "quiet": quiet})
        auc = RANKS if known["quiet"].ranks else GUESSES
        made = Claims(gains, 400, known=known, auc=auc)
        by_interval += gains["logistic"].low > 0
        seen += made.standing("logistic") == "seen"
    assert by_interval >= 5
    assert seen <= 1


@pytest.mark.parametrize(("p_value", "doubted"), [(0.066, True), (0.01, False)])
def test_the_interval_decides_and_another_test_that_doubts_it_is_quoted(p_value, doubted) -> None:
    line = {"name": "logistic", "smallest": 0.012, "p_value": p_value}
    said = _conclusion(line, claims(), "nats")
    assert said.startswith("Skill over logistic is seen with 1,005 test days.")
    assert ("would leave it open (p = 0.066)" in said) == doubted
    # what is not claimed needs no second opinion
    assert "would leave it open" not in _conclusion(line, claims(logistic=OPEN), "nats")


@pytest.mark.parametrize(
    ("task", "least", "unit"),
    [
        ("outperform", 1e-4, "nats"),
        ("top_fifth", 1e-4, "nats"),
        ("rank", 2e-4, "squared normal score"),
        ("residual", 1e-7, "squared return"),
    ],
)
def test_a_run_across_the_section_decides_by_its_own_effect(task, least, unit) -> None:
    config = ExperimentConfig(task={"name": task})
    target = target_of(config)
    card = Scorecard(
        target.name,
        400,
        {},
        {"base_rate": Metric(0.0, -0.001, 0.001)},
        {},
        is_collapsed=False,
        unit=target.words.unit,
    )
    _, pay, _ = decide_run(card, config)
    assert f"to see a gain of {number(least)} {unit} over the base rate" in pay
