"""Control labels: shuffled within quarters, or drawn with known odds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from finscale.config import TaskConfig
from finscale.data import fetch_bars, label
from finscale.data.controls import controlled_label, optimum, quarters, signal


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return fetch_bars("bundled", "SP500").adjusted()


def task(**changes) -> TaskConfig:
    return TaskConfig(name="threshold_1pct", **changes)


def test_a_shuffle_keeps_each_quarters_labels(frame) -> None:
    real = label(frame, task()).target_R
    shuffled = controlled_label(frame, task(control="permuted")).target_R
    assert (real[:-1] != shuffled[:-1]).mean() > 0.1
    assert np.isnan(shuffled[-1])
    quarter = quarters(frame["date"].to_numpy().astype("datetime64[D]"))[:-1]
    sums = [np.bincount(quarter, weights=t[:-1].astype(float)) for t in (real, shuffled)]
    assert np.array_equal(*sums)
    again = controlled_label(frame, task(control="permuted")).target_R
    assert np.array_equal(shuffled, again, equal_nan=True)
    other = controlled_label(frame, task(control="permuted", control_seed=1)).target_R
    assert not np.array_equal(shuffled, other, equal_nan=True)


def test_no_control_changes_nothing(frame) -> None:
    assert np.array_equal(
        controlled_label(frame, task()).target_R, label(frame, task()).target_R, equal_nan=True
    )


def test_planted_labels_have_the_odds_that_are_stated(frame) -> None:
    planted = task(control="planted", control_strength=1.5)
    labels = controlled_label(frame, planted)
    target = labels.target_R[20:-1].astype(float)
    log_odds = optimum(frame, planted)[20:-1]
    p = 1 / (1 + np.exp(-log_odds))
    # calibrated: within each fifth of the odds the share of yes is what they say, up to luck
    for part in np.array_split(np.argsort(p), 5):
        error = np.sqrt((p[part] * (1 - p[part])).sum()) / len(part)
        assert abs(target[part].mean() - p[part].mean()) < 4 * error
    assert "control: planted" in labels.timeline


def test_a_planted_return_has_its_signal_to_noise(frame) -> None:
    regression = TaskConfig(name="regression", control="planted", control_strength=0.5)
    target = controlled_label(frame, regression).target_R[20:-1].astype(float)
    best = optimum(frame, regression)[20:-1]
    slope = np.cov(target, best)[0, 1] / best.var()
    assert slope == pytest.approx(1.0, abs=0.1)
    real = label(frame, regression).target_R[20:-1].astype(float)
    assert target.std() == pytest.approx(real.std(), rel=0.1)


def test_the_signal_sees_no_future_and_21_bars(frame) -> None:
    whole = signal(frame)
    assert np.array_equal(signal(frame[:1000]), whole[:1000])
    assert signal(frame[979:1000])[-1] == pytest.approx(whole[999], rel=1e-9)
    assert not whole[:20].any()
    assert np.abs(whole).max() <= 3.0
    still = frame[:60].with_columns(close=pl.lit(100.0))
    assert not signal(still).any()


def test_draws_belong_to_their_day(frame) -> None:
    planted = task(control="planted")
    late = controlled_label(frame[500:], planted)
    # the base rate moves a little with the sample; the draws do not
    agree = late.target_R[20:-1] == controlled_label(frame, planted).target_R[520:-1]
    assert agree.mean() > 0.98
