"""The declared features and the tiers that they form.

A tier is an ordered tuple of feature names; each holds the one before it. Together with open, high,
low, close and volume, a20 makes 25 channels. Prices are adjusted, so a split is no signal.
"""

from __future__ import annotations

from finscale.config.names import TIER_NAMES
from finscale.data.frames import KEYS, RELATIVE
from finscale.errors import FinscaleError
from finscale.features.feature import INPUTS, Feature
from finscale.features.indicators import bollinger_percent_b, rolling_vwap, talib_function
from finscale.features.views import VIEWS
from finscale.registry import Registry


def _check(name: str, feature: Feature) -> None:
    """Refuse a feature that has no relative column, or whose name is taken by one of the bars."""
    if not feature.seen:
        views = ", ".join(f"{kind} ({view.words})" for kind, view in VIEWS.items())
        raise FinscaleError(
            f"the feature {name} does not say how a model sees it relatively.",
            hint=f"declare Feature(…, seen=…), one of: {views}",
        )
    VIEWS[feature.seen]  # an unknown one is refused, the nearest named
    if name.startswith(RELATIVE) or name in (*KEYS, *INPUTS, "volatility"):
        raise FinscaleError(
            f"a feature cannot be called {name}: a column of every dataset is.",
            hint=f"choose another name; {RELATIVE}… are the relative columns",
        )


FEATURES: Registry[Feature] = Registry("feature", added=_check)
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
_A20 = (
    *(_dema(period) for period in (9, 10, 20, 25, 90)),
    *(_sma(period) for period in (12, 50, 100, 200)),
    _rsi(14),
    _rsi(14, sessions=5),
    _stochrsi_k(),
    _stochrsi_k(sessions=5),
    _MACD,
    _talib("obv", "OBV", "close volume", 0, "; Granville 1963", seen="flow"),
    _ADOSC,
    _atr(14),
    _adx(14),
    _PERCENT_B,
    _VWAP,
)
A20 = TIERS.add("a20", tuple(FEATURES.add(feature.name, feature).name for feature in _A20))
