"""AdamW with decay on matrices only."""

from __future__ import annotations

import torch
from torch import nn

from finscale.config import TrainingConfig


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """Return fused AdamW; biases, norms, positions and other embeddings do not decay.

    A parameter decays if it is the weight of a product: ``ndim >= 2`` and not an embedding.
    """
    decaying: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_embedding = "position" in name or "stats" in name
        (decaying if parameter.ndim >= 2 and not is_embedding else free).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": decaying, "weight_decay": config.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ],
        lr=float(config.learning_rate),
        betas=config.betas,
        fused=True,
    )
