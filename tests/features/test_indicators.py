from __future__ import annotations

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from finscale.features.indicators import (
    bollinger_percent_b,
    rolling_vwap,
    talib_function,
    window_sum,
)


@pytest.fixture
def closes():
    return 100 + np.cumsum(np.random.default_rng(1).normal(0, 1, 120))


def test_a_talib_function_gives_talibs_own_numbers(closes):
    line = talib_function("MACD")(closes, fastperiod=12, slowperiod=26, signalperiod=9)
    signal = talib_function("MACD", output=1)(closes)
    expected = talib.MACD(closes, 12, 26, 9)
    np.testing.assert_array_equal(line, expected[0])
    np.testing.assert_array_equal(signal, expected[1])


def test_stochrsi_k_is_the_rsi_within_its_range(closes):
    rsi = talib.RSI(closes, 14)
    low, high = talib.MIN(rsi, 5), talib.MAX(rsi, 5)
    k = talib_function("STOCHRSI")(closes, timeperiod=14, fastk_period=5, fastd_period=3)
    np.testing.assert_allclose(
        k[20:], (100 * (rsi - low) / (high - low))[20:], rtol=1e-9, atol=1e-9
    )


def test_percent_b_is_the_z_score_moved_to_zero_and_one(closes):
    mean, spread = talib.SMA(closes, 20), talib.STDDEV(closes, 20)
    expected = ((closes - mean) / spread + 2) / 4
    percent = bollinger_percent_b(closes, timeperiod=20, deviations=2.0)
    assert np.isnan(percent[:19]).all()
    np.testing.assert_allclose(percent[19:], expected[19:], rtol=1e-9)


def test_percent_b_of_bands_without_width_is_a_half():
    percent = bollinger_percent_b(np.full(30, 7.0), timeperiod=20, deviations=2.0)
    assert (percent[19:] == 0.5).all()


def test_vwap_of_three_bars():
    high, low, close = np.array([[12.0, 14, 16], [9.0, 11, 13], [12.0, 11, 13]])
    volume = np.array([1.0, 2, 1])  # typical prices 11, 12, 14
    vwap = rolling_vwap(high, low, close, volume, window=3)
    np.testing.assert_allclose(vwap, [np.nan, np.nan, (11 + 2 * 12 + 14) / 4])


def test_vwap_without_volume_is_the_mean_typical_price_however_large_it_was_before():
    prices = np.arange(1.0, 41.0)
    volume = np.r_[np.full(20, 0.1), np.zeros(20)]
    vwap = rolling_vwap(prices, prices, prices, volume, window=20)
    assert vwap[-1] == 30.5


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=0, max_size=60),
    st.integers(1, 40),
)
def test_window_sum_is_the_sum_of_the_window(values, window):
    values = np.array(values, dtype=float)
    result = window_sum(values, window)
    assert result.shape == values.shape
    assert np.isnan(result[: window - 1]).all()
    for row in range(window - 1, len(values)):
        part = values[row - window + 1 : row + 1]
        assert result[row] == pytest.approx(part.sum(), abs=1e-9 * np.abs(part).sum() + 1e-300)
