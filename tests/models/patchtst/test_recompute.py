"""Activation checkpointing changes memory, and not a bit of the result."""

import pytest
import torch

from finscale.models import PatchTST
from finscale.models.kernels.accelerate import accelerate

SIZES = {"num_features": 5, "context_length": 40, "depth": 3, "width": 16, "heads": 2}


def build(checkpointing, **options):
    torch.manual_seed(0)
    sizes = {**SIZES, "ff_width": 48, "dropout": 0.3, **options}
    return PatchTST(**sizes, activation_checkpointing=checkpointing)


def step(model, x):
    """Return the output, what is drawn afterwards and every gradient of one step."""
    torch.manual_seed(5)
    y = model(x)
    y.square().sum().backward()
    return [y, torch.rand(3), *(parameter.grad for parameter in model.parameters())]


@pytest.mark.parametrize("kernels", ["torch", "fast"])
@pytest.mark.parametrize("options", [{}, {"attention_dropout": 0.2, "attention_residual": True}])
def test_same_bits_and_the_same_draws_afterwards(options, kernels):
    x = torch.randn(6, 40, 5)
    models = [build(checkpointing, **options) for checkpointing in (False, True)]
    if kernels == "fast":
        models = [accelerate(model) for model in models]
    kept, recomputed = (step(model, x) for model in models)
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
