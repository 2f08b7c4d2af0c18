"""Which runs may train as one program: those alike but for seed, learning rate and weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.config import BaselineConfig, canonical_json

if TYPE_CHECKING:
    from finscale.experiment.preparation import Prepared


def program_of(prepared: Prepared) -> str:
    """Return what tells runs of one program from others; empty where a run trains alone.

    A compiled model has a program of its own, and activations that are computed twice would draw
    other masks the second time.
    """
    config = prepared.config
    if isinstance(config.model, BaselineConfig) or config.training.compile is True:
        return ""
    if getattr(config.network, "activation_checkpointing", False):
        return ""
    shared = config.part("science", per_replica=False)
    return canonical_json([shared, config.placement(), prepared.digests])
