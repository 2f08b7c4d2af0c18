"""DLinear: each channel's trend and what remains of it, through one linear map each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from finscale.config.model import DLinearConfig
from finscale.errors import ConfigError
from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowNetwork


class DLinear(WindowNetwork):
    """Linear maps of trend and remainder, shared by the channels.

    A forecast is the sum of the two maps from L rows to H, as in the paper; both start with all
    weights 1/L, so with the window's mean, as in the authors' code (with torch's own first weights,
    ETTh1 at 192 rows ends 3 % worse). For classification and
    regression they map to ``width`` numbers a channel, read out, beside the window's statistics, by
    one linear layer. Windows are normalised by their own moments.

    Parameters
    ----------
    config : DLinearConfig
        ``width`` is required unless rows are forecast.
    interface : Interface
        Windows and head.

    References
    ----------
    Zeng et al. (2023), "Are transformers effective for time series forecasting?", AAAI.
    """

    def __init__(self, config: DLinearConfig, interface: Interface) -> None:
        super().__init__(interface)
        self.moving_average = config.moving_average
        outputs = interface.forecast_length if self.forecasts else config.width
        if outputs is None:
            raise ConfigError("a DLinear that does not forecast needs a width or a budget.")
        self.trend = nn.Linear(interface.context_length, outputs)
        self.remainder = nn.Linear(interface.context_length, outputs)
        if self.forecasts:
            for maps in (self.trend, self.remainder):
                nn.init.constant_(maps.weight, 1 / interface.context_length)
        stats = STATS_PER_CHANNEL * interface.num_features
        inputs = outputs * interface.num_features + stats
        self.head = None if self.forecasts else WindowOutput(inputs, interface, num_given=stats)

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        z_BFL = z_BLF.transpose(1, 2)
        before = (self.moving_average - 1) // 2
        ends = (before, self.moving_average - 1 - before)
        padded = functional.pad(z_BFL, ends, mode="replicate")
        trend_BFL = functional.avg_pool1d(padded, self.moving_average, stride=1)
        mapped_BFD: Tensor = self.trend(trend_BFL) + self.remainder(z_BFL - trend_BFL)
        if self.head is None:
            return mapped_BFD.transpose(1, 2)
        result: Tensor = self.head(torch.cat([mapped_BFD.flatten(1), stats_BFk.flatten(1)], dim=1))
        return result
