"""What the user says about a file's columns and rows: ``--columns``, ``--where``, ``--ticker``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from finscale.data.sources.csv_tickers import quoted
from finscale.data.sources.csv_words import bare
from finscale.errors import DataError, did_you_mean

#: Fields that ``--columns`` can name a column for.
FIELDS = (
    *("date", "time", "year", "month", "day", "symbol"),
    *("open", "high", "low", "close", "adj_close", "volume", "dividends", "splits"),
    *("price_factor", "contract"),
)


_NEEDED = ("date", "close")


@dataclass(frozen=True)
class Choices:
    """The user's own words for what a file cannot tell."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → a column's name or its number from 1; empty for none. What is no field and has
    nothing behind it is a column to leave alone."""
    format: str | None = None
    """A preset of ``vendor_formats.toml``."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Column → the value that rows to be read have in it."""
    ticker: str | None = None
    """The file's own name for the symbol."""
    keep: Sequence[str] = ()
    """Columns that are no fields and are kept as series."""


def choices_from(
    columns: str | Sequence[str] | Mapping[str, str] | None = None,
    format: str | None = None,
    where: str | Sequence[str] | Mapping[str, str] | None = None,
    ticker: str | None = None,
) -> Choices:
    """Return choices; texts are as on the command line: ``open=PX_OPEN,close=PX_LAST``.

    Raises
    ------
    DataError
        If a text has no ``=``.
    """
    return Choices(_pairs(columns, "--columns"), format, _pairs(where, "--where"), ticker)


def _pairs(given: str | Sequence[str] | Mapping[str, str] | None, option: str) -> dict[str, str]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    found = {}
    for text in (given,) if isinstance(given, str) else given:
        # a comma that is followed by another name and = parts two of them
        for pair in re.split(r",(?=[^,=]+=)", text):
            name, sign, value = pair.partition("=")
            if not sign or not name.strip():
                example = "close=Settle" if option == "--columns" else "BOARDID=TQBR"
                raise DataError(
                    f"{option} {text} cannot be read.", hint=f"such as {option} {example}"
                )
            found[name.strip()] = value.strip()
    return found


def position(name: str, names: Sequence[str], *, place: str, option: str) -> int:
    """Return the index of the column with a name, or with a number from 1.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    same = (str.__eq__, lambda a, b: a.casefold() == b.casefold(), _alike)
    for equal in same:
        found = [i for i, other in enumerate(names) if equal(other, name)]
        if len(found) > 1:
            numbers = " and ".join(str(i + 1) for i in found)
            raise DataError(
                f"{place} has {len(found)} columns named {name!r} ({option}).",
                hint=f"name it by its number, {numbers}: {option} …={found[0] + 1}",
            )
        if found:
            return found[0]
    if name.isdigit() and 0 < int(name) <= len(names):
        return int(name) - 1
    named = [other for other in names if other]
    raise DataError(
        f"{place} has no column {name!r} ({option}).",
        hint=did_you_mean(name, named)
        if named
        else f"it has {len(names)} columns, 1 to {len(names)}",
    )


def _alike(one: str, other: str) -> bool:
    return bool(bare(one)) and bare(one) == bare(other)


def chosen(choices: Choices, names: Sequence[str], place: str) -> dict[str, int | None]:
    """Return the column of each field that the user names; None where a field is to have none."""
    found: dict[str, int | None] = {}
    for name, column in choices.columns.items():
        field = name.lower().replace(" ", "_").replace("-", "_")
        if field in FIELDS:
            if not column and field in _NEEDED:
                raise DataError(
                    f"bars need {field}, and --columns {field}= takes it away.",
                    hint=f"name its column: --columns {field}=NAME",
                )
            found[field] = (
                position(column, names, place=place, option="--columns") if column else None
            )
        elif column:
            raise DataError(
                f"{name!r} is not a field of bars (--columns {name}={quoted(column)}).",
                hint=did_you_mean(name, FIELDS),
            )
    return found


def left_alone(choices: Choices, names: Sequence[str], place: str) -> set[int]:
    """Return the columns that the user wants not to be read: ``--columns contract=``."""
    return {
        position(name, names, place=place, option="--columns")
        for name, column in choices.columns.items()
        if not column and (name.lower() not in FIELDS or _named(name, names))
    }


def _named(name: str, names: Sequence[str]) -> bool:
    return any(_alike(name, other) for other in names)
