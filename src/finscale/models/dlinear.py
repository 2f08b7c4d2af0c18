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


def moving_average(num_rows: int, span: int) -> Tensor:
    """Return the matrix ``[L, L]`` whose product with L rows is their centred moving average.

    At both ends the first or last row is repeated, as in the authors' code.
    """
    before = (span - 1) // 2
    padded_PL = functional.pad(torch.eye(num_rows), (before, span - 1 - before), mode="replicate")
    return functional.avg_pool1d(padded_PL, span, stride=1).T


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

    average_LL: Tensor

    def __init__(self, config: DLinearConfig, interface: Interface) -> None:
        super().__init__(interface)
        average_LL = moving_average(interface.context_length, config.moving_average)
        self.register_buffer("average_LL", average_LL, persistent=False)
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
        # averaging is linear: T A z + R (z - A z) = ((T - R) A + R) z, one product a window not two
        ahead_DL = self.trend.weight - self.remainder.weight
        weight_DL = ahead_DL @ self.average_LL + self.remainder.weight
        bias_D = self.trend.bias + self.remainder.bias
        mapped_BFD = functional.linear(z_BLF.transpose(1, 2), weight_DL, bias_D)
        if self.head is None:
            return mapped_BFD.transpose(1, 2)
        result: Tensor = self.head(torch.cat([mapped_BFD.flatten(1), stats_BFk.flatten(1)], dim=1))
        return result
