"""NLinear: each channel, seen from its last value, through one linear map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finscale.config.architectures.nlinear import NLinearConfig
from finscale.errors import ConfigError
from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowNetwork, near_zero


class NLinear(WindowNetwork):
    """A linear map of the rows less the last one, shared by the channels.

    A forecast maps the L differences to H rows and adds the last value, as in the paper. Windows
    are normalised as everywhere here, which cancels out but for the bias: that is in units of the
    window's standard deviation. With a ``width``, which the paper has not, the map has two linear
    factors, so that a budget has something to fill; what it can say stays a linear map.

    For classification and regression, which the paper has not, each channel's differences are
    mapped to ``width`` numbers, read out, beside the window's statistics, by one linear layer.

    The paper's variant with a map of each channel's own is left out.

    Parameters
    ----------
    config : NLinearConfig
        ``width`` is required unless rows are forecast.
    interface : Interface
        Windows and head.

    References
    ----------
    Zeng et al. (2023), "Are transformers effective for time series forecasting?", AAAI.
    """

    def __init__(self, config: NLinearConfig, interface: Interface) -> None:
        super().__init__(interface)
        rows, width = interface.context_length, config.width
        mixed = config.feature_embedding if isinstance(config.feature_embedding, int) else None
        self.mix = nn.Linear(interface.num_features, mixed) if mixed else None
        self.differences = nn.Linear(rows, width) if width else None
        if interface.forecast_length is not None:
            self.head: nn.Module = near_zero(nn.Linear(width or rows, interface.forecast_length))
        elif width is not None:
            inputs = (width + STATS_PER_CHANNEL) * (mixed or interface.num_features)
            self.head = WindowOutput(inputs, interface)
        else:
            raise ConfigError("an NLinear that does not forecast needs a width or a budget.")

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        stats_BkF = stats_BFk.transpose(1, 2)
        if self.mix is not None:
            z_BLF, stats_BkF = self.mix(z_BLF), self.mix(stats_BkF)
        last_B1F = z_BLF[:, -1:]
        mapped_BFD = (z_BLF - last_B1F).transpose(1, 2)
        if self.differences is not None:
            mapped_BFD = self.differences(mapped_BFD)
        y: Tensor
        if self.forecasts:
            y = self.head(mapped_BFD).transpose(1, 2) + last_B1F
        else:
            y = self.head(torch.cat([mapped_BFD, stats_BkF.transpose(1, 2)], dim=2).flatten(1))
        return y
