"""The base sizes of µP: where a learning rate is tuned, and what every other size is measured by.

Without torch, because sizes and budgets are worked out before anything is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finscale.config.model import NetworkConfig
from finscale.config.names import Parametrisation

#: Width of the base model.
BASE_WIDTH = 32
#: Numbers in one attention head of the base model.
BASE_HEAD = 8
#: Layers of the base model.
BASE_DEPTH = 2


def base_widths(config: NetworkConfig, _: object = None) -> Mapping[str, int]:
    """Return the base value of every dial that is a width; the rule where none is declared.

    A dial is a width if its name ends in ``width`` and the config has a number for it.

    Examples
    --------
    >>> from finscale.config.model import MLPConfig
    >>> base_widths(MLPConfig(width=100))
    {'width': 32}
    """
    widths = (name for name in config.SIZES if name.endswith("width"))
    return {name: BASE_WIDTH for name in widths if getattr(config, name) is not None}


def doubled(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Return base sizes times two: a dimension that differs between the two models is a width."""
    return {name: 2 * value for name, value in sizes.items()}


def branch_multiplier(depth: int, parametrisation: Parametrisation = "mup") -> float:
    """Return the factor of each residual branch in the forward pass of a model of this depth.

    µP: 1/L with L = depth / ``BASE_DEPTH``, so that what all layers together add keeps its size
    however many there are, while each still learns at the base model's rate. A model that is
    shallower than the base has 1: one branch alone cannot grow the signal. Standard: 1.

    References
    ----------
    Dey et al. (2025), "Don't be lazy: CompleteP enables compute-efficient deep transformers",
    table 1, α = 1.

    Examples
    --------
    >>> [branch_multiplier(depth) for depth in (1, 2, 8)]
    [1.0, 1.0, 0.25]
    """
    return 1.0 if parametrisation == "standard" else min(1.0, BASE_DEPTH / depth)


def attention_scale(head_size: int, parametrisation: Parametrisation = "mup") -> float:
    """Return the factor of q·k: √E₀/E in µP, with E₀ = ``BASE_HEAD``, and 1/√E in the standard.

    Queries and keys that have learned point the same way, so that their product grows as E and not
    as √E; the two rules agree at the base model's head.

    References
    ----------
    Yang et al. (2022), "Tensor programs V", definition 4.1.

    Examples
    --------
    >>> [round(attention_scale(size), 4) for size in (8, 32)]
    [0.3536, 0.0884]
    """
    base = head_size if parametrisation == "standard" else BASE_HEAD
    return float(base**0.5 / head_size)
