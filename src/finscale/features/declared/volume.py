"""Volume: twelve measures of five windows, each beside its own past.

Without any volume in a window its shares and correlations are 0, and volume is as usual (0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from finscale.features.declared import relations
from finscale.features.declared.classic import VOLUME
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.declared.relations import lag, share
from finscale.features.feature import Array
from finscale.features.indicators import rolling_vwap, window_sum

#: In the order in which tiers take them in.
WINDOWS = (20, 10, 60, 5, 120)
#: Bars of its own past that a measure is ranked in, and bars over which it changes.
PAST, STEP = 100, 5
#: Volumes and amounts differ by no more than this factor.
_MOST = 100.0

FAMILY = Family("volume", COMMON)
FAMILY.take(VOLUME)


def _log_over(values: Array, usual: Array) -> Array:
    """Return log(values / usual) within ± log 100; 0 where nothing is usual."""
    over = share(values, usual, undefined=1.0)
    return np.asarray(np.log(np.clip(over, 1 / _MOST, _MOST)))


def _usual(volume: Array, *, rows: int) -> Array:
    return _log_over(volume, relations.window_mean(volume, rows))


def _amount(close: Array, volume: Array, *, rows: int) -> Array:
    amount = close * volume
    return _log_over(amount, relations.window_mean(amount, rows))


def _money_flow(high: Array, low: Array, close: Array, volume: Array, *, rows: int) -> Array:
    """Return Chaikin's money flow; a bar without range adds nothing."""
    inside = share((close - low) - (high - close), high - low)
    return share(window_sum(inside * volume, rows), window_sum(volume, rows))


def _money_index(typical: Array, volume: Array, *, rows: int) -> Array:
    """Return the money flow index, from −1 (all on falling bars) to 1."""
    flow = typical * volume
    signed = np.sign(typical - lag(typical, 1)) * flow
    return share(
        window_sum(signed, rows), window_sum(np.where(np.isnan(signed), np.nan, flow), rows)
    )


def _balance(returns: Array, volume: Array, *, rows: int) -> Array:
    """Return on-balance volume's change over what was traded."""
    return share(
        window_sum(np.sign(returns) * volume, rows), window_sum(volume + 0 * returns, rows)
    )


def _force(returns: Array, volume: Array, *, rows: int) -> Array:
    """Return the mean return weighted by volume, over the window's usual size of a return."""
    weighted = share(window_sum(returns * volume, rows), window_sum(volume + 0 * returns, rows))
    size = relations.window_mean(np.abs(returns), rows)
    return np.clip(share(weighted, size), -_MOST, _MOST)


def _vwap_gap(high: Array, low: Array, close: Array, volume: Array, *, rows: int) -> Array:
    return relations.gap(close, rolling_vwap(high, low, close, volume, window=rows))


def _correlation(first: Array, second: Array, rows: int) -> Array:
    mean_1, mean_2 = (relations.window_mean(each, rows) for each in (first, second))
    together = relations.window_mean(first * second, rows) - mean_1 * mean_2
    spread = relations.window_std(first, rows) * relations.window_std(second, rows)
    small = 1e-12 * np.maximum(np.abs(mean_1 * mean_2), 1e-12)
    result = np.where(np.isnan(spread), np.nan, 0.0)
    np.divide(together, spread, out=result, where=spread > small)
    return np.clip(result, -1.0, 1.0)


def _log_change(volume: Array) -> Array:
    """Return log((1 + v) / (1 + v before)) with v in units of the mean of 20 bars."""
    usual = relations.window_mean(volume, 20)
    level = np.log1p(share(volume, usual, undefined=1.0))
    return level - lag(level, 1)


def _with_returns(returns: Array, changes: Array, *, rows: int) -> Array:
    return _correlation(returns, changes, rows)


def _with_size(returns: Array, changes: Array, *, rows: int) -> Array:
    return _correlation(np.abs(returns), changes, rows)


def _unrest(changes: Array, *, rows: int) -> Array:
    return relations.window_std(changes, rows)


def _illiquidity(returns: Array, close: Array, volume: Array, *, rows: int) -> Array:
    """Return Amihud's |return| / amount over its mean of four windows, as a log."""
    amount = close * volume
    moved = share(np.abs(returns), amount)
    now = relations.window_mean(moved, rows)
    return _log_over(now, relations.window_mean(moved, 4 * rows))


def _trend(volume: Array, *, rows: int) -> Array:
    """Return the log of the window's mean volume over that of four windows."""
    return _log_over(relations.window_mean(volume, rows), relations.window_mean(volume, 4 * rows))


def _peak(volume: Array, *, rows: int) -> Array:
    """Return the share of the window's volume that its busiest bar had."""
    import talib

    return share(talib.MAX(volume, rows), window_sum(volume, rows))


_BARS = "high low close volume"
FAMILY.part("volume_change", "volume", _log_change, extra=20)
_pair = "return_1 volume_change"
#: Measure → words, inputs, function, rows before its first value beyond those of its inputs.
_MEASURES: dict[str, tuple[str, str, Callable[..., Array], Callable[[int], int]]] = {
    "usual": ("log of volume over its mean", "volume", _usual, lambda w: w - 1),
    "cmf": ("Chaikin's money flow", _BARS, _money_flow, lambda w: w - 1),
    "vwap_gap": ("log of the close over VWAP", _BARS, _vwap_gap, lambda w: w - 1),
    "balance": ("on-balance volume per volume", "return_1 volume", _balance, lambda w: w - 1),
    "mfi": ("money flow index", "typical volume", _money_index, lambda w: w),
    "trend": ("log of mean volume over that of 4 windows", "volume", _trend, lambda w: 4 * w - 1),
    "with_return": ("correlation of volume and return", _pair, _with_returns, lambda w: w - 1),
    "illiquidity": (
        "Amihud's illiquidity over that of 4 windows",
        "return_1 close volume",
        _illiquidity,
        lambda w: 4 * w - 1,
    ),
    "force": ("return by volume over its size", "return_1 volume", _force, lambda w: w - 1),
    "amount": ("log of the amount over its mean", "close volume", _amount, lambda w: w - 1),
    "with_size": ("correlation of volume and move", _pair, _with_size, lambda w: w - 1),
    "unrest": ("deviation of volume's log changes", "volume_change", _unrest, lambda w: w - 1),
    "peak": ("share of the busiest bar", "volume", _peak, lambda w: w - 1),
}


def _itself(values: Array) -> Array:
    return values.copy()


def _related(relation: str, measure: str, rows: int) -> None:
    words, inputs, compute, extra = _MEASURES[measure]
    words = f"{words} of {rows} bars"
    parameters: dict[str, Any] = {"rows": rows}
    part = FAMILY.part(
        f"volume_{measure}_{rows}_part", inputs, compute, extra=extra(rows), **parameters
    )
    name = f"volume_{measure}_{rows}_{relation}"
    match relation:
        case "value":
            FAMILY.add(name, part, _itself, words)
        case "change":
            words = f"change over {STEP} bars of the {words}"
            FAMILY.add(name, part, relations.change, words, extra=STEP, rows=STEP)
        case "rank":
            words = f"share of the last {PAST} bars with a smaller {words}"
            FAMILY.add(name, part, relations.percentile, words, extra=PAST - 1, rows=PAST)


for _relation, _measure, _rows in by_priority(
    ("value", "rank", "change"), tuple(_MEASURES), WINDOWS
):
    if (_relation, _rows) != ("change", 120):
        _related(_relation, _measure, _rows)
