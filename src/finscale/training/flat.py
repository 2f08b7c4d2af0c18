"""The parameters of models side by side in one buffer, and their gradients in another.

One row a model: clipping, zeroing and the optimiser's update are each one pass over contiguous
memory, however many parameters a model is made of, and R models of one architecture are R rows
whose columns are the same parameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from finscale.models.kernels.products import Linear
from finscale.models.replicas import LINE_BYTES
from finscale.models.slots import Slot, give_slot

#: fp32 numbers in a cache line: products may round differently on memory between lines.
_LINE = LINE_BYTES // 4


@dataclass(frozen=True)
class _Place:
    start: int
    shape: torch.Size


class FlatParameters:
    """Rows of parameters and gradients, one for each model.

    The models' parameters become views of the buffers, with their values; so do their gradients.

    Parameters
    ----------
    models : sequence of nn.Module
        Of one architecture.
    direct : bool
        Let products write their weights' gradients where they belong (``finscale.models.slots``);
        uncompiled models on a CPU alone.
    """

    def __init__(self, models: Sequence[nn.Module], *, direct: bool = False) -> None:
        named = dict(models[0].named_parameters())
        slotted = _written_by_products(models[0]) if direct else set()
        order = sorted(named, key=lambda name: (not decays(name, named[name]), name not in slotted))
        self._places: dict[str, _Place] = {}
        self.num_decaying = self._num_direct = end = 0
        self._written = {name: [False] * len(models) for name in slotted}
        for name in order:
            self._places[name] = _Place(end, named[name].shape)
            end += _LINE * math.ceil(named[name].numel() / _LINE)
            if decays(name, named[name]):
                self.num_decaying = end
            if name in slotted:
                self._num_direct = end
        first = next(iter(named.values()))
        self.values_RP = torch.zeros(len(models), end, dtype=first.dtype, device=first.device)
        self.grads_RP = torch.zeros_like(self.values_RP)
        self._grads: list[list[Tensor]] = []
        for row, model in enumerate(models):
            self._move_in(row, model)

    def _move_in(self, row: int, model: nn.Module) -> None:
        named = dict(model.named_parameters())
        for name, parameter in named.items():
            view = self._view(self.values_RP[row], name)
            view.copy_(parameter.detach())
            parameter.data = view
            parameter.grad = self._view(self.grads_RP[row], name)
            slot = None
            if name in self._written:
                slot = Slot(parameter.grad, self._written[name], range(row, row + 1))
            # a slot of an earlier training ends here
            give_slot(parameter, slot)
        self._grads.append([self._view(self.grads_RP[row], name) for name in named])

    def stacked(self, name: str) -> nn.Parameter:
        """Return a parameter of all models as one, ``[R, ...]``, in the same memory."""
        parameter = nn.Parameter(self._view(self.values_RP, name))
        parameter.grad = self._view(self.grads_RP, name)
        if name in self._written:
            written = self._written[name]
            rows = range(len(written))
            give_slot(parameter, Slot(parameter.grad, written, rows, stacked=True))
        return parameter

    def take(self, row: int, grads: list[Tensor]) -> None:
        """Take a model's gradients of one batch, in its parameters' order: add them to this step's.

        All of its gradients come this way, or none.
        """
        if any(written[row] for written in self._written.values()):
            torch._foreach_add_(self._grads[row], grads)
            return
        torch._foreach_copy_(self._grads[row], grads)
        for written in self._written.values():
            written[row] = True

    def complete(self) -> None:
        """Zero what no backward pass of this step has written."""
        for name, written in self._written.items():
            for row, is_written in enumerate(written):
                if not is_written:
                    self._view(self.grads_RP[row], name).zero_()

    def forget(self) -> None:
        """Begin a new step: gradients that are added up start at zero, others are written over."""
        self.grads_RP[:, self._num_direct :].zero_()
        for written in self._written.values():
            written[:] = [False] * len(written)

    def _view(self, buffer: Tensor, name: str) -> Tensor:
        place = self._places[name]
        numbers = buffer.narrow(-1, place.start, place.shape.numel())
        return numbers.view(*buffer.shape[:-1], *place.shape)

    def parts(self, buffer_P: Tensor) -> tuple[Tensor, Tensor]:
        """Return a row's numbers that decay, and those that do not."""
        return buffer_P[: self.num_decaying], buffer_P[self.num_decaying :]


def _written_by_products(model: nn.Module) -> set[str]:
    """Return the names of the decaying weights whose gradients products write themselves."""
    names = (
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if type(module) is Linear
    )
    named = dict(model.named_parameters())
    # a weight that two modules share stands under one name
    return {name for name in names if name in named and decays(name, named[name])}


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Tell whether a parameter decays: the weight of a product does, an embedding does not."""
    is_embedding = "position" in name or "stats" in name
    return parameter.ndim >= 2 and not is_embedding
