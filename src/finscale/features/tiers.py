"""The declared features and the tiers that they form.

A tier is an ordered tuple of feature names; each holds the one before it. Together with open, high,
low, close and volume, a20 makes 25 channels. Prices are adjusted, so a split is no signal.

``a`` tiers are for whole bars, ``c`` tiers for closes: c20 and c50 read closes alone, c100 and c200
the volume too, so that panels of closes have tiers and those with volume lose nothing. Each family
has equally many of them; from c100 on, volume is one of the families.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from finscale.config.names import TIER_NAMES
from finscale.data.frames import KEYS, RELATIVE
from finscale.errors import FinscaleError
from finscale.features.declared import FAMILIES, PARTS
from finscale.features.declared.classic import A20 as A20_FEATURES
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
#: How many those of closes have: of closes alone, and with volume.
CLOSE_SIZES, VOLUME_SIZES = (20, 50), (100, 200)

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


def _by_deficit(
    families: Mapping[str, Sequence[Feature]],
    first: Sequence[Feature],
    weights: Mapping[str, float],
) -> Iterator[Feature]:
    """Yield every feature once: ``first``, then always of the family that is shortest of its share.

    A family's share is its weight over that of all, so tiers of any size have equal shares.
    """
    waiting = {name: [f for f in own if f not in first] for name, own in families.items()}
    taken = {name: len(own) - len(waiting[name]) for name, own in families.items()}
    yield from first
    total = sum(weights.values())
    for count in range(len(first) + 1, sum(map(len, families.values())) + 1):
        short = max(
            (name for name in waiting if waiting[name]),
            key=lambda name: weights[name] / total * count - taken[name],
        )
        taken[short] += 1
        yield waiting[short].pop(0)


def raw_inputs(feature: Feature) -> frozenset[str]:
    """Return the columns of bars that a feature is computed from, its parts' among them.

    Examples
    --------
    >>> sorted(raw_inputs(FEATURES["vwap_20"]))
    ['close', 'high', 'low', 'volume']
    """
    found: set[str] = set()
    for name in feature.inputs:
        made_of = PARTS if name in PARTS else FEATURES
        found |= raw_inputs(made_of[name]) if name in made_of else {name}
    return frozenset(found)


def _of_closes(*columns: str) -> dict[str, list[Feature]]:
    """Return the features without a unit that some columns of bars suffice for, by family."""
    found: dict[str, list[Feature]] = {}
    for name, family in FAMILIES.items():
        plain = [f for f in family.features.values() if f.seen == "bounded"]
        own = [feature for feature in plain if raw_inputs(feature) <= set(columns)]
        if own:
            found[name] = own
    return found


def _close_order() -> list[Feature]:
    """Return the features of closes alone that the small tiers hold, then those with volume too."""
    order: list[Feature] = []
    for columns, size in ((("close",), CLOSE_SIZES[-1]), (("close", "volume"), VOLUME_SIZES[-1])):
        families = _of_closes(*columns)
        equal = dict.fromkeys(families, 1.0)
        order = list(islice(_by_deficit(families, order, equal), size))
    return order


_DECLARED = {name: tuple(family.features.values()) for name, family in FAMILIES.items()}
_SIZES = {name: float(len(own)) for name, own in _DECLARED.items()}
for _feature in _by_deficit(_DECLARED, A20_FEATURES, _SIZES):
    FEATURES.add(_feature.name, _feature)
A20 = TIERS.add("a20", tuple(FEATURES)[:20])
for _size in TIER_SIZES[1:]:
    if _size <= len(FEATURES):
        TIERS.add(f"a{_size}", tuple(FEATURES)[:_size])
#: Tiers whose windows show the columns of bars that they read, and no other.
CLOSE_TIERS = {f"c{size}" for size in (*CLOSE_SIZES, *VOLUME_SIZES)}
_OF_CLOSES = tuple(feature.name for feature in _close_order())
for _size in (*CLOSE_SIZES, *VOLUME_SIZES):
    TIERS.add(f"c{_size}", _OF_CLOSES[:_size])
