"""From a window to tokens: patches, positions, and what RevIN took away."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finscale.models.architecture import Architecture
from finscale.models.dropout import dropout
from finscale.models.revin import Moments


class PatchEmbedding(nn.Module):
    """Cut each sequence into overlapping patches and project them, in one product.

    A patch of all its channels lies contiguous in memory, so the patches are a strided view of the
    window and nothing is unfolded.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.patch_length = architecture.patch_length
        self.stride = architecture.stride
        self.pad_end = architecture.pad_end
        self.independent = architecture.channels == "independent"
        self.dropout = architecture.dropout
        embedding = architecture.feature_embedding
        self.features = nn.Linear(architecture.num_features, embedding) if embedding else None
        inputs = architecture.patch_length * architecture.token_channels
        self.patches = nn.Linear(inputs, architecture.width)
        self.position_TD = nn.Parameter(torch.empty(architecture.num_patches, architecture.width))
        self.stats = StatsEmbedding(architecture) if architecture.instance_stats else None

    def forward(self, x_BLF: Tensor, moments: Moments) -> Tensor:
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
        patches = rows.unfold(1, self.patch_length * channels, self.stride * channels)
        x_BTD = self.patches(patches) + self.position_TD
        if self.stats is not None:
            x_BTD = x_BTD + self.stats(moments)
        return dropout(x_BTD, self.dropout, self.training)


class StatsEmbedding(nn.Module):
    """Tell the tokens how volatile their window is, which RevIN hides from them.

    Two numbers per channel, from the window as it came: the log of its standard deviation, and the
    log of its relative spread ``std / (|mean| + std)``, which no rescaling changes. Both are brought
    to order one by fixed numbers and bounded, so that an unheard-of window cannot throw the encoder.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.independent = architecture.channels == "independent"
        inputs, bottleneck = architecture.num_stats, architecture.feature_embedding
        self.reduce = nn.Linear(inputs, bottleneck, bias=False) if bottleneck else nn.Identity()
        self.project = nn.Linear(bottleneck or inputs, architecture.width, bias=False)

    def forward(self, moments: Moments) -> Tensor:
        """Return what is added to every token, ``[S, 1, D]``."""
        result: Tensor = self.project(self.reduce(self._stats(moments)))
        return result.unsqueeze(1)

    def _stats(self, moments: Moments) -> Tensor:
        mean_BF, std_BF = moments.mean.squeeze(1), moments.std.squeeze(1)
        spread_BF = std_BF / (mean_BF.abs() + std_BF)
        logs_BFk = torch.stack([std_BF, spread_BF], dim=2).log()
        # in units of the training set's deviation, a window's spread is e^-5 … e
        stats_BFk = ((logs_BFk + 3) / 2).clamp(-4, 4)
        return stats_BFk.flatten(0, 1) if self.independent else stats_BFk.flatten(1)
