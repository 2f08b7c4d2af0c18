"""Whose resume point a file is: all that changes the outcome of a training by design."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from finscale.training.trainer import Trainer


def training_identity(trainer: Trainer) -> dict[str, Any]:
    """Return plain values that are equal for two trainings only if their outcomes are.

    Where it is computed is no part of it: another device may go on with a training.
    """
    return {
        "training": trainer.config.part("science"),
        "task": trainer.task.model_dump(mode="json"),
        "seed": trainer.seed,
        "model": _model_digest(trainer.model),
        "windows": _windows_digest(trainer),
    }


def _model_digest(model: nn.Module) -> str:
    """Digest the module tree (which shows dropout rates) and every shape, not the weights."""
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    return hashlib.sha256(f"{model}{shapes}".encode()).hexdigest()


def _windows_digest(trainer: Trainer) -> str:
    """Digest which windows there are and their labels; rows themselves may exceed memory."""
    digest = hashlib.sha256(f"{trainer.dataset.context_length} {trainer.dataset.features}".encode())
    for ends in (trainer.split.train, trainer.split.validation):
        digest.update(ends.tobytes())
        digest.update(trainer.dataset.target_R[ends].cpu().numpy().tobytes())
    return digest.hexdigest()
