"""Slower bars: what daily features say, said of bars of 5 and 21 sessions.

A row sees the last finished bar. Bars are counted from the first row, so where the history begins
moves their ends.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from finscale.features.declared import relations
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.volatility import _log_root
from finscale.features.declared.windows import dot, rolled
from finscale.features.feature import Array
from finscale.features.views import log_return

#: Sessions of a bar → its periods, in the order in which tiers take them in.
PERIODS = {5: (13, 4, 26), 21: (6, 12, 3)}

FAMILY = Family("timescale")


def _settled(values: Array, rows: int, neutral: float = 0.0) -> Array:
    values = np.asarray(values, dtype=np.float64)
    after = values[rows:]
    after[~np.isfinite(after)] = neutral
    return values


def _rsi(close: Array, *, rows: int) -> Array:
    import talib

    return (_settled(talib.RSI(close, rows), rows, 50.0) - 50) / 50


def _mean_gap(close: Array, *, rows: int) -> Array:
    return relations.gap(close, relations.window_mean(close, rows))


def _return(close: Array, *, rows: int) -> Array:
    return relations.gap(close, relations.lag(close, rows))


def _volatility(close: Array, *, rows: int) -> Array:
    return _log_root(relations.window_mean(log_return(close) ** 2, rows))


def _place(high: Array, low: Array, close: Array, *, rows: int) -> Array:
    top = rolled(high, rows, lambda w: w.max(axis=1))
    bottom = rolled(low, rows, lambda w: w.min(axis=1))
    return 2 * relations.share(close - bottom, top - bottom, undefined=0.5) - 1


def _volume(volume: Array, *, rows: int) -> Array:
    over = relations.share(volume, relations.window_mean(volume, rows), undefined=1.0)
    return np.asarray(np.log(np.clip(over, 0.01, 100.0)))


def _fallen(close: Array, *, rows: int) -> Array:
    return relations.gap(close, rolled(close, rows, lambda w: w.max(axis=1)))


def _slope(close: Array, *, rows: int) -> Array:
    time = np.arange(rows) - (rows - 1) / 2
    return rolled(np.log(close), rows, lambda w: dot(w, time) / float((time**2).sum()))


def _range(high: Array, low: Array, *, rows: int) -> Array:
    """Return the log of the bar's range over its mean of the last ``rows``."""
    width = np.log(high / low)
    return relations.ratio(width, relations.window_mean(width, rows))


def _rises(close: Array, *, rows: int) -> Array:
    return np.asarray(relations.window_mean(np.sign(log_return(close)), rows))


def _skewness(close: Array, *, rows: int) -> Array:
    """Return the mean over the median-free deviation of returns: mean / deviation."""
    returns = log_return(close)
    spread = relations.window_std(returns, rows)
    mean = relations.window_mean(returns, rows)
    return np.clip(relations.share(mean, np.maximum(spread, relations.LEAST)), -10.0, 10.0)


def _risen(close: Array, *, rows: int) -> Array:
    return relations.gap(close, rolled(close, rows, lambda w: w.min(axis=1)))


#: Measure → words, inputs, function, rows before its first value beyond period − 1.
_MEASURES: dict[str, tuple[str, str, Callable[..., Array], int]] = {
    "return": ("log return over {} bars", "close", _return, 1),
    "rsi": ("RSI of {} bars", "close", _rsi, 1),
    "volatility": ("log volatility of {} bars", "close", _volatility, 1),
    "mean_gap": ("log of the close over its mean of {} bars", "close", _mean_gap, 0),
    "place": ("place of the close in the range of {} bars", "high low close", _place, 0),
    "volume": ("log of volume over its mean of {} bars", "volume", _volume, 0),
    "fallen": ("log of the close over the highest of {} bars", "close", _fallen, 0),
    "sharpe": ("mean over deviation of {} returns", "close", _skewness, 1),
    "slope": ("slope of the log close over {} bars", "close", _slope, 0),
    "range": ("log of the bar's range over its mean of {} bars", "high low", _range, 0),
    "rises": ("share of rises less falls in {} bars", "close", _rises, 1),
    "risen": ("log of the close over the lowest of {} bars", "close", _risen, 0),
}

for _measure, _sessions, _index in by_priority(tuple(_MEASURES), tuple(PERIODS), range(3)):
    _words, _inputs, _compute, _more = _MEASURES[_measure]
    _rows = PERIODS[_sessions][_index]
    FAMILY.add(
        f"{_measure}_{_rows}_of_{_sessions}d",
        _inputs,
        _compute,
        f"{_words.format(_rows)} of {_sessions} sessions, the last that is finished",
        extra=_rows - 1 + _more,
        sessions=_sessions,
        recursive=True,
        rows=_rows,
    )
