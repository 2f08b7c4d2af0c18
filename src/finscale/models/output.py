"""The last layer of a network that reads a window as one vector."""

from __future__ import annotations

from torch import Tensor, nn

from finscale.models.interface import Interface


class WindowOutput(nn.Module):
    """One linear layer: ``[B]`` for one number a window, ``[B, Q]``, or a forecast ``[B, H, F]``.

    Its weights start with variance 1/inputs², so that first predictions are near zero however many
    inputs there are; under µP they learn at a rate over the width.

    Parameters
    ----------
    num_inputs : int
        All of them.
    interface : Interface
        What is to be written.
    num_given : int
        How many inputs, the last ones, are given by the data whatever the width: statistics of the
        window. Their weights start at zero and learn at the full rate: a wide network hears them
        as well as a narrow one.
    """

    def __init__(self, num_inputs: int, interface: Interface, *, num_given: int = 0) -> None:
        super().__init__()
        self.num_features = interface.num_features
        self.forecasts = interface.head == "forecast"
        self.num_given = num_given
        self.given = nn.Linear(num_given, interface.num_numbers, bias=False) if num_given else None
        if self.given is not None:
            nn.init.zeros_(self.given.weight)
        num_hidden = num_inputs - num_given
        self.project = nn.Linear(num_hidden, interface.num_numbers)
        nn.init.normal_(self.project.weight, std=1 / num_hidden)
        nn.init.zeros_(self.project.bias)

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return the numbers of each window."""
        if self.given is None:
            y_BN: Tensor = self.project(x_BI)
        else:
            hidden_BI, given_BI = x_BI.tensor_split([x_BI.shape[1] - self.num_given], dim=1)
            y_BN = self.project(hidden_BI) + self.given(given_BI)
        if self.forecasts:
            return y_BN.view(y_BN.shape[0], -1, self.num_features)
        return one_number(y_BN)


def one_number(y_BN: Tensor) -> Tensor:
    """Return ``[B, 1]`` as ``[B]``, and several numbers a window as they are.

    torch's own squeeze would do, but ONNX has none that leaves several alone.
    """
    return y_BN.squeeze(1) if y_BN.shape[1] == 1 else y_BN
