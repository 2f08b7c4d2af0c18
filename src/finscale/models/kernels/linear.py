"""``nn.Linear`` in fp32 by oneDNN, where its products are the faster ones.

``torch.mm`` in fp32 is MKL's, which on AMD processors does without AVX-512; torch also carries
oneDNN, whose fp32 product uses it: twice as fast on Zen 5, up to twice on Zen 4 for outputs and
for gradients of inputs, slower there for gradients of weights (docs/performance.md).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from finscale.models.kernels.processor import this_processor

#: Below so many FLOPs (multiply-add counted as two) oneDNN's 12 µs a call cost more than they save.
ONEDNN_FROM = 6e6


class OnednnLinear(nn.Linear):
    """``nn.Linear`` by the product that is fastest here; same weights, same names.

    Which one follows from processor, shapes and types alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x · weightᵀ + bias``."""
        half = torch.is_autocast_enabled("cpu") or x.dtype != torch.float32
        if half or not by_onednn(x.numel() // self.in_features, self.weight):
            return F.linear(x, self.weight, self.bias)
        result: Tensor = _Product.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return result


def by_onednn(num_rows: int, weight_OI: Tensor) -> bool:
    """Tell whether oneDNN is asked for the fp32 products of so many rows with these weights."""
    large = 2 * num_rows * weight_OI.numel() >= ONEDNN_FROM
    return large and this_processor().onednn_wins


def product(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """Return ``x · weightᵀ + bias`` by oneDNN, ``[..., O]``."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight_OI, bias_O, "none", [], "")
    return result


def weight_gradient(grad_NO: Tensor, x_NI: Tensor) -> Tensor:
    """Return the gradient of a product's weight, ``[O, I]``, as it is or as a transposed view."""
    if not this_processor().onednn_wins_weight_gradients:
        return grad_NO.t() @ x_NI
    if grad_NO.shape[1] <= x_NI.shape[1]:
        return product(grad_NO.t(), x_NI.t())
    return product(x_NI.t(), grad_NO.t()).t()


class _Product(torch.autograd.Function):
    """x · Wᵀ + b with oneDNN, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        x_NI = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(x_NI, weight_OI)
        ctx.biased = bias_O is not None
        return product(x_NI, weight_OI, bias_O).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_NI, weight_OI = ctx.saved_tensors
        grad_NO = grads[0].reshape(-1, weight_OI.shape[0])
        dx = None
        if ctx.needs_input_grad[0]:
            dx = product(grad_NO, weight_OI.t()).view(*grads[0].shape[:-1], -1)
        dbias_O = grad_NO.sum(0) if ctx.biased else None
        return dx, weight_gradient(grad_NO, x_NI), dbias_O
