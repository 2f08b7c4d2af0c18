"""How much memory a window takes in training a PatchTST, in closed form and without torch."""

from __future__ import annotations

from typing import Literal

from finscale.models.patchtst.sizes import PatchTSTSizes

_FP32 = 4


def window_memory(
    sizes: PatchTSTSizes, precision: Literal["fp32", "bf16-mixed"] = "fp32", device: str = "cpu"
) -> int:
    """Return the bytes that one window takes at the peak of a training step."""
    # what one feed-forward block's backward pass holds at once, beside what was kept for it
    number = 2 if precision == "bf16-mixed" else _FP32
    working = 2 * number * sizes.num_tokens * sizes.ff_width
    return activation_memory(sizes, precision, device) + working


def activation_memory(
    architecture: PatchTSTSizes,
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


def _attention_weights(a: PatchTSTSizes, size: int, device: str) -> int:
    """Return the bytes of one layer's attention weights, which the fused kernel never keeps."""
    drops_here = a.attention_dropout > 0 and device == "cpu"
    if not (a.explicit_attention or drops_here):
        return 0
    copies = 3 if a.attention_dropout else 1
    return copies * size * a.heads * a.num_patches**2
