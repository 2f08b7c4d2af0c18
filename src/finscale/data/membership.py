"""Who is a member when: a universe laid over the rows of its symbols."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl

from finscale.config.data import DataConfig
from finscale.config.universes import Member, Universe, read_universe
from finscale.data.frames import MEMBER
from finscale.errors import ConfigError, DataError
from finscale.files import atomic_path


def with_members(frame: pl.DataFrame, universe: Universe | None) -> pl.DataFrame:
    """Return one symbol's rows with the Boolean column ``member``; unchanged without a universe.

    Parameters
    ----------
    frame : polars.DataFrame
        ``date`` and ``symbol`` at least.
    universe : Universe, optional
        Who is a member when.
    """
    if universe is None:
        return frame
    inside = pl.lit(value=False)
    for first, last in universe.spells(str(frame["symbol"][0])):
        inside = inside | pl.col("date").is_between(first, last)
    return frame.with_columns(inside.alias(MEMBER))


def universe_of(data: DataConfig, root: Path) -> Universe | None:
    """Return the universe of a data section, None where it names symbols alone.

    A run keeps to the members that it was planned with: their list is kept under its digest in
    ``ROOT/universes/.read``, for the day on which the file says something else.

    Raises
    ------
    DataError
        If neither the file nor the kept list is what the section was made from.
    """
    if data.universe is None:
        return None
    kept = _kept(root, data.universe_digest or "")
    found = None
    try:
        found = read_universe(data.universe, data.root)
    except ConfigError:
        if not kept.is_file():
            raise
    if found is not None and found.digest == data.universe_digest:
        if not kept.is_file():
            keep_members(found, root)
        return found
    if kept.is_file():
        return read_universe(str(kept))
    raise DataError(
        f"the universe {data.universe} says something else than when this was planned.",
        hint="bring its file back, or plan anew: leave data.universe_digest away",
    )


def keep_members(universe: Universe, root: Path) -> None:
    """Write down under their digest who the members are, for runs of the data folder ``root``."""
    path = _kept(root, universe.digest)
    members = [_row(member) for member in universe.members]
    content = {"name": universe.name, "about": universe.about, "source": universe.source}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        # JSON is YAML
        text = json.dumps({**content, "survivors": universe.survivors, "members": members})
        temporary.write_text(text, encoding="utf-8")


def _kept(root: Path, digest: str) -> Path:
    return root / "universes" / ".read" / f"{digest[:16]}.yaml"


def _row(member: Member) -> dict[str, str]:
    row = {"symbol": member.symbol, "group": member.group, "calendar": member.calendar}
    if member.first != dt.date.min:
        row["from"] = member.first.isoformat()
    if member.last != dt.date.max:
        row["to"] = member.last.isoformat()
    return row
