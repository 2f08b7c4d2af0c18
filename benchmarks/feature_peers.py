"""Tier a20 by other libraries: frame in, frame out, each as its documentation shows it.

Where a library lacks an indicator (``ta`` has no DEMA and no ADOSC), its nearest stands in.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import polars as pl

DEMA, SMA = (9, 10, 20, 25, 90), (12, 50, 100, 200)


def polars_talib(frame: pl.DataFrame) -> int:
    """TA-Lib as polars expressions."""
    import polars_talib as ta

    high, low, close, volume = (pl.col(name) for name in ("high", "low", "close", "volume"))
    typical = (high + low + close) / 3
    whole = frame.with_columns(
        *(ta.dema(close, timeperiod=period).alias(f"dema_{period}") for period in DEMA),
        *(ta.sma(close, timeperiod=period).alias(f"sma_{period}") for period in SMA),
        ta.rsi(close, timeperiod=14).alias("rsi"),
        ta.stochrsi(close).alias("stochrsi"),
        ta.macd(close).alias("macd"),
        ta.obv(close, volume).alias("obv"),
        ta.adosc(high, low, close, volume).alias("adosc"),
        ta.atr(high, low, close).alias("atr"),
        ta.adx(high, low, close).alias("adx"),
        ta.bbands(close, timeperiod=20).alias("bands"),
        (
            ta.sum(typical * volume, timeperiod=20) / ta.sum(volume, timeperiod=20)
        ).alias("vwap"),
    )  # fmt: skip
    weekly = frame.select(pl.col("close").gather_every(5, 4)).select(
        ta.rsi(close, timeperiod=14).alias("rsi_5d"), ta.stochrsi(close).alias("stochrsi_5d")
    )
    return whole.width + weekly.width


def pandas_ta(frame: pl.DataFrame, *, talib: bool) -> int:
    """pandas-ta-classic on pandas series; with TA-Lib below it, or by its own arithmetic."""
    import pandas as pd
    import pandas_ta_classic as ta

    data = frame.to_pandas()
    high, low, close, volume = (data[name] for name in ("high", "low", "close", "volume"))
    weekly = close[4::5].reset_index(drop=True)
    columns = [
        *(ta.dema(close, length=period, talib=talib) for period in DEMA),
        *(ta.sma(close, length=period, talib=talib) for period in SMA),
        *(ta.rsi(prices, length=14, talib=talib) for prices in (close, weekly)),
        *(ta.stochrsi(prices, length=5, rsi_length=14, k=1, d=3) for prices in (close, weekly)),
        ta.macd(close, talib=talib),
        ta.obv(close, volume, talib=talib),
        ta.adosc(high, low, close, volume, fast=3, slow=10, talib=talib),
        ta.atr(high, low, close, length=14, talib=talib),
        ta.adx(high, low, close, length=14),
        ta.bbands(close, length=20, talib=talib),
        ta.vwma((high + low + close) / 3, volume, length=20),
    ]
    return pd.concat([data, *columns], axis=1).shape[1]


def ta(frame: pl.DataFrame) -> int:
    """Classes of indicators on pandas series."""
    import pandas as pd
    from ta import momentum, trend, volatility, volume

    data = frame.to_pandas()
    high, low, close, traded = (data[name] for name in ("high", "low", "close", "volume"))
    weekly = close[4::5].reset_index(drop=True)

    def dema(period: int) -> Any:
        once = trend.ema_indicator(close, period)
        return 2 * once - trend.ema_indicator(once, period)

    columns = [
        *(dema(period) for period in DEMA),
        *(trend.sma_indicator(close, period) for period in SMA),
        *(momentum.rsi(prices, 14) for prices in (close, weekly)),
        *(momentum.stochrsi_k(prices, 14, 3, 3) for prices in (close, weekly)),
        trend.macd(close),
        volume.on_balance_volume(close, traded),
        volume.acc_dist_index(high, low, close, traded),
        volatility.average_true_range(high, low, close, 14),
        trend.adx(high, low, close, 14),
        volatility.bollinger_pband(close, 20),
        volume.volume_weighted_average_price(high, low, close, traded, 20),
    ]
    return pd.concat([data, *columns], axis=1).shape[1]


def installed_peers() -> tuple[dict[str, Callable[[pl.DataFrame], int]], list[str]]:
    """Return the peers that can be imported, and the modules of those that cannot."""
    peers: dict[str, tuple[str, Callable[[pl.DataFrame], int]]] = {
        "polars-talib": ("polars_talib", polars_talib),
        "pandas-ta-classic with TA-Lib": ("pandas_ta_classic", lambda f: pandas_ta(f, talib=True)),
        "pandas-ta-classic": ("pandas_ta_classic", lambda f: pandas_ta(f, talib=False)),
        "ta": ("ta", ta),
    }
    found, missing = {}, []
    for name, (module, compute) in peers.items():
        try:
            importlib.import_module(module)
            found[name] = compute
        except ImportError:
            missing.append(module)
    return found, missing
