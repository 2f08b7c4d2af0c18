"""Sizes of a ModernTCN: its ladder, and its parameters in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from finscale.config.architectures.moderntcn import ModernTCNConfig
from finscale.errors import ConfigError
from finscale.models import feature_embedding_sizes
from finscale.models.counts import ParameterCounts
from finscale.models.feature_embedding_sizes import embedding, widths
from finscale.models.interface import STATS_PER_CHANNEL, Interface

#: Width over variables on the ladder, until all features are variables of their own.
_WIDTH_PER_VARIABLE = 4
#: Wide models have rungs 3 % apart: 6 % in parameters, of which the fine dial, the products across
#: variables, can fill a few.
_GROWTH = 32


def rungs(config: ModernTCNConfig, interface: Interface) -> Iterator[Mapping[str, Any]]:
    """Yield ever larger sizes."""

    def rung(width: int, channels: int | None) -> dict[str, Any]:
        mixing = config.ff_ratio * (channels or interface.num_features)
        return {"width": width, "mixing_width": mixing, "feature_embedding": channels}

    def size(sizes: Mapping[str, Any]) -> int:
        return counts(config.model_copy(update=sizes), interface).total

    before: dict[str, Any] | None = None
    for width in widths(_GROWTH):
        channels = embedding(config, interface, width, lambda width: width // _WIDTH_PER_VARIABLE)
        here = rung(width, channels)
        if before is not None and channels != before["feature_embedding"]:
            # one channel more costs 2·F: where that is much, wider networks lie between
            wider = (rung(more, before["feature_embedding"]) for more in range(width, 4 * width))
            yield from takewhile(lambda sizes: size(sizes) < size(here), wider)  # noqa: B023
        yield here
        before = here


def settle(config: ModernTCNConfig, interface: Interface) -> ModernTCNConfig:
    """Return the config with ``feature_embedding`` and ``mixing_width`` decided."""
    config = feature_embedding_sizes.settle(config, interface)
    if config.mixing_width is not None:
        return config
    mixing = config.ff_ratio * num_variables(config, interface)
    return config.model_copy(update={"mixing_width": mixing})


def num_variables(config: ModernTCNConfig, interface: Interface) -> int:
    """Return M: the features, or the channels that they are projected to."""
    embedded = config.feature_embedding
    return embedded if isinstance(embedded, int) else interface.num_features


def num_patches(config: ModernTCNConfig, interface: Interface) -> int:
    """Return N, the patches of a window whose last row is repeated to fill the last one.

    Raises
    ------
    ConfigError
        If the window is shorter than a stride.
    """
    if interface.context_length < config.stride:
        raise ConfigError(
            f"windows of {interface.context_length} rows hold no patch of ModernTCN every "
            f"{config.stride} rows.",
            hint="give a smaller model.stride",
        )
    return interface.context_length // config.stride


def kernel_size(config: ModernTCNConfig, interface: Interface) -> int:
    """Return the patches that a kernel spans: at most those that it meets from a window's ends."""
    return min(config.kernel, 2 * num_patches(config, interface) - 1)


def counts(config: ModernTCNConfig, interface: Interface) -> ParameterCounts:
    """Return the three counts of a sized network."""
    assert config.width is not None
    assert config.mixing_width is not None
    forecasts, features = interface.head == "forecast", interface.num_features
    width, mixing, hidden = config.width, config.mixing_width, config.ff_ratio * config.width
    variables, patches = num_variables(config, interface), num_patches(config, interface)
    # stem: a kernel and a bias for each number, and its batch norm
    inputs = width * (config.patch_length + 1) + 2 * width
    if not forecasts:
        inputs += width * (STATS_PER_CHANNEL + 1)
    if isinstance(config.feature_embedding, int):
        inputs += 2 * variables * (features + 1)
    block = (
        variables * width * (kernel_size(config, interface) + 1)  # depthwise, with bias
        + 2 * width  # batch norm
        + variables * (2 * width * hidden + hidden + width)  # within each variable
        + width * (2 * variables * mixing + mixing + variables)  # across variables
    )
    read = patches * width if forecasts else patches * width * variables
    written = interface.forecast_length or interface.num_outputs
    return ParameterCounts.of(inputs=inputs, body=config.depth * block, head=(read + 1) * written)
