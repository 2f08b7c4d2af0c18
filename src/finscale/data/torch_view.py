"""Windows one by one, as torch's own datasets give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from finscale.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from finscale.data.windows import FinancialDataset


class WindowIndexError(DataError, IndexError):
    """A window that does not exist; an ``IndexError``, so that a loop over all of them ends."""


@dataclass(frozen=True, eq=False)
class WindowDataset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Map-style view of a dataset's windows, for a ``DataLoader``: item i is (x_LF, y)."""

    dataset: FinancialDataset
    ends: NDArray[np.int64]
    """Decision rows; window i ends at ``ends[i]``."""

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        end = int(self.ends[index])
        x_LF = self.dataset.rows_RF[end - self.dataset.context_length + 1 : end + 1]
        if self.dataset._divisor_F is not None:
            x_LF = x_LF / self.dataset._divisor_F
        return x_LF, self.dataset.target_R[end]


def windows_at(dataset: FinancialDataset, index: Any) -> tuple[Tensor, Tensor]:
    """Return one of a dataset's windows with its label, or a batch of those of a slice.

    Raises
    ------
    WindowIndexError
        If there is no such window.
    DataError
        If the index is neither a number nor a slice.
    """
    if isinstance(index, slice):
        ends_B = torch.from_numpy(dataset.ends_W[index].copy()).to(dataset.device)
        return dataset.batch(ends_B)
    if isinstance(index, bool) or not hasattr(index, "__index__"):
        columns = "dataset.frame[NAME] is a column; " if isinstance(index, str) else ""
        raise DataError(
            f"a window is chosen by its number or a slice, not by {index!r}.",
            hint=f"{columns}dataset[0] is the first window and its label",
        )
    if not -len(dataset) <= index < len(dataset):
        raise WindowIndexError(
            f"window {index} does not exist: the dataset has {len(dataset):,}.",
            hint=f"they count from 0 to {len(dataset) - 1}" if len(dataset) else "",
        )
    return WindowDataset(dataset, dataset.ends_W)[index]
