"""Dropout whose masks are those of one process, however many share the batch.

Every process draws the masks of all windows from the same generator and applies those of its own
windows. That costs the drawing of the others' masks, and makes a run the same on any number of
devices, resume points included.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from finscale.errors import TrainingError

if TYPE_CHECKING:
    from finscale.training.distributed import Ranks


class _WholeMask:
    """Mixed into a dropout layer: it draws for all windows of the batch and takes its own."""

    def forward(self: Any, x: Tensor) -> Tensor:
        """Return x with some of its numbers zeroed, in training."""
        if not self.training or self.p == 0.0:
            return x
        part = self.ranks.part
        num_own = part.stop - part.start
        # a window may be several rows, side by side: one a channel
        rows, odd = divmod(x.shape[0], num_own)
        if odd:
            raise TrainingError(
                f"A dropout layer reads {tuple(x.shape)}, whose first dimension is not that of the "
                f"{num_own} windows: several devices cannot share its masks.",
                hint="training.devices: 1, or model.dropout: 0",
            )
        whole = x.new_ones(rows * part.total, *x.shape[1:])
        mask = super().forward(whole)  # type: ignore[misc]
        own: Tensor = x * mask[rows * part.start : rows * part.stop]
        return own


@functools.cache
def _sharing(kind: Any) -> Any:
    return type(f"Shared{kind.__name__}", (_WholeMask, kind), {})


def share_draws(model: nn.Module, ranks: Ranks) -> None:
    """Let a model's dropout draw for all processes, in place; refuse what cannot be shared.

    Raises
    ------
    TrainingError
        If a layer looks at the whole batch or draws where no mask can be handed in.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise TrainingError(
                f"{name} is a batch norm, whose statistics are those of the whole batch: several "
                "devices share each batch.",
                hint="training.devices: 1, or an architecture or model.norm without it",
            )
        if _draws_inside(module):
            raise TrainingError(
                f"{name} ({type(module).__name__}) drops numbers inside one of torch's kernels, "
                "whose masks several devices cannot share.",
                hint="training.devices: 1, or dropout 0 there",
            )
        if isinstance(module, nn.Dropout):
            # a subclass without state of its own, as with kernels: hooks and names stay
            kind: Any = type(module)
            module.__class__ = _sharing(kind)
            module.__dict__["ranks"] = ranks


def _draws_inside(module: Any) -> bool:
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
        return bool(module.dropout)
    if isinstance(module, nn.modules.dropout._DropoutNd) and type(module).__name__ != "Dropout":
        return bool(module.p) and not isinstance(module, nn.Dropout)
    # attention that was asked to be fused draws in the kernel
    fused = getattr(module, "method", "") == "fused"
    inside = getattr(module, "dropout", None)
    return fused and isinstance(inside, nn.Dropout) and inside.p > 0
