"""Fused and explicit attention are one function."""

from __future__ import annotations

import pytest
import torch

from finscale.models.patchtst.attention import SelfAttention


@pytest.mark.parametrize(("width", "heads", "tokens"), [(16, 1, 3), (24, 3, 9), (64, 8, 42)])
def test_explicit_equals_fused(width: int, heads: int, tokens: int) -> None:
    torch.manual_seed(0)
    explicit = SelfAttention(width, heads, method="explicit")
    fused = SelfAttention(width, heads, method="fused")
    fused.load_state_dict(explicit.state_dict())
    x_BTD = torch.randn(5, tokens, width, requires_grad=True)
    one, other = explicit(x_BTD)[0], fused(x_BTD)[0]
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(one.square().sum(), x_BTD)
    (wanted,) = torch.autograd.grad(other.square().sum(), x_BTD)
    torch.testing.assert_close(gradient, wanted, atol=1e-4, rtol=1e-4)


def test_attention_is_torchs_multihead_attention() -> None:
    torch.manual_seed(0)
    ours = SelfAttention(32, 4)
    theirs = torch.nn.MultiheadAttention(32, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    x_BTD = torch.randn(2, 7, 32)
    wanted = theirs(x_BTD, x_BTD, x_BTD)[0]
    torch.testing.assert_close(ours(x_BTD)[0], wanted, atol=1e-5, rtol=1e-5)


def test_residual_scores_add_up() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, residual=True)
    x_BTD = torch.randn(3, 5, 8)
    _, first = attention(x_BTD)
    _, second = attention(x_BTD, first)
    assert first.shape == (3, 2, 5, 5)
    torch.testing.assert_close(second, 2 * first)


@pytest.mark.parametrize("method", ["fused", "explicit"])
def test_attention_dropout_acts_in_training_only(method: str) -> None:
    attention = SelfAttention(16, 2, dropout=0.5, method=method)  # type: ignore[arg-type]
    x_BTD = torch.randn(2, 6, 16)
    assert not torch.equal(attention(x_BTD)[0], attention(x_BTD)[0])
    attention.eval()
    assert torch.equal(attention(x_BTD)[0], attention(x_BTD)[0])
