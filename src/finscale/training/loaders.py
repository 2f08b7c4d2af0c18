"""Windows and labels from ordinary ``DataLoader`` objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from finscale.calling import spoken
from finscale.config import TaskConfig
from finscale.data import FinancialDataset, Split
from finscale.data.asked import asked_task
from finscale.errors import DataError

#: Batches of windows and their labels, such as a ``DataLoader`` gives.
Batches = Iterable[tuple[Tensor, Tensor]]


@spoken('from_loaders(train_loader, validation_loader, task="direction")')
def from_loaders(
    train: Batches, validation: Batches, *, task: TaskConfig | str
) -> tuple[FinancialDataset, Split]:
    """Read both loaders once and return their windows as a dataset and its split.

    Parameters
    ----------
    train, validation : DataLoader
        Each batch a pair of windows ``[B, L, F]`` and labels ``[B]``. They are kept in memory;
        order, batches and shuffling are the trainer's from then on.
    task : TaskConfig or str
        What the labels are, or its name: its kind decides on the loss.

    Returns
    -------
    dataset : FinancialDataset
        Each window stands alone, undated.
    split : Split
        Without test windows.

    Raises
    ------
    DataError
        If a loader is empty, a batch is no such pair, shapes differ or a number is not finite.

    Examples
    --------
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> windows, labels = torch.randn(64, 16, 3), torch.randint(2, (64,)).float()
    >>> loader = DataLoader(TensorDataset(windows, labels), batch_size=32)
    >>> dataset, split = from_loaders(loader, loader, task="direction")
    >>> len(split.train), dataset.num_features
    (64, 3)

    They are what a trainer takes:
    ``Trainer(model, dataset, split, config, task=dataset.task).fit()``.
    """
    task = asked_task(task)
    parts = {
        name: _windows(loader, name, classes=task.kind == "classification")
        for name, loader in (("train", train), ("validation", validation))
    }
    shapes = {name: tuple(x_NLF.shape[1:]) for name, (x_NLF, _) in parts.items()}
    if shapes["train"] != shapes["validation"]:
        raise DataError(
            f"windows of train are {shapes['train']}, those of validation {shapes['validation']}.",
            hint="both are [rows, features]",
        )
    x_NLF = torch.cat([x for x, _ in parts.values()])
    y_N = torch.cat([y for _, y in parts.values()])
    num_windows, length, num_features = x_NLF.shape
    row_R = np.arange(num_windows * length)
    ends_W = row_R[length - 1 :: length]
    target_R = torch.full((row_R.size,), torch.nan)
    target_R[ends_W] = y_N
    dataset = FinancialDataset(
        frame=pl.DataFrame(),
        features=tuple(f"x{i}" for i in range(num_features)),
        rows_RF=x_NLF.reshape(-1, num_features),
        target_R=target_R,
        reach_R=row_R,
        date_R=np.datetime64("1970-01-01", "D") + row_R,
        symbol_R=row_R // length,
        symbols=tuple(f"window {i}" for i in range(num_windows)),
        ends_W=ends_W,
        context_length=length,
        task=task,
        timeline="labels as the loaders give them",
        scale_F=np.ones(num_features),
    )
    num_train = len(parts["train"][1])
    none = ends_W[:0]
    return dataset, Split(ends_W[:num_train], ends_W[num_train:], none, 0, 0, 0, 0, ())


def _windows(batches: Any, name: str, *, classes: bool) -> tuple[Tensor, Tensor]:
    """Return all windows ``[N, L, F]`` and labels ``[N]`` of a loader, in fp32."""
    windows: list[Tensor] = []
    labels: list[Tensor] = []
    if not isinstance(batches, Iterable):
        raise DataError(
            f"the {name} loader is {batches!r}: batches of windows and labels are needed.",
            hint="torch.utils.data.DataLoader(TensorDataset(windows, labels), batch_size=64)",
        )
    for batch in batches:
        if not (isinstance(batch, (tuple, list)) and len(batch) == 2):
            several = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
            raise DataError(
                f"the {name} loader gives {type(batch).__name__}{several}, not pairs of windows "
                "and labels.",
                hint="DataLoader(TensorDataset(windows, labels)) gives them",
            )
        try:
            x_BLF, y_B = (torch.as_tensor(part, dtype=torch.float32) for part in batch)
        except (ValueError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise DataError(
                f"the {name} loader gives what is no number: {reason}.",
                hint="windows and labels are tensors of numbers",
            ) from None
        if x_BLF.ndim != 3 or y_B.numel() != len(x_BLF):
            raise DataError(
                f"the {name} loader gives windows {tuple(x_BLF.shape)} and labels "
                f"{tuple(y_B.shape)}.",
                hint="windows are [batch, rows, features], labels [batch]",
            )
        if not (x_BLF.isfinite().all() and y_B.isfinite().all()):
            raise DataError(f"the {name} loader gives numbers that are not finite.")
        if windows and x_BLF.shape[1:] != windows[0].shape[1:]:
            raise DataError(
                f"the {name} loader gives windows {tuple(windows[0].shape[1:])} first and "
                f"{tuple(x_BLF.shape[1:])} later.",
                hint="all windows are [rows, features] of one size",
            )
        windows.append(x_BLF.cpu())
        labels.append(y_B.reshape(-1).cpu())
    if not windows:
        raise DataError(f"the {name} loader is empty.")
    y_N = torch.cat(labels)
    if classes and (other := y_N[(y_N != 0) & (y_N != 1)]).numel():
        raise DataError(
            f"the {name} loader gives the label {other[0]:g}; a class is 0 or 1.",
            hint='task="regression" takes any number',
        )
    return torch.cat(windows), y_N
