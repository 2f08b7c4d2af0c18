"""Which runs may train as one program: those alike but for seed, learning rate and weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.config import BaselineConfig, canonical_json
from finscale.models import ARCHITECTURES

if TYPE_CHECKING:
    from finscale.experiment.preparation import Prepared


def program_of(prepared: Prepared) -> str:
    """Return what tells runs of one program from others; empty where a run trains alone.

    A compiled model has a program of its own, activations that are computed twice would draw other
    masks the second time, and torch cannot stack every architecture (recurrent cells).
    """
    config = prepared.config
    if isinstance(config.model, BaselineConfig) or config.training.compile is True:
        return ""
    if getattr(config.network, "activation_checkpointing", False):
        return ""
    if not ARCHITECTURES[config.network.kind].vmaps:
        return ""
    shared = config.part("science", per_replica=False)
    return canonical_json([shared, config.placement(), prepared.digests])
