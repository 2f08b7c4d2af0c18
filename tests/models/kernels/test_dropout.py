"""Byte-wise dropout."""

from __future__ import annotations

import pytest
import torch

from finscale.models.kernels.dropout import ByteDropout, _bits, fill_mask


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.5, 0.9])
def test_share_and_expectation(probability: float) -> None:
    torch.manual_seed(0)
    dropped = ByteDropout(probability)(torch.ones(1001, 999))
    rounded = max(1, round(256 * probability)) / 256
    assert (dropped == 0).float().mean().item() == pytest.approx(rounded, abs=2e-3)
    assert dropped.mean().item() == pytest.approx(1.0, rel=5e-3)
    assert dropped.unique().numel() == 2


def test_gradient_passes_where_the_value_did() -> None:
    x = torch.randn(64, requires_grad=True)
    y = ByteDropout(0.3)(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (y / x).detach())


def test_the_global_seed_decides() -> None:
    x, drop = torch.randn(10, 13), ByteDropout(0.3)
    torch.manual_seed(5)
    first, second = drop(x), drop(x)
    torch.manual_seed(5)
    assert torch.equal(drop(x), first)
    assert not torch.equal(first, second)


def test_identity_outside_training_and_at_zero() -> None:
    x = torch.randn(3)
    assert ByteDropout(0.5).eval()(x) is x
    assert ByteDropout(0.0)(x) is x


@pytest.mark.parametrize("probability", [0.998, 0.999, 0.9999999])
def test_almost_everything_may_be_dropped(probability: float) -> None:
    torch.manual_seed(0)
    dropped = ByteDropout(probability)(torch.ones(100_000))
    assert set(dropped.unique().tolist()) == {0.0, 256.0}


@pytest.mark.parametrize("probability", [0.0, 0.001, 0.3, 0.9])
def test_a_mask_in_bf16_is_that_of_fp32_rounded(probability: float) -> None:
    masks = [torch.empty(1003, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    for mask_N in masks:
        torch.manual_seed(3)
        fill_mask(mask_N, probability)
    assert torch.equal(masks[1], masks[0].bfloat16())


@pytest.mark.parametrize("scale", [1.0, 256 / 255, 256 / 179, 1.00390625, 1.01171875, 2.0, 256.0])
def test_a_scale_has_the_bits_that_torch_rounds_to(scale: float) -> None:
    rounded = torch.tensor(scale, dtype=torch.bfloat16).view(torch.int16)
    assert _bits(scale) == int(rounded)
