"""A multilayer perceptron on the flattened window: the network without an idea of time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from finscale.config.model import MLPConfig
from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.output import WindowOutput
from finscale.models.window_network import WindowNetwork


class MLP(WindowNetwork):
    """Hidden layers with GELU and dropout on the normalised window and its statistics.

    Parameters
    ----------
    config : MLPConfig
        ``width`` is required.
    interface : Interface
        Windows and head.
    """

    def __init__(self, config: MLPConfig, interface: Interface) -> None:
        super().__init__(interface)
        assert config.width is not None, "the budget solver fills in the width"
        features, embedded = interface.num_features, config.feature_embedding
        channels = embedded if isinstance(embedded, int) else features
        self.embedding = nn.Linear(features, channels) if channels != features else None
        num_stats = 0 if self.forecasts else STATS_PER_CHANNEL * features
        inputs = interface.context_length * channels + num_stats
        layers: list[nn.Module] = []
        for _ in range(config.depth):
            layers += [nn.Linear(inputs, config.width), nn.GELU(), nn.Dropout(config.dropout)]
            inputs = config.width
        self.hidden = nn.Sequential(*layers)
        self.head = WindowOutput(inputs, interface)
        for layer in self.modules():
            if isinstance(layer, nn.Linear) and layer is not self.head.project:
                # variance 1/inputs: signals keep their size at any width
                nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.in_features))
                nn.init.zeros_(layer.bias)

    def outputs(self, z_BLF: Tensor, stats_BFk: Tensor) -> Tensor:
        """Return numbers ``[B]`` or ``[B, Q]``, or a forecast ``[B, H, F]`` still normalised."""
        if self.embedding is not None:
            z_BLF = self.embedding(z_BLF)
        inputs = torch.cat([z_BLF.flatten(1), stats_BFk.flatten(1)], dim=1)
        output: Tensor = self.head(self.hidden(inputs))
        return output
