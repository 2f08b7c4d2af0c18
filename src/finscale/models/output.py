"""The last layer of a network that reads a window as one vector."""

from __future__ import annotations

from torch import Tensor, nn

from finscale.models.interface import Interface


class WindowOutput(nn.Module):
    """One linear layer: ``[B]`` for one number a window, ``[B, Q]``, or a forecast ``[B, H, F]``.

    Its weights start with variance 1/inputs², so that first predictions are near zero however many
    inputs there are.
    """

    def __init__(self, num_inputs: int, interface: Interface) -> None:
        super().__init__()
        self.num_features = interface.num_features
        self.forecasts = interface.head == "forecast"
        self.project = nn.Linear(num_inputs, interface.num_numbers)
        nn.init.normal_(self.project.weight, std=1 / num_inputs)
        nn.init.zeros_(self.project.bias)

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return the numbers of each window."""
        y_BN: Tensor = self.project(x_BI)
        return y_BN.view(len(y_BN), -1, self.num_features) if self.forecasts else y_BN.squeeze(1)
