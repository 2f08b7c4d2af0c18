"""What size brings beyond the linear model: every wording, from tables whose answer is planted."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.evaluation.bootstrap import Metric
from finscale.scaling import Measure
from finscale.study.beyond import BeyondLinear, judge_beyond

AUC = Measure("AUC", "", higher_is_better=True, best=1.0)
SIZES = (5e3, 5e4, 2e6)
BETTER, WORSE = Metric(0.0012, 0.0003, 0.0021), Metric(-0.0150, -0.0200, -0.0100)
OPEN, TIGHT = Metric(-0.0005, -0.0080, 0.0070), Metric(-0.0004, -0.0012, 0.0006)
BEST = Metric(0.0025, 0.0011, 0.0039)
IS_BETTER = "at 2M parameters the network is .00120 [.00030, .00210] nats better than it."
IS_WORSE = "at 2M parameters the network is .0150 [.0100, .0200] nats worse than it."
IS_OPEN = "at 2M parameters the gain on it is −.00050 [−.00800, +.00700] nats."


def said(*gains: Metric, measure: Measure | None = None) -> BeyondLinear:
    return BeyondLinear(SIZES, gains, "parameters", 0.005, measure or Measure())


@pytest.mark.parametrize(
    ("gains", "pays", "sentence"),
    [
        ((WORSE, OPEN, BETTER), True, f"Size pays beyond the linear model: {IS_BETTER}"),
        ((BETTER, BEST, BETTER), True, f"Size pays beyond the linear model: {IS_BETTER}"),
        ((BETTER, BEST, BETTER), False, f"Every size beats the linear model: {IS_BETTER}"),
        ((WORSE, OPEN, BETTER), False, f"The largest size beats the linear model: {IS_BETTER}"),
        (
            (BETTER, BEST, WORSE),
            False,
            "Only sizes below the largest beat the linear model, 50k parameters by "
            f".00250 [.00110, .00390] nats: {IS_WORSE}",
        ),
        (
            (OPEN, BEST, OPEN),
            True,
            "Only sizes below the largest beat the linear model, 50k parameters by "
            f".00250 [.00110, .00390] nats: {IS_OPEN}",
        ),
        ((WORSE, WORSE, OPEN), True, f"Size pays, but only up to the linear model: {IS_OPEN}"),
        (
            (WORSE, WORSE, TIGHT),
            True,
            "Size pays, but only up to the linear model: at 2M parameters the gain on it is "
            "−.000400 [−.001200, +.000600] nats; a gain of .005 nats is excluded at every size.",
        ),
        ((WORSE,) * 3, True, f"Size pays, but no size beats the linear model: {IS_WORSE}"),
        ((WORSE,) * 3, False, f"No size beats the linear model: {IS_WORSE}"),
        ((OPEN, OPEN, WORSE), False, f"No size is seen to beat the linear model: {IS_WORSE}"),
        ((OPEN, WORSE, OPEN), False, f"No size is seen to beat the linear model: {IS_OPEN}"),
        (
            (WORSE, OPEN, WORSE),
            True,
            f"Size pays, but no size is seen to beat the linear model: {IS_WORSE}",
        ),
    ],
)
def test_words_say_what_the_intervals_say(
    gains: tuple[Metric, ...], pays: bool, sentence: str
) -> None:
    assert said(*gains).sentence(pays=pays) == sentence


def test_an_outcome_without_a_unit_is_named() -> None:
    one = said(WORSE, OPEN, Metric(0.0123, 0.0100, 0.0146), measure=AUC)
    assert one.sentence(pays=True) == (
        "Size pays beyond the linear model: at 2M parameters the network is "
        ".0123 [.0100, .0146] in AUC better than it."
    )
    assert one.to_dict()["unit"] == "AUC"


def planted(*means: float, seeds: int = 3, draw: int = 0) -> np.ndarray:
    """Return gains of sizes, seeds and 800 days around true means."""
    rng = np.random.default_rng(draw)
    own_GST = 0.02 * rng.standard_normal((len(means), seeds, 800))
    return own_GST + np.array(means)[:, None, None]


def judged(gains_GST: np.ndarray, **options) -> BeyondLinear:
    size_G = np.geomspace(5e3, 2e6, len(gains_GST))
    options = {"noun": "parameters", "sesoi": 0.005, "level": 0.05} | options
    return judge_beyond(gains_GST, size_G, **options)


@pytest.mark.parametrize(
    ("means", "headline"),
    [
        ((0.01, 0.012, 0.015), "Every size beats the linear model"),
        ((-0.01, 0.0, 0.01), "The largest size beats the linear model"),
        ((0.0, 0.01, -0.01), "Only sizes below the largest beat the linear model"),
        ((-0.02, -0.01, -0.005), "No size beats the linear model"),
        ((-0.02, -0.01, 0.0), "No size is seen to beat the linear model"),
    ],
)
def test_what_was_planted_is_found(means: tuple[float, ...], headline: str) -> None:
    one = judged(planted(*means))
    assert one.headline == headline
    for gain, mean in zip(one.gains, means, strict=True):
        assert gain.low < mean < gain.high
        assert gain.value == pytest.approx(mean, abs=0.0015)


def test_seeds_that_disagree_make_doubt() -> None:
    gains_GST = planted(0.003, 0.003)
    assert judged(gains_GST).headline == "Every size beats the linear model"
    apart_S = np.array([-0.004, 0.0, 0.004])[None, :, None]
    assert judged(gains_GST + apart_S).headline == "No size is seen to beat the linear model"


def test_many_sizes_without_an_effect_beat_nothing() -> None:
    """Of thirty sizes one is better by chance alone; intervals that hold at once know it."""
    gains_GST = -planted(*[0.0] * 30, draw=1)
    alone = gains_GST.mean(axis=(1, 2)) / (0.02 / np.sqrt(3 * 800))
    assert alone.max() > 1.96
    assert judged(gains_GST).beating == []


def test_a_missing_seed_and_a_single_one_are_judged() -> None:
    gains_GST = planted(0.01, 0.02)
    gains_GST[1, 2] = np.nan
    one = judged(gains_GST)
    assert one.gains[1].value == pytest.approx(gains_GST[1, :2].mean())
    alone = judged(planted(0.01, 0.02)[:, :1])
    assert alone.headline == "Every size beats the linear model"


def test_a_network_that_is_the_linear_model_gains_nothing() -> None:
    one = judged(np.zeros((2, 3, 100)))
    assert one.headline == "No size is seen to beat the linear model"
    assert one.gains == (Metric(0.0, 0.0, 0.0),) * 2


def test_a_size_is_found_by_what_was_measured() -> None:
    one = said(WORSE, OPEN, BETTER)
    assert one.at(5_004.0) == WORSE
    assert one.at(6_000.0) is None
