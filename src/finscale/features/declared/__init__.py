"""The catalogue: families of features, each declared as bases × parameters × relations.

A family is one file. It lists its features in the order in which tiers take them in, and the parts
that several of them share. Adding a feature is adding a line to its family.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from finscale.features.declared import (
    candles,
    dates,
    entropy,
    momentum,
    operators,
    ranges,
    regime,
    risk,
    statistics,
    timescale,
    trend,
    volatility,
    volume,
)
from finscale.features.declared.family import Family
from finscale.features.declared.parts import COMMON
from finscale.features.feature import Feature

_FAMILIES = (
    trend.FAMILY,
    momentum.FAMILY,
    volatility.FAMILY,
    volume.FAMILY,
    ranges.FAMILY,
    candles.FAMILY,
    operators.FAMILY,
    risk.FAMILY,
    statistics.FAMILY,
    entropy.FAMILY,
    timescale.FAMILY,
    regime.FAMILY,
    dates.FAMILY,
)
#: Family by name.
FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _FAMILIES})


def _all_parts() -> dict[str, Feature]:
    parts = dict(COMMON.parts)
    for family in _FAMILIES:
        parts |= family.parts
    return parts


#: What features are made of and no tier holds: part by name.
PARTS: Mapping[str, Feature] = MappingProxyType(_all_parts())
