"""How much memory training an architecture takes, in closed form and without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from finscale.models.patchtst.architecture import Architecture
from finscale.models.patchtst.counts import count_parameters

if TYPE_CHECKING:
    from finscale.models.patchtst.model import PatchTST

_FP32 = 4
#: Bytes that torch's libraries take at the first step, over seven shapes on one machine.
_LIBRARIES = 30 * 2**20
#: Resident over live bytes of activations under glibc: 1.27 to 1.65 over the same shapes.
_IN_PIECES = 1.4


def training_memory(
    model: PatchTST | Architecture,
    batch_size: int,
    precision: Literal["fp32", "bf16-mixed"] = "fp32",
    device: str = "cpu",
) -> int:
    """Return the bytes at the peak of a training step: weights, AdamW, gradients, activations.

    These are the bytes of live tensors; see :func:`resident_memory` for what a process takes.

    Parameters
    ----------
    model : PatchTST or Architecture
        Built or only designed.
    batch_size : int
        Windows of one forward pass.
    precision : {"fp32", "bf16-mixed"}
        Arithmetic; weights, gradients and AdamW's two moments stay in fp32, and bf16 adds a copy
        of the weights.
    device : str
        A CPU multiplies attention out wherever it drops attention weights.

    Examples
    --------
    >>> from finscale.models import solve_budget
    >>> two_billion = solve_budget(2_000_000_000, num_features=25, context_length=80)
    >>> training_memory(two_billion, batch_size=8) > 30e9
    True
    """
    return sum(_lasting_and_passing(model, batch_size, precision, device))


def resident_memory(
    model: PatchTST | Architecture,
    batch_size: int,
    precision: Literal["fp32", "bf16-mixed"] = "fp32",
) -> int:
    """Return the bytes that training adds to a process on a CPU.

    More than the live tensors, because libraries set themselves up at the first step and glibc's
    heap holds freed activations in pieces that the next ones do not always fit (docs/LOG.md).
    """
    lasting, passing = _lasting_and_passing(model, batch_size, precision, "cpu")
    return _LIBRARIES + lasting + round(_IN_PIECES * passing)


def _lasting_and_passing(
    model: PatchTST | Architecture,
    batch_size: int,
    precision: Literal["fp32", "bf16-mixed"],
    device: str,
) -> tuple[int, int]:
    """Return the bytes of what stays between steps, and of what each step makes anew."""
    architecture = model if isinstance(model, Architecture) else model.architecture
    parameters = count_parameters(architecture).total
    half = precision == "bf16-mixed"
    # weight, gradient and two moments; in bf16 a copy of the weight for as long as a step
    lasting = (4 * _FP32 + (2 if half else 0)) * parameters
    # what one feed-forward block's backward pass holds at once, beside what was kept for it
    working = 2 * (2 if half else _FP32) * architecture.num_tokens * architecture.ff_width
    return lasting, batch_size * (activation_memory(architecture, precision, device) + working)


def activation_memory(
    architecture: Architecture,
    precision: Literal["fp32", "bf16-mixed"] = "fp32",
    device: str = "cpu",
) -> int:
    """Return the bytes that one window's forward pass keeps for the backward pass."""
    a = architecture
    size = _FP32 if precision == "fp32" else 2
    masks = 1 if a.dropout else 0
    tokens, width = a.num_patches, a.width
    # what norms read is the fp32 residual stream; what products read is in the precision's size
    norms = 2 * _FP32 * width
    products = size * (6 * width + 2 * a.ff_width)
    dropped = size * masks * (2 * width + a.ff_width)
    layer = tokens * (norms + products + dropped) + _attention_weights(a, size, device)
    kept = a.depth * layer + tokens * width * (_FP32 + size)
    if a.activation_checkpointing:
        # the inputs of all layers, and one layer as a whole; what closes them is gone by then
        kept = (a.depth - 1) * tokens * width * _FP32 + layer
    inputs = size * tokens * (a.patch_length * a.token_channels + masks * width)
    sequence = kept + inputs + size * a.num_stats
    embedded = size * a.context_length * a.num_features if a.feature_embedding else 0
    return a.num_sequences * sequence + embedded


def _attention_weights(a: Architecture, size: int, device: str) -> int:
    """Return the bytes of one layer's attention weights, which the fused kernel never keeps."""
    drops_here = a.attention_dropout > 0 and device == "cpu"
    if not (a.explicit_attention or drops_here):
        return 0
    copies = 3 if a.attention_dropout else 1
    return copies * size * a.heads * a.num_patches**2
