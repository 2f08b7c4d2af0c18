"""What a model reads of each window; what depends on the window alone is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from finscale.data import FinancialDataset

#: Prepared windows are kept up to this size; beyond it each batch is prepared anew. A fixed number,
#: so that the same training takes the same way on every machine.
_LARGEST_CACHE = 256 * 2**20
_WINDOWS_AT_ONCE = 1024


def windows_for(model: nn.Module, dataset: FinancialDataset, ends_B: Tensor) -> tuple[Tensor, ...]:
    """Return what a model's ``forward`` takes: windows, and last rows where it reads them."""
    x_BLF, _ = dataset.batch(ends_B)
    if getattr(model, "reads_last_row", False):
        return x_BLF, dataset.last_rows(ends_B)
    return (x_BLF,)


class Inputs:
    """Prepared windows, gathered by the rows that they end at.

    A model that has ``prepare`` and ``encode`` (as :class:`~finscale.models.PatchTST`) normalises
    its windows and measures their statistics without a parameter. Over twenty epochs that is half
    of a small model's time, so training does it once.

    Parameters
    ----------
    model : nn.Module
        Any; one without ``prepare`` gets the windows as they are.
    dataset : FinancialDataset
        Where the windows are.
    ends : ndarray of int64
        The windows that will be read again and again.
    """

    def __init__(self, model: nn.Module, dataset: FinancialDataset, ends: np.ndarray) -> None:
        self._model = model
        self._prepare: Any = getattr(model, "prepare", None)
        self._dataset = dataset
        self._kept: tuple[Tensor, ...] = ()
        self._place_R: Tensor | None = None
        if self._prepare is not None and len(ends) and self._bytes(ends) <= _LARGEST_CACHE:
            self._keep(ends)

    @torch.no_grad()
    def of(self, ends_B: Tensor) -> tuple[Tensor, ...]:
        """Return what the model reads of the windows that end at rows ``ends_B``."""
        if self._place_R is None:
            return self._fresh(ends_B)
        places_B = self._place_R.index_select(0, ends_B)
        return tuple(kept_N.index_select(0, places_B) for kept_N in self._kept)

    def _fresh(self, ends_B: Tensor) -> tuple[Tensor, ...]:
        read = windows_for(self._model, self._dataset, ends_B)
        return read if self._prepare is None else self._prepare(*read)

    @torch.no_grad()
    def _bytes(self, ends: np.ndarray) -> int:
        one = self._fresh(torch.from_numpy(ends[:1]).to(self._dataset.device))
        return len(ends) * sum(part.nbytes for part in one)

    @torch.no_grad()
    def _keep(self, ends: np.ndarray) -> None:
        ends_N = torch.from_numpy(np.unique(ends)).to(self._dataset.device)
        parts = [self._fresh(ends_B) for ends_B in torch.split(ends_N, _WINDOWS_AT_ONCE)]
        self._kept = tuple(torch.cat(pieces) for pieces in zip(*parts, strict=True))
        # a window that is not kept would be looked up beyond the end, which is an error
        num_rows = len(self._dataset.target_R)
        self._place_R = torch.full((num_rows,), len(ends_N), device=ends_N.device)
        self._place_R[ends_N] = torch.arange(len(ends_N), device=ends_N.device)
