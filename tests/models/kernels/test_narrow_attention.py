"""Narrow attention is attention."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from finscale.models.kernels.accelerate import accelerate
from finscale.models.kernels.narrow_attention import narrow_attention
from finscale.models.patchtst.attention import SelfAttention


@pytest.mark.parametrize(
    "shape", [(3, 9, 3, 2, 4), (64, 9, 3, 7, 8), (5, 1, 3, 1, 3), (300, 4, 3, 6, 2)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_torch(shape, dtype) -> None:
    torch.manual_seed(0)
    qkv = torch.randn(shape).to(dtype).float().requires_grad_()
    scale = 1 / math.sqrt(shape[-1])
    y = narrow_attention(qkv.to(dtype), scale)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    expected = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(y, expected, atol=2e-6, rtol=2e-6)
    upstream = torch.randn_like(y)
    (found,) = torch.autograd.grad(y, qkv, upstream)
    (wanted,) = torch.autograd.grad(expected, qkv, upstream)
    loose = (
        {"atol": 0.02, "rtol": 0.02} if dtype == torch.bfloat16 else {"atol": 1e-5, "rtol": 1e-5}
    )
    torch.testing.assert_close(found, wanted, **loose)


def test_windows_do_not_mix_to_the_bit() -> None:
    torch.manual_seed(0)
    qkv = torch.randn(5 * 64, 9, 3, 6, 4)
    together = narrow_attention(qkv, 0.5)
    for part, alone in zip(together.chunk(5), qkv.chunk(5), strict=True):
        assert torch.equal(part, narrow_attention(alone.contiguous(), 0.5))


def test_a_model_in_double_stays_in_double() -> None:
    torch.manual_seed(0)
    qkv = torch.randn(3, 4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert narrow_attention(qkv, 0.5).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: narrow_attention(x, 0.5), qkv)
    layer = accelerate(SelfAttention(8, 2)).double()
    assert layer(torch.randn(3, 4, 8, dtype=torch.float64))[0].dtype == torch.float64
