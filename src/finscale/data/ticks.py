"""The tick size of prices: moves of a few ticks look like splits and are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Moves of up to so many ticks say nothing about splits or units.
FEW_TICKS = 5
# Prices with more decimals than this have been multiplied with factors: no tick is left in them.
_MOST_DECIMALS = 6
_SHARE_ON_GRID = 0.99
_NEAR_WHOLE = 1e-3
# A split in prices that stand still is one move; a tick shows in many.
_FEWEST_MOVES = 10


def tick_size(price_T: NDArray[np.float64]) -> float:
    """Return the largest power of ten, 1 or less, on whose multiples prices lie; 0 for none.

    Examples
    --------
    >>> tick_size(np.array([0.0004, 0.0003, 0.0012]))
    0.0001
    >>> tick_size(np.array([0.098207019, 0.0987]))
    0.0
    """
    for decimals in range(_MOST_DECIMALS + 1):
        scaled_T = price_T * 10.0**decimals
        # single precision keeps seven digits
        near_T = np.abs(scaled_T - np.round(scaled_T)) <= np.maximum(1e-6, 1e-7 * scaled_T)
        if near_T.mean() >= _SHARE_ON_GRID and (scaled_T > 0.5).all():
            return float(10.0**-decimals)
    return 0.0


def coarse_tick(price_T: NDArray[np.float64]) -> float:
    """Return the tick size where prices usually move by a tick or two; else 0.

    Examples
    --------
    >>> coarse_tick(np.array([0.0625, 0.125, 0.1875] * 5)), coarse_tick(np.array([10.0, 5.0]))
    (0.0625, 0.0)
    """
    moved_T = np.abs(np.diff(price_T))
    moved_T = moved_T[moved_T > 0]
    if moved_T.size < _FEWEST_MOVES:
        return 0.0
    # a sixteenth of a dollar, half a yen: the smallest step, if it is a large part of the prices
    step = float(np.diff(np.unique(price_T)).min())
    parts_T = price_T / step
    whole_T = np.abs(parts_T - np.round(parts_T)) < _NEAR_WHOLE
    tick = step if whole_T.mean() >= _SHARE_ON_GRID else tick_size(price_T)
    return tick if np.median(moved_T) <= 2.1 * tick else 0.0


def few_ticks(
    one: NDArray[np.float64], other: NDArray[np.float64], tick: float
) -> NDArray[np.bool_]:
    """Mark the pairs of prices that are no more than :data:`FEW_TICKS` apart."""
    return np.abs(one - other) <= (FEW_TICKS + 0.1) * tick


def ticks_in_words(price_T: NDArray[np.float64]) -> str:
    """Say that prices move by so few ticks that small jumps tell nothing; nothing if they do not.

    Examples
    --------
    >>> ticks_in_words(np.array([4, 3, 2] * 5) / 1e4)
    'prices move in ticks of 0.0001: jumps of up to 5 are not taken for splits'
    """
    tick = coarse_tick(price_T)
    # from 2 * FEW_TICKS on, no split of 2:1 is that small
    if not tick or price_T.min() > 2 * FEW_TICKS * tick:
        return ""
    return f"prices move in ticks of {tick:g}: jumps of up to {FEW_TICKS} are not taken for splits"
