"""Which trainings can take their steps together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from finscale.models.patchtst.sizes import PatchTSTSizes
from finscale.models.replicas import can_stack

if TYPE_CHECKING:
    from finscale.training.trainer import Trainer


def why_not_together(trainers: Sequence[Trainer]) -> str:
    """Return why these trainings cannot be stacked, as a clause; empty where they can."""
    if len(trainers) < 2:
        return ""
    first = trainers[0]
    if not all(can_stack(trainer.model) for trainer in trainers):
        return "a model has parts that no stack knows"
    if any(trainer.config.compile for trainer in trainers):
        return "one is to be compiled"
    if len({_shape_of(trainer) for trainer in trainers}) > 1:
        return "their models, batches, epochs or arithmetic differ"
    for trainer in trainers[1:]:
        if not _same_rows(trainer, first):
            return "their rows differ"
        if not all(
            np.array_equal(getattr(trainer.split, part), getattr(first.split, part))
            for part in ("train", "validation")
        ):
            return "their windows differ"
    return ""


def _same_rows(one: Trainer, other: Trainer) -> bool:
    rows, others = one.dataset.rows_RF, other.dataset.rows_RF
    scaled_alike = np.array_equal(one.dataset.scale_F, other.dataset.scale_F)
    return scaled_alike and (rows is others or torch.equal(rows, others))


#: Settings in which stacked trainings may differ.
_OWN = {"learning_rate", "weight_decay", "betas", "schedule", "warmup", "final_rate", "clip_norm",
        "loss", "loss_options", "patience", "thermal", "checkpoint_minutes"}  # fmt: skip


def _shape_of(trainer: Trainer) -> str:
    shapes = [(name, tuple(p.shape)) for name, p in trainer.model.named_parameters()]
    architecture = getattr(trainer.model, "sizes", None)
    if isinstance(architecture, PatchTSTSizes):
        # weights that are dropped are attended to by another way than weights that are not
        dropped = float(architecture.attention_dropout > 0)
        architecture = replace(
            architecture, dropout=0.0, head_dropout=0.0, attention_dropout=dropped
        )
    return f"{shapes} {architecture} {trainer.config.model_dump_json(exclude=_OWN)}"
