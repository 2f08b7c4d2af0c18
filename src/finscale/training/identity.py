"""Whose resume point a file is: all that changes the outcome of a training."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from finscale.training.trainer import Trainer

#: Settings that cannot change the outcome.
_WITHOUT_EFFECT = ("thermal", "checkpoint_minutes")


def training_identity(trainer: Trainer) -> dict[str, Any]:
    """Return plain values that are equal for two trainings only if their outcomes are."""
    training = trainer.config.model_dump(mode="json")
    for name in _WITHOUT_EFFECT:
        del training[name]
    return {
        "training": training,
        "task": trainer.task.model_dump(mode="json"),
        "seed": trainer.seed,
        "device": trainer.device.type,
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
