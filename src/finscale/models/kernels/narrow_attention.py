"""Attention for narrow heads and few tokens on a CPU: windows and heads as the innermost dimension.

Nine tokens make products of 9 × E by E × 9. As batched matrix products, and as a softmax over rows
of nine, they leave a vector unit nearly idle: a third of a small model's step. Here each number of
such a product is one vector over windows and heads, so that every instruction is full, and the same
numbers come out whatever stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

#: Numbers of one product that are held at once: they are to stay in a core's own cache.
_CACHED = 2**17
#: Columns come in multiples of this, so that no vector is cut.
_COLUMNS = 64


def narrow_attention(qkv_BT3HE: Tensor, scale: float) -> Tensor:
    """Return softmax(q·kᵀ·scale)·v of every window and head, ``[B, T, H·E]``.

    In fp32, whatever less precise numbers come in; in double, if they are double.
    """
    result: Tensor = _NarrowAttention.apply(qkv_BT3HE, scale)  # type: ignore[no-untyped-call]
    return result


class _NarrowAttention(torch.autograd.Function):
    """N counts windows and heads; S is T, where keys are meant."""

    @staticmethod
    def forward(ctx: Any, qkv_BT3HE: Tensor, scale: float) -> Tensor:
        num_windows, num_tokens, _, num_heads, size = qkv_BT3HE.shape
        dtype = torch.float64 if qkv_BT3HE.dtype == torch.float64 else torch.float32
        inside_out = qkv_BT3HE.permute(2, 1, 4, 0, 3).to(dtype).contiguous()
        qkv_3TEN = inside_out.view(3, num_tokens, size, -1)
        weight_TSN = qkv_3TEN.new_empty(num_tokens, num_tokens, qkv_3TEN.shape[-1])
        y_TEN = torch.empty_like(qkv_3TEN[0])
        for part in _parts(qkv_3TEN):
            q_TEN, k_SEN, v_SEN = qkv_3TEN[..., part].unbind(0)
            score_TSN = (q_TEN.unsqueeze(1) * k_SEN).sum(2).mul_(scale)
            torch.softmax(score_TSN, 1, out=weight_TSN[..., part])
            torch.sum(weight_TSN[..., part].unsqueeze(2) * v_SEN, 1, out=y_TEN[..., part])
        ctx.save_for_backward(qkv_3TEN, weight_TSN)
        ctx.scale, ctx.shape, ctx.dtype = scale, qkv_BT3HE.shape, qkv_BT3HE.dtype
        y_TEBH = y_TEN.view(num_tokens, size, num_windows, num_heads)
        return y_TEBH.permute(2, 0, 3, 1).reshape(num_windows, num_tokens, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        qkv_3TEN, weight_TSN = ctx.saved_tensors
        num_windows, num_tokens, _, num_heads, size = ctx.shape
        dy_BTHE = grads[0].reshape(num_windows, num_tokens, num_heads, size)
        dy_TEN = dy_BTHE.permute(1, 3, 0, 2).to(qkv_3TEN.dtype).reshape(num_tokens, size, -1)
        d_3TEN = torch.empty_like(qkv_3TEN)
        for part in _parts(qkv_3TEN):
            q_TEN, k_SEN, v_SEN = qkv_3TEN[..., part].unbind(0)
            dq_TEN, dk_SEN, dv_SEN = d_3TEN[..., part].unbind(0)
            dy_T1EN = dy_TEN[..., part].unsqueeze(1)
            weight = weight_TSN[..., part]
            torch.sum(weight.unsqueeze(2) * dy_T1EN, 0, out=dv_SEN)
            dscore_TSN = (dy_T1EN * v_SEN).sum(2)
            inner_T1N = (dscore_TSN * weight).sum(1, keepdim=True)
            dscore_TSN.sub_(inner_T1N).mul_(weight).mul_(ctx.scale)
            torch.sum(dscore_TSN.unsqueeze(2) * k_SEN, 1, out=dq_TEN)
            torch.sum(dscore_TSN.unsqueeze(2) * q_TEN.unsqueeze(1), 0, out=dk_SEN)
        d_3TEBH = d_3TEN.view(3, num_tokens, size, num_windows, num_heads)
        return d_3TEBH.permute(3, 1, 0, 4, 2).to(ctx.dtype), None


def _parts(qkv_3TEN: Tensor) -> Iterator[slice]:
    """Yield the columns bit by bit, so few at a time that their products stay in the cache."""
    _, num_tokens, size, num_columns = qkv_3TEN.shape
    most = _CACHED // (num_tokens * num_tokens * size)
    step = max(_COLUMNS, most // _COLUMNS * _COLUMNS)
    for start in range(0, num_columns, step):
        yield slice(start, start + step)
