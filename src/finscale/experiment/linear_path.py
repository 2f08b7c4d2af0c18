"""Fit a network's linear path before it is trained, by the logistic baseline's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from finscale.config.losses import quantile_levels
from finscale.experiment.preparation import Prepared
from finscale.models.baselines.linear_fit import fit_linear

if TYPE_CHECKING:
    from finscale.models.linear_path import LinearPath

Floats = NDArray[np.float64]


def set_linear_path(model: LinearPath, prepared: Prepared) -> None:
    """Give a linear path its scale and, unless it starts from zero, its weights.

    Fitted on the train windows, its penalty chosen on validation; the test part is not read. For
    quantiles each output starts from the same linear function, shifted to the quantile of its own
    training errors.
    """
    dataset, split, config = prepared.dataset, prepared.split, prepared.config
    relative_RK = dataset.relative_RK.cpu().numpy()

    def part(ends: NDArray[np.int64]) -> tuple[Floats, Floats]:
        return relative_RK[ends].astype(np.float64), dataset.targets(ends).astype(np.float64)

    train, validation = part(split.train), part(split.validation)
    fit = fit_linear(*train, *validation, classifies=config.task.kind == "classification")
    model.set_scale(torch.from_numpy(fit.mean_K), torch.from_numpy(fit.spread_K), fit.clip)
    if config.network.linear_path == "zero":
        return
    levels = quantile_levels(config)
    bias_Q = np.array([fit.bias])
    if levels:
        bias_Q = fit.bias + np.quantile(train[1] - fit(train[0]), levels)
    weight_QK = np.tile(fit.weight_K, (len(bias_Q), 1))
    model.set_weights(torch.from_numpy(weight_QK), torch.from_numpy(bias_Q))
