"""Files as vendors write them: the presets of ``vendor_formats.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from finscale.data.sources.csv_choices import Choices
from finscale.data.sources.csv_headerless import Dates, proven_names
from finscale.data.sources.csv_words import bare, means
from finscale.errors import DataError, did_you_mean
from finscale.tables import CellTable
from finscale.tables.table import looks_like_date, looks_like_number, shown

_LOOKED_AT = 200
_FIELDS = ("open", "high", "low", "close")
# Distinct values of a column that holds the fields of a bar by turns.
_MOST_FIELDS = 12


@dataclass(frozen=True)
class VendorFormat:
    """What header words do not say about a vendor's files."""

    name: str = ""
    about: str = ""
    names: Sequence[str] = ()
    """Columns of files without a header line, in order."""
    cells: Sequence[str] = ()
    """Pattern that every cell of each column fits."""
    marks: Sequence[Sequence[str]] = ()
    """Header names that together are unmistakable."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → column."""
    volume: str = ""
    """Column that counts as volume where the file's own is empty."""
    scale: float = 1.0
    """Prices are multiplied by it."""
    signed: bool = False
    """Whether a close below zero is the midpoint of bid and ask."""
    tells: str = ""

    @property
    def note(self) -> str:
        """What the summary says."""
        return f"{self.name}: {self.about}" + (f"; {self.tells}" if self.tells else "")


@cache
def _patterns_and_formats() -> tuple[dict[str, re.Pattern[str]], dict[str, VendorFormat]]:
    path = files("finscale.data.sources").joinpath("vendor_formats.toml")
    table = tomllib.loads(path.read_text("utf-8"))
    patterns = {name: re.compile(pattern) for name, pattern in table.pop("patterns").items()}
    return patterns, {name: VendorFormat(name=name, **about) for name, about in table.items()}


def format_names() -> tuple[str, ...]:
    """Return what ``--format`` takes."""
    return tuple(_patterns_and_formats()[1])


def find_format(
    table: CellTable, choices: Choices, dates_of: Dates | None = None
) -> tuple[VendorFormat, tuple[str, ...] | None]:
    """Return the format named or recognised, and the columns' names if no line holds them.

    ``dates_of`` reads dates, to prove by the numbers what the columns are.

    Raises
    ------
    DataError
        If the name is unknown, or there is no header line and nothing says what the columns are.
    """
    known = _patterns_and_formats()[1]
    named = None
    if choices.format is not None:
        if choices.format.lower() not in known:
            raise DataError(
                f"{choices.format!r} is not a format (--format).",
                hint=did_you_mean(choices.format, known),
            )
        named = known[choices.format.lower()]
    if table.headers:
        return named or _by_header(table, known) or VendorFormat(), None
    width = len(table.rows[0])
    found = named or _by_cells(table, known)
    if found and found.names and len(found.names) >= width:
        return found, tuple(found.names[:width])
    if choices.columns:
        return found or VendorFormat(), ("",) * width
    proven = None if found else proven_names(table, dates_of)
    if proven:
        listed = ", ".join(name for name in proven if name)
        return VendorFormat(name="no header line", about=f"by their numbers, {listed}"), proven
    if found:
        raise DataError(
            f"{table.place} has {width} columns and no header line; {found.about} have "
            f"{len(found.names)}."
            if found.names
            else f"{table.place} has no header line, which {found.about} has.",
            hint=_by_number(table),
        )
    _refuse_fields_in_rows(table)
    raise DataError(
        f"{table.place} has no header line: it begins with "
        f"{shown(table.rows[0], table.delimiter)}.",
        hint=f"add one, such as date,open,high,low,close,volume, or {_by_number(table)}",
    )


def _refuse_fields_in_rows(table: CellTable) -> None:
    """Raise if a column holds the fields of a bar by turns: a table that pandas has stacked."""
    for column in zip(*table.rows, strict=True):
        values = sorted(set(column))
        if len(values) <= _MOST_FIELDS and sum(means(v, *_FIELDS) for v in values) >= len(_FIELDS):
            listed = ", ".join(values)
            raise DataError(
                f"{table.place} has a row for each field of a bar: one column holds {listed}.",
                hint="make columns of them first, such as with pandas: "
                "frame.unstack().to_csv(NEW); of several symbols keep one",
            )


def _by_number(table: CellTable) -> str:
    """Return how to name the columns: the date where dates stand, high and low as they compare."""
    row, width = table.rows[0], len(table.rows[0])
    dates = next((i for i, cell in enumerate(row) if looks_like_date(cell)), 0)
    numbers = [i for i in range(dates + 1, width) if looks_like_number(row[i])][:4]
    order = _order(table, numbers) if len(numbers) == 4 else None
    numbers = order or [dates + 1 + k for k in range(4)]
    fields = ("date", "open", "high", "low", "close")
    named = ",".join(f"{f}={i + 1}" for f, i in zip(fields, (dates, *numbers), strict=True))
    return f"name its {width} columns by number, such as --columns {named}"


def _order(table: CellTable, columns: Sequence[int]) -> list[int] | None:
    """Return four columns of prices as open, high, low, close; None if no order fits all rows."""
    try:
        prices = [[float(row[i]) for i in columns] for row in table.rows[:_LOOKED_AT]]
    except (ValueError, IndexError):
        return None
    for k in ((0, 1, 2, 3), (0, 2, 3, 1), (2, 1, 0, 3), (3, 1, 2, 0)):
        if all(r[k[2]] <= min(r) and max(r) <= r[k[1]] for r in prices):
            return [columns[i] for i in k]
    return None


def _by_header(table: CellTable, known: Mapping[str, VendorFormat]) -> VendorFormat | None:
    for cells in table.headers:
        here = {bare(cell) for cell in cells}
        for each in known.values():
            if any({bare(mark) for mark in marks} <= here for marks in each.marks):
                return each
    return None


def _by_cells(table: CellTable, known: Mapping[str, VendorFormat]) -> VendorFormat | None:
    patterns = _patterns_and_formats()[0]
    rows = table.rows[:_LOOKED_AT]
    for each in known.values():
        if len(each.cells) == len(rows[0]) and all(
            patterns[pattern].fullmatch(cell)
            for row in rows
            for pattern, cell in zip(each.cells, row, strict=True)
        ):
            return each
    return None
