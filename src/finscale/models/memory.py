"""How much memory training an architecture takes, in closed form and without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from finscale.models.architecture import Architecture
from finscale.models.counts import count_parameters

if TYPE_CHECKING:
    from finscale.models.patchtst import PatchTST

_FP32 = 4


def training_memory(
    model: PatchTST | Architecture,
    batch_size: int,
    precision: Literal["fp32", "bf16-mixed"] = "fp32",
    *,
    accumulate: int = 1,
) -> int:
    """Return the bytes at the peak of a training step: weights, AdamW, gradients, activations.

    These are the bytes of live tensors. The process (interpreter, libraries: some hundred MB), the
    data, and what an allocator holds in pieces too small to use come on top.

    Parameters
    ----------
    model : PatchTST or Architecture
        Built or only designed.
    batch_size : int
        Windows of one forward pass.
    precision : {"fp32", "bf16-mixed"}
        Arithmetic; weights, gradients and AdamW's two moments stay in fp32, and bf16 adds a copy
        of the weights.
    accumulate : int
        Micro-batches per step: with more than one, gradients lie beside activations.

    Examples
    --------
    >>> from finscale.models import solve_budget
    >>> two_billion = solve_budget(2_000_000_000, num_features=25, context_length=80)
    >>> training_memory(two_billion, batch_size=8) > 30e9
    True
    """
    architecture = model if isinstance(model, Architecture) else model.architecture
    parameters = count_parameters(architecture).total
    half = precision == "bf16-mixed"
    weights = (_FP32 + (2 if half else 0)) * parameters
    moments, gradients = 2 * _FP32 * parameters, _FP32 * parameters
    activations = batch_size * activation_memory(architecture, precision)
    # what one feed-forward block's backward pass holds at once, beside what was kept for it
    size = 2 if half else _FP32
    working = 2 * size * batch_size * architecture.num_tokens * architecture.ff_width
    # backward frees activations while it makes gradients, so that the two do not add up
    passing = gradients + activations if accumulate > 1 else max(gradients, activations)
    return weights + moments + passing + working


def activation_memory(
    architecture: Architecture, precision: Literal["fp32", "bf16-mixed"] = "fp32"
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
    layer = tokens * (norms + products + dropped) + _attention_weights(a, size)
    closing = tokens * width * (_FP32 + size)
    inputs = size * tokens * (a.patch_length * a.token_channels + masks * width)
    sequence = a.depth * layer + closing + inputs + size * a.num_stats
    embedded = size * a.context_length * a.num_features if a.feature_embedding else 0
    return a.num_sequences * sequence + embedded


def _attention_weights(a: Architecture, size: int) -> int:
    """Return the bytes of one layer's attention weights, which the fused kernel never keeps."""
    if not a.explicit_attention:
        return 0
    copies = 3 if a.attention_dropout else 1
    return copies * size * a.heads * a.num_patches**2
