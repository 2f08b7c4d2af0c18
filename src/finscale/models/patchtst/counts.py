"""What an architecture costs: parameters and FLOPs, in closed form and without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.models.counts import ParameterCounts
from finscale.models.patchtst.sizes import PatchTSTSizes

if TYPE_CHECKING:
    from finscale.models.patchtst.model import PatchTST


def count_parameters(model: PatchTST | PatchTSTSizes) -> ParameterCounts:
    """Count the parameters of a built model, or in closed form those of an architecture."""
    if isinstance(model, PatchTSTSizes):
        body, inputs, head = _encoder(model), _input_side(model), _linear(*_head_shape(model))
    else:
        head = sum(p.numel() for p in model.head.parameters())
        body = sum(p.numel() for p in model.encoder.parameters())
        inputs = sum(p.numel() for p in model.parameters()) - body - head
    return ParameterCounts.of(inputs=inputs, body=body, head=head)


def flops_per_sample(model: PatchTST | PatchTSTSizes) -> int:
    """Return the FLOPs of one window's forward pass; a training step takes three times as many.

    Products only, a multiply-add counted as two, as ``torch.utils.flop_counter`` does.
    """
    a = model if isinstance(model, PatchTSTSizes) else model.sizes
    tokens, sequences, width = a.num_patches, a.num_sequences, a.width
    layer = tokens * width * (4 * width + 2 * a.ff_width) + 2 * tokens * tokens * width
    per_sequence = (
        tokens * a.patch_length * a.token_channels * width + a.depth * layer + _stats_products(a)
    )
    if a.feature_embedding is not None:
        per_sequence += a.context_length * a.num_features * a.feature_embedding
    inputs, outputs = _head_shape(a)
    heads = sequences if a.head == "forecast" else 1
    return 2 * (sequences * per_sequence + heads * inputs * outputs)


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _encoder(a: PatchTSTSizes) -> int:
    norm = 2 * a.width
    attention = _linear(a.width, 3 * a.width) + _linear(a.width, a.width)
    feed_forward = _linear(a.width, a.ff_width) + _linear(a.ff_width, a.width)
    closing = norm if a.norm == "layer" else 0
    return a.depth * (attention + feed_forward + 2 * norm) + closing


def _input_side(a: PatchTSTSizes) -> int:
    affine = 2 * a.num_features if a.revin and a.revin_affine else 0
    features = _linear(a.num_features, a.feature_embedding) if a.feature_embedding else 0
    patches = _linear(a.patch_length * a.token_channels, a.width)
    positions = a.num_patches * a.width
    return affine + features + patches + positions + _stats_products(a)


def _stats_products(a: PatchTSTSizes) -> int:
    """Weights, and so multiply-adds, of the statistics' bias-free projections."""
    if a.feature_embedding is None:
        return a.num_stats * a.width
    return (a.num_stats + a.width) * a.feature_embedding if a.num_stats else 0


def _head_shape(a: PatchTSTSizes) -> tuple[int, int]:
    return a.head_inputs, a.head_outputs
