"""The encoder: attention and feed-forward blocks on residual branches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finscale.models.patchtst.attention import SelfAttention
from finscale.models.patchtst.sizes import PatchTSTSizes
from finscale.models.recompute import recomputed


class TokenBatchNorm(nn.BatchNorm1d):
    """Batch norm of each model dimension over windows and tokens, as the paper has it."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return ``[B, T, D]`` normalised per dimension."""
        return super().forward(x_BTD.flatten(0, 1)).view_as(x_BTD)


class EncoderLayer(nn.Module):
    """Attention, then feed-forward, each on a residual branch with its norm and dropout.

    A branch is added times ``multiplier``: ``finscale.models.base_sizes.branch_multiplier``.
    """

    def __init__(self, sizes: PatchTSTSizes) -> None:
        super().__init__()
        width = sizes.width
        self.pre_norm = sizes.norm == "layer"
        self.multiplier = sizes.branch_multiplier
        self.drop = nn.Dropout(sizes.dropout)
        norm = nn.LayerNorm if self.pre_norm else TokenBatchNorm
        self.attention_norm = norm(width)
        self.attention = SelfAttention(
            width,
            sizes.heads,
            scale=sizes.attention_scale,
            dropout=sizes.attention_dropout,
            method=sizes.attention,
            residual=sizes.attention_residual,
        )
        self.ff_norm = norm(width)
        self.ff_in = nn.Linear(width, sizes.ff_width)
        self.gelu = nn.GELU()
        self.ff_out = nn.Linear(sizes.ff_width, width)

    def forward(self, x_BTD: Tensor, scores: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the tokens after this layer and its attention scores, if they are passed on."""
        if self.pre_norm:
            branch_BTD, scores = self.attention(self.attention_norm(x_BTD), scores)
            x_BTD = self._add(x_BTD, branch_BTD)
            return self._add(x_BTD, self._feed_forward(self.ff_norm(x_BTD))), scores
        branch_BTD, scores = self.attention(x_BTD, scores)
        x_BTD = self.attention_norm(self._add(x_BTD, branch_BTD))
        return self.ff_norm(self._add(x_BTD, self._feed_forward(x_BTD))), scores

    def _add(self, x_BTD: Tensor, branch_BTD: Tensor) -> Tensor:
        return torch.add(x_BTD, self.drop(branch_BTD), alpha=self.multiplier)

    def _feed_forward(self, x_BTD: Tensor) -> Tensor:
        result: Tensor = self.ff_out(self.drop(self.gelu(self.ff_in(x_BTD))))
        return result


class Encoder(nn.Module):
    """``depth`` layers, and a closing norm where the layers norm in front."""

    def __init__(self, sizes: PatchTSTSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(sizes.depth))
        closing = sizes.norm == "layer"
        self.norm = nn.LayerNorm(sizes.width) if closing else nn.Identity()
        self.checkpointing = sizes.activation_checkpointing

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the encoded tokens ``[B, T, D]``."""
        scores: Tensor | None = None
        for layer in self.layers:
            if self.checkpointing and torch.is_grad_enabled():
                x_BTD, scores = recomputed(layer, x_BTD, scores)
            else:
                x_BTD, scores = layer(x_BTD, scores)
        result: Tensor = self.norm(x_BTD)
        return result
