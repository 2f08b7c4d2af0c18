"""Regimes: trending or not, calm or wild, high or fallen, cyclic or not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from finscale.features.declared import relations
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.declared.windows import dot, rolled
from finscale.features.feature import Array
from finscale.features.indicators import window_sum

#: In the order in which tiers take them in.
WINDOWS = (60, 20, 120, 250)
#: Means of these periods are counted below the close and in order.
_LADDER = (10, 20, 50, 100, 200)

FAMILY = Family("regime", COMMON)


def _settled(values: Array, rows: int) -> Array:
    values = np.asarray(values, dtype=np.float64).copy()
    values[:rows] = np.nan
    after = values[rows:]
    after[~np.isfinite(after)] = 0.0
    return values


def _indexed(close: Array) -> Array:
    """Return the close over the first one, to twelve decimals.

    A cycle measured where nothing moves is that of rounding errors; so they are the same whatever
    the unit of prices is.
    """
    return np.asarray(np.round(close / close[0], 12))


def _ladder(close: Array) -> list[Array]:
    return [relations.window_mean(close, period) for period in _LADDER]


def _above(close: Array) -> Array:
    means = _ladder(close)
    share = np.mean(
        [np.sign(relations.settled(relations.gap(close, mean))) for mean in means], axis=0
    )
    return np.asarray(share)


def _ordered(close: Array) -> Array:
    """Return how many neighbouring means stand as in a rise, less those as in a fall: −1 to 1."""
    means = _ladder(close)
    signs = [np.sign(relations.settled(relations.gap(a, b))) for a, b in pairwise(means)]
    return np.asarray(np.mean(signs, axis=0))


def _directed(log_close: Array, *, rows: int) -> Array:
    """Return R² of the log close on time, with the slope's sign."""
    time = np.arange(rows) - (rows - 1) / 2
    spread = float((time**2).sum())

    def of_windows(w: Array) -> Array:
        slope, variance = dot(w, time) / spread, w.var(axis=1)
        fit = slope**2 * spread / w.shape[1]
        share = np.divide(fit, variance, out=np.zeros(len(w)), where=variance > 1e-18)
        return np.asarray(np.sign(slope) * np.clip(share, 0.0, 1.0))

    return rolled(log_close, rows, of_windows)


def _chop(high: Array, low: Array, true_range: Array, *, rows: int) -> Array:
    """Return Dreiss's choppiness, 0 (trending) to 1: log of the way over the range."""
    way = window_sum(true_range, rows)
    reach = rolled(high, rows, lambda w: w.max(axis=1)) - rolled(low, rows, lambda w: w.min(axis=1))
    ratio = relations.share(way, reach, undefined=1.0)
    return np.asarray(np.clip(np.log(np.maximum(ratio, 1.0)) / np.log(rows), 0.0, 1.0))


def _time_above(close: Array, *, rows: int) -> Array:
    """Return the share of bars whose close lay above the mean of their 50 bars."""
    mean = relations.window_mean(close, 50)
    above = np.sign(relations.settled(relations.gap(close, mean)))
    return np.asarray(relations.window_mean(above, rows))


def _calm(returns: Array, *, rows: int) -> Array:
    """Return the percentile of volatility of 20 bars in its own past."""
    return relations.percentile(relations.window_std(returns, 20), rows=rows)


def _unrest(returns: Array, *, rows: int) -> Array:
    """Return the deviation of log volatility of 10 bars: how much volatility itself moves."""
    level = np.log(np.maximum(relations.window_std(returns, 10), relations.LEAST))
    return relations.window_std(level, rows)


def _asymmetry(returns: Array, *, rows: int) -> Array:
    """Return the log of falls' size over that of rises."""
    down, up = (window_sum(np.maximum(sign * returns, 0.0) ** 2, rows) for sign in (-1, 1))
    return relations.ratio(down, up)


def _from_top(close: Array) -> Array:
    return relations.gap(close, np.maximum.accumulate(close))


def _since_top(close: Array) -> Array:
    row = np.arange(len(close))
    top = close >= np.maximum.accumulate(close)
    since = row - np.maximum.accumulate(np.where(top, row, 0))
    return np.asarray(np.log1p(since))


def _from_bottom(close: Array, *, rows: int) -> Array:
    return relations.gap(close, rolled(close, rows, lambda w: w.min(axis=1)))


def _cycle(close: Array, *, function: str, output: int, rows: int, scale: float) -> Array:
    import talib

    found = getattr(talib, function)(_indexed(close))
    return _settled((found[output] if output >= 0 else found) / scale, rows)


def _adaptive(close: Array) -> Array:
    """Return the log of MAMA over FAMA (Ehlers 2001)."""
    import talib

    fast, slow = talib.MAMA(_indexed(close), 0.5, 0.05)
    return _settled(relations.gap(np.asarray(fast), np.asarray(slow)), 32)


def _stop_gap(high: Array, low: Array, close: Array) -> Array:
    """Return the log of the close over the parabolic stop (Wilder 1978)."""
    import talib

    return _settled(relations.gap(close, talib.SAR(high, low, 0.02, 0.2)), 1)


def _supertrend(high: Array, low: Array, close: Array, *, rows: int, side: bool) -> Array:
    import talib

    level, trend = talib.SUPERTREND(high, low, close, rows, 3.0)
    if side:
        return _settled(np.sign(trend), rows)
    return _settled(relations.gap(close, np.asarray(level)), rows)


FAMILY.add(
    "regime_above",
    "close",
    _above,
    "means of 10 to 200 below the close less those above",
    extra=199,
)
FAMILY.add(
    "regime_ordered",
    "close",
    _ordered,
    "means of 10 to 200 in order of a rise less of a fall",
    extra=199,
)
FAMILY.add(
    "regime_from_top",
    "close",
    _from_top,
    "log of the close over the highest so far",
    recursive=True,
)
FAMILY.add(
    "regime_since_top",
    "close",
    _since_top,
    "log of 1 + bars since the highest close so far",
    recursive=True,
)
FAMILY.add(
    "regime_stop",
    "high low close",
    _stop_gap,
    "log of the close over the parabolic stop",
    "TA-Lib SAR; Wilder 1978",
    extra=1,
    recursive=True,
)
FAMILY.add(
    "regime_adaptive",
    "close",
    _adaptive,
    "log of MAMA over FAMA",
    "TA-Lib MAMA; Ehlers 2001",
    extra=32,
    recursive=True,
)
for _name, _function, _output, _rows, _scale, _words in (
    ("trend_mode", "HT_TRENDMODE", -1, 63, 1.0, "1 in a trend, 0 in a cycle"),
    ("cycle_period", "HT_DCPERIOD", -1, 32, 50.0, "dominant cycle's period over 50"),
    ("cycle_sine", "HT_SINE", 0, 63, 1.0, "sine of the dominant cycle"),
    ("cycle_lead", "HT_SINE", 1, 63, 1.0, "sine of the dominant cycle, an eighth ahead"),
):
    FAMILY.add(
        f"regime_{_name}",
        "close",
        _cycle,
        _words,
        f"TA-Lib {_function}; Ehlers 2001",
        extra=_rows,
        recursive=True,
        function=_function,
        output=_output,
        rows=_rows,
        scale=_scale,
    )
for _rows in (10, 20, 50):
    for _side in (True, False):
        FAMILY.add(
            f"regime_supertrend_{_rows}_{'side' if _side else 'gap'}",
            "high low close",
            _supertrend,
            f"{'side of' if _side else 'log of the close over'} the supertrend of {_rows} bars",
            "TA-Lib SUPERTREND",
            extra=_rows,
            recursive=True,
            rows=_rows,
            side=_side,
        )
#: Measure → words, inputs, function, rows before its first value beyond window − 1.
_MEASURES: dict[str, tuple[str, str, Callable[..., Array], int]] = {
    "directed": ("R² of the log close on time, signed", "log_close", _directed, 0),
    "calm": ("percentile of volatility of 20 bars in the past", "return_1", _calm, 19),
    "chop": ("choppiness", "high low true_range", _chop, 0),
    "asymmetry": ("log of squared falls over squared rises", "return_1", _asymmetry, 0),
    "time_above": ("share of bars above their mean of 50 less below", "close", _time_above, 49),
    "unrest": ("deviation of log volatility of 10 bars", "return_1", _unrest, 9),
    "from_bottom": ("log of the close over the lowest", "close", _from_bottom, 0),
}
for _measure, _rows in by_priority(tuple(_MEASURES), WINDOWS):
    _words, _inputs, _compute, _more = _MEASURES[_measure]
    FAMILY.add(
        f"regime_{_measure}_{_rows}",
        _inputs,
        _compute,
        f"{_words} of {_rows} bars",
        extra=_rows - 1 + _more,
        rows=_rows,
    )
