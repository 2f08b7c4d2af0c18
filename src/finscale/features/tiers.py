"""The declared features and the tiers that they form.

A tier is an ordered tuple of feature names; each holds the one before it. Together with open, high,
low, close and volume, a20 makes 25 channels. Prices are adjusted, so a split is no signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from finscale.config.names import TIER_NAMES
from finscale.data.frames import KEYS, RELATIVE
from finscale.errors import FinscaleError
from finscale.features.declared import FAMILIES, PARTS
from finscale.features.declared.classic import A20 as A20_FEATURES
from finscale.features.declared.family import Family
from finscale.features.feature import INPUTS, Feature
from finscale.features.views import VIEWS
from finscale.registry import Registry


def _check(name: str, feature: Feature) -> None:
    """Refuse a feature that has no relative column, or whose name is taken by one of the bars."""
    if not feature.seen:
        views = ", ".join(f"{kind} ({view.words})" for kind, view in VIEWS.items())
        raise FinscaleError(
            f"the feature {name} does not say how a model sees it relatively.",
            hint=f"declare Feature(…, seen=…), one of: {views}",
        )
    VIEWS[feature.seen]  # an unknown one is refused, the nearest named
    if name.startswith(RELATIVE) or name in (*KEYS, *INPUTS, "volatility", *PARTS):
        raise FinscaleError(
            f"a feature cannot be called {name}: a column of every dataset is.",
            hint=f"choose another name; {RELATIVE}… are the relative columns",
        )


#: How many features the tiers have.
TIER_SIZES = (20, 50, 100, 200, 500, 1000, 2000)

FEATURES: Registry[Feature] = Registry("feature", added=_check)
TIERS: Registry[tuple[str, ...]] = Registry("tier", added=TIER_NAMES.add)


def tier_features(tier: str) -> tuple[Feature, ...]:
    """Return the features of a tier, in the order of its columns.

    Raises
    ------
    FinscaleError
        If no such tier is declared.
    """
    return tuple(FEATURES[name] for name in TIERS[tier])


def _by_deficit(families: Mapping[str, Family], first: Sequence[Feature]) -> Iterator[Feature]:
    """Yield every feature once: ``first``, then always of the family that is shortest of its share.

    A family's share is that of all features, so tiers of any size have equal shares.
    """
    waiting = {
        name: [f for f in family.features.values() if f not in first]
        for name, family in families.items()
    }
    sizes = {name: len(family.features) for name, family in families.items()}
    taken = {name: size - len(waiting[name]) for name, size in sizes.items()}
    yield from first
    total = sum(sizes.values())
    for count in range(len(first) + 1, total + 1):
        short = max(
            (name for name in waiting if waiting[name]),
            key=lambda name: sizes[name] / total * count - taken[name],
        )
        taken[short] += 1
        yield waiting[short].pop(0)


for _feature in _by_deficit(FAMILIES, A20_FEATURES):
    FEATURES.add(_feature.name, _feature)
A20 = TIERS.add("a20", tuple(FEATURES)[:20])
for _size in TIER_SIZES[1:]:
    if _size <= len(FEATURES):
        TIERS.add(f"a{_size}", tuple(FEATURES)[:_size])
