"""Operators in the manner of Alpha158: 29 of five windows, and nine of a bar's shape.

Definitions are those of qlib's Alpha158 (Yang et al. 2020, "Qlib: An AI-oriented Quantitative
Investment Platform"), computed anew; where qlib divides by the close or adds 1e-12 to a
denominator, a share of nothing is 0 here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finscale.features.declared import relations
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.declared.relations import lag, share, window_mean, window_std
from finscale.features.declared.windows import dot
from finscale.features.feature import Array
from finscale.features.indicators import window_sum

#: In the order in which tiers take them in.
WINDOWS = (20, 5, 60, 10, 30)

#: Bars that say what volume is usual.
_USUAL = 20

FAMILY = Family("operators", COMMON)


def _rolled(values: Array, rows: int, of_windows: Callable[[Array], Array]) -> Array:
    result = np.full_like(values, np.nan)
    if rows <= len(values):
        result[rows - 1 :] = of_windows(sliding_window_view(values, rows))
    return result


def _regressed(values: Array, rows: int) -> tuple[Array, Array, Array]:
    """Return slope, R² and last residual of each window's regression on time; R² of a line is 0."""
    time = np.arange(rows) - (rows - 1) / 2
    spread = float((time**2).sum())
    slope = _rolled(values, rows, lambda w: dot(w, time) / spread)
    deviation = window_std(values, rows)
    varies = np.where(deviation > 1e-9 * np.abs(values), deviation**2, 0 * deviation)
    explained = share(slope**2 * spread / rows, varies)
    residual = values - window_mean(values, rows) - slope * time[-1]
    return slope, np.clip(explained, 0.0, 1.0), residual


def _correlated(first: Array, second: Array, rows: int) -> Array:
    away_1, away_2 = (
        sliding_window_view(each, rows) - sliding_window_view(each, rows).mean(axis=1)[:, None]
        for each in (first, second)
    )
    spread = np.sqrt((away_1**2).sum(axis=1) * (away_2**2).sum(axis=1))
    result = np.full_like(first, np.nan)
    result[rows - 1 :] = np.where(np.isnan(spread), np.nan, 0.0)
    np.divide((away_1 * away_2).sum(axis=1), spread, out=result[rows - 1 :], where=spread > 1e-12)
    return np.clip(result, -1.0, 1.0)


def _extreme(close: Array, values: Array, rows: int, pick: Callable[..., Array]) -> Array:
    return relations.gap(_rolled(values, rows, lambda w: pick(w, axis=1)), close)


def _quantile(close: Array, rows: int, level: float) -> Array:
    return relations.gap(_rolled(close, rows, lambda w: np.quantile(w, level, axis=1)), close)


def _ago(values: Array, rows: int, pick: Callable[..., Array]) -> Array:
    """Return how far along the window its extreme lies: 1 / rows at its start, 1 at its end."""
    return _rolled(values, rows, lambda w: (pick(w, axis=1) + 1) / rows)


def _counted(changes: Array, rows: int, sign: int) -> Array:
    counted = np.where(np.isnan(changes), np.nan, np.sign(changes) == sign)
    return np.asarray(window_mean(counted, rows))


def _summed(changes: Array, rows: int, sign: int) -> Array:
    """Return the share of the changes' total size that went up (1) or down (−1)."""
    return share(window_sum(np.maximum(sign * changes, 0.0), rows), window_sum(abs(changes), rows))


def _level(volume: Array) -> Array:
    """Return log(1 + volume over its mean of 20 bars), which has no unit."""
    return np.log1p(share(volume, window_mean(volume, _USUAL), undefined=1.0))


def _volume_change(volume: Array) -> Array:
    return np.asarray(volume - lag(volume, 1))


def _weighted_spread(close: Array, volume: Array, rows: int) -> Array:
    """Return deviation over mean of |return| × volume (WVMA)."""
    moved = np.abs(close / lag(close, 1) - 1) * volume
    return share(window_std(moved, rows), window_mean(moved, rows))


_Bars = dict[str, Array]
#: Operator → words, inputs, function of them and the window, rows before it beyond window − 1.
_OPERATORS: dict[str, tuple[str, str, Callable[..., Array], int]] = {
    "roc": (
        "log of the close a window ago over it",
        "close",
        lambda c, n: relations.gap(lag(c, n), c),
        1,
    ),
    "std": ("deviation of the close over it", "close", lambda c, n: window_std(c, n) / c, 0),
    "rsv": (
        "place of the close in the range",
        "close high low",
        lambda c, h, lo, n: share(
            c - _rolled(lo, n, lambda w: w.min(axis=1)),
            _rolled(h, n, lambda w: w.max(axis=1)) - _rolled(lo, n, lambda w: w.min(axis=1)),
            undefined=0.5,
        ),
        0,
    ),
    "corr": (
        "correlation of close and log volume",
        "close volume",
        lambda c, v, n: _correlated(np.log(c), _level(v), n),
        _USUAL - 1,
    ),
    "ma": (
        "log of the mean over the close",
        "close",
        lambda c, n: relations.gap(window_mean(c, n), c),
        0,
    ),
    "beta": ("slope of the close over it", "close", lambda c, n: _regressed(c, n)[0] / c, 0),
    "sumd": (
        "rises less falls over the sum of both",
        "close",
        lambda c, n: _summed(c - lag(c, 1), n, 1) - _summed(c - lag(c, 1), n, -1),
        1,
    ),
    "rank": (
        "percentile of the close",
        "close",
        lambda c, n: relations.percentile(np.log(c), rows=n),
        0,
    ),
    "vma": (
        "log of mean volume over volume",
        "volume",
        lambda v, n: _volume_ratio(window_mean(v, n), v),
        0,
    ),
    "rsqr": ("R² of the close on time", "close", lambda c, n: _regressed(c, n)[1], 0),
    "max": (
        "log of the high over the close",
        "close high",
        lambda c, h, n: _extreme(c, h, n, np.max),
        0,
    ),
    "min": (
        "log of the low over the close",
        "close low",
        lambda c, lo, n: _extreme(c, lo, n, np.min),
        0,
    ),
    "resi": (
        "residual of the close on time over it",
        "close",
        lambda c, n: _regressed(c, n)[2] / c,
        0,
    ),
    "cntd": (
        "share of rises less share of falls",
        "close",
        lambda c, n: _counted(c - lag(c, 1), n, 1) - _counted(c - lag(c, 1), n, -1),
        1,
    ),
    "cord": (
        "correlation of returns and changes of log volume",
        "close volume",
        lambda c, v, n: _correlated(np.log(c / lag(c, 1)), _level(v) - lag(_level(v), 1), n),
        _USUAL,
    ),
    "vstd": (
        "deviation of volume over its mean",
        "volume",
        lambda v, n: share(window_std(v, n), window_mean(v, n)),
        0,
    ),
    "qtlu": (
        "log of the 80 % quantile over the close",
        "close",
        lambda c, n: _quantile(c, n, 0.8),
        0,
    ),
    "qtld": (
        "log of the 20 % quantile over the close",
        "close",
        lambda c, n: _quantile(c, n, 0.2),
        0,
    ),
    "imax": ("place of the high in the window", "high", lambda h, n: _ago(h, n, np.argmax), 0),
    "imin": ("place of the low in the window", "low", lambda lo, n: _ago(lo, n, np.argmin), 0),
    "imxd": (
        "place of the high less that of the low",
        "high low",
        lambda h, lo, n: _ago(h, n, np.argmax) - _ago(lo, n, np.argmin),
        0,
    ),
    "wvma": (
        "deviation over mean of moves weighted by volume",
        "close volume",
        lambda c, v, n: _weighted_spread(c, v, n),
        1,
    ),
    "vsumd": (
        "rises of volume less its falls over both",
        "volume",
        lambda v, n: _summed(_volume_change(v), n, 1) - _summed(_volume_change(v), n, -1),
        1,
    ),
    "cntp": ("share of rises", "close", lambda c, n: _counted(c - lag(c, 1), n, 1), 1),
    "cntn": ("share of falls", "close", lambda c, n: _counted(c - lag(c, 1), n, -1), 1),
    "sump": ("rises over the sum of moves", "close", lambda c, n: _summed(c - lag(c, 1), n, 1), 1),
    "sumn": ("falls over the sum of moves", "close", lambda c, n: _summed(c - lag(c, 1), n, -1), 1),
    "vsump": (
        "rises of volume over its moves",
        "volume",
        lambda v, n: _summed(_volume_change(v), n, 1),
        1,
    ),
    "vsumn": (
        "falls of volume over its moves",
        "volume",
        lambda v, n: _summed(_volume_change(v), n, -1),
        1,
    ),
}


def _volume_ratio(usual: Array, volume: Array) -> Array:
    """Return log(usual / volume) within ± log 100; 0 where both are none."""
    both = np.where(np.isnan(usual), np.nan, 0.0)
    floor = np.maximum(volume, usual / 100)
    np.log(share(usual, floor, undefined=1.0), out=both, where=usual > 0)
    return both


def _operate(*bars: Array, rows: int, measure: str) -> Array:
    return np.asarray(_OPERATORS[measure][2](*bars, rows))


_OHLC = "open high low close"
_SHAPES: dict[str, tuple[str, Callable[[Array, Array, Array, Array], Array]]] = {
    "kmid": ("log of the close over the open", lambda o, h, lo, c: np.log(c / o)),
    "klen": ("log of the high over the low", lambda o, h, lo, c: np.log(h / lo)),
    "kmid2": ("body over range", lambda o, h, lo, c: share(c - o, h - lo)),
    "kup": ("log upper shadow", lambda o, h, lo, c: np.log(h / np.maximum(o, c))),
    "kup2": ("upper shadow over range", lambda o, h, lo, c: share(h - np.maximum(o, c), h - lo)),
    "klow": ("log lower shadow", lambda o, h, lo, c: np.log(np.minimum(o, c) / lo)),
    "klow2": ("lower shadow over range", lambda o, h, lo, c: share(np.minimum(o, c) - lo, h - lo)),
    "ksft": (
        "twice the close less high and low, over the open",
        lambda o, h, lo, c: (2 * c - h - lo) / o,
    ),
    "ksft2": (
        "twice the close less high and low, over range",
        lambda o, h, lo, c: share(2 * c - h - lo, h - lo),
    ),
}


def _shape(open_: Array, high: Array, low: Array, close: Array, *, measure: str) -> Array:
    return np.asarray(_SHAPES[measure][1](open_, high, low, close))


_SOURCE = "Alpha158; Yang et al. 2020"
for _index, (_name, _rows) in enumerate(by_priority(tuple(_OPERATORS), WINDOWS)):
    if _index % 12 == 0 and _index // 12 < len(_SHAPES):
        _bar = tuple(_SHAPES)[_index // 12]
        FAMILY.add(f"op_{_bar}", _OHLC, _shape, _SHAPES[_bar][0], _SOURCE, measure=_bar)
    _words, _inputs, _, _more = _OPERATORS[_name]
    FAMILY.add(
        f"op_{_name}_{_rows}",
        _inputs,
        _operate,
        f"{_words}, window of {_rows}",
        _SOURCE,
        extra=_rows - 1 + _more,
        rows=_rows,
        measure=_name,
    )
