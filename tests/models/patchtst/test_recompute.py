"""Activation checkpointing changes memory, and not a bit of the result."""

import pytest
import torch

from finscale.models import PatchTST
from finscale.models.kernels.dropout import drawing_from

SIZES = {"num_features": 5, "context_length": 40, "depth": 3, "width": 16, "heads": 2}


def build(checkpointing, **options):
    torch.manual_seed(0)
    sizes = {**SIZES, "ff_width": 48, "dropout": 0.3, **options}
    return PatchTST(**sizes, activation_checkpointing=checkpointing)


def step(model, x, generators):
    """Return the output and every gradient of one step."""
    torch.manual_seed(5)
    with drawing_from(generators):
        y = model(x)
    y.square().sum().backward()  # outside the block, as in training
    after = torch.rand(3, generator=generators[0] if generators else None)
    return [y, after, *(parameter.grad for parameter in model.parameters())]


@pytest.mark.parametrize("options", [{}, {"attention_dropout": 0.2, "attention_residual": True}])
@pytest.mark.parametrize("own", [True, False], ids=["own generator", "torch's generator"])
def test_same_bits_and_the_same_draws_afterwards(options, own):
    x = torch.randn(6, 40, 5)
    kept, recomputed = (
        step(
            build(checkpointing, **options),
            x,
            [torch.Generator().manual_seed(3)] if own else [],
        )
        for checkpointing in (False, True)
    )
    assert all(torch.equal(a, b) for a, b in zip(kept, recomputed, strict=True))


def test_less_is_kept():
    def kept(checkpointing):
        stored = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: stored.append(tensor.numel()), lambda _: None
        ):
            build(checkpointing)(torch.randn(64, 40, 5))
        return sum(stored)

    assert kept(True) < kept(False) / 3
