"""The declared features and the tiers that they form.

A tier is an ordered tuple of feature names; each holds the one before it. Together with open, high,
low, close and volume, a20 makes 25 channels. Prices are adjusted, so a split is no signal.

Beside the declared order of a line of tiers (a20 … a2000) there are others, its *nestings*: a100.n1
holds as many features of each family as its share is, in an order drawn from the number 1. A tier
file is known by its key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from finscale.config.names import TIER_NAMES
from finscale.config.tiers import noted_tier
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


_NESTED = re.compile(r"(?P<tier>.+)\.n(?P<nesting>[1-9]\d*)")
#: The letters of a tier's name: a of a100. Those of one line hold one another.
_LINE = re.compile(r"[A-Za-z_]+(?=\d+$)")
_LINE_OF_ALL = "a"
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
    return tuple(FEATURES[name] for name in tier_names(tier))


def tier_names(tier: str) -> tuple[str, ...]:
    """Return the names of a tier's features, in the order of its columns.

    Parameters
    ----------
    tier : str
        A declared tier, ``a100``; a nesting of one, ``a100.n1``; or the key of a tier file that a
        config of this process names.

    Raises
    ------
    FinscaleError
        If there is no such tier or nesting, or a file lists a feature that nobody declares.
    """
    own = noted_tier(tier)
    if own is not None:
        for name in own:
            FEATURES[name]  # an unknown one is refused, the nearest named
        return own
    nested = _NESTED.fullmatch(tier)
    if nested is None or tier in TIERS:
        return TIERS[tier]
    base, nesting = nested["tier"], int(nested["nesting"])
    order = _nesting_order(_pool(base), nesting)
    return order[: len(TIERS[base])]


def _pool(tier: str) -> tuple[str, ...]:
    """Return the features that a line of tiers draws from: a's all, others' their largest tier."""
    letters = _LINE.match(tier)
    line = letters[0] if letters else tier
    if line == _LINE_OF_ALL:
        return tuple(name for family in FAMILIES.values() for name in family.features)
    tiers = [names for name, names in TIERS.items() if re.fullmatch(rf"{line}\d+", name)]
    largest = max(tiers, key=len, default=TIERS[tier])
    if len(tiers) < 2:
        raise FinscaleError(
            f"{tier} is in no line of tiers: it has no nesting but its own.",
            hint="data.nesting is for tiers such as a20 … a2000",
        )
    return largest


@lru_cache(maxsize=64)
def _nesting_order(pool: tuple[str, ...], nesting: int) -> tuple[str, ...]:
    """Return a line's features in the order in which they join its tiers in a nesting.

    Each family has its share of any tier; which of its features come first is decided by digests
    of their names with the nesting's number, so that the order is the same on every machine.
    """
    families: dict[str, list[str]] = {}
    for name in pool:
        families.setdefault(FEATURES[name].family, []).append(name)
    for names in families.values():
        names.sort(key=lambda name: hashlib.sha256(f"{nesting} {name}".encode()).digest())
    return tuple(_in_shares(families, ()))


def _in_shares(families: Mapping[str, Sequence[str]], first: Sequence[str]) -> Iterator[str]:
    """Yield every name once: ``first``, then always of the family that is shortest of its share.

    A family's share is that of all features, so tiers of any size have equal shares.
    """
    given = set(first)
    waiting = {
        family: [name for name in names if name not in given] for family, names in families.items()
    }
    sizes = {family: len(names) for family, names in families.items()}
    taken = {family: size - len(waiting[family]) for family, size in sizes.items()}
    yield from first
    total = sum(sizes.values())
    for count in range(len(first) + 1, total + 1):
        short = max(
            (family for family in waiting if waiting[family]),
            key=lambda family: sizes[family] / total * count - taken[family],
        )
        taken[short] += 1
        yield waiting[short].pop(0)


def _by_deficit(families: Mapping[str, Family], first: Sequence[Feature]) -> Iterator[Feature]:
    features = {
        feature.name: feature
        for family in families.values()
        for feature in family.features.values()
    }
    names = {family: list(one.features) for family, one in families.items()}
    yield from (features[name] for name in _in_shares(names, [feature.name for feature in first]))


for _feature in _by_deficit(FAMILIES, A20_FEATURES):
    FEATURES.add(_feature.name, _feature)
A20 = TIERS.add("a20", tuple(FEATURES)[:20])
for _size in TIER_SIZES[1:]:
    if _size <= len(FEATURES):
        TIERS.add(f"a{_size}", tuple(FEATURES)[:_size])
