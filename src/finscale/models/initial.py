"""First weights of networks: a signal keeps its size through every layer, at any width."""

from __future__ import annotations

import math
from collections.abc import Collection

from torch import nn

from finscale.models.output import WindowOutput


def keep_variance(model: nn.Module, *, outputs: Collection[nn.Linear] = ()) -> None:
    """Draw the weights of linear and convolution layers with variance 1/inputs; biases are zero.

    Parameters
    ----------
    model : nn.Module
        Built; layers of other kinds, and :class:`~finscale.models.output.WindowOutput`'s, stay.
    outputs : collection of nn.Linear
        Layers that write the output: variance 1/inputs², so that they start near zero.
    """
    ends = (module for module in model.modules() if isinstance(module, WindowOutput))
    drawn = {id(layer) for end in ends for layer in end.modules()}
    for layer in model.modules():
        if not isinstance(layer, nn.Linear | nn.Conv1d) or id(layer) in drawn:
            continue
        inputs = layer.weight[0].numel()
        power = 1.0 if any(layer is one for one in outputs) else 0.5
        nn.init.normal_(layer.weight, std=1 / math.pow(inputs, power))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
