"""Where a weight's gradient goes while a model is trained: straight into the optimiser's memory.

autograd adds a gradient to what lies there, so all of it has to be zeroed first, and a gradient in
bf16 becomes one in fp32 on the way: at 200M parameters these passes over memory were a tenth of a
step. A product that knows its weight's slot writes over what an earlier step left there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from torch import nn


class Slot:
    """The gradient of one weight, or of the same weight in R models of a stack.

    Parameters
    ----------
    gradient : Tensor
        The weight's ``.grad``, a view of the optimiser's memory; for a stack ``[R, ...]``.
    written : list of bool
        Whether this step has written each model's gradient already. Slots of the same memory share
        it.
    rows : range
        Which of ``written`` are this slot's.
    """

    def __init__(
        self, gradient: Tensor, written: list[bool], rows: range, *, stacked: bool = False
    ) -> None:
        self.gradient = gradient
        self.grads: tuple[Tensor, ...] = tuple(gradient) if stacked else (gradient,)
        self._written = written
        self._rows = rows

    def put(self, gradient: Tensor, model: int = 0) -> None:
        """Take a gradient of this step: over an earlier step's, added to this step's."""
        row = self._rows[model]
        if self._written[row]:
            self.grads[model].add_(gradient)
        else:
            self.grads[model].copy_(gradient)
            self._written[row] = True

    def target(self, model: int) -> Tensor | None:
        """Return the memory that a gradient of this step may be computed into, once."""
        row = self._rows[model]
        if self._written[row]:
            return None
        self._written[row] = True
        gradient: Tensor = self.grads[model]
        return gradient

    def prepare(self) -> None:
        """Make ready for autograd, which adds to what is there."""
        for row, grad in zip(self._rows, self.grads, strict=True):
            if not self._written[row]:
                grad.zero_()
                self._written[row] = True


def slot_of(weight: Tensor) -> Slot | None:
    """Return where a weight's gradient goes; None leaves it to autograd.

    A weight whose ``.grad`` was replaced since, as by ``zero_grad``, has left its training.
    """
    slot: Slot | None = getattr(weight, "slot", None)
    return slot if slot is not None and weight.grad is slot.gradient else None


def give_slot(weight: nn.Parameter, slot: Slot | None) -> None:
    """Say where a weight's gradient goes from now on."""
    weight.slot = slot  # type: ignore[attr-defined]
