"""The trainer of a placed run, its weights drawn from the run's seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finscale.experiment.preparation import Prepared

if TYPE_CHECKING:
    from torch import nn

    from finscale.training import Callback, Trainer
    from finscale.training.distributed import Ranks


def make_trainer(
    prepared: Prepared,
    *,
    folder: Path | None = None,
    callbacks: Sequence[Callback] = (),
    ranks: Ranks | None = None,
) -> Trainer:
    """Return the trainer of a placed run, its weights drawn from the run's seed.

    Parameters
    ----------
    prepared : Prepared
        What is trained.
    folder : Path, optional
        Where resume points are kept.
    callbacks : sequence of Callback
        Told about every step and epoch.
    ranks : Ranks, optional
        The processes that train it together. Where each holds a share of the model, none ever holds
        all of it.
    """
    import torch

    from finscale.training import Trainer
    from finscale.training.distributed import ALONE

    config = prepared.config
    torch.manual_seed(config.seed)
    return Trainer(
        _model(prepared, ranks or ALONE),
        prepared.dataset,
        prepared.split,
        config.training,
        task=config.task,
        seed=config.seed,
        callbacks=callbacks,
        folder=folder,
        ranks=ranks or ALONE,
    )


def _model(prepared: Prepared, ranks: Ranks) -> nn.Module:
    from finscale.experiment.linear_path import set_linear_path
    from finscale.models import build_model
    from finscale.models.linear_path import LinearPath

    config, shape = prepared.config, prepared.interface()

    def build() -> nn.Module:
        model = build_model(config.network, **shape)
        if isinstance(model, LinearPath):
            set_linear_path(model, prepared)
        return model

    if not ranks.together or config.training.strategy != "fsdp":
        return build()
    from finscale.training.distributed_weights import build_shared

    return build_shared(build, ranks, seed=config.seed)
