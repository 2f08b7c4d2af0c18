"""The stationary bootstrap over decision days."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from finscale.evaluation.bootstrap import (
    Days,
    Resampler,
    day_means,
    day_weights,
    mean_interval,
    mean_intervals,
    optimal_block_length,
    paired_difference_interval,
    percentile_interval,
    small_sample_stretch,
    stationary_indices,
)


def autoregression(rng: np.random.Generator, num_series: int, num_days: int, phi: float):
    shocks = rng.standard_normal((num_series, num_days + 200))
    x = np.zeros_like(shocks)
    for t in range(1, shocks.shape[1]):
        x[:, t] = phi * x[:, t - 1] + shocks[:, t]
    return x[:, 200:]


@given(
    num_days=st.integers(1, 60),
    block_length=st.floats(1, 30),
    seed=st.integers(0, 2**31),
)
def test_indices_are_days_and_the_same_seed_gives_the_same_days(num_days, block_length, seed):
    indices = stationary_indices(num_days, block_length, 5, seed)
    assert indices.shape == (5, num_days)
    assert indices.dtype == np.int64
    assert indices.min() >= 0
    assert indices.max() < num_days
    assert np.array_equal(indices, stationary_indices(num_days, block_length, 5, seed))


def test_runs_go_forward_and_have_the_wanted_mean_length():
    indices = stationary_indices(1000, 8.0, 400, seed=3)
    continues = (indices[:, 1:] - indices[:, :-1]) % 1000 == 1
    # a jump lands on the next day once in a thousand, so the share that continues is 7/8
    assert continues.mean() == pytest.approx(7 / 8, abs=0.003)


def test_block_length_one_draws_days_independently():
    indices = stationary_indices(500, 1.0, 400, seed=0)
    continues = (indices[:, 1:] - indices[:, :-1]) % 500 == 1
    assert continues.mean() == pytest.approx(1 / 500, abs=0.001)


def test_every_day_is_drawn_equally_often():
    weights = day_weights(stationary_indices(50, 10.0, 4000, seed=1))
    assert weights.sum(axis=1) == pytest.approx(50)
    assert weights.mean(axis=0) == pytest.approx(1.0, abs=0.1)


def test_days_group_rows_in_order_of_time():
    dates = np.array(["2020-01-03", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    days, means = day_means(dates, [1.0, 5.0, 3.0])
    assert days.astype(str).tolist() == ["2020-01-02", "2020-01-03"]
    assert means.tolist() == [5.0, 2.0]
    assert Days.of(dates).counts.tolist() == [1.0, 2.0]


def test_block_length_follows_dependence_and_overlap():
    rng = np.random.default_rng(0)
    independent = rng.standard_normal(2000)
    dependent = autoregression(rng, 1, 2000, 0.9)[0]
    assert optimal_block_length(independent) < 5
    assert optimal_block_length(dependent) > 20
    assert optimal_block_length(independent, overlap=20) == 80
    both = np.column_stack([independent, dependent])
    assert optimal_block_length(both) == optimal_block_length(dependent)


def test_block_length_of_what_cannot_be_measured():
    assert optimal_block_length(np.ones(500)) == 1.0
    assert optimal_block_length(np.ones(500), overlap=5) == 20.0
    assert optimal_block_length([0.0, 1.0, 0.5]) == 1.0
    assert optimal_block_length(np.arange(30.0), overlap=50) == 10.0  # three blocks at least


def test_rows_of_one_day_count_once_as_evidence():
    """500 copies of a day's row narrow nothing: the interval is that of the days."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal(200)
    dates = np.arange(200)
    single = mean_interval(dates, values, block_length=1.0)
    copied = mean_interval(np.repeat(dates, 500), np.repeat(values, 500), block_length=1.0)
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high))
    assert single.high - single.low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)


def test_the_mean_is_over_rows_when_days_have_different_numbers_of_symbols():
    assert mean_interval([0, 0, 0, 1], [1.0, 1.0, 1.0, 5.0]).value == 2.0


def test_coverage_on_dependent_days():
    """AR(1), phi = .5: 95 % intervals hold the true mean about 95 times in a hundred."""
    series = autoregression(np.random.default_rng(2), 150, 500, 0.5)
    dates = np.arange(500)
    covered = [
        interval.low <= 0 <= interval.high
        for interval in (mean_interval(dates, x, num_replicates=300) for x in series)
    ]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_a_paired_difference_removes_what_both_share():
    rng = np.random.default_rng(7)
    shared = 10 * autoregression(rng, 1, 400, 0.9)[0]
    skill = paired_difference_interval(
        np.arange(400), shared + 0.1 + 0.1 * rng.standard_normal(400), shared
    )
    assert skill.value == pytest.approx(0.1, abs=0.02)
    assert 0.05 < skill.low < skill.high < 0.15


def test_small_samples_stretch_intervals_and_large_ones_do_not():
    assert small_sample_stretch(500, 20.0) == pytest.approx(
        stats.t.ppf(0.975, 25) / stats.norm.ppf(0.975) / np.sqrt(0.92)
    )
    assert small_sample_stretch(1_000_000, 20.0) == pytest.approx(1.0, abs=1e-4)
    assert small_sample_stretch(30, 10.0) < 3
    metric = percentile_interval(1.0, [0.0, 3.0], level=0.999999, stretch=2.0)
    assert (metric.low, metric.high) == pytest.approx((-1.0, 5.0), abs=1e-4)


def test_undefined_replicates_are_left_out():
    metric = percentile_interval(1.0, [np.nan, 0.0, 1.0, 2.0], level=0.5)
    assert (metric.low, metric.high) == (0.5, 1.5)
    assert np.isnan(percentile_interval(1.0, [np.nan]).low)
    assert str(metric) == "1 [0.5, 1.5]"


def test_several_columns_have_the_intervals_and_lengths_that_each_has_alone():
    rng = np.random.default_rng(7)
    walk = np.cumsum(rng.standard_normal(300))
    columns = np.column_stack([rng.standard_normal(300), walk, np.ones(300)])
    dates = np.arange(300) // 2
    together = mean_intervals(dates, columns, num_replicates=200, overlap=3)
    drawn = Resampler.each(dates, columns, num_replicates=200, overlap=3)
    for column, metric, resampler in zip(columns.T, together, drawn, strict=True):
        alone = mean_interval(dates, column, num_replicates=200, overlap=3)
        assert (metric.value, metric.low, metric.high) == pytest.approx(
            (alone.value, alone.low, alone.high), rel=1e-12
        )
        single = Resampler.over(dates, column, num_replicates=200, overlap=3)
        assert resampler.block_length == pytest.approx(single.block_length, rel=1e-12)
        assert np.array_equal(resampler.replicates.indices(), single.replicates.indices())
    assert mean_intervals(dates, columns[:, :1], block_length=2.0)[0] == mean_interval(
        dates, columns[:, 0], block_length=2.0
    )
