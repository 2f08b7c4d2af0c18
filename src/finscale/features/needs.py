"""What bars have to hold for a feature or a tier, and which tiers given bars can have."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from finscale.config.tiers import noted_tier
from finscale.data.bars import bars_in_words
from finscale.errors import DataError, TooFewBarsError, listed
from finscale.features.feature import INPUTS, Feature
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
        # of a file the features that ask for it can be struck out
        own = [f.name for f in tier_features(tier) if raw_inputs(f) & set(missing)]
        named = f" for {listed(own)}" if own and noted_tier(tier) else ""
        raise DataError(
            f"tier {tier} needs {_listed(missing)}{named}, and {whose} has "
            f"{bars_in_words(tuple(columns))}.",
            hint=way
            or f"tiers that fit: {', '.join(fitting_tiers(columns)) or 'none'} "
            "(--set data.tier=NAME)",
        )


def refuse_short(
    tier: str,
    num_rows: int,
    slowest: Feature,
    *,
    whose: str,
    columns: Collection[str] = INPUTS,
    timescale: str = "daily",
) -> None:
    """Raise if bars are no more than a tier's longest lookback.

    Parameters
    ----------
    tier : str
        A tier, as features know it.
    num_rows : int
        Bars that there are.
    slowest : Feature
        What of the dataset looks back furthest: :func:`finscale.features.slowest_feature`.
    whose, timescale : str
        Symbol and timescale, for the sentence.
    columns : collection of str
        What the bars hold, for the tiers that the hint names.

    Raises
    ------
    TooFewBarsError
        With the feature that asks for the most, and the tiers that look back less.
    """
    if num_rows > slowest.lookback:
        return
    fitting = [one for one in fitting_tiers(columns) if one != tier]
    shorter = [one for one in fitting if _longest(one) < num_rows]
    way = (
        f"tiers that fit: {', '.join(shorter)}"
        if shorter
        else (
            "no declared tier is shorter: take more bars, or list shorter features in a tier file"
        )
    )
    raise TooFewBarsError(
        f"{whose} has {num_rows:,} {timescale} bars; {tier} needs more than {slowest.lookback}.",
        hint=f"its longest feature, {slowest.name}, has no value before; {way}",
    )


def _longest(tier: str) -> int:
    return max(feature.lookback for feature in tier_features(tier))


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
