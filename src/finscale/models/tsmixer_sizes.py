"""The ladder of a TSMixer: channels and rows of the blocks, then blocks; ``ff_width`` fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finscale.config.architectures.tsmixer import TSMixerConfig
from finscale.models.base_sizes import BASE_WIDTH, base_widths
from finscale.models.interface import Interface
from finscale.models.ladder import mixed_channels, rising, settled_mixing, widths

_STEP = 4
#: Width over depth: 4 blocks at 512; the paper has 2 to 8.
_ASPECT = 128


def rungs(config: TSMixerConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield ever larger sizes; rows rise with the width, to at most those of the window."""
    for width, depth in rising(widths(_STEP), aspect=_ASPECT):
        ff_width = max(1, round(config.ff_ratio * width))
        rows = width if width < interface.context_length else None
        inside = rows or interface.context_length
        mixed = mixed_channels(
            config.feature_embedding,
            interface,
            body=depth * (2 * width * ff_width + inside * (inside + 4 * width))
            + inside * (interface.context_length + width * interface.num_outputs),
            per_channel=width,
        )
        sizes = {"depth": depth, "width": width, "rows": rows, "feature_embedding": mixed}
        if width < interface.num_features:
            # many features leave less to fill between two widths: a leaner rung goes first
            yield {**sizes, "ff_width": max(1, ff_width // 4)}
        yield {**sizes, "ff_width": ff_width}


def settle(config: TSMixerConfig, interface: Interface) -> TSMixerConfig:
    """Return the config with its ``auto`` decided."""
    mixed = settled_mixing(config.feature_embedding, interface)
    return config.model_copy(update={"feature_embedding": mixed})


def base(config: TSMixerConfig, _: Interface) -> Mapping[str, int]:
    """Return the widths of µP's base model: rows are one, unless they are the window's own."""
    rows = {"rows": BASE_WIDTH} if config.rows is not None else {}
    return {**base_widths(config), **rows}
