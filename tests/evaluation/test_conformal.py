"""Conformal prediction: coverage on GARCH returns, breathing width, no look ahead."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from finscale.errors import DataError
from finscale.evaluation.conformal import (
    adaptive_intervals,
    adaptive_sets,
    coverage,
    prediction_sets,
    split_intervals,
)
from finscale.evaluation.scores import probabilities

NUM_VALIDATION, NUM_TEST = 500, 500


def garch(rng: np.random.Generator, num_days: int = NUM_VALIDATION + NUM_TEST):
    """Return GARCH(1,1)-t5 returns of 1.1 % a day and their true volatility."""
    alpha, beta, level = 0.08, 0.90, 0.011
    shocks = rng.standard_t(5, num_days + 200) / np.sqrt(5 / 3)
    variance = np.empty(len(shocks))
    variance[0] = level**2
    for t in range(1, len(shocks)):
        variance[t] = level**2 * (1 - alpha - beta) + variance[t - 1] * (
            alpha * shocks[t - 1] ** 2 + beta
        )
    volatility = np.sqrt(variance)
    return (volatility * shocks)[200:], volatility[200:]


def split_coverage(rng) -> float:
    returns, _ = garch(rng)
    zeros = np.zeros(NUM_VALIDATION)
    intervals = split_intervals(returns[:NUM_VALIDATION], zeros, np.zeros(NUM_TEST))
    return float(intervals.covers(returns[NUM_VALIDATION:]).mean())


def scaled_coverage(rng) -> float:
    returns, volatility = garch(rng)
    before, after = slice(None, NUM_VALIDATION), slice(NUM_VALIDATION, None)
    intervals = split_intervals(
        returns[before],
        np.zeros(NUM_VALIDATION),
        np.zeros(NUM_TEST),
        scale=(volatility[before], volatility[after]),
    )
    return float(intervals.covers(returns[after]).mean())


def adaptive_coverage(rng, overlap: int = 1) -> float:
    returns, _ = garch(rng, NUM_VALIDATION + NUM_TEST + overlap - 1)
    sums = np.convolve(returns, np.ones(overlap), "valid")
    zeros = np.zeros(NUM_TEST)
    intervals = adaptive_intervals(
        sums[:NUM_VALIDATION],
        np.zeros(NUM_VALIDATION),
        np.arange(NUM_TEST),
        sums[NUM_VALIDATION:],
        zeros,
        overlap=overlap,
    )
    return float(intervals.covers(sums[NUM_VALIDATION:]).mean())


def weekly_coverage(rng) -> float:
    return adaptive_coverage(rng, overlap=5)


def fall(rng):
    """Will tomorrow fall by more than 1 %? Targets, and the true log odds."""
    returns, volatility = garch(rng)
    p = stats.t.cdf(-0.01 / volatility * np.sqrt(5 / 3), 5)
    return (returns < -0.01).astype(int), np.log(p / (1 - p))


def set_coverage(rng) -> float:
    target, logit = fall(rng)
    sets = adaptive_sets(
        target[:NUM_VALIDATION],
        logit[:NUM_VALIDATION],
        np.arange(NUM_TEST),
        target[NUM_VALIDATION:],
        logit[NUM_VALIDATION:],
    )
    return float(sets[np.arange(NUM_TEST), target[NUM_VALIDATION:]].mean())


def exchangeable_set_coverage(rng) -> float:
    """Split sets promise nothing under clustering; where days are exchangeable they hold."""
    target, logit = fall(rng)
    order = rng.permutation(len(target))
    before, after = order[:NUM_VALIDATION], order[NUM_VALIDATION:]
    sets = prediction_sets(target[before], logit[before], logit[after])
    return float(sets[np.arange(NUM_TEST), target[after]].mean())


METHODS = [
    split_coverage,
    scaled_coverage,
    adaptive_coverage,
    weekly_coverage,
    set_coverage,
    exchangeable_set_coverage,
]


@pytest.mark.parametrize("method", METHODS, ids=lambda x: x.__name__)
def test_coverage_is_near_nominal(method):
    rates = [method(np.random.default_rng(seed)) for seed in range(25)]
    assert np.mean(rates) == pytest.approx(0.90, abs=0.035)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda x: x.__name__)
def test_coverage_over_200_replicates_is_within_two_points(method):
    rates = [method(np.random.default_rng(seed)) for seed in range(200)]
    assert np.mean(rates) == pytest.approx(0.90, abs=0.02)


def test_split_is_the_quantile_of_validation_errors():
    errors = np.arange(1.0, 100.0)
    intervals = split_intervals(errors, np.zeros(99), [0.0, 10.0])
    assert intervals.high.tolist() == [90.0, 100.0]
    assert intervals.low.tolist() == [-90.0, -80.0]


def test_a_scale_lets_the_interval_breathe():
    errors = np.arange(1.0, 100.0)
    intervals = split_intervals(errors, np.zeros(99), [0.0, 0.0], scale=(np.ones(99), [1.0, 2.0]))
    assert (intervals.high - intervals.low).tolist() == [180.0, 360.0]


def test_adaptive_follows_a_market_that_doubles_its_volatility():
    """Split covers far too little after the break, adaptive regains its level."""
    rng = np.random.default_rng(0)
    calm, wild = rng.standard_normal(500), 2 * rng.standard_normal(1500)
    split = split_intervals(calm, np.zeros(500), np.zeros(1500)).covers(wild).mean()
    adaptive = adaptive_intervals(calm, np.zeros(500), np.arange(1500), wild, np.zeros(1500))
    assert split < 0.65
    assert adaptive.covers(wild)[300:].mean() == pytest.approx(0.90, abs=0.02)


@pytest.mark.parametrize("overlap", [1, 5])
def test_adaptive_uses_no_outcome_before_it_is_known(overlap):
    """Perturb every target from day 60 on: no interval up to day 60 + H − 1 moves."""
    rng = np.random.default_rng(1)
    validation, target = rng.standard_normal(100), rng.standard_normal(100)
    changed = target.copy()
    changed[60:] += 50
    first, second = (
        adaptive_intervals(
            validation, np.zeros(100), np.arange(100), y, np.zeros(100), overlap=overlap
        )
        for y in (target, changed)
    )
    last_same = 60 + overlap
    assert np.array_equal(first.high[:last_same], second.high[:last_same])
    assert first.high[last_same] != second.high[last_same]


def test_rows_of_one_day_share_a_level():
    rng = np.random.default_rng(2)
    dates = np.repeat(np.arange(50), 4)[::-1]
    intervals = adaptive_intervals(
        rng.standard_normal(80), np.zeros(80), dates, rng.standard_normal(200), np.zeros(200)
    )
    for day in range(50):
        assert len(np.unique(intervals.high[dates == day])) == 1


def test_a_level_that_runs_out_gives_everything_or_nothing():
    always_missed = adaptive_intervals(
        np.ones(20), np.zeros(20), np.arange(400), 1e9 ** (1 + np.arange(400) / 400),
        np.zeros(400), rate=0.5,
    )  # fmt: skip
    assert np.isinf(always_missed.high).any()
    always_hit = adaptive_intervals(
        np.ones(20), np.zeros(20), np.arange(60), np.zeros(60), np.zeros(60), rate=0.5
    )
    assert (always_hit.high == 0).any()


def test_sets_say_both_where_nothing_is_known():
    rng = np.random.default_rng(3)
    logit = 3 * rng.standard_normal(2000)
    target = (rng.random(2000) < probabilities(logit)).astype(int)
    sets = prediction_sets(target, logit, [-9.0, 0.0, 9.0])
    assert sets.tolist() == [[True, False], [True, True], [False, True]]


def test_coverage_by_year():
    dates = np.arange("2019-12-30", "2020-01-04", dtype="datetime64[D]")
    table = coverage([1, 1, 0, 1, 1], dates)
    assert table.select("year", "rows", "value").rows() == [
        ("all", 5, 0.8),
        ("2019", 2, 1.0),
        ("2020", 3, pytest.approx(2 / 3)),
    ]
    assert table.filter(pl.col("low") > pl.col("value")).is_empty()


def test_too_few_rows_are_refused():
    assert split_intervals(np.arange(11.0), np.zeros(11), [0.0]).high[0] == 10.0
    with pytest.raises(DataError, match="10 validation rows cannot give intervals at 90%"):
        split_intervals(np.zeros(10), np.zeros(10), [0.0])
    with pytest.raises(DataError, match="it takes 11 at least"):
        prediction_sets([0, 1], [0.0, 1.0], [0.0])
