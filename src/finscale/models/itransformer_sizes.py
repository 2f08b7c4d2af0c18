"""The ladder of an iTransformer: whole heads are added, then layers, and ``ff_width`` fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finscale.config.architectures.itransformer import ITransformerConfig
from finscale.models.interface import Interface
from finscale.models.ladder import mixed_channels, rising, settled_mixing, widths

#: Width over depth: 4 layers at 512, as in the paper.
_ASPECT = 128


def rungs(config: ITransformerConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield ever larger sizes."""
    for width, depth in rising(widths(config.head_size), aspect=_ASPECT):
        ff_width = _ff_width(config, width)
        mixed = mixed_channels(
            config.feature_embedding,
            interface,
            # four products of attention and two of the feed-forward block
            body=width * (interface.context_length + depth * (4 * width + 2 * ff_width)),
            per_channel=width * interface.num_outputs,
        )
        sizes = {"depth": depth, "width": width, "feature_embedding": mixed}
        if mixed is not None:
            # many features leave less to fill between two widths: a leaner rung goes first
            yield {**sizes, "ff_width": max(1, ff_width // 4)}
        yield {**sizes, "ff_width": ff_width}


def settle(config: ITransformerConfig, interface: Interface) -> ITransformerConfig:
    """Return the config with every size and switch that it leaves open."""
    assert config.width is not None
    decided = {
        "ff_width": config.ff_width or _ff_width(config, config.width),
        "feature_embedding": settled_mixing(config.feature_embedding, interface),
    }
    return config.model_copy(update=decided)


def _ff_width(config: ITransformerConfig, width: int) -> int:
    return max(1, round(config.ff_ratio * width))
