"""Parse the column of dates: its form, order and century are found over all rows at once."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from finscale.data import calendar
from finscale.data.sources.csv_date_numbers import FORMS, as_numbers, read_numbers
from finscale.data.sources.csv_date_order import ORDERS, in_order, is_open, is_sorted, plausible
from finscale.data.sources.csv_date_text import DateParts, NoDayError, normal, take_apart
from finscale.data.sources.csv_sessions import (
    SessionOf,
    Stamp,
    check_session_of,
    session_dates,
)
from finscale.errors import DataError

_PLAIN_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
# /Date(1704153600000)/ and /Date(1704153600000-0500)/
_JSON_DATE = re.compile(r"\\?/Date\((-?\d+)([+-]\d{4})?\)\\?/")
_TRIED = "2024-01-02, 20240102, 01/02/2024, 2 Jan 2024, Unix time, …"
_DAY = dt.timedelta(days=1)
_BUDDHIST = 543


@dataclass(frozen=True)
class DateWishes:
    """What the user says about the dates of a file."""

    date_format: str | None = None
    """A ``strptime`` format, or a name in :data:`~finscale.data.sources.csv_date_numbers.FORMS`."""
    century: int | None = None
    """Century of the earliest two-digit year: 1900 reads 62 as 1962."""
    session_of: SessionOf | None = None
    """Whether time stamps mark the open or the close of a session."""
    calendar: str = calendar.DEFAULT
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    def __post_init__(self) -> None:
        check_session_of(self.session_of)
        if self.century is not None and self.century not in (1800, 1900, 2000):
            raise DataError(
                f"{self.century} is not a century.", hint="--century 1900 reads 62 as 1962"
            )

    @property
    def last(self) -> dt.date:
        """The last date that a bar can have: east of UTC it may already be tomorrow."""
        return self.now.date() + _DAY


def parse_dates(
    cells: Sequence[str], lines: Sequence[int], *, place: str, wishes: DateWishes
) -> tuple[list[dt.date], dict[str, str]]:
    """Return the session date of every cell, and notes on how they were read.

    What one cell leaves open is decided over the whole column: in which order day, month and year
    stand, which century two-digit years are of, what numbers count. Only a reading that no other
    one matches is taken: bars are in order, none is in the future, and daily bars fall on weekdays.

    Parameters
    ----------
    cells, lines : sequence
        The cells and their lines in the file.
    place : str
        The file, for messages.

    Raises
    ------
    DataError
        If a cell is no date, several readings are possible, or the bars are intraday.
    """
    plain = [normal(cell) for cell in cells]
    notes: dict[str, str] = {}
    if wishes.date_format is None and all(_PLAIN_ISO.fullmatch(cell) for cell in plain):
        stamps = [Stamp(moment) for moment in _iso(plain, cells, lines, place)]
    elif all(_JSON_DATE.fullmatch(cell) for cell in plain):
        stamps = [_json_date(cell) for cell in plain]
    elif _are_numbers(plain, wishes.date_format):
        stamps, notes = _from_numbers(plain, lines, place, wishes)
    elif wishes.date_format is not None:
        stamps = _as_asked(plain, cells, lines, place, wishes)
    else:
        stamps, notes = _from_text(plain, cells, lines, place, wishes)
    _refuse_intraday(stamps, place)
    year = min(stamp.local.year for stamp in stamps)
    if year > wishes.last.year + _BUDDHIST - 200:
        raise DataError(
            f"{place}: the year {year} is that of the Buddhist calendar, {year - _BUDDHIST}.",
            hint=f"write the years of the common calendar: {year} less {_BUDDHIST}",
        )
    dates, note = session_dates(
        stamps, place=place, calendar_name=wishes.calendar, session_of=wishes.session_of
    )
    return dates, {**notes, **({"sessions": note} if note else {})}


def _error(cell: str, line: int, place: str, *, first: bool) -> DataError:
    if not cell:
        return DataError(f"{place} row {line} has no date.", hint="delete the row if it is no bar")
    what = f"a date in any known form ({_TRIED})" if first else "a date like those before it"
    return DataError(
        f"{place} row {line}: {cell!r} is not {what}.",
        hint="delete the row if it is no bar, or name the form, such as --date-format %d/%m/%Y",
    )


def _iso(
    plain: Sequence[str], cells: Sequence[str], lines: Sequence[int], place: str
) -> list[dt.datetime]:
    found = []
    for i, cell in enumerate(plain):
        try:
            found.append(dt.datetime.fromisoformat(cell))
        except ValueError:
            raise _error(cells[i], lines[i], place, first=not i) from None
    return found


def _json_date(cell: str) -> Stamp:
    match = _JSON_DATE.fullmatch(cell)
    assert match is not None
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=int(match[1]))
    offset = dt.timedelta(0)
    if match[2]:
        minutes = int(match[2][1:3]) * 60 + int(match[2][3:])
        offset = dt.timedelta(minutes=-minutes if match[2][0] == "-" else minutes)
    return Stamp(moment + offset, offset)


def _are_numbers(plain: Sequence[str], date_format: str | None) -> bool:
    """Tell whether a column is one of numbers, all of them or as the user says."""
    return date_format in FORMS or (date_format is None and as_numbers(plain) is not None)


def _from_numbers(
    plain: Sequence[str], lines: Sequence[int], place: str, wishes: DateWishes
) -> tuple[list[Stamp], dict[str, str]]:
    moments, form = read_numbers(
        plain,
        lines,
        place=place,
        last=wishes.last,
        form=wishes.date_format,
        century=wishes.century,
    )
    is_epoch = FORMS[form].per_second > 0
    stamps = [Stamp(moment, dt.timedelta(0) if is_epoch else None) for moment in moments]
    if FORMS[form].sure:
        return stamps, {}
    return stamps, {"dates": f"{FORMS[form].about}: {plain[0]} is {moments[0]:%Y-%m-%d}"}


def _as_asked(
    plain: Sequence[str],
    cells: Sequence[str],
    lines: Sequence[int],
    place: str,
    wishes: DateWishes,
) -> list[Stamp]:
    """Parse with the user's ``strptime`` format; a time that it does not name may follow."""
    form = str(wishes.date_format)
    moments = []
    for i, cell in enumerate(plain):
        moment = _strptime(cell, form)
        if moment is None:
            raise DataError(
                f"{place} row {lines[i]}: {cells[i]!r} does not have the form "
                f"--date-format {form}.",
                hint="delete the row if it is no bar; without --date-format all usual forms are "
                "tried. Forms of numbers: " + ", ".join(name for name in FORMS if "%" not in name),
            )
        moments.append(moment)
    offsets = [moment.utcoffset() for moment in moments]
    if "%y" in form:
        # strptime takes 00 … 68 for this century, whatever the neighbours are
        parts = [DateParts((f"{m:%y}", f"{m:%m}", f"{m:%d}")) for m in moments]
        dates = in_order(parts, "ymd", wishes.last, wishes.century)
        if dates is not None:
            moments = [
                dt.datetime.combine(d, m.time()) for d, m in zip(dates, moments, strict=True)
            ]
    return [Stamp(m.replace(tzinfo=None), o) for m, o in zip(moments, offsets, strict=True)]


def _strptime(cell: str, form: str) -> dt.datetime | None:
    for text in (cell, cell.partition(" ")[0], cell.partition("T")[0], re.sub(r"\.0*$", "", cell)):
        try:
            return dt.datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def _from_text(
    plain: Sequence[str],
    cells: Sequence[str],
    lines: Sequence[int],
    place: str,
    wishes: DateWishes,
) -> tuple[list[Stamp], dict[str, str]]:
    known: dict[str, DateParts] = {}
    parts: list[DateParts] = []
    for i, cell in enumerate(plain):
        try:
            if cell not in known:
                known[cell] = take_apart(cell)
        except NoDayError as error:
            raise DataError(
                f"{place} row {lines[i]}: {cells[i]!r} names {error} and no day: these are no "
                "daily bars.",
                hint="import daily bars: finscale makes weekly and monthly ones of them "
                "(features build --timescale monthly)",
            ) from None
        except (ValueError, OverflowError):
            raise _error(cells[i], lines[i], place, first=not i) from None
        parts.append(known[cell])
    dates = _in_best_order(parts, cells, lines, place, wishes)
    stamps = [
        Stamp(dt.datetime.combine(date, part.time or dt.time()), part.offset)
        for date, part in zip(dates, parts, strict=True)
    ]
    row = next((i for i, part in enumerate(parts) if is_open(part)), None)
    return stamps, {} if row is None else {"dates": f"{cells[row]} is {dates[row]}"}


def _in_best_order(
    parts: Sequence[DateParts],
    cells: Sequence[str],
    lines: Sequence[int],
    place: str,
    wishes: DateWishes,
) -> list[dt.date]:
    """Return the dates in the order of day, month and year that all rows allow and one only."""
    left_open = [part for part in parts if is_open(part)]
    orders: tuple[str, ...] = ("ymd",)
    if left_open:
        named = all(part.month is not None for part in left_open)
        orders = ("ymd", "dmy") if named else tuple(ORDERS)
    readings = {}
    for order in orders:
        dates = in_order(parts, order, wishes.last, wishes.century)
        if dates is not None:
            readings[order] = dates
    if not readings:
        raise _no_order(parts, orders, cells, lines, place, wishes)
    kept = plausible(readings, wishes.last)
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
        _refuse_swapped(parts, dates, cells, lines, place, wishes)
    return dates


def _no_order(
    parts: Sequence[DateParts],
    orders: Sequence[str],
    cells: Sequence[str],
    lines: Sequence[int],
    place: str,
    wishes: DateWishes,
) -> DataError:
    """Return the error that names the row up to which an order was possible."""
    row = 0
    for order in orders:
        fits = len(parts)
        for i, part in enumerate(parts):
            if in_order([part], order, wishes.last, wishes.century) is None:
                fits = i
                break
        row = max(row, fits)
    if row == len(parts):  # each cell alone is a date, in another century
        return DataError(
            f"{place}: the years of dates such as {cells[0]!r} do not follow each other.",
            hint="write years with four digits, or name another --century",
        )
    return _error(cells[row], lines[row], place, first=not row)


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
    wishes: DateWishes,
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
        if swapped and is_sorted(found) and max(found) <= wishes.last:
            row = swapped[0]
            raise DataError(
                f"{place} row {lines[row]}: {cells[row]!r} has day and month the other way round "
                "than other rows: the dates are in order only if some are swapped.",
                hint="export the file again with dates as 2024-01-02: a spreadsheet changed some",
            )


def _refuse_intraday(stamps: Sequence[Stamp], place: str) -> None:
    """Raise if most dates have bars at several times of day, or many rows without a time."""
    moments = sorted({stamp.local for stamp in stamps})
    rows = Counter(stamp.local.date() for stamp in stamps)
    hint = (
        "finscale reads daily bars, and makes 2d, 3d, 5d, weekly and monthly ones of them: "
        "resample to days first, such as with pandas: df.resample('1D').agg(...)"
    )
    if len(moments) >= max(2 * len(rows), 3):
        steps = sorted(b - a for a, b in itertools.pairwise(moments))
        minutes = steps[len(steps) // 2].total_seconds() / 60
        every = f"{minutes / 60:g} hours" if minutes > 60 else f"{minutes:g} minutes"
        every = "an hour" if minutes == 60 else "a minute" if minutes == 1 else every
        raise DataError(
            f"{place} has {len(moments):,} bars on {len(rows):,} dates, {every} apart: intraday "
            "bars.",
            hint=hint,
        )
    day, most = rows.most_common(1)[0]
    if len(rows) > 1 and sum(count > 2 for count in rows.values()) > len(rows) / 2:
        raise DataError(
            f"{place} has {most} rows for {day} and more than two for most dates: intraday bars "
            "whose time is in another column, or several symbols.",
            hint=hint,
        )
