"""The ladder of an NLinear: the numbers that a channel is mapped to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finscale.config.architectures.nlinear import NLinearConfig
from finscale.models.interface import STATS_PER_CHANNEL, Interface
from finscale.models.ladder import mixed_channels, settled_mixing
from finscale.models.patchtst.budget import round_numbers

#: An NLinear is little but its output layer, which reads every channel: it may take most of it.
_SHARE = 0.8
_LARGEST_WIDTH = 2**24


def rungs(config: NLinearConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield ever larger sizes, up to 16 million numbers a channel."""
    for width in round_numbers(_LARGEST_WIDTH):
        mixed = mixed_channels(
            config.feature_embedding,
            interface,
            body=(interface.context_length + 1) * width,
            per_channel=(width + STATS_PER_CHANNEL) * interface.num_outputs,
            share=_SHARE,
        )
        yield {"width": width, "feature_embedding": mixed}


def settle(config: NLinearConfig, interface: Interface) -> NLinearConfig:
    """Return the config with its ``auto`` decided."""
    mixed = settled_mixing(config.feature_embedding, interface)
    return config.model_copy(update={"feature_embedding": mixed})
