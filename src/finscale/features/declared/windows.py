"""Functions of the last rows at each row, a block of rows at a time so that memory stays small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from finscale.features.feature import Array

#: Values that a block of windows holds at most: 16 MB.
_BLOCK = 2_000_000


def rolled(values: Array, rows: int, of_windows: Callable[[Array], Array]) -> Array:
    """Return a function of the last ``rows`` values at each row, NaN where one of them is.

    Parameters
    ----------
    values : array, ``[T]``
    rows : int
        Values in a window.
    of_windows : callable
        Windows ``[n, rows]``, finite, to values ``[n]``; each from its own window alone.

    Returns
    -------
    array, ``[T]``
        What is not finite is 0.
    """
    result = np.full_like(values, np.nan)
    if rows > len(values):
        return result
    windows = sliding_window_view(values, rows)
    step = max(_BLOCK // rows, 1)
    for start in range(0, len(windows), step):
        block = windows[start : start + step]
        whole = ~np.isnan(block).any(axis=1)
        found = np.full(len(block), np.nan)
        if whole.any():
            kept = block if whole.all() else block[whole]
            made = of_windows(kept)
            found[whole] = np.where(np.isfinite(made), made, 0.0)
        result[rows - 1 + start : rows - 1 + start + len(block)] = found
    return result


def dot(windows: Array, weights: NDArray[np.floating[Any]]) -> Array:
    """Return each window's sum weighted along its last axis.

    A matrix product would do, but BLAS adds up the last rows of a matrix in another order than the
    rest, so that a value would hang, in its last bit, on how many bars follow it.
    """
    return np.asarray((windows * weights).sum(axis=-1))
