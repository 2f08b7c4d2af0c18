"""Intervals that hold several means at once: their level, their width, what luck adds."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.evaluation.bootstrap import mean_interval
from finscale.evaluation.simultaneous import simultaneous_intervals

DAYS = 120


def misses(num_worlds: int, num_columns: int, num_seeds: int = 0) -> tuple[float, float]:
    """Return how often an interval misses a mean of 0, at once and one by one."""
    rng = np.random.default_rng(1)
    at_once = alone = 0
    for _ in range(num_worlds):
        values_TK = rng.standard_normal((DAYS, num_columns))
        luck = {}
        if num_seeds:
            # as much luck of seeds as of days, and an estimate of it pooled over the columns
            seeds_SK = rng.standard_normal((num_seeds, num_columns)) * np.sqrt(num_seeds / DAYS)
            values_TK = values_TK + seeds_SK.mean(axis=0)
            degrees = num_columns * (num_seeds - 1)
            pooled = seeds_SK.var(axis=0, ddof=1).mean()
            luck = {"luck_K": np.sqrt(pooled / num_seeds), "degrees_K": degrees}
        found = simultaneous_intervals(values_TK, num_replicates=200, **luck)
        at_once += any(m.low > 0 or m.high < 0 for m in found)
        error_K = values_TK.std(axis=0) / np.sqrt(DAYS)
        alone += bool((np.abs(values_TK.mean(axis=0)) > 1.96 * error_K).any())
    return at_once / num_worlds, alone / num_worlds


def test_all_means_are_held_at_once() -> None:
    at_once, alone = misses(200, 6)
    assert 0.01 <= at_once <= 0.1
    assert alone > 0.15  # one by one, six intervals of 95 % miss some mean far more often


def test_the_luck_of_few_seeds_is_held_too() -> None:
    at_once, alone = misses(200, 4, num_seeds=3)
    assert 0.01 <= at_once <= 0.1
    assert alone > 0.3  # intervals that know of days alone


def test_one_column_has_its_own_interval_and_copies_share_it() -> None:
    values_T = np.random.default_rng(2).standard_normal(600)
    alone = mean_interval(np.arange(600), values_T)
    one, *_ = simultaneous_intervals(values_T[:, None])
    assert one.value == pytest.approx(values_T.mean())
    assert one.high - one.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert one.value - one.low == pytest.approx(one.high - one.value)
    first, second = simultaneous_intervals(np.column_stack([values_T, values_T]))
    for copy in (first, second):
        assert (copy.low, copy.high) == pytest.approx((one.low, one.high))


def test_days_that_never_differ_leave_no_doubt() -> None:
    noise_T = np.random.default_rng(3).standard_normal(300)
    same, moving = simultaneous_intervals(np.column_stack([np.full(300, 0.1), noise_T]))
    assert (same.low, same.high) == (same.value, same.value) == pytest.approx((0.1, 0.1))
    assert moving.low < moving.value < moving.high


def test_overlapping_labels_widen_intervals() -> None:
    values_TK = np.random.default_rng(4).standard_normal((400, 2))
    wide, narrow = (simultaneous_intervals(values_TK, overlap=h)[0] for h in (10, 1))
    assert wide.high - wide.low > narrow.high - narrow.low
