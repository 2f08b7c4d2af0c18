"""Ranges, channels and bands: where the close lies in them, how wide they are, how old."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from finscale.features.declared import relations
from finscale.features.declared.classic import RANGE
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.declared.relations import lag
from finscale.features.feature import Array

#: In the order in which tiers take them in.
WINDOWS = (20, 50, 10, 100, 200)
STEP = 5

FAMILY = Family("range", COMMON)
FAMILY.take(RANGE)


def _top(high: Array, *, rows: int) -> Array:
    import talib

    return np.asarray(talib.MAX(high, rows))


def _bottom(low: Array, *, rows: int) -> Array:
    import talib

    return np.asarray(talib.MIN(low, rows))


def _place(close: Array, top: Array, bottom: Array) -> Array:
    """Return where the close lies: −1 at the bottom, 1 at the top, 0 where they are one."""
    return 2 * relations.share(close - bottom, top - bottom, undefined=0.5) - 1


def _width(top: Array, bottom: Array) -> Array:
    return relations.gap(top, bottom)


def _since(values: Array, *, rows: int, sign: int) -> Array:
    """Return how long ago the window's extreme was, over the window: 0 now, 1 at its far end."""
    import talib

    index = talib.MAXINDEX(values, rows) if sign > 0 else talib.MININDEX(values, rows)
    ago = (np.arange(len(values)) - index) / max(rows - 1, 1)
    ago[: rows - 1] = np.nan
    return np.asarray(ago)


def _squeeze(high: Array, low: Array, *, rows: int) -> Array:
    """Return the log width of a window over that of four."""
    near = _width(_top(high, rows=rows), _bottom(low, rows=rows))
    far = _width(_top(high, rows=4 * rows), _bottom(low, rows=4 * rows))
    return relations.ratio(near, far)


def _band(log_close: Array, *, rows: int) -> Array:
    """Return the log close's z-score in its window, over 2: Bollinger's band is ± 1."""
    return relations.zscore(log_close, rows=rows) / 2


def _band_width(close: Array, *, rows: int) -> Array:
    spread = relations.window_std(close, rows) / relations.window_mean(close, rows)
    return np.asarray(np.log(np.maximum(spread, relations.LEAST)))


def _keltner(close: Array, spread: Array, *, rows: int) -> Array:
    """Return the close's distance from its exponential mean in two ATRs of 14."""
    import talib

    return relations.gap_in_spreads(close, talib.EMA(close, rows), spread) / 2


def _midpoint(close: Array, top: Array, bottom: Array) -> Array:
    """Return the log of the close over the middle of the range (Ichimoku's lines)."""
    return relations.gap(close, (top + bottom) / 2)


def _cloud(close: Array, top: Array, bottom: Array, *, rows: int) -> Array:
    """Return the log of the close over the middle of the range as it was a window ago."""
    return relations.gap(close, lag((top + bottom) / 2, rows))


def _break(close: Array, top: Array, bottom: Array) -> Array:
    """Return how far the close is beyond the range of the bars before, in logs; inside it is 0."""
    above, below = relations.gap(close, lag(top, 1)), relations.gap(close, lag(bottom, 1))
    return np.maximum(above, 0.0) + np.minimum(below, 0.0)


def _itself(values: Array) -> Array:
    return values.copy()


def _channel(rows: int) -> str:
    top = FAMILY.part(f"top_{rows}", "high", _top, extra=rows - 1, rows=rows)
    return f"{top} {FAMILY.part(f'bottom_{rows}', 'low', _bottom, extra=rows - 1, rows=rows)}"


_Measure = tuple[str, Callable[[int], str], Callable[..., Array], Callable[[int], int], bool, bool]
#: Measure → words, inputs by window, function, further rows, whether it takes ``rows``, recursive.
_MEASURES: dict[str, _Measure] = {
    "place": (
        "place of the close between low and high",
        lambda w: f"close {_channel(w)}",
        _place,
        lambda w: 0,
        False,
        False,
    ),
    "below_top": (
        "log of the close over the high",
        lambda w: f"close {_channel(w).split()[0]}",
        relations.gap,
        lambda w: 0,
        False,
        False,
    ),
    "band": (
        "Bollinger's band position",
        lambda w: "log_close",
        _band,
        lambda w: w - 1,
        True,
        False,
    ),
    "above_bottom": (
        "log of the close over the low",
        lambda w: f"close {_channel(w).split()[1]}",
        relations.gap,
        lambda w: 0,
        False,
        False,
    ),
    "width": ("log range of high to low", _channel, _width, lambda w: 0, False, False),
    "keltner": (
        "Keltner's channel position",
        lambda w: "close spread_14",
        _keltner,
        lambda w: max(w - 1 - 14, 0),
        True,
        True,
    ),
    "since_top": (
        "time since the high",
        lambda w: "high",
        lambda high, *, rows: _since(high, rows=rows, sign=1),
        lambda w: w - 1,
        True,
        False,
    ),
    "since_bottom": (
        "time since the low",
        lambda w: "low",
        lambda low, *, rows: _since(low, rows=rows, sign=-1),
        lambda w: w - 1,
        True,
        False,
    ),
    "squeeze": (
        "log range over that of 4 windows",
        lambda w: "high low",
        _squeeze,
        lambda w: 4 * w - 1,
        True,
        False,
    ),
    "band_width": (
        "log width of Bollinger's bands",
        lambda w: "close",
        _band_width,
        lambda w: w - 1,
        True,
        False,
    ),
    "midpoint": (
        "log of the close over the middle of high and low (Ichimoku)",
        lambda w: f"close {_channel(w)}",
        _midpoint,
        lambda w: 0,
        False,
        False,
    ),
    "cloud": (
        "log of the close over that middle a window ago (Ichimoku's cloud)",
        lambda w: f"close {_channel(w)}",
        _cloud,
        lambda w: w,
        True,
        False,
    ),
    "break": (
        "log move beyond the range of the bars before",
        lambda w: f"close {_channel(w)}",
        _break,
        lambda w: 1,
        False,
        False,
    ),
}


def _related(relation: str, measure: str, window: int) -> None:
    words, inputs, compute, extra, takes_rows, recursive = _MEASURES[measure]
    words = f"{words} of {window} bars"
    part = FAMILY.part(
        f"range_{measure}_{window}_part",
        inputs(window),
        compute,
        extra=extra(window),
        recursive=recursive,
        **({"rows": window} if takes_rows else {}),
    )
    name = f"range_{measure}_{window}_{relation}"
    if relation == "value":
        FAMILY.add(name, part, _itself, words)
    else:
        words = f"change over {STEP} bars of the {words}"
        FAMILY.add(name, part, relations.change, words, extra=STEP, rows=STEP)


for _relation, _measure, _window in by_priority(("value", "change"), tuple(_MEASURES), WINDOWS):
    if (_relation, _window) != ("change", 200):
        _related(_relation, _measure, _window)
