"""Find the column, or the columns, that hold each row's date."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import combinations

from finscale.data.sources.csv_sheet import Sheet, need
from finscale.data.sources.csv_tickers import quoted
from finscale.errors import DataError
from finscale.tables.table import looks_like_date

#: Cells and their lines → dates.
DatesOf = Callable[[Sequence[str], Sequence[int]], list[dt.date]]

_SAMPLE = 300
_MOSTLY = 0.8
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_DIGITS, _ISO = re.compile(r"^(\d{4})(\d\d)(\d\d)$"), r"\1-\2-\3"
_MIDNIGHT = re.compile(r"[0:.]+")


def find_dates(
    sheet: Sheet, stated: Mapping[str, int | None], own: str, dates_of: DatesOf | None
) -> tuple[int, set[int]]:
    """Return the index of the column of dates, and all columns that were read for it.

    A column that holds full dates comes before one that is only named like a date (weekday
    numbers); a time of day, or year, month and day in columns of their own, are joined. ``own`` is
    the ticker whose columns may have dates of their own; ``dates_of`` reads dates, to compare two
    columns.

    Raises
    ------
    DataError
        If there is no such column, or two that hold different dates.
    """
    index = stated.get("date")
    if index is None:
        index = _by_name(sheet, own, dates_of)
    if index is None:
        parts = _parts(sheet, stated)
        if parts is None:
            raise need(sheet, ["date"])
        rows = zip(*(sheet.column(i) for i in parts), strict=True)
        joined = [f"{_whole(y):0>4}-{_whole(m):0>2}-{_whole(d):0>2}" for y, m, d in rows]
        return sheet.append(joined), set(parts)
    _fill_merged(sheet, index)
    clock = stated.get("time") if "time" in stated else _clock(sheet, index)
    if clock is None:
        return index, {index}
    pairs = zip(sheet.column(index), sheet.column(clock), strict=True)
    joined = [f"{_DIGITS.sub(_ISO, day)} {time}" for day, time in pairs]
    return sheet.append(joined), {index, clock}


def _by_name(sheet: Sheet, own: str, dates_of: DatesOf | None) -> int | None:
    named = sheet.named("date")
    if own:
        # tables of several tickers side by side, each with dates of its own
        mine = [
            i
            for i, found in enumerate(sheet.meanings)
            if sheet.tickers[i] == own and any(each.field == "date" for each in found)
        ]
        if mine:
            return mine[0]
    full = [(i, each.weak) for i, each in named if _holds_dates(sheet.column(i))]
    if len(full) > 1:
        return _agreed(sheet, [i for i, _ in sorted(full, key=lambda one: one[1])], dates_of)
    if full:
        return full[0][0]
    unnamed = (i for i, name in enumerate(sheet.names) if not name or "unnamed" in name.lower())
    for i in unnamed:
        if _holds_dates(sheet.column(i)):
            return i
    if _parts(sheet, {}) is not None:
        return None
    # whatever it holds: the dates' own message says what is wrong with it
    strong = [i for i, each in named if not each.weak] or [i for i, _ in named]
    return strong[0] if strong else None


def _fill_merged(sheet: Sheet, index: int) -> None:
    """Fill blank cells below a date, as Excel writes the rows of one day in a panel."""
    cells = sheet.column(index)
    dates = [cell for cell in cells if cell]
    if len(dates) < len(cells) and cells[0] and len(set(dates)) == len(dates) > 1:
        filled: list[str] = []
        for cell in cells:
            filled.append(cell or filled[-1])
        # a footer is no row of a panel: most days have as many rows as any other
        rows = Counter(filled)
        if Counter(rows.values()).most_common(1)[0][1] > _MOSTLY * len(rows):
            sheet.replace(index, filled)


def _holds_dates(cells: list[str]) -> bool:
    filled = [cell for cell in cells[:_SAMPLE] if cell]
    return sum(map(looks_like_date, filled)) > _MOSTLY * len(filled)


def _agreed(sheet: Sheet, columns: list[int], dates_of: DatesOf | None) -> int:
    """Return the best of several columns of dates; raise if two of them differ."""
    lines = sheet.lines[:_SAMPLE]
    read = {}
    for i in columns:
        with suppress(DataError):
            if dates_of is not None:
                read[i] = dates_of(sheet.column(i)[:_SAMPLE], lines)
    for one, other in combinations(read, 2):
        for row, (a, b) in enumerate(zip(read[one], read[other], strict=True)):
            if a != b:
                names = sheet.names[one], sheet.names[other]
                raise DataError(
                    f"{sheet.place}: columns {names[0]!r} and {names[1]!r} both hold dates and "
                    f"differ: {a} and {b} in row {lines[row]}.",
                    hint=f"say which one is the bar's: --columns date={quoted(names[0])} or "
                    f"--columns date={quoted(names[1])}",
                )
    # a date as people write it before a number of seconds
    usable = list(read) or columns
    return min(usable, key=lambda i: sheet.rows[0][i].replace(".", "").isdigit())


def _parts(sheet: Sheet, stated: Mapping[str, int | None]) -> tuple[int, int, int] | None:
    """Return the columns of year, month and day."""
    found = []
    for field, least, most in (("year", 1800, 2200), ("month", 1, 12), ("day", 1, 31)):
        column = stated.get(field)
        if column is None:
            named = [i for i, _ in sheet.named(field)]
            column = next((i for i in named if _within(sheet.column(i), least, most)), None)
        if column is None:
            return None
        found.append(column)
    return found[0], found[1], found[2]


def _within(cells: list[str], least: int, most: int) -> bool:
    return all(_whole(cell).isdigit() and least <= int(_whole(cell)) <= most for cell in cells)


def _whole(cell: str) -> str:
    """Return ``2`` for ``2.0``."""
    return re.sub(r"\.0*$", "", cell)


def _clock(sheet: Sheet, index: int) -> int | None:
    """Return the column of a time of day that says more than midnight, beside plain dates."""
    if any(":" in cell for cell in sheet.column(index)[:_SAMPLE]):
        return None
    for i, _ in sheet.named("time"):
        cells = sheet.column(i)
        if i != index and all(map(_CLOCK.fullmatch, cells)):
            return None if all(map(_MIDNIGHT.fullmatch, cells)) else i
    return None
