"""The ladder of a multilayer perceptron: its width and its channels rise together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finscale.config.model import MLPConfig
from finscale.models.feature_embedding_sizes import WIDTH_PER_CHANNEL
from finscale.models.interface import Interface

_LARGEST_WIDTH = 2**20


def rungs(config: MLPConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield ever larger sizes, until the widest."""
    width = 4
    while width <= _LARGEST_WIDTH:
        yield {"width": width, "feature_embedding": _embedding(config, interface, width)}
        width += max(1, 2 ** (width.bit_length() - 2))


def _embedding(config: MLPConfig, interface: Interface, width: int) -> int | None:
    if config.feature_embedding != "auto":
        return config.feature_embedding
    channels = max(1, width // WIDTH_PER_CHANNEL)
    return channels if channels < interface.num_features else None
