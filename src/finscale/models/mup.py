"""µP for any network: how each parameter learns, found by building the network at other sizes.

The same architecture is built twice more on the meta device, at its base sizes and at twice those,
and the parameters are compared by name. A dimension that differs between the two is a *width*; the
others are given by data and task. Four kinds follow, with m the ratio of a parameter's inputs to
those of the base model:

======== ============== =============== ============== =============== =========
kind     inputs a width outputs a width learning rate  weight decay    AdamW's ε
======== ============== =============== ============== =============== =========
hidden   yes            yes             1/m            m               1/m
output   yes            no              1/m            m               1
vectors  no             either          1              none            1
======== ============== =============== ============== =============== =========

AdamW multiplies its decay by the rate: a decay of m at a rate of 1/m shrinks weights at every width
alike. Vectors are all that is no product over a width: norms, biases, positions, embeddings, and
the first layer. The output layer starts with variance 1/inputs² (see ``WindowOutput``) and learns
at 1/m; a forward multiplier of 1/m at a constant rate would be the same network.

References
----------
Yang et al. (2022), "Tensor programs V: tuning large neural networks via zero-shot hyperparameter
transfer", table 8. Dey et al. (2025), "Don't be lazy: CompleteP enables compute-efficient deep
transformers", table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from finscale.models.measure import on_meta

Kind = Literal["hidden", "output", "vectors"]

#: Modules whose matrices multiply the signal; what else a model learns only shifts or scales it.
PRODUCTS = (nn.Linear, nn.Bilinear, nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase, _ConvNd)
#: Where a model keeps its :class:`ModelScale`; by name, so that it survives copies and sharding.
_PLACE = "mup_scale"


@dataclass(frozen=True)
class ParameterScale:
    """How one parameter learns beside its like in the base model."""

    kind: Kind
    ratio: float = 1.0
    """m: its inputs over those of the base model."""

    @property
    def lr_factor(self) -> float:
        """Times the learning rate."""
        return 1.0 if self.kind == "vectors" else 1 / self.ratio

    @property
    def decay_factor(self) -> float:
        """Times the weight decay, which AdamW multiplies by the rate."""
        return 0.0 if self.kind == "vectors" else self.ratio

    @property
    def eps_factor(self) -> float:
        """Times AdamW's ε: a hidden matrix's gradient is of the size 1/m, number by number."""
        return 1 / self.ratio if self.kind == "hidden" else 1.0


@dataclass(frozen=True)
class ModelScale:
    """How the parameters of a model learn beside those of its base model."""

    parameters: Mapping[str, ParameterScale]
    """By the parameter's name."""
    base_rate: float
    """Learning rate of the base model."""


_Shapes = dict[str, tuple[int, ...]]


def scale_to_base(
    model: nn.Module,
    base: Callable[[], nn.Module],
    larger: Callable[[], nn.Module],
    *,
    base_rate: float = 1e-3,
) -> nn.Module:
    """Tell a model how its parameters learn beside those of its base model, and return it.

    Parameters
    ----------
    model : nn.Module
        Built, neither wrapped nor sharded.
    base, larger : callable
        Build the same architecture at its base sizes and at larger ones, all widths larger.
    base_rate : float
        Learning rate of the base model.

    Raises
    ------
    ValueError
        If the three do not have the same parameters.
    """
    # a module of a user's own may draw where meta tensors would not
    with torch.random.fork_rng(devices=[]):
        based, grown = (_shapes(on_meta(build)) for build in (base, larger))
    own = _shapes(model)
    for other in (based, grown):
        if {n: len(s) for n, s in other.items()} != {n: len(s) for n, s in own.items()}:
            odd = sorted(own.keys() ^ other.keys()) or ["the same names with other dimensions"]
            raise ValueError(
                f"{type(model).__name__} at its base sizes is another network: {odd[0]}. "
                "Architecture.base may change widths alone."
            )
    inputs = _input_dimensions(model)
    parameters = {
        name: _scale(shape, based[name], grown[name], inputs.get(name))
        for name, shape in own.items()
    }
    model.__dict__[_PLACE] = ModelScale(parameters, base_rate)
    return model


def scales_of(model: nn.Module) -> dict[str, ParameterScale]:
    """Return how a model's parameters learn, by name, as :func:`scale_to_base` has told it.

    A model may stand inside another: a wrapper for several processes, a linear path.
    """
    return {
        f"{prefix}.{name}" if prefix else name: scale
        for prefix, module in model.named_modules()
        if _PLACE in module.__dict__
        for name, scale in module.__dict__[_PLACE].parameters.items()
    }


def base_rate_of(model: nn.Module) -> float | None:
    """Return the learning rate of a model's base model; None where it knows of none."""
    told = (module.__dict__[_PLACE] for module in model.modules() if _PLACE in module.__dict__)
    first: ModelScale | None = next(told, None)
    return first.base_rate if first else None


def _shapes(model: nn.Module) -> _Shapes:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def _input_dimensions(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return for each matrix of a product the dimensions that it sums over."""
    found: dict[str, tuple[int, ...]] = {}
    for prefix, module in model.named_modules():
        if isinstance(module, nn.LayerNorm | nn.RMSNorm):
            # number by number, also where a norm over rows and channels has a matrix of them
            found.update((name, ()) for name, _ in module.named_parameters(prefix, recurse=False))
        if not isinstance(module, PRODUCTS):
            continue
        for name, parameter in module.named_parameters(prefix, recurse=False):
            if parameter.ndim >= 2:
                # [out, in, …] everywhere, except that a transposed convolution has [in, out, …]
                others = tuple(range(2, parameter.ndim))
                found[name] = (0 if isinstance(module, _ConvTransposeNd) else 1, *others)
    return found


def _scale(
    shape: tuple[int, ...],
    base: tuple[int, ...],
    larger: tuple[int, ...],
    inputs: tuple[int, ...] | None,
) -> ParameterScale:
    widths = {d for d in range(len(shape)) if base[d] != larger[d]}
    if inputs is None:
        # a matrix that no known layer owns multiplies if both its sides grow, rows by columns
        if len(widths) < 2:
            return ParameterScale("vectors")
        inputs = tuple(range(1, len(shape)))
    if not widths & {*inputs}:
        return ParameterScale("vectors")
    ratio = prod(shape[d] for d in inputs) / prod(base[d] for d in inputs)
    return ParameterScale("hidden" if widths - {*inputs} else "output", ratio)
