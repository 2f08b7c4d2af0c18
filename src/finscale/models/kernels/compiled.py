"""What compiled code calls back on a CPU: masks and products that torch.compile makes worse.

torch's compiler draws the numbers of a dropout one by one (at 2M parameters that took longer than
all the rest of the step), and its fp32 products are MKL's whatever the processor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from finscale.models.kernels import dropout
from finscale.models.kernels.products import input_gradient, product, weight_gradient

_SEEDED = (torch.Tag.nondeterministic_seeded,)


@torch.library.custom_op("finscale::dropout_mask", mutates_args=(), tags=_SEEDED)
def dropout_mask(like: Tensor, probability: float) -> Tensor:
    """Return what dropout multiplies with, drawn from whoever draws here."""
    (generator,) = dropout.generators() or (None,)
    mask = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    dropout.fill_mask(mask.view(-1), probability, generator)
    return mask


@dropout_mask.register_fake
def _(like: Tensor, probability: float) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=like.device)


@torch.library.custom_op("finscale::product", mutates_args=())
def onednn_product(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    """Return ``x · weightᵀ + bias`` by oneDNN."""
    return product(x_NI, weight_OI, bias_O)


@onednn_product.register_fake
def _(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    return x_NI.new_empty(x_NI.shape[0], weight_OI.shape[0])


@torch.library.custom_op("finscale::product_backward", mutates_args=())
def product_backward(grad_NO: Tensor, x_NI: Tensor, weight_OI: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients at a product's input and weight."""
    grad_NO = grad_NO.contiguous()
    return input_gradient(grad_NO, weight_OI), weight_gradient(grad_NO, x_NI).contiguous()


@product_backward.register_fake
def _(grad_NO: Tensor, x_NI: Tensor, weight_OI: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x_NI), torch.empty_like(weight_OI)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
    x_NI, weight_OI, bias_O = inputs
    ctx.save_for_backward(x_NI, weight_OI)
    ctx.biased = bias_O is not None


def _backward(ctx: Any, grad_NO: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    x_NI, weight_OI = ctx.saved_tensors
    dx_NI, dweight_OI = product_backward(grad_NO, x_NI, weight_OI)
    return dx_NI, dweight_OI, grad_NO.sum(0) if ctx.biased else None


onednn_product.register_autograd(_backward, setup_context=_keep)
