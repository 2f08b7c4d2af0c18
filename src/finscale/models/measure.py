"""What a network costs, counted on a model without memory: parameters, FLOPs, activations.

The default for every architecture that states no closed form. The model is built on torch's meta
device, so even one of billions of parameters takes no memory; building it takes milliseconds, and
torch's import 1.3 s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from finscale.models.counts import ParameterCounts
from finscale.models.interface import Interface

#: Windows of a counted pass: costs that do not grow with the windows vanish in rounding.
_WINDOWS = 8


class _NoNumbers(TorchFunctionMode):
    """Skip ``torch.nn.init``: on the meta device it takes most of a model's time, for nothing."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Return a model that has shapes and no numbers."""
    with torch.device("meta"), _NoNumbers():
        return build()


def counted_parameters(
    model: nn.Module, inputs: Sequence[str], head: Sequence[str]
) -> ParameterCounts:
    """Count parameters; ``inputs`` and ``head`` name the submodules of the two ends.

    ``*`` in a name stands for anything: ``blocks.*.read``.
    """

    def within(names: Sequence[str]) -> int:
        return sum(
            parameter.numel()
            for key, parameter in model.named_parameters()
            if any(fnmatchcase(key, name) or fnmatchcase(key, f"{name}.*") for name in names)
        )

    ends = within(inputs), within(head)
    total = sum(parameter.numel() for parameter in model.parameters())
    return ParameterCounts.of(inputs=ends[0], body=total - sum(ends), head=ends[1])


def counted_flops(model: nn.Module, interface: Interface) -> int:
    """Return the FLOPs of one window's forward pass: products, a multiply-add counted as two.

    They are those of each further window: what a batch computes once is not among them.
    """

    def total(num_windows: int) -> int:
        # torch's counter does not know every fused attention: products it always does
        with (
            FlopCounterMode(display=False) as counter,
            sdpa_kernel(SDPBackend.MATH),
            torch.no_grad(),
        ):
            model.eval()(_windows(interface, num_windows))
        return int(counter.get_total_flops())

    return round((total(2 * _WINDOWS) - total(_WINDOWS)) / _WINDOWS)


def counted_activations(
    model: nn.Module, interface: Interface, precision: Literal["fp32", "bf16-mixed"]
) -> int:
    """Return the bytes that one window's forward pass keeps for the backward pass."""
    parameters = {id(parameter) for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        base = tensor if tensor._base is None else tensor._base
        if id(base) not in parameters:
            kept[id(base)] = base
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # meta tensors know no autocast: bf16 is taken as half of fp32's bytes
        output = model.train()(_windows(interface))
    assert output.requires_grad
    nbytes = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
    return round(nbytes / _WINDOWS / (2 if precision == "bf16-mixed" else 1))


def _windows(interface: Interface, num_windows: int = _WINDOWS) -> Tensor:
    shape = (num_windows, interface.context_length, interface.num_features)
    return torch.empty(shape, device="meta")
