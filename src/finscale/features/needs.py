"""What bars have to hold for a feature or a tier, and which tiers given bars can have."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from finscale.data.bars import bars_in_words
from finscale.errors import DataError
from finscale.features.feature import INPUTS
from finscale.features.tiers import TIERS, is_close_tier, raw_inputs, tier_features

#: What bars of closes have at most.
CLOSES = ("close", "volume")


def tier_inputs(tier: str) -> tuple[str, ...]:
    """Return the columns of bars that a tier needs.

    One that reads more than closes and volumes needs whole bars.

    Raises
    ------
    FinscaleError
        If no such tier is declared.

    Examples
    --------
    >>> tier_inputs("c20"), tier_inputs("c100"), tier_inputs("a20") == INPUTS
    (('close',), ('close', 'volume'), True)
    """
    needed = {name for f in tier_features(tier) for name in raw_inputs(f) if name in INPUTS}
    needed.add("close")
    if not needed <= set(CLOSES):
        return INPUTS
    return tuple(name for name in INPUTS if name in needed)


def shown_bars(tier: str, columns: Collection[str] = INPUTS) -> tuple[str, ...]:
    """Return which columns of bars the windows of a tier show, of bars that have ``columns``.

    Tiers of closes show what they need, so that a run sees the same whatever else the bars have.

    Examples
    --------
    >>> shown_bars("c50"), shown_bars("a20") == INPUTS
    (('close',), True)
    """
    shown = tier_inputs(tier) if is_close_tier(tier) else INPUTS
    return tuple(name for name in shown if name in columns)


def fitting_tiers(columns: Collection[str]) -> tuple[str, ...]:
    """Return the tiers that bars with these columns can have.

    Examples
    --------
    >>> fitting_tiers(("close",))
    ('c20', 'c50')
    """
    return tuple(tier for tier in TIERS if set(tier_inputs(tier)) <= set(columns))


def refuse_unfit(tier: str, columns: Collection[str], *, whose: str, way: str = "") -> None:
    """Raise if bars lack what a tier needs.

    ``way`` is the way out where another tier is none, as for a model that is trained already.

    Raises
    ------
    DataError
        With the columns that are missing, and the tiers that fit.
    """
    missing = [name for name in tier_inputs(tier) if name not in columns]
    if missing:
        raise DataError(
            f"tier {tier} needs {_listed(missing)}, and {whose} has "
            f"{bars_in_words(tuple(columns))}.",
            hint=way
            or f"tiers that fit: {', '.join(fitting_tiers(columns)) or 'none'} "
            "(--set data.tier=NAME)",
        )


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
