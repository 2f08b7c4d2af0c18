"""Copy windows out of contiguous rows, on the device that holds the rows."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_windows(
    rows_RF: Tensor, ends_B: Tensor, length: int, out: Tensor | None = None
) -> Tensor:
    """Copy the windows that end at given rows; [B, length, F].

    Window b holds the rows ``ends_B[b] - length + 1 … ends_B[b]`` of the contiguous ``rows_RF``
    [R, F], on the device of both. They are written into the first B windows of ``out``
    [B or more, length, F], where it is given.

    Examples
    --------
    >>> rows = torch.arange(5.0).view(5, 1)
    >>> gather_windows(rows, torch.tensor([2, 4]), 3)[:, :, 0].tolist()
    [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    """
    # only the CPU indexes a strided view without first copying all windows
    gather = _gather_blocks if rows_RF.device.type == "cpu" else _gather_rows
    return gather(rows_RF, ends_B, length, None if out is None else out[: ends_B.shape[0]])


def _gather_blocks(rows_RF: Tensor, ends_B: Tensor, length: int, out: Tensor | None) -> Tensor:
    """Gather each window as one block: its ``length * F`` numbers are contiguous in memory."""
    num_rows, num_channels = rows_RF.shape
    size = length * num_channels
    blocks = rows_RF.as_strided(
        (num_rows - length + 1, size), (num_channels, 1), rows_RF.storage_offset()
    )
    flat = None if out is None else out.view(-1, size)
    gathered = torch.index_select(blocks, 0, ends_B - (length - 1), out=flat)
    return gathered.view(-1, length, num_channels)


def _gather_rows(rows_RF: Tensor, ends_B: Tensor, length: int, out: Tensor | None) -> Tensor:
    """Gather each window row by row."""
    num_channels = rows_RF.shape[1]
    row_L = torch.arange(1 - length, 1, device=rows_RF.device)
    row_BL = (ends_B[:, None] + row_L).flatten()
    flat = None if out is None else out.view(-1, num_channels)
    return torch.index_select(rows_RF, 0, row_BL, out=flat).view(-1, length, num_channels)
