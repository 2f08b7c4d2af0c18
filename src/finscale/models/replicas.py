"""Many models of one architecture as one program: R of them side by side, each with its weights.

A window's way through the model is the same program for all, so that small models cost little more
together than one alone. What computes value by value, or row by row, sees all windows at once; what
could round differently beside neighbours (products, norms, GELU) is called once for each model, by
the very kernel that serves it alone. So on a CPU model r computes the same bits in a stack as
alone, whatever the others are. (A CPU has a faster way, ``finscale.training.playing``, for all but
activation checkpointing.)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch import Tensor, nn

from finscale.models.kernels.products import (
    Linear,
    by_onednn,
    input_gradient,
    product,
    weight_gradient,
)
from finscale.models.patchtst.embedding import Position
from finscale.models.patchtst.model import PatchTST
from finscale.models.slots import Slot, slot_of

aten = torch.ops.aten
#: A cache line.
LINE_BYTES = 64


def can_stack(model: nn.Module) -> bool:
    """Tell whether models of this kind can run as a stack: their leaves are all known here."""
    return isinstance(model, PatchTST) and all(
        type(module) in _STACKED or not list(module.parameters(recurse=False))
        for module in model.modules()
    )


class Replicas(nn.Module):
    """R models of one architecture, computed together.

    Parameters
    ----------
    models : sequence of PatchTST
        Of one architecture; dropout rates may differ. What they share is read from the first.
    parameters : callable
        Name of a parameter → the stacked parameter ``[R, ...]`` that holds all models' values.

    Raises
    ------
    ValueError
        If a model has parts that no stack knows (batch norm, RevIN's learned scale).

    Examples
    --------
    Output and gradients of model r are those of ``models[r]`` alone, for the windows
    ``x[r * B : (r + 1) * B]``:

    >>> models = [PatchTST(num_features=5, context_length=32, depth=1, width=8, heads=2, ff_width=9,
    ...                    dropout=0.0) for _ in range(3)]
    >>> stack = Replicas.of(models)
    >>> x = torch.randn(3 * 32, 32, 5)
    >>> bool(torch.equal(stack(x)[32:64], models[1](x[32:64])))
    True
    """

    def __init__(
        self, models: Sequence[nn.Module], parameters: Callable[[str], nn.Parameter]
    ) -> None:
        super().__init__()
        if not all(can_stack(model) for model in models):
            raise ValueError("a stack takes PatchTSTs without batch norm and RevIN's learned scale")
        self.num_models = len(models)
        self.model: Any = copy.deepcopy(models[0])
        _give_dropouts(self.model, models)
        for name, module in list(self.model.named_modules()):
            if type(module) in _STACKED:
                prefix = f"{name}."
                own = {key: parameters(prefix + key) for key, _ in module.named_parameters()}
                parent, _, last = name.rpartition(".")
                stacked = _STACKED[type(module)](module, self.num_models, own)
                setattr(self.model.get_submodule(parent), last, stacked)

    @classmethod
    def of(cls, models: Sequence[nn.Module]) -> Replicas:
        """Return a stack with copies of the models' parameters."""
        states = [dict(model.named_parameters()) for model in models]

        def stacked(name: str) -> nn.Parameter:
            values = torch.stack([state[name].detach() for state in states])
            return nn.Parameter(_aligned(values).copy_(values))

        return cls(models, stacked)

    def forward(self, x_NLF: Tensor) -> Tensor:
        """Return the outputs of all models; N counts the windows, model by model."""
        return self.encode(*self.prepare(x_NLF))

    def prepare(self, x_NLF: Tensor) -> tuple[Tensor, ...]:
        """Return what depends on the windows alone; see :meth:`PatchTST.prepare`."""
        parts = [self.model.prepare(x_BLF) for x_BLF in x_NLF.chunk(self.num_models)]
        return tuple(torch.cat(pieces) for pieces in zip(*parts, strict=True))

    def encode(self, *inputs: Tensor) -> Tensor:
        """Return the outputs for prepared windows; see :meth:`PatchTST.encode`."""
        output: Tensor = self.model.encode(*inputs)
        return output


def _give_dropouts(stacked: nn.Module, models: Sequence[nn.Module]) -> None:
    """Where the models' dropout rates differ, give every layer all of them."""
    for modules in zip(stacked.modules(), *(model.modules() for model in models), strict=True):
        rates = [getattr(module, "dropout", None) for module in modules[1:]]
        if len(set(rates)) > 1:
            modules[0].dropout = tuple(rates)


class _Products(torch.autograd.Function):
    """x_r · W_rᵀ + b_r for each model r, with the kernel that one model alone would use.

    ``apart`` adds the bias once the product is rounded, as torch does for strided inputs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_RNI: Tensor,
        weight_ROI: Tensor,
        bias_RO: Tensor | None,
        slot: Slot | None,
        apart: bool,
    ) -> Tensor:
        weight_ROI = weight_ROI.to(x_RNI.dtype)
        bias_RO = bias_RO if bias_RO is None else bias_RO.to(x_RNI.dtype)
        ctx.save_for_backward(x_RNI, weight_ROI)
        ctx.slot, ctx.biased = slot, bias_RO is not None
        y_RNO = x_RNI.new_empty(*x_RNI.shape[:2], weight_ROI.shape[1])
        ctx.by_onednn = by_onednn(x_RNI.shape[1], weight_ROI[0], x_RNI.dtype)
        for r, (x_NI, weight_OI, y_NO) in enumerate(zip(x_RNI, weight_ROI, y_RNO, strict=True)):
            if ctx.by_onednn:
                y_NO.copy_(product(x_NI, weight_OI, None if bias_RO is None else bias_RO[r]))
            elif bias_RO is None or apart:
                torch.mm(x_NI, weight_OI.t(), out=y_NO)
                if bias_RO is not None:
                    y_NO.add_(bias_RO[r])
            else:
                torch.addmm(bias_RO[r], x_NI, weight_OI.t(), out=y_NO)
        return y_RNO

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_RNI, weight_ROI = ctx.saved_tensors
        grad_RNO = grads[0].contiguous()
        dx_RNI = torch.empty_like(x_RNI) if ctx.needs_input_grad[0] else None
        dweight_ROI, slot = None, ctx.slot
        if slot is None:
            dweight_ROI = _aligned(weight_ROI)
            rows = range(len(dweight_ROI))
            slot = Slot(dweight_ROI, [False] * len(rows), rows, stacked=True)
        for r, (grad_NO, x_NI) in enumerate(zip(grad_RNO, x_RNI, strict=True)):
            if ctx.by_onednn:
                if dx_RNI is not None:
                    dx_RNI[r].copy_(input_gradient(grad_NO, weight_ROI[r]))
                slot.put(weight_gradient(grad_NO, x_NI), r)
                continue
            if dx_RNI is not None:
                torch.mm(grad_NO, weight_ROI[r], out=dx_RNI[r])
            _product_into(slot, r, grad_NO.t(), x_NI)
        dbias_RO = torch.stack([g_NO.sum(0) for g_NO in grad_RNO]) if ctx.biased else None
        return dx_RNI, dweight_ROI, dbias_RO, None, None


def _product_into(slot: Slot, model: int, grad_ON: Tensor, x_NI: Tensor) -> None:
    """Compute a weight's gradient where it belongs, unless it has to be added or converted."""
    target = slot.target(model) if x_NI.dtype == slot.grads[model].dtype else None
    if target is None:
        slot.put(torch.mm(grad_ON, x_NI), model)
    else:
        torch.mm(grad_ON, x_NI, out=target)


class _Norms(torch.autograd.Function):
    """Layer norm of each model's rows with its own scale and shift."""

    @staticmethod
    def forward(
        ctx: Any, x_RND: Tensor, weight_RD: Tensor, bias_RD: Tensor, epsilon: float
    ) -> Tensor:
        parts = [
            torch.native_layer_norm(x_ND, x_ND.shape[-1:], weight_D, bias_D, epsilon)
            for x_ND, weight_D, bias_D in zip(x_RND, weight_RD, bias_RD, strict=True)
        ]
        y_RND, mean_RN1, rstd_RN1 = (torch.stack(p) for p in zip(*parts, strict=True))
        ctx.save_for_backward(x_RND, mean_RN1, rstd_RN1, weight_RD, bias_RD)
        return y_RND

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        rows = zip(grads[0].contiguous(), *ctx.saved_tensors, strict=True)
        parts = [
            aten.native_layer_norm_backward(
                grad_ND, x_ND, x_ND.shape[-1:], mean, rstd, weight_D, bias_D, [True, True, True]
            )
            for grad_ND, x_ND, mean, rstd, weight_D, bias_D in rows
        ]
        dx_RND, dweight_RD, dbias_RD = (torch.stack(p) for p in zip(*parts, strict=True))
        return dx_RND, dweight_RD, dbias_RD, None


class _Gelu(torch.autograd.Function):
    """GELU: its kernel rounds the last few numbers of a tensor in its own way."""

    @staticmethod
    def forward(ctx: Any, x_RN: Tensor) -> Tensor:
        ctx.save_for_backward(x_RN)
        y_RN = torch.empty_like(x_RN)
        for x_N, y_N in zip(x_RN, y_RN, strict=True):
            aten.gelu.out(x_N, out=y_N)
        return y_RN

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x_RN,) = ctx.saved_tensors
        dx_RN = torch.empty_like(x_RN)
        for grad_N, x_N, dx_N in zip(grads[0].contiguous(), x_RN, dx_RN, strict=True):
            aten.gelu_backward.grad_input(grad_N, x_N, grad_input=dx_N)
        return dx_RN


def _aligned(like_RN: Tensor) -> Tensor:
    """Return an empty tensor of the same shape whose rows start at cache lines.

    Between lines a product may round differently.
    """
    num_rows, *shape = like_RN.shape
    size = math.prod(shape)
    line = LINE_BYTES // like_RN.element_size()
    rows = like_RN.new_empty(num_rows, line * math.ceil(size / line))
    return rows[:, :size].view(num_rows, *shape)


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    """Call an autograd function, whose type torch does not state."""
    result: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result


class StackedLinear(nn.Module):
    """``nn.Linear`` of R models."""

    def __init__(self, _: nn.Module, num_models: int, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.num_models = num_models
        self.weight = parameters["weight"]
        self.bias = parameters.get("bias")

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, ..., outputs]``; N counts windows, model by model."""
        weight_ROI: Tensor = self.weight
        bias_RO: Tensor | None = self.bias
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        x_RNI = x.reshape(self.num_models, -1, x.shape[-1])
        if kind == "cpu":
            slot = slot_of(weight_ROI) if torch.is_grad_enabled() else None
            # one model's own part of x is what F.linear would look at
            apart = x.dim() > 2 and not x[: len(x) // self.num_models].is_contiguous()
            y_RNO = _apply(_Products, x_RNI, weight_ROI, bias_RO, slot, apart)
            return y_RNO.view(*x.shape[:-1], -1)
        weight_ROI = weight_ROI.to(x_RNI.dtype)
        bias_RO = bias_RO if bias_RO is None else bias_RO.to(x_RNI.dtype)
        if bias_RO is None:
            y_RNO = torch.bmm(x_RNI, weight_ROI.mT)
        else:
            y_RNO = torch.baddbmm(bias_RO.unsqueeze(1), x_RNI, weight_ROI.mT)
        return y_RNO.view(*x.shape[:-1], -1)


class StackedLayerNorm(nn.Module):
    """``nn.LayerNorm`` of R models."""

    def __init__(
        self, module: nn.LayerNorm, num_models: int, parameters: dict[str, nn.Parameter]
    ) -> None:
        super().__init__()
        self.num_models, self.epsilon = num_models, module.eps
        self.weight, self.bias = parameters["weight"], parameters["bias"]

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens normalised."""
        x_RND = x.reshape(self.num_models, -1, x.shape[-1])
        if x.device.type == "cpu":
            y_RND = _apply(_Norms, x_RND, self.weight, self.bias, self.epsilon)
        else:
            plain_RND = F.layer_norm(x_RND, x_RND.shape[-1:], eps=self.epsilon)
            y_RND = plain_RND * self.weight.unsqueeze(1) + self.bias.unsqueeze(1)
        return y_RND.view(x.shape)


class StackedPosition(nn.Module):
    """``Position`` of R models."""

    def __init__(self, _: nn.Module, num_models: int, parameters: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.num_models = num_models
        self.place_RTD = parameters["place_TD"]

    def forward(self, x_NTD: Tensor) -> Tensor:
        """Return the tokens with their places added."""
        x_RBTD = x_NTD.view(self.num_models, -1, *x_NTD.shape[1:])
        return (x_RBTD + self.place_RTD.unsqueeze(1)).view(x_NTD.shape)


class StackedGELU(nn.Module):
    """``nn.GELU`` of R models."""

    def __init__(self, _: nn.Module, num_models: int, __: dict[str, nn.Parameter]) -> None:
        super().__init__()
        self.num_models = num_models

    def forward(self, x: Tensor) -> Tensor:
        """Return GELU of each number."""
        if x.device.type != "cpu":
            return F.gelu(x)
        return _apply(_Gelu, x.reshape(self.num_models, -1)).view(x.shape)


_STACKED: dict[type[nn.Module], Callable[..., nn.Module]] = {
    Linear: StackedLinear,
    nn.LayerNorm: StackedLayerNorm,
    nn.GELU: StackedGELU,
    Position: StackedPosition,
}
