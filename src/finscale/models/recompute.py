"""Activation checkpointing: a layer's inner activations are made again when they are needed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch.utils.checkpoint as torch_checkpoint

from finscale.models.kernels.dropout import drawing_from, generators


def recomputed(layer: Callable[..., Any], *inputs: Any) -> Any:
    """Return ``layer(*inputs)``, of which backward keeps the inputs alone.

    The layer runs a second time during backward and draws the same dropout masks there, from copies
    of the generators as they stood before it.

    References
    ----------
    Chen et al. (2016), "Training deep nets with sublinear memory cost".
    """
    copies = [generator.clone_state() for generator in generators()]

    def contexts() -> tuple[Any, Any]:
        return contextlib.nullcontext(), drawing_from(copies)

    return torch_checkpoint.checkpoint(layer, *inputs, use_reentrant=False, context_fn=contexts)
