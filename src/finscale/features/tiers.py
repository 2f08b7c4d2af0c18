"""The declared features and the tiers that they form.

A tier is an ordered tuple of feature names; each holds the one before it. Together with open, high,
low, close and volume, a20 makes 25 channels. Prices are adjusted, so a split is no signal.
"""

from __future__ import annotations

from finscale.config.names import TIER_NAMES
from finscale.features.feature import Feature
from finscale.features.indicators import bollinger_percent_b, rolling_vwap, talib_function
from finscale.registry import Registry

FEATURES: Registry[Feature] = Registry("feature")
TIERS: Registry[tuple[str, ...]] = Registry("tier", added=TIER_NAMES.add)


def tier_features(tier: str) -> tuple[Feature, ...]:
    """Return the features of a tier, in the order of its columns.

    Raises
    ------
    FinscaleError
        If no such tier is declared.
    """
    return tuple(FEATURES[name] for name in TIERS[tier])


def _declare(*features: Feature) -> tuple[str, ...]:
    return tuple(FEATURES.add(feature.name, feature).name for feature in features)


def _dema(period: int) -> Feature:
    return Feature(
        name=f"dema_{period}",
        inputs=("close",),
        compute=talib_function("DEMA"),
        parameters={"timeperiod": period},
        lookback=2 * (period - 1),  # an exponential mean of an exponential mean
        source="TA-Lib DEMA; Mulloy 1994",
        recursive=True,
    )


def _sma(period: int) -> Feature:
    return Feature(
        name=f"sma_{period}",
        inputs=("close",),
        compute=talib_function("SMA"),
        parameters={"timeperiod": period},
        lookback=period - 1,
        source="TA-Lib SMA",
    )


def _rsi(period: int, *, sessions: int = 1) -> Feature:
    return Feature(
        name=f"rsi_{period}" + _on_bars_of(sessions),
        inputs=("close",),
        compute=talib_function("RSI"),
        parameters={"timeperiod": period},
        lookback=_in_rows(period, sessions),
        source="TA-Lib RSI; Wilder 1978",
        sessions=sessions,
        recursive=True,
    )


def _stochrsi_k(*, sessions: int = 1) -> Feature:
    """Declare %K of StochRSI: the RSI's place in its own range over the last ``fastk_period`` bars.

    The values are TA-Lib's ``fastk`` with its default periods. ``fastd_period`` does not enter %K,
    it only delays the first row by ``fastd_period − 1`` bars.
    """
    rsi, fast_k, fast_d = 14, 5, 3
    return Feature(
        name="stochrsi_k" + _on_bars_of(sessions),
        inputs=("close",),
        compute=talib_function("STOCHRSI", output=0),
        parameters={"timeperiod": rsi, "fastk_period": fast_k, "fastd_period": fast_d},
        lookback=_in_rows(rsi + (fast_k - 1) + (fast_d - 1), sessions),
        source="TA-Lib STOCHRSI, fastk; Chande & Kroll 1994",
        sessions=sessions,
        recursive=True,
    )


def _on_bars_of(sessions: int) -> str:
    return "" if sessions == 1 else f"_{sessions}d"


def _in_rows(bars: int, sessions: int) -> int:
    """Return the row of the last session of bar number ``bars``, both counted from 0."""
    return sessions * bars + sessions - 1


_MACD = Feature(
    name="macd_12_26_9",
    inputs=("close",),
    compute=talib_function("MACD", output=0),
    parameters={"fastperiod": 12, "slowperiod": 26, "signalperiod": 9},
    lookback=(26 - 1) + (9 - 1),  # TA-Lib begins the line where its signal exists
    source="TA-Lib MACD, line; Appel 1979",
    recursive=True,
)
_OBV = Feature(
    name="obv",
    inputs=("close", "volume"),
    compute=talib_function("OBV"),
    lookback=0,
    source="TA-Lib OBV; Granville 1963",
    recursive=True,
)
_ADOSC = Feature(
    name="adosc_3_10",
    inputs=("high", "low", "close", "volume"),
    compute=talib_function("ADOSC"),
    parameters={"fastperiod": 3, "slowperiod": 10},
    lookback=10 - 1,
    source="TA-Lib ADOSC; Chaikin 1982",
    recursive=True,
)
_ATR = Feature(
    name="atr_14",
    inputs=("high", "low", "close"),
    compute=talib_function("ATR"),
    parameters={"timeperiod": 14},
    lookback=14,
    source="TA-Lib ATR; Wilder 1978",
    recursive=True,
)
_ADX = Feature(
    name="adx_14",
    inputs=("high", "low", "close"),
    compute=talib_function("ADX"),
    parameters={"timeperiod": 14},
    lookback=2 * 14 - 1,
    source="TA-Lib ADX; Wilder 1978",
    recursive=True,
)
_PERCENT_B = Feature(
    name="bollinger_b_20",
    inputs=("close",),
    compute=bollinger_percent_b,
    parameters={"timeperiod": 20, "deviations": 2.0},
    lookback=20 - 1,
    source="TA-Lib BBANDS; Bollinger 2002",
)
_VWAP = Feature(
    name="vwap_20",
    inputs=("high", "low", "close", "volume"),
    compute=rolling_vwap,
    parameters={"window": 20},
    lookback=20 - 1,
    source="mean of (high + low + close) / 3 weighted by volume",
)

A20 = TIERS.add(
    "a20",
    _declare(
        *(_dema(period) for period in (9, 10, 20, 25, 90)),
        *(_sma(period) for period in (12, 50, 100, 200)),
        _rsi(14),
        _rsi(14, sessions=5),
        _stochrsi_k(),
        _stochrsi_k(sessions=5),
        _MACD,
        _OBV,
        _ADOSC,
        _ATR,
        _ADX,
        _PERCENT_B,
        _VWAP,
    ),
)
