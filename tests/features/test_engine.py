from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from finscale.data.timescales import SLOWER, last_finished, resample
from finscale.errors import DataError
from finscale.features import compute_features
from finscale.features.engine import bar_arrays, compute_columns
from finscale.features.feature import INPUTS, Feature


def test_columns_follow_the_bars_in_the_tiers_order(make_bars):
    bars = make_bars(250).with_columns(mood=pl.lit("calm"))
    names = compute_features(bars, "a20").columns
    assert names[:7] == ["date", *INPUTS, "mood"]
    assert names[7:9] == ["dema_9", "dema_10"]
    assert len(names) == 27


def test_a_series_shorter_than_every_lookback_is_all_warm_up(make_bars):
    computed = compute_features(make_bars(4), ["sma_12", "rsi_14_5d", "vwap_20"])
    assert np.isnan(computed.select("sma_12", "rsi_14_5d", "vwap_20").to_numpy()).all()


def test_a_row_sees_the_last_finished_five_day_bar(make_bars):
    bars = make_bars(203)
    seen = compute_features(bars, ["rsi_14_5d"])["rsi_14_5d"].to_numpy()
    on_blocks = talib.RSI(bars["close"].to_numpy()[4:200:5].copy(), 14)
    assert seen[74] == on_blocks[14]
    assert np.isnan(seen[73])
    for row in range(74, 203):
        assert seen[row] == on_blocks[(row + 1) // 5 - 1]


@given(
    num_rows=st.integers(0, 70),
    scale=st.sampled_from(SLOWER),
    closed=st.sets(st.integers(0, 100), max_size=20),
)
def test_slower_bars_of_features_are_those_of_the_timescales(num_rows, scale, closed):
    rng = np.random.default_rng(num_rows)
    days = np.busday_offset("2024-01-03", np.arange(num_rows + len(closed)), roll="forward")
    days = np.delete(days, [k for k in closed if k < days.size])
    values = {name: rng.random(days.size) for name in INPUTS}
    frame = pl.DataFrame({"date": pl.Series(days, dtype=pl.Date)} | values)
    slower, seen_R = resample(frame, scale), last_finished(frame, scale)
    features = [Feature(n, (n,), lambda x: x, 0, "", "bounded", timescale=scale) for n in INPUTS]
    for name, found_R in compute_columns(bar_arrays(frame), features):
        for row, bar in enumerate(seen_R):
            expected = slower[name][int(bar)] if bar >= 0 else np.nan
            np.testing.assert_allclose(found_R[row], expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("volume"), "no column volume"),
        (lambda f: f.reverse(), "not in order of date"),
        (lambda f: f.with_columns(volume=pl.col("volume").cast(pl.Int64)), "volume is Int64"),
        (lambda f: f.with_columns(symbol=pl.Series(["A"] * 9 + ["B"])), "more than one symbol"),
        (
            lambda f: f.with_columns(close=pl.Series([1.0] * 3 + [None] + [1.0] * 6)),
            "close has no value on 2020-01-06",
        ),
        (
            lambda f: f.with_columns(low=pl.Series([1.0] * 4 + [np.nan] * 6)),
            "low has no value on 2020-01-07",
        ),
    ],
)
def test_bars_that_would_give_nonsense_are_refused(change, message, make_bars):
    with pytest.raises(DataError, match=message):
        compute_features(change(make_bars(10)), "a20")
