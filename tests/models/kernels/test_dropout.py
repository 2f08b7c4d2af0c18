"""Byte-wise dropout."""

from __future__ import annotations

import pytest
import torch

from finscale.models.kernels.dropout import _bits, drawing_from, dropout, fill_mask


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.5, 0.9])
def test_share_and_expectation(probability: float) -> None:
    torch.manual_seed(0)
    dropped = dropout(torch.ones(1001, 999), probability, True)
    rounded = max(1, round(256 * probability)) / 256
    assert (dropped == 0).float().mean().item() == pytest.approx(rounded, abs=2e-3)
    assert dropped.mean().item() == pytest.approx(1.0, rel=5e-3)
    assert dropped.unique().numel() == 2


def test_gradient_passes_where_the_value_did() -> None:
    x = torch.randn(64, requires_grad=True)
    y = dropout(x, 0.3, True)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (y / x).detach())


def test_seed_decides() -> None:
    x = torch.randn(10, 13)
    torch.manual_seed(5)
    first = dropout(x, 0.3, True)
    second = dropout(x, 0.3, True)
    torch.manual_seed(5)
    assert torch.equal(dropout(x, 0.3, True), first)
    assert not torch.equal(first, second)


def test_identity_outside_training_and_at_zero() -> None:
    x = torch.randn(3)
    assert dropout(x, 0.5, False) is x
    assert dropout(x, 0.0, True) is x


@pytest.mark.parametrize("probability", [0.998, 0.999, 0.9999999])
def test_almost_everything_may_be_dropped(probability: float) -> None:
    torch.manual_seed(0)
    dropped = dropout(torch.ones(100_000), probability, True)
    assert set(dropped.unique().tolist()) == {0.0, 256.0}


def test_a_model_that_drops_nothing_draws_nothing_beside_others() -> None:
    drawers = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    before = drawers[0].get_state()
    x = torch.randn(2, 64)
    with drawing_from(drawers):
        both = dropout(x, (0.0, 0.3), True)
    assert torch.equal(both[0], x[0])
    assert torch.equal(drawers[0].get_state(), before)
    with drawing_from([torch.Generator().manual_seed(1)]):
        assert torch.equal(both[1], dropout(x[1], 0.3, True))


@pytest.mark.parametrize("probability", [0.0, 0.001, 0.3, 0.9])
def test_a_mask_in_bf16_is_that_of_fp32_rounded(probability: float) -> None:
    masks = [torch.empty(1003, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    for mask_N in masks:
        fill_mask(mask_N, probability, torch.Generator().manual_seed(3))
    assert torch.equal(masks[1], masks[0].bfloat16())


@pytest.mark.parametrize("scale", [1.0, 256 / 255, 256 / 179, 1.00390625, 1.01171875, 2.0, 256.0])
def test_a_scale_has_the_bits_that_torch_rounds_to(scale) -> None:
    rounded = torch.tensor(scale, dtype=torch.bfloat16).view(torch.int16)
    assert _bits(scale) == int(rounded)
