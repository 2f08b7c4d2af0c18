"""The rows that windows see, and each channel's standard deviation and range over them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def rows_seen(ends: NDArray[np.int64], length: int, num_rows: int) -> NDArray[np.bool_]:
    """Mark the rows that at least one of the windows sees.

    Examples
    --------
    >>> rows_seen(np.array([2, 3]), 2, 6).tolist()
    [False, True, True, True, False, False]
    """
    edge_R = np.zeros(num_rows + 1, dtype=np.int64)
    np.add.at(edge_R, ends - length + 1, 1)
    np.add.at(edge_R, ends + 1, -1)
    return np.cumsum(edge_R[:-1]) > 0


def channel_deviations(rows_RF: Tensor, seen_R: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each channel's standard deviation [F] over the rows marked; 1 where it is constant.

    The rows are read in blocks, in two passes, because they may lie in a file larger than memory.
    """
    count, num_channels = int(seen_R.sum()), rows_RF.shape[1]
    sum_F, square_F, largest_F = (np.zeros(num_channels) for _ in range(3))
    for x_rF in _seen_blocks(rows_RF, seen_R):
        sum_F += x_rF.sum(axis=0)
        np.maximum(largest_F, np.abs(x_rF).max(axis=0), out=largest_F)
    mean_F = sum_F / max(count, 1)
    for x_rF in _seen_blocks(rows_RF, seen_R):
        square_F += ((x_rF - mean_F) ** 2).sum(axis=0)
    deviation_F = np.sqrt(square_F / max(count, 1))
    # rounding alone gives a constant channel a deviation of a few float32 epsilons
    varies_F = deviation_F > 4 * np.finfo(np.float32).eps * largest_F
    return np.where(varies_F, deviation_F, 1.0)


def channel_ranges(
    rows_RF: Tensor, seen_R: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each channel's least and largest value [F] over the rows marked; ±∞ over none.

    Examples
    --------
    >>> import torch
    >>> low, high = channel_ranges(torch.tensor([[1.0], [5.0], [9.0]]), np.array([1, 1, 0]) > 0)
    >>> low.tolist(), high.tolist()
    ([1.0], [5.0])
    """
    low_F = np.full(rows_RF.shape[1], np.inf)
    high_F = -low_F
    for x_rF in _seen_blocks(rows_RF, seen_R):
        np.minimum(low_F, x_rF.min(axis=0), out=low_F)
        np.maximum(high_F, x_rF.max(axis=0), out=high_F)
    return low_F.astype(np.float32), high_F.astype(np.float32)


def _seen_blocks(rows_RF: Tensor, seen_R: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Yield the rows marked, as float64, about a megabyte at a time."""
    size = max((1 << 17) // max(rows_RF.shape[1], 1), 1)
    for first in range(0, len(seen_R), size):
        seen = seen_R[first : first + size]
        if seen.any():
            yield rows_RF[first : first + size].cpu().numpy()[seen].astype(np.float64)
