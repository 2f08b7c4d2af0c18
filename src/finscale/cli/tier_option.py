"""``--tier``: a declared tier, a nesting of one, or a tier file, by the name that features know."""

from __future__ import annotations

import typer


def known_tier(tier: str) -> str:
    """Return a tier as features know it: of a file, its key.

    Raises
    ------
    typer.BadParameter
        If a file is no tier file.
    """
    from finscale.config.tiers import is_tier_file, note_tier, read_tier_file

    if not is_tier_file(tier):
        return tier
    try:
        file = read_tier_file(tier)
    except ValueError as error:
        raise typer.BadParameter(f"{tier} {error}.") from None
    note_tier(file.key, file.features)
    return file.key


def known_tiers(tiers: list[str] | None) -> list[str] | None:
    """Return several tiers as :func:`known_tier` does."""
    return None if tiers is None else [known_tier(tier) for tier in tiers]
