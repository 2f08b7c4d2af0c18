"""From a window to tokens: patches, positions, and what RevIN took away."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from finscale.models.kernels.dropout import dropout
from finscale.models.kernels.products import Linear
from finscale.models.patchtst.sizes import PatchTSTSizes


class PatchEmbedding(nn.Module):
    """Cut each sequence into overlapping patches and project them, in one product.

    A patch of all its channels lies contiguous in memory, so the patches are a strided view of the
    window and nothing is unfolded.
    """

    def __init__(self, architecture: PatchTSTSizes) -> None:
        super().__init__()
        self.patch_length = architecture.patch_length
        self.stride = architecture.stride
        self.pad_end = architecture.pad_end
        self.independent = architecture.channels == "independent"
        self.dropout = architecture.dropout
        embedding = architecture.feature_embedding
        self.features = Linear(architecture.num_features, embedding) if embedding else None
        inputs = architecture.patch_length * architecture.token_channels
        self.patches = Linear(inputs, architecture.width)
        self.position = Position(architecture.num_patches, architecture.width)
        self.stats = StatsEmbedding(architecture) if architecture.instance_stats else None

    def forward(self, x_BLF: Tensor, stats_BFk: Tensor | None = None) -> Tensor:
        """Return tokens ``[S, T, D]``: S is B, or B·F with independent channels."""
        if self.features is not None:
            x_BLF = self.features(x_BLF)
        if self.independent:
            x_BLF = x_BLF.transpose(1, 2).reshape(-1, x_BLF.shape[1], 1)
        if self.pad_end:
            x_BLF = torch.cat([x_BLF, x_BLF[:, -1:].expand(-1, self.stride, -1)], dim=1)
        channels = x_BLF.shape[2]
        # the newest row must be seen: rows that fill no patch are left out at the start
        surplus = (x_BLF.shape[1] - self.patch_length) % self.stride
        rows = x_BLF[:, surplus:].flatten(1)
        patches = patches_of(rows, self.patch_length * channels, self.stride * channels)
        x_BTD = self.position(self.patches(patches))
        if self.stats is not None and stats_BFk is not None:
            x_BTD = x_BTD + self.stats(stats_BFk)
        return dropout(x_BTD, self.dropout, self.training)


def patches_of(rows_SN: Tensor, size: int, step: int) -> Tensor:
    """Return the overlapping patches of ``size`` numbers, ``step`` apart, a view [S, T, size]."""
    if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and rows_SN.requires_grad):
        return rows_SN.unfold(1, size, step)
    result: Tensor = _Patches.apply(rows_SN, size, step)  # type: ignore[no-untyped-call]
    return result


class _Patches(torch.autograd.Function):
    """``unfold``, whose own gradient goes number by number: a tenth of its time, same bits."""

    @staticmethod
    def forward(ctx: Any, rows_SN: Tensor, size: int, step: int) -> Tensor:
        ctx.sizes = (*rows_SN.shape, size, step)
        return rows_SN.unfold(1, size, step)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        num_sequences, num_numbers, size, step = ctx.sizes
        grad_STI = grads[0]
        num_patches = grad_STI.shape[1]
        num_blocks = num_patches + math.ceil(size / step) - 1
        total_SKs = grad_STI.new_zeros(num_sequences, num_blocks, step)
        # the k-th step of patch t lies in block t + k
        for k, start in enumerate(range(0, size, step)):
            piece_STs = grad_STI[:, :, start : start + step]
            total_SKs[:, k : k + num_patches, : piece_STs.shape[2]].add_(piece_STs)
        return total_SKs.view(num_sequences, -1)[:, :num_numbers], None, None


class Position(nn.Module):
    """Add each token's place to it, as a learned vector."""

    def __init__(self, num_tokens: int, width: int) -> None:
        super().__init__()
        self.place_TD = nn.Parameter(torch.empty(num_tokens, width))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the tokens with their places added."""
        return x_BTD + self.place_TD


class StatsEmbedding(nn.Module):
    """Project a window's statistics to the model's width, to be added to each of its tokens."""

    def __init__(self, architecture: PatchTSTSizes) -> None:
        super().__init__()
        self.independent = architecture.channels == "independent"
        inputs, bottleneck = architecture.num_stats, architecture.feature_embedding
        self.reduce = Linear(inputs, bottleneck, bias=False) if bottleneck else nn.Identity()
        self.project = Linear(bottleneck or inputs, architecture.width, bias=False)

    def forward(self, stats_BFk: Tensor) -> Tensor:
        """Return what is added to every token, ``[S, 1, D]``."""
        stats_Sk = stats_BFk.flatten(0, 1) if self.independent else stats_BFk.flatten(1)
        result: Tensor = self.project(self.reduce(stats_Sk))
        return result.unsqueeze(1)
