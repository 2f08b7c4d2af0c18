"""The one door to hand-written kernels: swap a built model's modules for faster ones."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from finscale.config.training import TrainingConfig
from finscale.models.kernels.attention import WAYS, CpuAttention
from finscale.models.kernels.dropout import ByteDropout
from finscale.models.kernels.linear import OnednnLinear
from finscale.models.patchtst.attention import SelfAttention

#: Kernel → what it replaces and by what. A swapped module has the parameters, buffers and names of
#: the plain one, so that a state dict fits both.
SWAPS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "linear": (nn.Linear, OnednnLinear),
    "attention": (SelfAttention, CpuAttention),
    "dropout": (nn.Dropout, ByteDropout),
}


def accelerate(model: nn.Module, *, without: Collection[str] = ()) -> nn.Module:
    """Swap what has a faster kernel on a CPU, in place, and return the model.

    Only modules of exactly the plain class are swapped: a subclass may do what no kernel knows.
    Results agree up to rounding, except that dropout draws other masks.

    Parameters
    ----------
    model : nn.Module
        Any, built, on a CPU.
    without : collection of str
        Kernels to leave out: keys of ``SWAPS``, or ways of attention; for measurements.

    Examples
    --------
    >>> model = accelerate(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.1)))
    >>> [type(module).__name__ for module in model]
    ['OnednnLinear', 'ByteDropout']
    """
    swaps = {plain: fast for name, (plain, fast) in SWAPS.items() if name not in without}
    for module in model.modules():
        fast = swaps.get(type(module))
        if fast is not None:
            # a subclass without state of its own: parameters, hooks and names stay as they are
            module.__class__ = fast
        if isinstance(module, CpuAttention):
            module.ways = WAYS - set(without)
    return model


def kernels_rule(training: TrainingConfig) -> str:
    """Return ``torch`` or ``fast`` for a training section whose device is resolved.

    auto is fast on a CPU and torch elsewhere. torch.compile writes its own kernels and cannot look
    into these. Each kernel looks itself at processor, shape and type, and leaves to torch what
    torch does as fast (docs/performance.md).

    Examples
    --------
    >>> [kernels_rule(TrainingConfig(device=device)) for device in ("cpu", "cuda")]
    ['fast', 'torch']
    """
    if training.kernels != "auto":
        return training.kernels
    return "fast" if training.device == "cpu" and training.compile is not True else "torch"
