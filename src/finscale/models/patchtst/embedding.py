"""From a window to tokens: patches, positions, and what RevIN took away."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finscale.models.patchtst.sizes import PatchTSTSizes


class PatchEmbedding(nn.Module):
    """Cut each sequence into overlapping patches and project them, in one product."""

    def __init__(self, sizes: PatchTSTSizes) -> None:
        super().__init__()
        self.patch_length = sizes.patch_length
        self.stride = sizes.stride
        self.pad_end = sizes.pad_end
        self.independent = sizes.channels == "independent"
        self.drop = nn.Dropout(sizes.dropout)
        embedding = sizes.feature_embedding
        self.features = nn.Linear(sizes.num_features, embedding) if embedding else None
        inputs = sizes.patch_length * sizes.token_channels
        self.patches = nn.Linear(inputs, sizes.width)
        self.position = Position(sizes.num_patches, sizes.width)
        self.stats = StatsEmbedding(sizes) if sizes.instance_stats else None

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
        dropped: Tensor = self.drop(x_BTD)
        return dropped


def patches_of(rows_SN: Tensor, size: int, step: int) -> Tensor:
    """Return the overlapping patches of ``size`` numbers, ``step`` apart, ``[S, T, size]``."""
    if size % step:
        return rows_SN.unfold(1, size, step)
    # side by side from blocks of one step: the gradient of unfold goes number by number, ten times
    # as slowly
    # shape[0], not len: torch.export would take len for a constant
    blocks_SKs = rows_SN.reshape(rows_SN.shape[0], -1, step)
    num_patches = blocks_SKs.shape[1] - size // step + 1
    shifted = [blocks_SKs[:, k : k + num_patches] for k in range(size // step)]
    return torch.cat(shifted, dim=2)


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

    def __init__(self, sizes: PatchTSTSizes) -> None:
        super().__init__()
        self.independent = sizes.channels == "independent"
        inputs, bottleneck = sizes.num_stats, sizes.feature_embedding
        self.reduce = nn.Linear(inputs, bottleneck, bias=False) if bottleneck else nn.Identity()
        self.project = nn.Linear(bottleneck or inputs, sizes.width, bias=False)

    def forward(self, stats_BFk: Tensor) -> Tensor:
        """Return what is added to every token, ``[S, 1, D]``."""
        stats_Sk = stats_BFk.flatten(0, 1) if self.independent else stats_BFk.flatten(1)
        result: Tensor = self.project(self.reduce(stats_Sk))
        return result.unsqueeze(1)
