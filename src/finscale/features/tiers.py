"""The declared features and the tiers that they form.

A tier is an ordered tuple of feature names; each holds the one before it. Together with open, high,
low, close and volume, a20 makes 25 channels. Prices are adjusted, so a split is no signal.

``a`` tiers are for whole bars, ``c`` tiers for closes: c20 and c50 read closes alone, c100 and c200
the volume too, so that panels of closes have tiers and those with volume lose nothing. Each family
has equally many of them; from c100 on, volume is one of the families.

Beside the declared order of a line of tiers (a20 … a2000) there are others, its *nestings*: a100.n1
holds as many features of each family as its share is, in an order drawn from the number 1. A tier
file is known by its key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice

from finscale.config.names import TIER_NAMES
from finscale.config.tiers import looks_like_file, noted_tier
from finscale.data.frames import KEYS, RELATIVE
from finscale.errors import FinscaleError, nearest
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


def _no_feature(name: str) -> str:
    """Return the way out of a name that is no feature's, where the nearest name is none."""
    if name in TIERS or _NESTED.fullmatch(name):
        return f"{name} is a tier; finscale features list --tier {name} shows its features"
    if name in FAMILIES:
        return (
            f"{name} is a family; finscale features list --tier a2000 --family {name} shows "
            "its features"
        )
    if name in INPUTS:
        return f"{name} is a column of the bars, which windows show beside the features"
    if name in (*KEYS, *PARTS, "volatility"):
        return f"{name} is a column that features are made of, and no feature itself"
    plain = name.removeprefix(RELATIVE)
    if plain != name and plain in FEATURES:
        return f"name the feature, {plain}: a model sees its relative column by itself"
    if near := nearest(name, FEATURES):
        return f"Did you mean {near}?"
    return f"finscale features list --tier a2000 shows all {len(FEATURES):,}"


def _no_tier(name: str) -> str:
    """Return the way out of a name that is no tier's, where the nearest name is none."""
    base, dot, _ = name.rpartition(".n")
    if dot and base in TIERS:
        return f"{base} is the declared order; others are {base}.n1, {base}.n2 …"
    return "the name of a tier file ends in .yaml" if looks_like_file(name) else ""


_NESTED = re.compile(r"(?P<tier>.+)\.n(?P<nesting>[1-9]\d*)")
#: The letters of a tier's name: a of a100. Those of one line hold one another.
_LINE = re.compile(r"[A-Za-z_]+(?=\d+$)")
_LINE_OF_ALL = "a"
#: How many features the tiers have.
TIER_SIZES = (20, 50, 100, 200, 500, 1000, 2000)
#: How many those of closes have: of closes alone, and with volume.
CLOSE_SIZES, VOLUME_SIZES = (20, 50), (100, 200)

FEATURES: Registry[Feature] = Registry("feature", added=_check, hint=_no_feature)
TIERS: Registry[tuple[str, ...]] = Registry("tier", added=TIER_NAMES.add, hint=_no_tier)


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
        try:
            for name in own:
                FEATURES[name]  # an unknown one is refused, the nearest named
        except FinscaleError as error:
            file, _, _ = tier.rpartition("-")
            message = f"{error.message.rstrip('.')}, and the tier file {file} lists it."
            raise FinscaleError(message, hint=error.hint) from None
        return own
    nested = _NESTED.fullmatch(tier)
    if nested is None or tier in TIERS:
        return TIERS[tier]
    base, nesting = nested["tier"], int(nested["nesting"])
    return _nesting_order(base, nesting)[: len(TIERS[base])]


def is_close_tier(tier: str) -> bool:
    """Tell whether a tier is one of closes, in whatever order."""
    nested = _NESTED.fullmatch(tier)
    return (nested["tier"] if nested and tier not in TIERS else tier) in CLOSE_TIERS


def _nesting_order(base: str, nesting: int) -> tuple[str, ...]:
    """Return the features of a tier's line in the order in which they join it in a nesting."""
    if base in CLOSE_TIERS:
        return _close_names(nesting)
    letters = _LINE.match(base)
    line = letters[0] if letters else base
    if line == _LINE_OF_ALL:
        return _drawn_order(
            tuple(name for one in FAMILIES.values() for name in one.features), nesting
        )
    tiers = [names for name, names in TIERS.items() if re.fullmatch(rf"{line}\d+", name)]
    if len(tiers) < 2:
        TIERS[base]  # an unknown one is refused, the nearest named
        raise FinscaleError(
            f"{base} is in no line of tiers: it has no nesting but its own.",
            hint="data.nesting is for tiers such as a20 … a2000",
        )
    return _drawn_order(max(tiers, key=len), nesting)


@lru_cache(maxsize=64)
def _drawn_order(pool: tuple[str, ...], nesting: int) -> tuple[str, ...]:
    families: dict[str, list[str]] = {}
    for name in pool:
        families.setdefault(FEATURES[name].family, []).append(name)
    return tuple(_in_shares({family: _drawn(own, nesting) for family, own in families.items()}, ()))


def _drawn(names: Sequence[str], nesting: int) -> list[str]:
    """Return names in a nesting's order: by digests, so that it is the same on every machine."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{nesting} {name}".encode()).digest())


def _in_shares(
    families: Mapping[str, Sequence[str]],
    first: Sequence[str],
    weights: Mapping[str, float] | None = None,
) -> Iterator[str]:
    """Yield every name once: ``first``, then always of the family that is shortest of its share.

    A family's share is its weight over that of all, by default how many names it has: tiers of any
    size have equal shares.
    """
    given = set(first)
    waiting = {
        family: [name for name in names if name not in given] for family, names in families.items()
    }
    taken = {family: len(names) - len(waiting[family]) for family, names in families.items()}
    weights = weights or {family: float(len(names)) for family, names in families.items()}
    yield from first
    total = sum(weights.values())
    for count in range(len(first) + 1, sum(map(len, families.values())) + 1):
        short = max(
            (family for family in waiting if waiting[family]),
            key=lambda family: weights[family] / total * count - taken[family],
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


def _of_closes(*columns: str) -> dict[str, list[str]]:
    """Return the features without a unit that some columns of bars suffice for, by family."""
    found: dict[str, list[str]] = {}
    for name, family in FAMILIES.items():
        plain = [f for f in family.features.values() if f.seen == "bounded"]
        own = [feature.name for feature in plain if raw_inputs(feature) <= set(columns)]
        if own:
            found[name] = own
    return found


@lru_cache(maxsize=64)
def _close_names(nesting: int) -> tuple[str, ...]:
    """Return the features of closes alone that the small tiers hold, then those with volume too."""
    order: list[str] = []
    for columns, size in ((("close",), CLOSE_SIZES[-1]), (("close", "volume"), VOLUME_SIZES[-1])):
        families = _of_closes(*columns)
        if nesting:
            families = {family: _drawn(own, nesting) for family, own in families.items()}
        equal = dict.fromkeys(families, 1.0)
        order = list(islice(_in_shares(families, order, equal), size))
    return tuple(order)


_DECLARED = {
    feature.name: feature for one in FAMILIES.values() for feature in one.features.values()
}
_NAMES = {family: tuple(one.features) for family, one in FAMILIES.items()}
for _name in _in_shares(_NAMES, [feature.name for feature in A20_FEATURES]):
    _feature = _DECLARED[_name]
    FEATURES.add(_feature.name, _feature)
A20 = TIERS.add("a20", tuple(FEATURES)[:20])
for _size in TIER_SIZES[1:]:
    if _size <= len(FEATURES):
        TIERS.add(f"a{_size}", tuple(FEATURES)[:_size])
#: Tiers whose windows show the columns of bars that they read, and no other.
CLOSE_TIERS = {f"c{size}" for size in (*CLOSE_SIZES, *VOLUME_SIZES)}
for _size in (*CLOSE_SIZES, *VOLUME_SIZES):
    TIERS.add(f"c{_size}", _close_names(0)[:_size])
