"""Fit a network's linear path before it is trained, by the logistic baseline's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from finscale.config.losses import quantile_levels
from finscale.experiment.preparation import Prepared
from finscale.models.baselines.held_out import held_out_blocks
from finscale.models.baselines.linear_fit import LinearFit, fit_linear
from finscale.training.allocator import release_freed_memory

if TYPE_CHECKING:
    from finscale.models.linear_path import LinearPath

Floats = NDArray[np.float64]
_Fit = tuple[LinearFit, Floats]
#: Fits of this process by windows, data and quantiles; a fit is a few numbers a column.
_FITS: dict[tuple[str, tuple[tuple[str, str], ...], tuple[float, ...]], _Fit] = {}
_MOST_FITS = 32


def set_linear_path(model: LinearPath, prepared: Prepared) -> None:
    """Give a linear path its scale and, unless it starts from zero, its weights.

    Fitted on the train windows, its penalty chosen on validation and, of a panel, on blocks of
    train days held out; the test part is not read. For quantiles each output starts from the same
    linear function, shifted to the quantile of its own training errors.
    """
    config = prepared.config
    fit, bias_Q = _kept_fit(prepared)
    model.set_scale(torch.from_numpy(fit.mean_K), torch.from_numpy(fit.spread_K), fit.clip)
    if config.network.linear_path == "zero":
        return
    weight_QK = np.tile(fit.weight_K, (len(bias_Q), 1))
    model.set_weights(torch.from_numpy(weight_QK), torch.from_numpy(bias_Q))


def _kept_fit(prepared: Prepared) -> _Fit:
    """Return the fit of these windows and the bias of each output.

    A worker trains the sizes and seeds of a few folds one after another, and those of a fold start
    from the same fit; on a panel it takes longer than the smallest networks do.
    """
    levels = tuple(quantile_levels(prepared.config))
    windows = prepared.config.model_dump_json(include={"data", "task", "split"})
    key = windows, tuple(prepared.digests.items()), levels
    if key not in _FITS:
        while len(_FITS) >= _MOST_FITS:
            del _FITS[next(iter(_FITS))]
        _FITS[key] = _fit(prepared, levels)
        # a panel's inputs took hundreds of megabytes several times over
        release_freed_memory()
    return _FITS[key]


def _fit(prepared: Prepared, levels: tuple[float, ...]) -> _Fit:
    dataset, split = prepared.dataset, prepared.split
    relative_RK = dataset.relative_RK.cpu().numpy()

    def part(ends: NDArray[np.int64]) -> tuple[NDArray[np.float32], Floats]:
        return relative_RK[ends], dataset.targets(ends).astype(np.float64)

    train, validation = part(split.train), part(split.validation)
    task = prepared.config.task
    blocks_B = held_out_blocks(dataset.frame, split.train, task.horizon)
    classifies = task.kind == "classification"
    fit = fit_linear(*train, *validation, classifies=classifies, blocks_B=blocks_B)
    if not levels:
        return fit, np.array([fit.bias])
    return fit, fit.bias + np.quantile(train[1] - fit(train[0]), levels)
