"""The twenty features of a20, level columns all, by family."""

from __future__ import annotations

from dataclasses import replace

from finscale.features.feature import Feature
from finscale.features.indicators import bollinger_percent_b, rolling_vwap, talib_function


def _talib(
    name: str,
    function: str,
    inputs: str,
    lookback: int,
    source: str = "",
    *,
    seen: str,
    sessions: int = 1,
    recursive: bool = True,
    **parameters: int,
) -> Feature:
    """Declare the first output of a function of TA-Lib, with ``lookback`` in its own bars."""
    return Feature(
        name=name if sessions == 1 else f"{name}_{sessions}d",
        inputs=tuple(inputs.split()),
        compute=talib_function(function),
        parameters=parameters,
        # the row of the last session of that bar, both counted from 0
        lookback=sessions * lookback + sessions - 1,
        source=f"TA-Lib {function}{source}",
        seen=seen,
        sessions=sessions,
        recursive=recursive,
    )


def _dema(period: int) -> Feature:
    # an exponential mean of an exponential mean
    lookback, source = 2 * (period - 1), "; Mulloy 1994"
    return _talib(
        f"dema_{period}", "DEMA", "close", lookback, source, seen="price", timeperiod=period
    )


def _sma(period: int) -> Feature:
    name, lookback = f"sma_{period}", period - 1
    return _talib(name, "SMA", "close", lookback, seen="price", recursive=False, timeperiod=period)


def _rsi(period: int, *, sessions: int = 1) -> Feature:
    name, source = f"rsi_{period}", "; Wilder 1978"
    return _talib(
        name, "RSI", "close", period, source, seen="bounded", sessions=sessions, timeperiod=period
    )


def _stochrsi_k(*, sessions: int = 1) -> Feature:
    """Declare %K of StochRSI: the RSI's place in its own range over the last ``fastk_period`` bars.

    The values are TA-Lib's ``fastk`` with its default periods. ``fastd_period`` does not enter %K,
    it only delays the first row by ``fastd_period − 1`` bars.
    """
    rsi, fast_k, fast_d = 14, 5, 3
    return _talib(
        "stochrsi_k",
        "STOCHRSI",
        "close",
        rsi + (fast_k - 1) + (fast_d - 1),
        ", fastk; Chande & Kroll 1994",
        seen="bounded",
        sessions=sessions,
        timeperiod=rsi,
        fastk_period=fast_k,
        fastd_period=fast_d,
    )


def _atr(period: int) -> Feature:
    name, source = f"atr_{period}", "; Wilder 1978"
    return _talib(
        name, "ATR", "high low close", period, source, seen="volatility", timeperiod=period
    )


def _adx(period: int) -> Feature:
    name, lookback = f"adx_{period}", 2 * period - 1
    return _talib(
        name,
        "ADX",
        "high low close",
        lookback,
        "; Wilder 1978",
        seen="bounded",
        timeperiod=period,
    )


_MACD = _talib(
    "macd_12_26_9",
    "MACD",
    "close",
    (26 - 1) + (9 - 1),  # TA-Lib begins the line where its signal exists
    ", line; Appel 1979",
    seen="spread",
    fastperiod=12,
    slowperiod=26,
    signalperiod=9,
)
_ADOSC = _talib(
    "adosc_3_10",
    "ADOSC",
    "high low close volume",
    10 - 1,
    "; Chaikin 1982",
    seen="pressure",
    fastperiod=3,
    slowperiod=10,
)
_PERCENT_B = Feature(
    name="bollinger_b_20",
    inputs=("close",),
    compute=bollinger_percent_b,
    parameters={"timeperiod": 20, "deviations": 2.0},
    lookback=20 - 1,
    source="TA-Lib BBANDS; Bollinger 2002",
    seen="bounded",
)
_VWAP = Feature(
    name="vwap_20",
    inputs=("high", "low", "close", "volume"),
    compute=rolling_vwap,
    parameters={"window": 20},
    lookback=20 - 1,
    source="mean of (high + low + close) / 3 weighted by volume",
    seen="price",
)


def _of(family: str, *features: Feature) -> tuple[Feature, ...]:
    return tuple(replace(feature, family=family) for feature in features)


TREND = _of(
    "trend",
    *(_dema(period) for period in (9, 10, 20, 25, 90)),
    *(_sma(period) for period in (12, 50, 100, 200)),
)
MOMENTUM = _of(
    "momentum",
    _rsi(14),
    _rsi(14, sessions=5),
    _stochrsi_k(),
    _stochrsi_k(sessions=5),
    _MACD,
    _adx(14),
)
VOLUME = _of(
    "volume",
    _talib("obv", "OBV", "close volume", 0, "; Granville 1963", seen="flow"),
    _ADOSC,
    _VWAP,
)
VOLATILITY = _of("volatility", _atr(14))
RANGE = _of("range", _PERCENT_B)
#: In the order of their columns.
A20 = (
    *TREND,
    *MOMENTUM[:5],
    *VOLUME[:2],
    *VOLATILITY,
    MOMENTUM[5],
    *RANGE,
    VOLUME[2],
)
