"""Replicates as runs of days, against replicates as days; block lengths against arch."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from arch.bootstrap import optimal_block_length as arch_block_length
from hypothesis import given
from hypothesis import strategies as st

from finscale.evaluation.block_length import politis_white
from finscale.evaluation.blocks import drawn_by_turns, runs, stationary_replicates
from finscale.evaluation.bootstrap import (
    Resampler,
    day_weights,
    percentile_intervals,
    stationary_indices,
)
from finscale.evaluation.scores import weighted_mean


def walk(num_days: int, block_length: float, num_replicates: int, seed: int) -> np.ndarray:
    """Return the days of replicates, one step after the other, as the definition says."""
    rng = np.random.default_rng(seed)
    uniform = rng.random((num_replicates, num_days))
    drawn = rng.integers(0, num_days, size=(num_replicates, num_days))
    for row, jumps in zip(drawn, uniform < 1 / block_length, strict=True):
        for day in range(1, num_days):
            if not jumps[day]:
                row[day] = (row[day - 1] + 1) % num_days
    return drawn


@given(
    num_days=st.integers(1, 70),
    block_length=st.floats(1, 8) | st.floats(1, 200),
    num_columns=st.integers(1, 5),
    seed=st.integers(0, 50),
)
def test_runs_hold_the_days_of_the_definition(num_days, block_length, num_columns, seed):
    days_RT = walk(num_days, block_length, 7, seed)
    replicates = stationary_replicates(num_days, block_length, 7, seed)
    assert np.array_equal(replicates.indices(), days_RT)
    assert np.array_equal(replicates.weights, day_weights(days_RT))
    values_TK = np.random.default_rng(seed + 1).normal(3.0, 1.0, (num_days, num_columns))
    expected = pytest.approx(values_TK[days_RT].sum(axis=1), rel=1e-12)
    assert replicates.sums(values_TK) == expected


def test_lengths_asked_for_before_change_nothing():
    for block_length in (40.0, 3.0, 41.0, 3.3, 1.0):
        own = stationary_replicates(300, block_length, 20, 5)
        assert np.array_equal(own.indices(), walk(300, block_length, 20, 5))


def test_no_replicates_give_no_sums():
    blocks = stationary_replicates(10, 2.0, 0)
    assert blocks.sums(np.ones((10, 3))).shape == (0, 3)
    assert blocks.weights.shape == (0, 10)


@pytest.mark.parametrize("block_length", [1, 4, 25])
def test_days_drawn_by_turns_are_those_of_arch(block_length):
    values_T = np.random.default_rng(1).standard_normal(120)
    outside = StationaryBootstrap(block_length, values_T, seed=3)
    expected = [data[0][0].sum() for data in outside.bootstrap(30)]
    own = runs(*drawn_by_turns(120, 30, 3), block_length).sums(values_T[:, None])[:, 0]
    assert own == pytest.approx(expected, abs=1e-11)


def series(phi: float, num_days: int, seed: int) -> np.ndarray:
    x_TK = np.random.default_rng(seed).standard_normal((num_days, 3))
    for day in range(1, num_days):
        x_TK[day] += phi * x_TK[day - 1]
    return x_TK


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.3, 0.95])
@pytest.mark.parametrize("num_days", [10, 11, 40, 252, 1005, 2000])
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_block_lengths_are_those_of_arch(phi, num_days):
    x_TK = series(phi, num_days, num_days)
    outside = arch_block_length(x_TK)["stationary"].to_numpy()
    assert politis_white(x_TK) == pytest.approx(outside, rel=1e-10)


def test_blocks_are_never_longer_than_three_roots_of_the_days():
    shocks = np.random.default_rng(0).normal(0.0, 0.1, (500, 1))
    x_TK = (-1.0) ** np.arange(500)[:, None] + shocks
    assert politis_white(x_TK).tolist() == [68.0]
    assert arch_block_length(x_TK)["stationary"].tolist() == [68.0]


@given(
    num_replicates=st.integers(1, 40),
    level=st.floats(0.5, 0.99),
    stretch=st.floats(1, 2),
    seed=st.integers(0, 100),
)
def test_intervals_are_numpy_s_quantiles_of_what_is_defined(num_replicates, level, stretch, seed):
    rng = np.random.default_rng(seed)
    replicates_KR = rng.standard_normal((4, num_replicates))
    replicates_KR[1, rng.random(num_replicates) < 0.4] = np.nan
    replicates_KR[2, rng.random(num_replicates) < 0.2] = np.inf
    replicates_KR[3] = np.nan
    values = [0.1, 0.2, 0.3, 0.4]
    metrics = percentile_intervals(values, replicates_KR, level=level, stretch=stretch)
    tails = [(1 - level) / 2, 1 - (1 - level) / 2]
    for value, replicates_R, metric in zip(values, replicates_KR, metrics, strict=True):
        defined = replicates_R[np.isfinite(replicates_R)]
        bounds = value + stretch * (np.quantile(defined, tails) - value) if len(defined) else None
        assert metric.value == value
        if bounds is None:
            assert np.isnan([metric.low, metric.high]).all()
        else:
            assert [metric.low, metric.high] == pytest.approx(bounds.tolist(), abs=1e-12)


def test_means_of_groups_are_those_of_weighted_rows():
    """Two symbols a day for some days, and a group that few replicates draw."""
    rng = np.random.default_rng(4)
    dates = np.sort(rng.integers(0, 60, 90))
    values = rng.standard_normal(90)
    groups = np.column_stack([np.ones(90, bool), dates < 30, dates == dates[0]])
    resampler = Resampler.over(dates, values, block_length=3.0, num_replicates=200)
    for number, metric in enumerate(resampler.means(values, groups)):
        mask = groups[:, number]
        score = {"mean": lambda w, mask=mask: weighted_mean(values[mask], w)}
        expected = resampler.where(mask).metrics(score)["mean"]
        assert vars(metric) == pytest.approx(vars(expected), abs=1e-12)


def test_days_are_drawn_from_the_same_numbers_as_ever():
    """A golden: the days behind every interval that was ever printed."""
    assert stationary_indices(12, 3.0, 2, seed=0).tolist() == [
        [3, 7, 9, 4, 5, 6, 7, 8, 9, 10, 11, 7],
        [10, 8, 9, 4, 5, 6, 6, 7, 10, 6, 7, 8],
    ]
