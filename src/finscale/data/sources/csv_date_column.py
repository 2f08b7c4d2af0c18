"""Choose the one reading of a column of written dates that all its rows allow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from finscale.data.sources.csv_date_order import (
    ENOUGH_ROWS,
    LAST_ORDER,
    in_order,
    is_open,
    is_sorted,
    looks_daily,
    plausible,
)
from finscale.data.sources.csv_date_text import DateParts
from finscale.errors import DataError

_TRIED = "2024-01-02, 20240102, 01/02/2024, 2 Jan 2024, Unix time, …"


def date_error(cell: str, line: int, place: str, *, first: bool) -> DataError:
    """Return the error for a cell that is no date; ``first`` says that none was read before it."""
    if not cell:
        return DataError(f"{place} row {line} has no date.", hint="delete the row if it is no bar")
    what = f"a date in any known form ({_TRIED})" if first else "a date like those before it"
    return DataError(
        f"{place} row {line}: {cell!r} is not {what}.",
        hint="delete the row if it is no bar, or name the form, such as --date-format %d/%m/%Y",
    )


def in_best_order(
    parts: Sequence[DateParts],
    cells: Sequence[str],
    lines: Sequence[int],
    *,
    place: str,
    last: dt.date,
    century: int | None,
) -> list[dt.date]:
    """Return the dates in the one order of day, month and year that all rows allow.

    Parameters
    ----------
    parts, cells, lines : sequence
        What each cell says, the cell itself, and its line in the file.
    last : dt.date
        No bar is later.
    century : int, optional
        Century of the earliest two-digit year.

    Raises
    ------
    DataError
        If no order fits all rows, several fit equally well, or day and month are swapped in some.
    """
    left_open = [part for part in parts if is_open(part)]
    orders: tuple[str, ...] = ("ymd",)
    if left_open:
        named = all(part.month is not None for part in left_open)
        orders = ("ymd", "dmy") if named else ("ymd", "mdy", "dmy")
    readings = {}
    for order in orders:
        dates = in_order(parts, order, last, century)
        if dates is not None:
            readings[order] = dates
    if not readings and not left_open:
        dates = in_order(parts, LAST_ORDER, last, century)  # 2024-31-12
        if dates and len(dates) >= ENOUGH_ROWS and is_sorted(dates) and looks_daily(dates):
            readings[LAST_ORDER] = dates
    if not readings:
        raise _no_order(parts, orders, cells, lines, place, last, century)
    kept = plausible(readings, last)
    dates = next(iter(kept.values()))
    if len(kept) > 1:
        row = next(i for i, part in enumerate(parts) if is_open(part))
        words = {"ymd": "year first", "mdy": "month first", "dmy": "day first"}
        forms = [_format(parts[row], order) for order in kept]
        raise DataError(
            f"{place}: dates such as {cells[row]!r} could be "
            f"{' or '.join(words[order] for order in kept)}.",
            hint="name the form: " + " or ".join(f"--date-format {form}" for form in forms),
        )
    if left_open and not is_sorted(dates):
        _refuse_swapped(parts, dates, cells, lines, place, last)
    return dates


def _no_order(
    parts: Sequence[DateParts],
    orders: Sequence[str],
    cells: Sequence[str],
    lines: Sequence[int],
    place: str,
    last: dt.date,
    century: int | None,
) -> DataError:
    """Return the error that names the row up to which an order was possible."""
    row = 0
    for order in orders:
        fits = len(parts)
        for i, part in enumerate(parts):
            if in_order([part], order, last, century) is None:
                fits = i
                break
        row = max(row, fits)
    if row == len(parts):  # each cell alone is a date, in another century
        return DataError(
            f"{place}: the years of dates such as {cells[0]!r} do not follow each other.",
            hint="write years with four digits, or name another --century",
        )
    return date_error(cells[row], lines[row], place, first=not row)


def _format(part: DateParts, order: str) -> str:
    """Return the ``strptime`` format of a cell in one order."""
    year = "%Y" if any(len(number) == 4 for number in part.numbers) else "%y"
    if len(part.numbers) == 1:
        year = "%Y" if len(part.numbers[0]) == 8 else "%y"
        return {"ymd": f"{year}%m%d", "mdy": f"%m%d{year}", "dmy": f"%d%m{year}"}[order]
    pieces = {"ymd": (year, "%m", "%d"), "mdy": ("%m", "%d", year), "dmy": ("%d", "%m", year)}
    chosen = [("%b" if part.month and piece == "%m" else piece) for piece in pieces[order]]
    return part.separator.join(chosen)


def _refuse_swapped(
    parts: Sequence[DateParts],
    dates: Sequence[dt.date],
    cells: Sequence[str],
    lines: Sequence[int],
    place: str,
    last: dt.date,
) -> None:
    """Raise if rows are out of order, and in order once day and month are swapped in some cells.

    A spreadsheet does that to a file of dates in another country's order: it reads 03/04/2024 in
    its own, and leaves 13/04/2024 as it is.
    """
    options = [
        [date, date.replace(month=date.day, day=date.month)]
        if is_open(part) and date.day <= 12 and part.month is None
        else [date]
        for part, date in zip(parts, dates, strict=True)
    ]
    for start in options[0]:
        found = [start]
        for choices in options[1:]:
            found.append(min(choices, key=lambda day: abs((day - found[-1]).days)))
        swapped = [i for i, day in enumerate(found) if day != dates[i]]
        if swapped and is_sorted(found) and max(found) <= last:
            row = swapped[0]
            raise DataError(
                f"{place} row {lines[row]}: {cells[row]!r} has day and month the other way round "
                "than other rows: the dates are in order only if some are swapped.",
                hint="export the file again with dates as 2024-01-02: a spreadsheet changed some",
            )
