"""The encoder: attention and feed-forward blocks on residual branches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finscale.models.kernels.dropout import dropout
from finscale.models.kernels.products import Linear
from finscale.models.patchtst.attention import SelfAttention
from finscale.models.patchtst.sizes import PatchTSTSizes
from finscale.models.recompute import recomputed


class TokenBatchNorm(nn.BatchNorm1d):
    """Batch norm of each model dimension over windows and tokens, as the paper has it."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return ``[B, T, D]`` normalised per dimension."""
        return super().forward(x_BTD.flatten(0, 1)).view_as(x_BTD)


class EncoderLayer(nn.Module):
    """Attention, then feed-forward, each on a residual branch with its norm and dropout."""

    def __init__(self, architecture: PatchTSTSizes) -> None:
        super().__init__()
        width = architecture.width
        self.pre_norm = architecture.norm == "layer"
        self.dropout = architecture.dropout
        norm = nn.LayerNorm if self.pre_norm else TokenBatchNorm
        self.attention_norm = norm(width)
        self.attention = SelfAttention(
            width,
            architecture.heads,
            dropout=architecture.attention_dropout,
            method=architecture.attention,
            residual=architecture.attention_residual,
        )
        self.ff_norm = norm(width)
        self.ff_in = Linear(width, architecture.ff_width)
        self.gelu = nn.GELU()
        self.ff_out = Linear(architecture.ff_width, width)

    def forward(self, x_BTD: Tensor, scores: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the tokens after this layer and its attention scores, if they are passed on."""
        if self.pre_norm:
            branch_BTD, scores = self.attention(self.attention_norm(x_BTD), scores)
            x_BTD = x_BTD + self._drop(branch_BTD)
            return x_BTD + self._drop(self._feed_forward(self.ff_norm(x_BTD))), scores
        branch_BTD, scores = self.attention(x_BTD, scores)
        x_BTD = self.attention_norm(x_BTD + self._drop(branch_BTD))
        return self.ff_norm(x_BTD + self._drop(self._feed_forward(x_BTD))), scores

    def _feed_forward(self, x_BTD: Tensor) -> Tensor:
        result: Tensor = self.ff_out(self._drop(self.gelu(self.ff_in(x_BTD))))
        return result

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training)


class Encoder(nn.Module):
    """``depth`` layers, and a closing norm where the layers norm in front."""

    def __init__(self, architecture: PatchTSTSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(architecture) for _ in range(architecture.depth))
        closing = architecture.norm == "layer"
        self.norm = nn.LayerNorm(architecture.width) if closing else nn.Identity()
        self.checkpointing = architecture.activation_checkpointing

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
