from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from finscale.data import fetch_bars
from finscale.data.frames import level_names, relative_names
from finscale.errors import FinscaleError
from finscale.features import (
    FEATURES,
    TIERS,
    Feature,
    compute_features,
    declared_features,
    prove_causality,
    relative_columns,
    relative_features,
    tier_features,
)
from finscale.features.feature import INPUTS

PRICES = pl.col("open", "high", "low", "close")
ROW = pl.int_range(pl.len())
#: Those of larger tiers are as they are, and stand in test_catalogue.py.
LARGEST = "a20"
RELATIVE = relative_features(LARGEST)
BARS = ("open", "high", "low", "close", "volume", "volatility")


def held(bars, from_row):
    """The bars with every price from a row on held, and no volume."""
    row = pl.min_horizontal(ROW, from_row)
    return bars.with_columns(PRICES.gather(row), volume=pl.when(from_row > ROW).then("volume"))


#: Bars that a formula might not have thought of, made of random ones.
ODD = {
    "as they are": lambda bars: bars,
    "no volume at all": lambda bars: bars.with_columns(volume=pl.lit(0.0)),
    "no price move": lambda bars: bars.with_columns(PRICES * 0 + 3.3),
    "neither": lambda bars: bars.with_columns(PRICES * 0 + 3.3, volume=pl.lit(0.0)),
    "halted": lambda bars: held(bars, 250).with_columns(pl.col("volume").fill_null(0.0)),
    "a new price every seventh bar": lambda bars: bars.with_columns(PRICES.gather(ROW // 7 * 7)),
    "crashed to a ten-thousandth": lambda bars: bars.with_columns(
        PRICES * pl.when(ROW < 250).then(1.0).otherwise(1e-4)
    ),
    "tiny": lambda bars: bars.with_columns(PRICES * 1e-10, volume=pl.col("volume") * 1e-6),
    "huge": lambda bars: bars.with_columns(PRICES * 1e10, volume=pl.col("volume") * 1e6),
}


@pytest.mark.parametrize("odd", ODD)
def test_no_relative_column_knows_the_unit_of_prices_or_volume(odd, make_bars):
    bars = ODD[odd](make_bars(500))
    here = relative_columns(bars, LARGEST)
    there = relative_columns(bars.with_columns(PRICES * 10, pl.col("volume") * 7), LARGEST)
    for feature in RELATIVE:
        x, y = here[feature.name].to_numpy(), there[feature.name].to_numpy()
        assert np.isfinite(x[feature.lookback :]).all(), feature.name
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9, err_msg=feature.name)


@pytest.mark.parametrize("symbol", ["SP500", "NASDAQ"])
def test_nor_on_real_bars(symbol):
    bars = fetch_bars("bundled", symbol).adjusted()
    there = relative_columns(bars.with_columns(PRICES * 10, pl.col("volume") * 7))
    for here, other in zip(relative_columns(bars), there, strict=True):
        np.testing.assert_allclose(here, other, rtol=1e-9, atol=1e-9, err_msg=here.name)


def test_the_level_columns_do_know_it(make_bars):
    """The test above can fail: what it compares is not alike for other reasons."""
    here, there = (
        compute_features(bars, "a20")[-1]
        for bars in (make_bars(300), make_bars(300).with_columns(PRICES * 10))
    )
    assert there["sma_50"][0] == pytest.approx(10 * here["sma_50"][0])


@pytest.mark.parametrize("feature", RELATIVE, ids=lambda feature: feature.name)
def test_lookback_is_the_first_finite_row(feature, sp500):
    values = compute_features(sp500[:400], [feature])[feature.name].to_numpy()
    assert np.isnan(values[: feature.lookback]).all()
    assert np.isfinite(values[feature.lookback :]).all()


@pytest.mark.parametrize("feature", RELATIVE, ids=lambda feature: feature.name)
def test_none_sees_the_future_of_real_bars(feature, sp500):
    report = prove_causality(feature, sp500[:2500])
    assert report.causal, report.describe()


@pytest.mark.parametrize("feature", RELATIVE, ids=lambda feature: feature.name)
def test_none_sees_the_future_of_random_bars_after_any_row(feature, make_bars):
    bars = make_bars(feature.lookback + 40, seed=3)
    report = prove_causality(feature, bars, cuts=range(bars.height - 1))
    assert report.causal, report.describe()


def test_there_is_one_for_each_bar_column_and_feature(sp500):
    columns = relative_columns(sp500[:250])
    names = (*BARS, *TIERS["a20"])
    assert columns.columns == [f"rel_{name}" for name in names]
    assert columns.columns == [feature.name for feature in relative_features("a20")]
    assert set(columns.dtypes) == {pl.Float64}
    whole = compute_features(sp500[:250], "a20").hstack(columns)
    assert relative_names(whole.columns) == tuple(columns.columns)
    assert level_names(whole.columns) == (*INPUTS, *TIERS["a20"])


def test_columns_by_hand(make_bars):
    bars = make_bars(300)
    last = compute_features(bars, "a20").hstack(relative_columns(bars)).row(-1, named=True)
    for name in ("open", "high", "low", "sma_200", "dema_9", "vwap_20", "atr_14"):
        assert last[f"rel_{name}"] == pytest.approx(np.log(last[name] / last["close"]))
    closes, volume = bars["close"].to_list(), bars["volume"]
    assert last["rel_close"] == pytest.approx(np.log(closes[-1] / closes[-2]))
    assert last["rel_volume"] == pytest.approx(np.log(volume[-1] / volume[-20:].mean()))
    assert last["rel_macd_12_26_9"] == pytest.approx(last["macd_12_26_9"] / last["close"])
    assert last["rel_rsi_14_5d"] == last["rsi_14_5d"]
    obv = compute_features(bars, ["obv"])["obv"]
    assert last["rel_obv"] == pytest.approx((obv[-1] - obv[-21]) / volume[-20:].sum())
    assert last["rel_adosc_3_10"] == pytest.approx(last["adosc_3_10"] / volume[-20:].mean())


def test_computed_columns_are_taken_as_they_are(sp500):
    bars = sp500[:300]
    assert relative_columns(compute_features(bars, "a20")).equals(relative_columns(bars))
    doubled = relative_columns(compute_features(bars, "a20").with_columns(pl.col("rsi_14") * 2))
    assert doubled["rel_rsi_14"][-1] == 2 * relative_columns(bars)["rel_rsi_14"][-1]


@pytest.mark.parametrize("num_rows", [1, 2, 19, 20])
def test_a_few_bars_are_all_warm_up_or_finite(num_rows, make_bars):
    columns = relative_columns(make_bars(num_rows))
    assert columns.height == num_rows
    for feature in RELATIVE:
        finite = np.isfinite(columns[feature.name].to_numpy())
        assert finite.tolist() == [row >= feature.lookback for row in range(num_rows)]


def test_they_are_found_by_name(sp500):
    known = declared_features(["rel_volume", "rel_obv", "obv", "rel_nonsense", "close"])
    assert list(known) == ["rel_volume", "rel_obv", "obv"]
    assert known["obv"] is FEATURES["obv"]
    assert (known["rel_obv"].lookback, known["rel_obv"].recursive) == (20, True)
    assert prove_causality("rel_obv", sp500[:60]).feature == "rel_obv"
    with pytest.raises(FinscaleError, match="'nonsense' is not a feature"):
        prove_causality("rel_nonsense", sp500[:60])


def test_a_leak_in_a_feature_is_one_in_its_relative_column(sp500, monkeypatch):
    leak = Feature("ahead", ("close",), lambda close: np.roll(close, -1), 0, "planted", "price")
    monkeypatch.setattr(FEATURES, "_entries", {**FEATURES, "ahead": leak})
    monkeypatch.setattr(TIERS, "_entries", {"bad": ("ahead",)})
    assert tier_features("bad") == (leak,)
    caught = [f.name for f in relative_features("bad") if not prove_causality(f, sp500[:80]).causal]
    assert caught == ["rel_ahead"]
