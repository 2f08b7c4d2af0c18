"""The last layer: what the data give is read at one rate, whatever the width beside it."""

from __future__ import annotations

import torch

from finscale.models.interface import Interface
from finscale.models.output import WindowOutput

INTERFACE = Interface(num_features=3, context_length=8)


def test_given_inputs_are_the_last_ones_and_say_nothing_at_first() -> None:
    output = WindowOutput(6, INTERFACE, num_given=2)
    x_BI = torch.randn(4, 6)
    plain = torch.addmm(output.project.bias, x_BI[:, :4], output.project.weight.T).squeeze(1)
    torch.testing.assert_close(output(x_BI), plain)
    assert output.given is not None
    torch.nn.init.constant_(output.given.weight, 2.0)
    torch.testing.assert_close(output(x_BI), plain + 2 * x_BI[:, 4:].sum(1))


def test_as_many_parameters_with_given_inputs_as_without() -> None:
    one, other = WindowOutput(6, INTERFACE, num_given=2), WindowOutput(6, INTERFACE)
    assert sum(p.numel() for p in one.parameters()) == sum(p.numel() for p in other.parameters())
