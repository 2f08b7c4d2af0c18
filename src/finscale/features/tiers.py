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


def _talib(
    name: str,
    function: str,
    inputs: str,
    lookback: int,
    source: str = "",
    *,
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
        sessions=sessions,
        recursive=recursive,
    )


def _dema(period: int) -> Feature:
    # an exponential mean of an exponential mean
    lookback = 2 * (period - 1)
    return _talib(f"dema_{period}", "DEMA", "close", lookback, "; Mulloy 1994", timeperiod=period)


def _sma(period: int) -> Feature:
    return _talib(f"sma_{period}", "SMA", "close", period - 1, recursive=False, timeperiod=period)


def _rsi(period: int, *, sessions: int = 1) -> Feature:
    name, source = f"rsi_{period}", "; Wilder 1978"
    return _talib(name, "RSI", "close", period, source, sessions=sessions, timeperiod=period)


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
        sessions=sessions,
        timeperiod=rsi,
        fastk_period=fast_k,
        fastd_period=fast_d,
    )


_MACD = _talib(
    "macd_12_26_9",
    "MACD",
    "close",
    (26 - 1) + (9 - 1),  # TA-Lib begins the line where its signal exists
    ", line; Appel 1979",
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
)
_VWAP = Feature(
    name="vwap_20",
    inputs=("high", "low", "close", "volume"),
    compute=rolling_vwap,
    parameters={"window": 20},
    lookback=20 - 1,
    source="mean of (high + low + close) / 3 weighted by volume",
)
_A20 = (
    *(_dema(period) for period in (9, 10, 20, 25, 90)),
    *(_sma(period) for period in (12, 50, 100, 200)),
    _rsi(14),
    _rsi(14, sessions=5),
    _stochrsi_k(),
    _stochrsi_k(sessions=5),
    _MACD,
    _talib("obv", "OBV", "close volume", 0, "; Granville 1963"),
    _ADOSC,
    _talib("atr_14", "ATR", "high low close", 14, "; Wilder 1978", timeperiod=14),
    _talib("adx_14", "ADX", "high low close", 2 * 14 - 1, "; Wilder 1978", timeperiod=14),
    _PERCENT_B,
    _VWAP,
)
A20 = TIERS.add("a20", tuple(FEATURES.add(feature.name, feature).name for feature in _A20))
