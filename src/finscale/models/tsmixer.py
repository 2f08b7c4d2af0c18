"""TSMixer: dense layers over time and over channels, in turn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finscale.config.architectures.tsmixer import TSMixerConfig
from finscale.models.base_sizes import branch_multiplier
from finscale.models.interface import Interface
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowChannels, WindowNetwork, near_zero


class TSMixer(WindowNetwork):
    """Blocks of time mixing and feature mixing, and a temporal projection to the rows to come.

    With ``width`` and ``rows`` both absent this is the paper's basic model: its blocks keep the
    window's L rows and F channels. But then their size follows from the window, time mixing alone
    takes L² parameters, and no budget can be met. So the blocks may work on ``rows`` times
    ``width`` numbers: in front of them stands the paper's align stage (section 4.2, TSMixer-Ext), a
    temporal projection and a map of features, and behind them a map back to the F channels.

    For classification and regression, which the paper has not, what leaves the last block is read
    out by one linear layer, and the window's statistics are three more rows. Left out: static and
    future features, and a learned scale and shift after normalising.

    Parameters
    ----------
    config : TSMixerConfig
        Depth and the width of feature mixing are required.
    interface : Interface
        Windows and head.

    References
    ----------
    Chen et al. (2023), "TSMixer: an all-MLP architecture for time series forecasting", TMLR,
    arXiv 2303.06053.
    """

    def __init__(self, config: TSMixerConfig, interface: Interface) -> None:
        super().__init__(interface)
        assert config.depth is not None
        self.channels = WindowChannels(interface, config.feature_embedding)
        rows = config.rows or self.channels.num_rows
        width = config.width or self.channels.num_channels
        self.align_features = (
            nn.Linear(self.channels.num_channels, width) if config.width else nn.Identity()
        )
        self.align_time = nn.Linear(self.channels.num_rows, rows) if config.rows else nn.Identity()
        multiplier = branch_multiplier(config.depth, interface.parametrisation)
        self.blocks = nn.ModuleList(
            MixerBlock(config, rows, width, multiplier) for _ in range(config.depth)
        )
        self.back: nn.Module = nn.Identity()
        if interface.forecast_length is None:
            self.head: nn.Module = WindowOutput(rows * width, interface)
        else:
            self.head = near_zero(nn.Linear(rows, interface.forecast_length))
            if config.width:
                self.back = nn.Linear(width, interface.num_features)

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        x_BTC = self.align_features(self.channels(z_BLF, stats_BFk))
        x_BTC = self.align_time(x_BTC.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x_BTC = block(x_BTC)
        y: Tensor
        if self.forecasts:
            y = self.back(self.head(x_BTC.transpose(1, 2)).transpose(1, 2))
        else:
            y = self.head(x_BTC.flatten(1))
        return y


class MixerBlock(nn.Module):
    """Time mixing, then feature mixing, each with its norm in front and on a residual branch.

    A branch is added times ``multiplier``: ``finscale.models.base_sizes.branch_multiplier``.
    """

    def __init__(
        self, config: TSMixerConfig, rows: int, width: int, multiplier: float = 1.0
    ) -> None:
        super().__init__()
        assert config.ff_width is not None
        self.multiplier = multiplier
        by_batch = config.norm == "batch"

        def norm() -> nn.Module:
            return WindowBatchNorm(rows * width) if by_batch else nn.LayerNorm((rows, width))

        self.drop = nn.Dropout(config.dropout)
        self.time_norm = norm()
        self.time = nn.Linear(rows, rows)
        self.feature_norm = norm()
        self.feature_in = nn.Linear(width, config.ff_width)
        self.feature_out = nn.Linear(config.ff_width, width)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return the rows after this block."""
        mixed_BCT = self.time(self.time_norm(x_BTC).transpose(1, 2)).relu()
        x_BTC = self._add(x_BTC, mixed_BCT.transpose(1, 2))
        hidden = self.drop(self.feature_in(self.feature_norm(x_BTC)).relu())
        return self._add(x_BTC, self.feature_out(hidden))

    def _add(self, x_BTC: Tensor, branch_BTC: Tensor) -> Tensor:
        return torch.add(x_BTC, self.drop(branch_BTC), alpha=self.multiplier)


class WindowBatchNorm(nn.BatchNorm1d):
    """Batch norm of each number of a window: of every row and channel for itself."""

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return ``[B, T, C]`` normalised over the windows of the batch."""
        return super().forward(x_BTC.flatten(1)).view_as(x_BTC)
