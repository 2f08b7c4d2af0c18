"""Patches are torch's unfold, forwards and backwards."""

from __future__ import annotations

import pytest
import torch

from finscale.models.patchtst.embedding import patches_of


@pytest.mark.parametrize(("size", "step"), [(16, 8), (8, 8), (12, 5), (24, 8)])
def test_gradients_of_patches_are_unfolds(size, step) -> None:
    torch.manual_seed(0)
    num_patches = 7
    own, other = (torch.randn(3, size + (num_patches - 1) * step) for _ in range(2))
    other.copy_(own)
    own.requires_grad_()
    other.requires_grad_()
    upstream = torch.randn(3, num_patches, size)
    patches, wanted = patches_of(own, size, step), other.unfold(1, size, step)
    assert torch.equal(patches, wanted)
    patches.backward(upstream)
    wanted.backward(upstream)
    torch.testing.assert_close(own.grad, other.grad, rtol=1e-6, atol=1e-6)
    if size <= 2 * step:
        assert torch.equal(own.grad, other.grad)
