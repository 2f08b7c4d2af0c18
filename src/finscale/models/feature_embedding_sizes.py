"""The ladder of networks that project many features to channels: those rise with the width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from finscale.config.model import EmbeddedConfig
from finscale.models.interface import Interface

#: Up to so many features are read as they are at any width: a row of them costs a small network
#: of 5k parameters less than half.
FEW_FEATURES = 32
#: Width over embedded channels beyond that: 8 channels for 64 numbers. In an MLP on rows of 80 bars
#: the first layer then has 10 inputs for each output.
WIDTH_PER_CHANNEL = 8
#: A rung is half as wide again as the one before; the width itself, the fine dial, fills.
_GROWTH = 2
_LARGEST_WIDTH = 2**20

ConfigT = TypeVar("ConfigT", bound=EmbeddedConfig)


def widths(growth: int) -> Iterator[int]:
    """Yield 1, 2, 3 … in steps of one, later of 1/``growth`` of the width.

    Examples
    --------
    >>> from itertools import islice
    >>> list(islice(widths(2), 10))
    [1, 2, 3, 4, 6, 9, 13, 19, 28, 42]
    """
    width = 1
    while width <= _LARGEST_WIDTH:
        yield width
        width += max(1, width // growth)


def rungs(config: EmbeddedConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield ever larger sizes for a network with the dial ``width``, which channels follow."""

    def channels(width: int) -> int | None:
        few = interface.num_features <= FEW_FEATURES
        return None if few else width // WIDTH_PER_CHANNEL

    for width in widths(_GROWTH):
        yield {"width": width, "feature_embedding": embedding(config, interface, width, channels)}


def embedding(
    config: EmbeddedConfig, interface: Interface, width: int, channels: Callable[[int], int | None]
) -> int | None:
    """Return the channels that features are projected to at a width; None where they are read.

    Parameters
    ----------
    config, interface
        What is stated; a forecast, which writes every feature, reads them as they are.
    width : int
        Of the network.
    channels : callable
        Width → channels, where ``auto`` is to decide; None for the features themselves.
    """
    if config.feature_embedding != "auto":
        return config.feature_embedding
    wanted = None if interface.head == "forecast" else channels(width)
    if wanted is None or max(1, wanted) >= interface.num_features:
        return None
    return max(1, wanted)


def settle(config: ConfigT, _: Interface) -> ConfigT:
    """Return the config with its ``auto`` decided: without a budget, features are not embedded."""
    if config.feature_embedding != "auto":
        return config
    return config.model_copy(update={"feature_embedding": None})
