"""Universes: who belonged to a market and when, read from a file or by the name of one.

A universe is a table with the columns ``symbol``, ``from``, ``to``, ``group`` and ``calendar``; all
but the first may be missing. ``from`` and ``to`` are the first and the last day of membership, both
included; without one the symbol was a member from the start, or still is. A symbol that came back
has a row for each time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from finscale.config.base import content_hash
from finscale.config.data import DataConfig
from finscale.config.loading import read_yaml
from finscale.config.recipes import universe_files
from finscale.config.universe_table import (
    cell_text,
    check_keys,
    membership_days,
    table_columns,
    table_rows,
    unread,
)
from finscale.errors import ConfigError, did_you_mean

#: Universes that come with bars of their own: the command that brings both.
FETCHED = {"us431": "finscale data download --source us431"}
_SUFFIXES = (".yaml", ".yml", ".csv", ".parquet")
_SETTINGS = ("name", "about", "source", "calendar", "survivors", "members")


@dataclass(frozen=True, order=True)
class Member:
    """One membership of one symbol."""

    symbol: str
    first: dt.date = dt.date.min
    """First day as a member."""
    last: dt.date = dt.date.max
    """Last day as a member."""
    group: str = ""
    """Sector, country …: what comparisons within groups go by."""
    calendar: str = ""
    """Its exchange's calendar: ``finscale data import --universe`` holds its bars to it."""


@dataclass(frozen=True)
class Universe:
    """A point-in-time list of symbols."""

    name: str
    members: tuple[Member, ...]
    """In order of symbol and day."""
    about: str = ""
    """What it is, for people."""
    source: str = ""
    """The source that has the members' bars; empty where the universe does not say."""
    survivors: bool | None = None
    """Whether all members are known to have lived to the end; None where nobody says."""
    place: str = ""
    """The file that it was read from."""
    notes: tuple[str, ...] = ()
    """How it was read, and what of it was not."""

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that was ever a member, in order."""
        return tuple(dict.fromkeys(member.symbol for member in self.members))

    @cached_property
    def groups(self) -> dict[str, str] | None:
        """Symbol → group; None where no symbol has one."""
        found = {member.symbol: member.group for member in self.members}
        return found if any(found.values()) else None

    @cached_property
    def calendars(self) -> dict[str, str]:
        """Symbol → its exchange's calendar, of those that have one."""
        return {member.symbol: member.calendar for member in self.members if member.calendar}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the universe says of its members: names and remarks do not count."""
        rows = [
            [m.symbol, m.first.isoformat(), m.last.isoformat(), m.group, m.calendar]
            for m in self.members
        ]
        return content_hash([rows, self.survivors])

    def spells(self, symbol: str) -> list[tuple[dt.date, dt.date]]:
        """Return the first and last day of each membership of a symbol."""
        return [(m.first, m.last) for m in self.members if m.symbol == symbol]

    def on(self, day: dt.date) -> tuple[str, ...]:
        """Return the members of a day."""
        return tuple(m.symbol for m in self.members if m.first <= day <= m.last)

    def in_words(self, num_used: int | None = None) -> str:
        """Return the name and what is known of members that failed.

        ``num_used`` says how many of the symbols are looked at, where that is not all of them.

        Examples
        --------
        >>> Universe("mine", (Member("A", last=dt.date(2020, 1, 2)),)).in_words()
        'universe mine'
        """
        said = self.survivorship()
        total = len(self.symbols)
        some = f" ({num_used:,} of its {total:,} symbols)" if num_used not in (None, total) else ""
        return f"universe {self.name}{some}" + (f": {said}" if said else "")

    def survivorship(self) -> str:
        """Say what is known of members that did not live to the end; empty where nothing is."""
        if self.survivors:
            return (
                "all members are known to have lived to the end: returns are those of survivors, "
                "and better than anyone could have had"
            )
        if self.survivors is None and all(member.last == dt.date.max for member in self.members):
            return "no member ever leaves: whether those that failed are missing, nobody says"
        return ""


def read_universe(name: str, root: Path | str = "data") -> Universe:
    """Return the universe of a file or of a name.

    Parameters
    ----------
    name : str
        A YAML, CSV or parquet file; else the name of one in ``ROOT/universes`` or of one that
        comes with finscale.
    root : path
        The data folder.

    Raises
    ------
    ConfigError
        If there is none, or it cannot be understood.

    Examples
    --------
    >>> read_universe("us20").symbols[:3]
    ('AAPL', 'AMD', 'BAC')
    """
    path = _file(name, Path(root))
    if path.suffix in (".yaml", ".yml"):
        return _of_yaml(path)
    return universe_of(table_rows(path), name=path.stem, place=str(path))


def known_universes(root: Path | str = "data") -> dict[str, Path]:
    """Return the universes that have a name: those of the data folder, then those shipped."""
    own = Path(root) / "universes"
    found = sorted(own.glob("*")) if own.is_dir() else []
    return {**universe_files(), **{p.stem: p for p in found if p.suffix in _SUFFIXES}}


def universe_of(
    rows: Iterable[Mapping[str, Any]],
    *,
    name: str,
    place: str,
    **about: Any,
) -> Universe:
    """Return the universe that rows of a table say; ``about`` are fields of :class:`Universe`.

    Raises
    ------
    ConfigError
        If a row cannot be understood, or memberships of one symbol overlap.
    """
    rows = list(rows)
    if not rows:
        raise ConfigError(f"{place} names no member.", hint="a column symbol, one row a member")
    columns = table_columns(rows, place)
    default = about.pop("calendar", "") or ""
    places = [f"{place}, member {number}" for number in range(1, len(rows) + 1)]
    texts = [{name: cell_text(row.get(key)) for name, key in columns.items()} for row in rows]
    spells, note = membership_days([(t.get("from", ""), t.get("to", "")) for t in texts], places)
    members = sorted(map(_member, texts, spells, [default] * len(rows), places))
    for before, after in pairwise(members):
        if before.symbol == after.symbol and after.first <= before.last:
            until = "has no end" if before.last == dt.date.max else f"ends on {before.last}"
            since = "no beginning" if after.first == dt.date.min else f"begins on {after.first}"
            raise ConfigError(
                f"{place}: two memberships of {before.symbol} overlap: one {until}, the other "
                f"{'has ' * (after.first == dt.date.min)}{since}.",
                hint="one row for each time as a member; `to` is the last day of it",
            )
        if before.symbol == after.symbol and before.group != after.group:
            raise ConfigError(f"{place}: {before.symbol} has two groups.", hint="give it one")
    others = ", ".join(map(str, unread(rows, columns)))
    notes = tuple(text for text in (note, f"not read: {others}" * bool(others)) if text)
    return Universe(name, tuple(members), place=place, notes=notes, **about)


def symbols_in_words(data: DataConfig, shown: int = 4) -> str:
    """Name the symbols of a data section, of many a few and how many there are.

    Examples
    --------
    >>> symbols_in_words(DataConfig(symbols=("SPY", "QQQ")))
    'SPY QQQ'
    >>> symbols_in_words(DataConfig(universe="us20"), shown=2)
    '20 symbols of us20 (AAPL AMD …)'
    """
    symbols = data.symbols
    if len(symbols) <= 2 * shown and not data.universe:
        return " ".join(symbols)
    of = f" of {Path(data.universe).stem}" if data.universe else ""
    return f"{len(symbols):,} symbols{of} ({' '.join(symbols[:shown])} …)"


def _file(name: str, root: Path) -> Path:
    path = Path(name)
    if path.suffix in _SUFFIXES:
        if path.is_file():
            return path
        raise ConfigError(f"the universe {name} does not exist.", hint=_known(name, root))
    known = known_universes(root)
    if name in known:
        return known[name]
    if path.is_file():
        raise ConfigError(f"{name} is no universe.", hint=f"a file ends in {', '.join(_SUFFIXES)}")
    if name in FETCHED:
        raise ConfigError(
            f"the universe {name} is not in {root / 'universes'}.",
            hint=f"{FETCHED[name]} brings it with its bars",
        )
    raise ConfigError(
        f"{name!r} is no universe: no file, none in {root / 'universes'}, and none comes with "
        "finscale under this name.",
        hint=_known(name, root),
    )


def _known(name: str, root: Path) -> str:
    return f"{did_you_mean(name, known_universes(root))} (finscale universe list)"


def _of_yaml(path: Path) -> Universe:
    content = read_yaml(path)
    unknown = [key for key in content if key not in _SETTINGS]
    if unknown:
        raise ConfigError(
            f"{path}: a universe has no {unknown[0]}.", hint=did_you_mean(unknown[0], _SETTINGS)
        )
    members = content.pop("members", None)
    if not isinstance(members, list):
        raise ConfigError(f"{path} has no list of members.", hint="members: [{symbol: SPY}, …]")
    if not isinstance(content.get("survivors"), bool | None):
        raise ConfigError(f"{path}: survivors is yes or no, not {content['survivors']!r}.")
    rows = [row if isinstance(row, dict) else {"symbol": row} for row in members]
    if rows:
        check_keys(rows, table_columns(rows, str(path)), str(path))
    about = {name: str(content.get(name) or "").strip() for name in ("about", "source", "calendar")}
    name, survivors = str(content.get("name") or path.stem), content.get("survivors")
    return universe_of(rows, name=name, place=str(path), survivors=survivors, **about)


def _member(
    texts: Mapping[str, str], spell: tuple[dt.date, dt.date], calendar: str, place: str
) -> Member:
    symbol, (first, last) = texts["symbol"].upper(), spell
    if not symbol:
        raise ConfigError(f"{place}: the symbol is empty.")
    if first > last:
        raise ConfigError(f"{place}: {symbol} leaves on {last}, before it comes on {first}.")
    return Member(symbol, first, last, texts.get("group", ""), texts.get("calendar") or calendar)
