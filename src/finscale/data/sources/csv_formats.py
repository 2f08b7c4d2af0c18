"""Files as vendors write them: the presets of ``vendor_formats.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from finscale.data.sources.csv_choices import Choices
from finscale.data.sources.csv_table import CsvTable
from finscale.data.sources.csv_words import bare
from finscale.errors import DataError, did_you_mean
from finscale.tables.table import shown

_LOOKED_AT = 200


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


def find_format(table: CsvTable, choices: Choices) -> tuple[VendorFormat, tuple[str, ...] | None]:
    """Return the format named or recognised, and the columns' names if no line holds them.

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
    if found:
        raise DataError(
            f"{table.place} has {width} columns and no header line; {found.about} have "
            f"{len(found.names)}."
            if found.names
            else f"{table.place} has no header line, which {found.about} has.",
            hint=_by_number(width),
        )
    raise DataError(
        f"{table.place} has no header line: it begins with "
        f"{shown(table.rows[0], table.delimiter)}.",
        hint=f"add one, such as date,open,high,low,close,volume, or {_by_number(width)}",
    )


def _by_number(width: int) -> str:
    return f"name its {width} columns by number: --columns date=1,open=2,high=3,low=4,close=5"


def _by_header(table: CsvTable, known: Mapping[str, VendorFormat]) -> VendorFormat | None:
    for cells in table.headers:
        here = {bare(cell) for cell in cells}
        for each in known.values():
            if any({bare(mark) for mark in marks} <= here for marks in each.marks):
                return each
    return None


def _by_cells(table: CsvTable, known: Mapping[str, VendorFormat]) -> VendorFormat | None:
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
