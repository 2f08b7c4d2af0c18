from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.features import CHANGES, prove_causality

CLOSE = pl.col("close")
RETURN = CLOSE.log().diff()


def unfinished_week(bars: pl.DataFrame) -> pl.Series:
    """The close of the calendar week that a day lies in, seen from its Monday on."""
    return bars.select(CLOSE.last().over(pl.col("date").dt.truncate("1w"))).to_series()


def unfinished_block(bars: pl.DataFrame) -> np.ndarray:
    """The high of the block of five sessions that a day lies in."""
    high = bars["high"].to_numpy()
    block = np.arange(bars.height) // 5
    return np.array([high[block == number].max() for number in block])


def counted_from_the_end(bars: pl.DataFrame) -> np.ndarray:
    return np.arange(bars.height)[::-1].astype(float)


def with_pandas(bars: pl.DataFrame):
    return bars.to_pandas()["close"].rolling(5, center=True).mean()


LEAKS = {
    "centred mean": CLOSE.rolling_mean(5, center=True),
    "back-filled warm-up": CLOSE.rolling_mean(20).fill_null(strategy="backward"),
    "unfinished weekly bar": unfinished_week,
    "unfinished five-session bar": unfinished_block,
    "full-sample z-score": (CLOSE - CLOSE.mean()) / CLOSE.std(),
    "full-sample min-max": (CLOSE - CLOSE.min()) / (CLOSE.max() - CLOSE.min()),
    "full-sample rank": CLOSE.rank() / pl.len(),
    "tomorrow's return": RETURN.shift(-1),
    "reversed running total": pl.col("volume").reverse().cum_sum().reverse(),
    "distance to the end": counted_from_the_end,
    "centred mean in pandas": with_pandas,
}

CAUSAL = {
    "mean": CLOSE.rolling_mean(20),
    "expanding z-score": (CLOSE - CLOSE.cum_sum() / CLOSE.cum_count()) / CLOSE.cum_max(),
    "rolling volatility": RETURN.rolling_std(21),
    "exponential mean": CLOSE.ewm_mean(span=20),
    "weekday": pl.col("date").dt.weekday(),
    "whole numbers": lambda bars: (bars["close"] > 50).cast(pl.Int64),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_planted_leaks_are_caught(leak, make_bars):
    report = prove_causality(LEAKS[leak], make_bars(300), name=leak)
    assert not report.causal
    assert report.leak.row <= report.leak.cut
    assert report.describe().startswith(f"{leak} sees the future: row {report.leak.row} (20")


@pytest.mark.parametrize("feature", CAUSAL)
def test_causal_features_raise_no_alarm(feature, make_bars):
    report = prove_causality(CAUSAL[feature], make_bars(300), name=feature)
    assert report.causal, report.describe()
    assert report.num_compared == sum(cut + 1 for cut in report.cuts) * len(CHANGES)
    assert "identical to the bit" in report.describe()


@pytest.mark.parametrize("fill", ["interpolated", "back-filled"])
def test_holes_filled_from_the_future_are_caught(fill, make_bars):
    bars = make_bars(400)
    hole = pl.Series(np.isin(np.arange(400), [150, 151, 290]))
    bars = bars.with_columns(close=pl.when(hole).then(None).otherwise(CLOSE))
    fills = {
        "interpolated": CLOSE.interpolate(),
        "back-filled": CLOSE.fill_null(strategy="backward"),
    }
    report = prove_causality(fills[fill], bars)
    assert report.leak.row in (150, 151, 290)
    assert prove_causality(CLOSE.fill_null(strategy="forward"), bars).causal


def test_the_report_names_the_first_row_and_the_difference(make_bars):
    bars = make_bars(60)
    leak = prove_causality(CLOSE.shift(-1) - CLOSE, bars, cuts=[30]).leak
    closes = bars["close"]
    assert (leak.cut, leak.row, leak.date, leak.change) == (30, 30, bars["date"][30], "scaled")
    assert leak.value == closes[31] - closes[30]
    assert leak.changed == pytest.approx(10 * closes[31] - closes[30])


def test_a_leak_at_one_row_only_is_found_when_every_row_is_cut(make_bars):
    bars = make_bars(120)
    month_end = pl.col("date") == pl.date(2020, 3, 31)
    feature = pl.when(month_end).then(CLOSE.shift(-1)).otherwise(CLOSE)
    row = bars["date"].to_list().index(dt.date(2020, 3, 31))
    assert prove_causality(feature, bars, cuts=range(119)).leak.row == row


def test_changed_bars_are_still_bars(make_bars):
    bars = make_bars(50)
    rng = np.random.default_rng(0)
    for name, change in CHANGES.items():
        future = change(bars[31:], rng)
        assert future.height == (0 if name == "absent" else 19)
        ordered = pl.col("low").le(pl.min_horizontal("open", "close")) & pl.col("high").ge(
            pl.max_horizontal("open", "close")
        )
        valid = future.select(ordered & (pl.col("low") > 0) & (pl.col("volume") >= 0))
        assert valid.to_series().all()


def test_a_feature_of_another_column_is_tested_on_it(make_bars):
    bars = make_bars(100).with_columns(rate=pl.int_range(100).cast(pl.Int32))
    assert prove_causality(pl.col("rate").rolling_mean(3), bars).causal
    assert not prove_causality(pl.col("rate").shift(-1), bars).causal


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (lambda bars: bars["close"].to_list()[5:], r"100 bars gave values of shape \(95,\)"),
        (lambda bars: np.random.default_rng().random(bars.height), "different values for the same"),
        (lambda bars: bars["close"].to_numpy() / (bars.height - 1 or None), "failed on 1 bars"),
    ],
)
def test_what_is_no_feature_is_refused(feature, message, make_bars):
    with pytest.raises(DataError, match=message):
        prove_causality(feature, make_bars(100))


@pytest.mark.parametrize("cuts", [[-1], [99], []])
def test_cuts_outside_the_bars_are_refused(cuts, make_bars):
    with pytest.raises(DataError, match="give cuts from 0 to 98"):
        prove_causality(CLOSE, make_bars(100), cuts=cuts)


def test_a_value_that_appears_with_the_future_reads_well(make_bars):
    feature = pl.when(CLOSE.max() > 200).then(CLOSE)
    leak = prove_causality(feature, make_bars(50), cuts=[20]).leak
    assert leak.describe().split(": ")[1].startswith("nan becomes ")


def test_a_declared_feature_is_found_by_its_name(sp500):
    assert prove_causality("obv", sp500[:60]).feature == "obv"
