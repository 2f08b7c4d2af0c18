"""Whose resume point a file is: all that changes the outcome of a training by design."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from finscale.models.kernels.accelerate import SWAPS

if TYPE_CHECKING:
    from torch import nn

    from finscale.config import TaskConfig, TrainingConfig
    from finscale.data import FinancialDataset, Split


def training_identity(
    model: nn.Module,
    dataset: FinancialDataset,
    split: Split,
    config: TrainingConfig,
    task: TaskConfig,
    seed: int,
) -> dict[str, Any]:
    """Return plain values that are equal for two trainings only if their outcomes are.

    Outcomes are equal to the bit on the same processor with the same threads and kernels, and up
    to rounding and dropout's own masks elsewhere.
    """
    return {
        "training": config.part("science"),
        "task": task.model_dump(mode="json"),
        "seed": seed,
        "model": _model_digest(model),
        "windows": _windows_digest(dataset, split),
    }


def _model_digest(model: nn.Module) -> str:
    """Digest the module tree (which shows dropout rates) and every shape, not the weights."""
    tree = str(model)
    for plain, fast in SWAPS.values():
        # kernels are placement
        tree = tree.replace(fast.__name__, plain.__name__)
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    return hashlib.sha256(f"{tree}{shapes}".encode()).hexdigest()


def _windows_digest(dataset: FinancialDataset, split: Split) -> str:
    """Digest which windows there are and their labels; rows themselves may exceed memory."""
    digest = hashlib.sha256(f"{dataset.context_length} {dataset.features}".encode())
    for ends in (split.train, split.validation):
        digest.update(ends.tobytes())
        digest.update(dataset.target_R[ends].cpu().numpy().tobytes())
    return digest.hexdigest()
