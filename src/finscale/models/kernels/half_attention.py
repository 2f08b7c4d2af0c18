"""Attention multiplied out in bf16 on a CPU, with as few passes over memory as it takes.

torch's softmax goes through rows of nine number by number, forwards and backwards: at nine tokens
that took as long as all the products of the attention. Written out it is a few passes that fill
every vector, and the gradients of queries, keys and values are computed where they lie side by
side. Softmax is in fp32, as autocast has it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: From so many tokens on torch's own softmax fills its vectors.
HALF_BELOW = 32


def half_attention(qkv_BT3HE: Tensor, scale: float) -> Tensor:
    """Return softmax(q·kᵀ·scale)·v of every window and head, ``[B, T, H·E]``."""
    result: Tensor = _HalfAttention.apply(qkv_BT3HE, scale)  # type: ignore[no-untyped-call]
    return result


class _HalfAttention(torch.autograd.Function):
    """N counts windows and heads; S is T, where keys are meant."""

    @staticmethod
    def forward(ctx: Any, qkv_BT3HE: Tensor, scale: float) -> Tensor:
        num_windows, num_tokens, _, num_heads, size = qkv_BT3HE.shape
        qkv_3NTE = qkv_BT3HE.permute(2, 0, 3, 1, 4).reshape(3, -1, num_tokens, size)
        q_NTE, k_NSE, v_NSE = qkv_3NTE.unbind(0)
        weight_NTS = _softmax(torch.bmm(q_NTE, k_NSE.mT), scale)
        ctx.save_for_backward(qkv_3NTE, weight_NTS)
        ctx.scale, ctx.shape = scale, qkv_BT3HE.shape
        y_BHTE = torch.bmm(weight_NTS, v_NSE).view(num_windows, num_heads, num_tokens, size)
        return y_BHTE.transpose(1, 2).reshape(num_windows, num_tokens, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        qkv_3NTE, weight_NTS = ctx.saved_tensors
        num_windows, num_tokens, _, num_heads, size = ctx.shape
        q_NTE, k_NSE, v_NSE = qkv_3NTE.unbind(0)
        dy_BTHE = grads[0].reshape(num_windows, num_tokens, num_heads, size)
        dy_NTE = dy_BTHE.transpose(1, 2).reshape(q_NTE.shape)
        d_3NTE = torch.empty_like(qkv_3NTE)
        dscore_NTS = _softmax_gradient(torch.bmm(dy_NTE, v_NSE.mT), weight_NTS, ctx.scale)
        torch.bmm(dscore_NTS, k_NSE, out=d_3NTE[0])
        torch.bmm(dscore_NTS.mT, q_NTE, out=d_3NTE[1])
        torch.bmm(weight_NTS.mT, dy_NTE, out=d_3NTE[2])
        d_3BHTE = d_3NTE.view(3, num_windows, num_heads, num_tokens, size)
        return d_3BHTE.permute(1, 3, 0, 2, 4), None


def _softmax(score_NTS: Tensor, scale: float) -> Tensor:
    """Return the attention weights, in the scores' type."""
    weight_NTS = score_NTS.to(torch.float32).mul_(scale)
    weight_NTS.sub_(weight_NTS.amax(-1, keepdim=True)).exp_()
    weight_NTS.div_(weight_NTS.sum(-1, keepdim=True))
    return weight_NTS.to(score_NTS.dtype)


def _softmax_gradient(dweight_NTS: Tensor, weight_NTS: Tensor, scale: float) -> Tensor:
    """Return the gradient at the scores from that at the weights, in the weights' type."""
    weight, dscore_NTS = weight_NTS.to(torch.float32), dweight_NTS.to(torch.float32)
    inner_NT1 = (dscore_NTS * weight).sum(-1, keepdim=True)
    return dscore_NTS.sub_(inner_NT1).mul_(weight).mul_(scale).to(weight_NTS.dtype)
