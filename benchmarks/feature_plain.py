"""Columns of a200 that other libraries have, as one plain call each: TA-Lib, polars, pandas-ta.

A column is here if a user would write it in a line of TA-Lib or polars. What pandas-ta-classic has
too stands beside it; its own arithmetic, without TA-Lib below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import talib

Arrays = Mapping[str, np.ndarray]
_FIVE = ("open", "high", "low", "close", "volume")


def _series(values: np.ndarray) -> pl.Series:
    return pl.Series(values)


def _log_return(bars: Arrays) -> np.ndarray:
    return np.diff(np.log(bars["close"]), prepend=np.nan)


def _gap(kind: str, period: int) -> Callable[[Arrays], Any]:
    return lambda bars: np.log(bars["close"] / getattr(talib, kind)(bars["close"], period))


def _slope(kind: str, period: int) -> Callable[[Arrays], Any]:
    step = max(period // 5, 1)
    return lambda bars: talib.MOM(np.log(getattr(talib, kind)(bars["close"], period)), step) / step


def _over(kind: str, fast: int, slow: int) -> Callable[[Arrays], Any]:
    def ratio(bars: Arrays) -> Any:
        mean = getattr(talib, kind)
        return np.log(mean(bars["close"], fast) / mean(bars["close"], slow))

    return ratio


def _rolled(method: str, period: int) -> Callable[[Arrays], Any]:
    return lambda bars: getattr(_series(_log_return(bars)), f"rolling_{method}")(period)


def _volatility(period: int) -> Callable[[Arrays], Any]:
    return lambda bars: (_series(_log_return(bars) ** 2).rolling_mean(period).sqrt()).log()


def _place(period: int) -> Callable[[Arrays], Any]:
    def place(bars: Arrays) -> Any:
        high, low = talib.MAX(bars["high"], period), talib.MIN(bars["low"], period)
        return (bars["close"] - low) / (high - low)

    return place


def _usual(period: int) -> Callable[[Arrays], Any]:
    return lambda bars: np.log(bars["volume"] / talib.SMA(bars["volume"], period))


def _rank(of: Callable[[Arrays], Any], period: int) -> Callable[[Arrays], Any]:
    return lambda bars: pl.Series(of(bars)).fill_nan(None).rolling_rank(period, method="average")


def _stoch(period: int) -> Callable[[Arrays], Any]:
    return lambda bars: talib.STOCHF(bars["high"], bars["low"], bars["close"], period)[0]


def plain_columns() -> dict[str, Callable[[Arrays], Any]]:
    """Return the plain call of each column, by the name that the engine has for it."""
    found: dict[str, Callable[[Arrays], Any]] = {}
    for period in (9, 10, 20, 25, 90):
        found[f"dema_{period}"] = lambda bars, p=period: talib.DEMA(bars["close"], p)
    for period in (12, 50, 100, 200):
        found[f"sma_{period}"] = lambda bars, p=period: talib.SMA(bars["close"], p)
    found |= {
        "rsi_14": lambda bars: talib.RSI(bars["close"], 14),
        "stochrsi_k": lambda bars: talib.STOCHRSI(bars["close"]),
        "macd_12_26_9": lambda bars: talib.MACD(bars["close"]),
        "obv": lambda bars: talib.OBV(bars["close"], bars["volume"]),
        "adosc_3_10": lambda bars: talib.ADOSC(*(bars[name] for name in _FIVE[1:])),
        "atr_14": lambda bars: talib.ATR(*(bars[name] for name in _FIVE[1:4])),
        "adx_14": lambda bars: talib.ADX(*(bars[name] for name in _FIVE[1:4])),
        "bollinger_b_20": lambda bars: talib.BBANDS(bars["close"], 20),
        "cci_14_value": lambda bars: talib.CCI(*(bars[name] for name in _FIVE[1:4]), 14),
        "regime_from_top": lambda bars: (pl.Series(bars["close"]) / _top(bars)).log(),
        "cdl_doji": lambda bars: talib.CDLDOJI(*(bars[name] for name in _FIVE[:4])),
        "cdl_engulfing": lambda bars: talib.CDLENGULFING(*(bars[name] for name in _FIVE[:4])),
        "cdl_eveningstar": lambda bars: talib.CDLEVENINGSTAR(*(bars[name] for name in _FIVE[:4])),
        "op_klen": lambda bars: np.log(bars["high"] / bars["low"]),
        "op_kmid": lambda bars: np.log(bars["close"] / bars["open"]),
        "ema_20_rank": _rank(_gap("EMA", 20), 100),
        "sma_20_rank": _rank(_gap("SMA", 20), 100),
        "rsi_14_rank": _rank(lambda bars: talib.RSI(bars["close"], 14), 100),
        "vol_cc_20_rank": _rank(_volatility(20), 250),
    }
    for kind in ("SMA", "EMA", "DEMA", "WMA", "KAMA", "HMA"):
        for period in (5, 10, 20, 50, 100, 200):
            found[f"{kind.lower()}_{period}_gap"] = _gap(kind, period)
            found[f"{kind.lower()}_{period}_slope"] = _slope(kind, period)
        for fast, slow in ((10, 50), (20, 100)):
            found[f"{kind.lower()}_{fast}_over_{slow}"] = _over(kind, fast, slow)
    for period in (7, 14, 28, 50):
        found[f"rsi_{period}_value"] = lambda bars, p=period: talib.RSI(bars["close"], p)
        found[f"roc_{period}_value"] = lambda bars, p=period: talib.ROC(bars["close"], p)
        found[f"stoch_{period}_value"] = _stoch(period)
    for period in (5, 10, 20, 30, 60, 120, 250):
        found[f"vol_cc_{period}_value"] = _volatility(period)
        found[f"op_roc_{period}"] = lambda bars, p=period: talib.ROC(bars["close"], p)
        found[f"op_std_{period}"] = lambda bars, p=period: talib.STDDEV(bars["close"], p)
        found[f"range_place_{period}_value"] = _place(period)
        found[f"volume_usual_{period}_value"] = _usual(period)
        found[f"stat_skewness_{period}"] = _rolled("skew", period)
        found[f"stat_kurtosis_{period}"] = _rolled("kurtosis", period)
    return found


def _top(bars: Arrays) -> pl.Series:
    return pl.Series(bars["close"]).cum_max()


def pandas_columns() -> dict[str, Callable[[Any], Any]]:
    """Return pandas-ta-classic's call of each column that it has, from a pandas frame of bars.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    import pandas_ta_classic as ta

    def mean(kind: str, period: int) -> Callable[[Any], Any]:
        def gap(data: Any) -> Any:
            options = {} if kind in ("kama", "hma") else {"talib": False}
            return np.log(data.close / getattr(ta, kind)(data.close, length=period, **options))

        return gap

    found: dict[str, Callable[[Any], Any]] = {
        "obv": lambda data: ta.obv(data.close, data.volume, talib=False),
        "adosc_3_10": lambda d: ta.adosc(
            d.high, d.low, d.close, d.volume, fast=3, slow=10, talib=False
        ),
        "atr_14": lambda d: ta.atr(d.high, d.low, d.close, length=14, talib=False),
        "adx_14": lambda d: ta.adx(d.high, d.low, d.close, length=14),
        "macd_12_26_9": lambda d: ta.macd(d.close, talib=False),
        "cci_14_value": lambda d: ta.cci(d.high, d.low, d.close, length=14, talib=False),
        "bollinger_b_20": lambda d: ta.bbands(d.close, length=20, talib=False),
    }
    for kind in ("sma", "ema", "dema", "wma", "kama", "hma"):
        for period in (10, 20, 50, 100):
            found[f"{kind}_{period}_gap"] = mean(kind, period)
    for period in (7, 14, 28, 50):
        found[f"rsi_{period}_value"] = lambda d, p=period: ta.rsi(d.close, length=p, talib=False)
        found[f"roc_{period}_value"] = lambda d, p=period: ta.roc(d.close, length=p, talib=False)
        found[f"stoch_{period}_value"] = lambda d, p=period: ta.stoch(
            d.high, d.low, d.close, k=p, talib=False
        )
    for period in (20, 60, 120):
        found[f"stat_skewness_{period}"] = lambda d, p=period: ta.skew(d.close, length=p)
        found[f"stat_kurtosis_{period}"] = lambda d, p=period: ta.kurtosis(d.close, length=p)
    return found
