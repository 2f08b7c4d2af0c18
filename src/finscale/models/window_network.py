"""What networks share that normalise each window: what they read of it, and in which units."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.ladder import Mixing
from finscale.models.revin import prepare_windows, restored


def near_zero(layer: nn.Linear, inputs: int | None = None) -> nn.Linear:
    """Let a layer write numbers near zero at first: variance 1/inputs², no bias.

    Parameters
    ----------
    layer : nn.Linear
        Changed in place and returned.
    inputs : int, optional
        How many inputs to reckon with; the layer's own when absent.
    """
    nn.init.normal_(layer.weight, std=1 / (inputs or layer.in_features))
    nn.init.zeros_(layer.bias)
    return layer


class WindowNetwork(nn.Module, ABC):
    """A network on windows that are normalised by their own moments, where the data ask for it.

    For classification and regression it is given the moments' statistics beside the window, because
    normalising deletes the level of volatility; a forecast is put back in the window's units.

    Parameters
    ----------
    interface : Interface
        Windows and head.
    """

    def __init__(self, interface: Interface) -> None:
        super().__init__()
        self.forecasts = interface.head == "forecast"
        self.normalise = interface.normalise

    def forward(self, x_BLF: Tensor) -> Tensor:
        """Return logits ``[B]``, numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]``."""
        return self.encode(*self.prepare(x_BLF))

    def prepare(self, x_BLF: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what depends on the windows alone; see :func:`prepare_windows`."""
        return prepare_windows(
            x_BLF,
            normalise=self.normalise,
            statistics=not self.forecasts,
            moments=self._restores,
        )

    def encode(self, z_BLF: Tensor, stats_BFk: Tensor, mean_B1F: Tensor, std_B1F: Tensor) -> Tensor:
        """Return the output for prepared windows."""
        y = self.outputs(z_BLF, stats_BFk)
        return restored(y, mean_B1F, std_B1F) if self._restores else y

    @property
    def _restores(self) -> bool:
        # a forecast of windows that were left as they are is in their units already
        return self.forecasts and self.normalise

    @abstractmethod
    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""


class WindowChannels(nn.Module):
    """The rows of each channel: those of the window, then the channel's statistics.

    Parameters
    ----------
    interface : Interface
        A forecast gets no statistics.
    mixed : int, None or "auto"
        Channels that the features are mixed to, by one linear map that rows and statistics share;
        anything but a number leaves the features as they are.

    Attributes
    ----------
    num_rows, num_channels : int
        R and C.
    """

    def __init__(self, interface: Interface, mixed: Mixing) -> None:
        super().__init__()
        statistics = 0 if interface.head == "forecast" else STATS_PER_CHANNEL
        self.num_rows = interface.context_length + statistics
        self.num_channels = mixed if isinstance(mixed, int) else interface.num_features
        self.mix = nn.Linear(interface.num_features, mixed) if isinstance(mixed, int) else None

    def forward(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return the channels' rows, ``[B, R, C]``."""
        x_BRF = torch.cat([z_BLF, stats_BFk.transpose(1, 2)], dim=1)
        if self.mix is None:
            return x_BRF
        x_BRC: Tensor = self.mix(x_BRF)
        return x_BRC
