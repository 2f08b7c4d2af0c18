"""Attention written out in bf16 is attention."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from finscale.models.kernels.half_attention import HALF_BELOW, half_attention
from finscale.models.patchtst.attention import SelfAttention


@pytest.mark.parametrize("shape", [(3, 9, 3, 2, 32), (64, 9, 3, 7, 8), (5, 1, 3, 1, 3)])
def test_values_and_gradients_are_those_of_torch_in_fp32(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    qkv = torch.randn(shape).bfloat16().requires_grad_()
    exact = qkv.detach().float().requires_grad_()
    y = half_attention(qkv, 1 / math.sqrt(shape[-1]))
    q, k, v = exact.permute(2, 0, 3, 1, 4).unbind(0)
    expected = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(y.float(), expected, atol=0.02, rtol=0.01)
    upstream = torch.randn_like(y)
    (found,) = torch.autograd.grad(y, qkv, upstream)
    (wanted,) = torch.autograd.grad(expected, exact, upstream.float())
    error = (found.float() - wanted).norm() / wanted.norm()
    assert error < 0.01


def test_large_scores_do_not_overflow() -> None:
    qkv = torch.full((1, 4, 3, 1, 8), 300.0, dtype=torch.bfloat16)
    assert torch.equal(half_attention(qkv, 1.0), qkv[:, :, 2, 0])


def test_windows_do_not_mix_to_the_bit() -> None:
    torch.manual_seed(0)
    qkv = torch.randn(3 * 32, 9, 3, 5, 32).bfloat16()
    together = half_attention(qkv, 0.2)
    for part, alone in zip(together.chunk(3), qkv.chunk(3), strict=True):
        assert torch.equal(part, half_attention(alone.contiguous(), 0.2))


@pytest.mark.parametrize(
    ("tokens", "dropout", "autocast", "wanted"),
    [(9, 0.0, True, 1), (9, 0.0, False, 0), (9, 0.1, True, 0), (HALF_BELOW, 0.0, True, 0)],
)
def test_taken_in_bf16_for_few_tokens(monkeypatch, tokens, dropout, autocast, wanted) -> None:
    from finscale.models.patchtst import attention

    taken = []
    plain = attention.half_attention
    monkeypatch.setattr(attention, "half_attention", lambda *x: taken.append(1) or plain(*x))
    module = SelfAttention(64, 2, dropout=dropout, method="explicit")
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        module(torch.randn(4, tokens, 64))
    assert len(taken) == wanted
