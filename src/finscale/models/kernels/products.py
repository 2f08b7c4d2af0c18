"""The products of a model, each by the fastest kernel that torch has for it on this CPU.

``torch.mm`` in fp32 is MKL's, which on AMD processors does without AVX-512; torch also carries
oneDNN, whose fp32 product uses it: twice as fast there (docs/performance.md). In bf16 both roads
lead to oneDNN, but torch's bias goes through a copy of the whole output, and a weight's gradient is
faster one way round or the other, as the shapes have it.

Which kernel is taken follows from processor, shapes and types alone, so that the same product gives
the same bits alone and in a stack.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

#: Below so many FLOPs (multiply-add counted as two) oneDNN's 12 µs a call cost more than they save.
ONEDNN_FROM = 6e6


def _processor_facts() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            return file.read(4096)
    except OSError:
        return ""


HAS_ONEDNN = bool(torch._C._has_mkldnn) and hasattr(torch.ops.mkldnn, "_linear_pointwise")
#: Whether fp32 is better off with oneDNN: on processors whose AVX-512 MKL leaves idle. Plain
#: constants, so that compiled code can read them.
ONEDNN_WINS_IN_FP32 = (
    HAS_ONEDNN
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
    and "AuthenticAMD" in _processor_facts()
)


class Linear(nn.Linear):
    """``nn.Linear`` by the product that is fastest here; same weights, same names."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x · weightᵀ + bias``."""
        weight: Tensor = self.weight
        bias: Tensor | None = self.bias
        if torch.compiler.is_compiling():
            return _compiled_linear(x, weight, bias)
        if x.device.type != "cpu":
            return F.linear(x, weight, bias)
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        if by_onednn(x.numel() // weight.shape[1], weight, x.dtype):
            result: Tensor = _Product.apply(x, weight, bias)  # type: ignore[no-untyped-call]
            return result
        return F.linear(x, weight, bias)


def _compiled_linear(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    """Leave products to the compiler, but for those in fp32 that oneDNN makes faster."""
    kind, num_rows = x.device.type, x.numel() // weight_OI.shape[1]
    if (
        kind != "cpu"
        or torch.is_autocast_enabled(kind)
        or not by_onednn(num_rows, weight_OI, x.dtype)
    ):
        return F.linear(x, weight_OI, bias_O)
    from finscale.models.kernels.compiled import onednn_product

    x_NI = x.reshape(num_rows, -1)
    result: Tensor = onednn_product(x_NI, weight_OI, bias_O)
    return result.view(*x.shape[:-1], -1)


def by_onednn(num_rows: int, weight_OI: Tensor, dtype: torch.dtype) -> bool:
    """Tell whether oneDNN is asked for the products of so many rows with these weights in dtype."""
    if 2 * num_rows * weight_OI.numel() < ONEDNN_FROM:
        return False
    if dtype == torch.float32:
        return ONEDNN_WINS_IN_FP32
    return dtype == torch.bfloat16 and HAS_ONEDNN


def product(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """Return ``x · weightᵀ + bias`` by oneDNN, ``[..., O]``."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight_OI, bias_O, "none", [], "")
    return result


def input_gradient(grad_NO: Tensor, weight_OI: Tensor) -> Tensor:
    """Return the gradient at a product's input, ``[N, I]``."""
    if grad_NO.dtype == torch.float32:
        return product(grad_NO, weight_OI.t())
    return torch.mm(grad_NO, weight_OI)


def weight_gradient(grad_NO: Tensor, x_NI: Tensor) -> Tensor:
    """Return the gradient of a product's weight, ``[O, I]``, as it is or as a transposed view."""
    if x_NI.dtype == torch.float32:
        if grad_NO.shape[1] <= x_NI.shape[1]:
            return product(grad_NO.t(), x_NI.t())
        return product(x_NI.t(), grad_NO.t()).t()
    if _is_turned(len(x_NI), grad_NO.shape[1], x_NI.shape[1]):
        return torch.mm(x_NI.t(), grad_NO).t()
    return torch.mm(grad_NO.t(), x_NI)


def _is_turned(num_rows: int, num_outputs: int, num_inputs: int) -> bool:
    """Tell whether a weight's gradient in bf16 is faster as the transpose of ``xᵀ · grad``.

    Writing a transpose where it belongs takes four times as long, so it must gain on the product.
    Wide products are a quarter faster where the longer side is that of the rows, narrow ones a
    seventh where it is that of the columns; both the more, the more rows are summed over.
    """
    if num_outputs > num_inputs:
        return num_inputs < 384 and num_rows >= 4096
    return num_outputs >= 512 and num_inputs > num_outputs and num_rows >= 1024


class _Product(torch.autograd.Function):
    """x · Wᵀ + b in x's type with oneDNN, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        # patches overlap in memory and are copied here, once for both directions
        x_NI, weight_OI = x.reshape(-1, x.shape[-1]), weight_OI.to(x.dtype)
        ctx.save_for_backward(x_NI, weight_OI)
        ctx.biased = bias_O is not None
        bias_O = bias_O if bias_O is None else bias_O.to(x.dtype)
        return product(x_NI, weight_OI, bias_O).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_NI, weight_OI = ctx.saved_tensors
        grad_NO = grads[0].reshape(-1, weight_OI.shape[0])
        dx = None
        if ctx.needs_input_grad[0]:
            dx = input_gradient(grad_NO, weight_OI).view(*grads[0].shape[:-1], -1)
        dbias_O = grad_NO.sum(0) if ctx.biased else None
        return dx, weight_gradient(grad_NO, x_NI), dbias_O
