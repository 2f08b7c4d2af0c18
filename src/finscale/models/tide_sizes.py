"""The ladder of a TiDE: width and what the decoder writes, then blocks; ``width`` fills."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finscale.config.architectures.tide import TiDEConfig
from finscale.models.interface import Interface
from finscale.models.ladder import mixed_channels, rising, settled_mixing, widths

_STEP = 2
#: Width over depth: 2 blocks at 1024; the paper has 1 to 3 at 256 to 1024.
_ASPECT = 512


def rungs(config: TiDEConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield ever larger sizes."""
    for width, depth in rising(widths(_STEP), aspect=_ASPECT):
        decoder_width = _decoder_width(width)
        mixed = mixed_channels(
            config.feature_embedding,
            interface,
            # three products a block, of which the first and the last have one narrow end
            body=(6 * depth - 4) * width**2 + 2 * interface.context_length * width,
            per_channel=decoder_width * interface.num_outputs,
        )
        yield {
            "depth": depth,
            "width": width,
            "decoder_width": decoder_width,
            "feature_embedding": mixed,
        }


def settle(config: TiDEConfig, interface: Interface) -> TiDEConfig:
    """Return the config with every size and switch that it leaves open."""
    assert config.width is not None
    decided = {
        "decoder_width": config.decoder_width or _decoder_width(config.width),
        "feature_embedding": settled_mixing(config.feature_embedding, interface),
    }
    return config.model_copy(update=decided)


def _decoder_width(width: int) -> int:
    """Return the numbers of a row to come: the paper's 4 to 32 at widths of 256 to 1024."""
    return min(max(2, width // 16), 32)
