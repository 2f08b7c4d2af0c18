"""Activation checkpointing: a layer's inner activations are made again when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.checkpoint import checkpoint


def recomputed(layer: Callable[..., Any], *inputs: Any) -> Any:
    """Return ``layer(*inputs)``, of which backward keeps the inputs alone.

    The layer runs a second time during backward and draws the same dropout masks there: torch puts
    its generators back to where they stood.

    References
    ----------
    Chen et al. (2016), "Training deep nets with sublinear memory cost".
    """
    return checkpoint(layer, *inputs, use_reentrant=False)
