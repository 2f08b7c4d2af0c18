"""Candles: the shape of a bar and the patterns that TA-Lib recognises."""

from __future__ import annotations

import numpy as np

from finscale.features.declared.family import Family
from finscale.features.declared.parts import COMMON
from finscale.features.declared.relations import gap, lag, share
from finscale.features.feature import Array

#: Pattern of TA-Lib → rows before its first value.
PATTERNS = {
    "2crows": 12,
    "3blackcrows": 13,
    "3inside": 12,
    "3linestrike": 8,
    "3outside": 3,
    "3starsinsouth": 12,
    "3whitesoldiers": 12,
    "abandonedbaby": 12,
    "advanceblock": 12,
    "belthold": 10,
    "breakaway": 14,
    "closingmarubozu": 10,
    "concealbabyswall": 13,
    "counterattack": 11,
    "darkcloudcover": 11,
    "doji": 10,
    "dojistar": 11,
    "dragonflydoji": 10,
    "engulfing": 2,
    "eveningdojistar": 12,
    "eveningstar": 12,
    "gapsidesidewhite": 7,
    "gravestonedoji": 10,
    "hammer": 11,
    "hangingman": 11,
    "harami": 11,
    "haramicross": 11,
    "highwave": 10,
    "hikkake": 5,
    "hikkakemod": 10,
    "homingpigeon": 11,
    "identical3crows": 12,
    "inneck": 11,
    "invertedhammer": 11,
    "kicking": 11,
    "kickingbylength": 11,
    "ladderbottom": 14,
    "longleggeddoji": 10,
    "longline": 10,
    "marubozu": 10,
    "matchinglow": 6,
    "mathold": 14,
    "morningdojistar": 12,
    "morningstar": 12,
    "onneck": 11,
    "piercing": 11,
    "rickshawman": 10,
    "risefall3methods": 14,
    "separatinglines": 11,
    "shootingstar": 11,
    "shortline": 10,
    "spinningtop": 10,
    "stalledpattern": 12,
    "sticksandwich": 7,
    "takuri": 10,
    "tasukigap": 7,
    "thrusting": 11,
    "tristar": 12,
    "unique3river": 12,
    "upsidegap2crows": 12,
    "xsidegap3methods": 2,
}
#: Common ones, which small tiers take in before the others.
_FIRST = ("engulfing", "hammer", "doji", "harami", "shootingstar", "morningstar", "eveningstar")

FAMILY = Family("candles", COMMON)


def _body(open_: Array, high: Array, low: Array, close: Array) -> Array:
    return share(close - open_, high - low)


def _upper(open_: Array, high: Array, low: Array, close: Array) -> Array:
    return share(high - np.maximum(open_, close), high - low)


def _lower(open_: Array, high: Array, low: Array, close: Array) -> Array:
    return share(np.minimum(open_, close) - low, high - low)


def _overnight(open_: Array, close: Array) -> Array:
    return gap(open_, lag(close, 1))


def _pattern(*bars: Array, function: str, rows: int) -> Array:
    import talib

    values = getattr(talib, function)(*bars).astype(np.float64) / 100
    values[:rows] = np.nan
    return np.asarray(values)


_OHLC = "open high low close"
FAMILY.add("candle_body", _OHLC, _body, "body of the bar over its range, signed")
FAMILY.add("candle_upper", _OHLC, _upper, "upper shadow of the bar over its range")
FAMILY.add("candle_lower", _OHLC, _lower, "lower shadow of the bar over its range")
FAMILY.add("candle_gap", "open close", _overnight, "log of the open over the last close", extra=1)
for _name in sorted(PATTERNS, key=lambda name: (name not in _FIRST, name)):
    _function = f"CDL{_name.upper()}"
    FAMILY.add(
        f"cdl_{_name}",
        _OHLC,
        _pattern,
        "strength of the pattern: −1 (bearish) to 1, 2 when confirmed",
        f"TA-Lib {_function}",
        extra=PATTERNS[_name],
        recursive=True,
        function=_function,
        rows=PATTERNS[_name],
    )
