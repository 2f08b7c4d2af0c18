"""Parse the column of dates: its form, order and century are found over all rows at once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from finscale.data import calendar
from finscale.data.sources.csv_date_column import date_error, in_best_order
from finscale.data.sources.csv_date_eras import in_common_years
from finscale.data.sources.csv_date_numbers import DAILY_ONLY, FORMS, as_numbers, read_numbers
from finscale.data.sources.csv_date_order import in_order, is_open
from finscale.data.sources.csv_date_text import DateParts, NoDayError, normal, take_apart
from finscale.data.sources.csv_sessions import (
    SessionOf,
    Stamp,
    check_session_of,
    refuse_intraday,
    session_dates,
)
from finscale.errors import DataError

_PLAIN_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
# /Date(1704153600000)/ and /Date(1704153600000-0500)/
_JSON_DATE = re.compile(r"\\?/Date\((-?\d+)([+-]\d{4})?\)\\?/")
_DAY = dt.timedelta(days=1)
_BUDDHIST = 543
_YEAR = re.compile(r"(?<!\d)2\d{3}(?=[-/. ]|$)(?!\.\d*$)")


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
        form = self.date_format
        if form is not None and "%" not in form and form not in FORMS:
            raise DataError(
                f"{form!r} is no form of dates.",
                hint=f"write it as {_with_percents(form)}, or name what numbers count: "
                + ", ".join(name for name in FORMS if "%" not in name),
            )
        if self.century is not None and self.century not in (1800, 1900, 2000):
            raise DataError(
                f"{self.century} is not a century.", hint="--century 1900 reads 62 as 1962"
            )

    @property
    def last(self) -> dt.date:
        """The last date that a bar can have: east of UTC it may already be tomorrow."""
        return self.now.date() + _DAY


def _with_percents(form: str) -> str:
    """Return the ``strptime`` format that DD/MM/YYYY means, or an example."""
    found = form.casefold()
    for letters, directive in (("yyyy", "%Y"), ("yy", "%y"), ("mmm", "%b"), ("mm", "%m")):
        found = found.replace(letters, directive)
    found = found.replace("dd", "%d")
    return found if "%" in found and not re.search(r"(?<!%)[A-Za-z]", found) else "%d/%m/%Y"


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
    era = ""
    years = [int(match[0]) for cell in plain if (match := _YEAR.search(cell))]
    if len(years) == len(plain):
        _refuse_buddhist(min(years), place, wishes)
    if wishes.date_format is None:
        plain, era = in_common_years(plain)
    iso = _iso(plain) if wishes.date_format is None else None
    if iso is not None:
        stamps = [Stamp(moment) for moment in iso]
    elif all(_JSON_DATE.fullmatch(cell) for cell in plain):
        stamps = [_json_date(cell) for cell in plain]
    elif _are_numbers(plain, wishes.date_format):
        stamps, notes = _from_numbers(plain, lines, place, wishes)
    elif wishes.date_format is not None:
        stamps = _as_asked(plain, cells, lines, place, wishes)
    else:
        stamps, notes = _from_text(plain, cells, lines, place, wishes)
    refuse_intraday(stamps, place)
    _refuse_buddhist(min(stamp.local.year for stamp in stamps), place, wishes)
    dates, note = session_dates(
        stamps, place=place, calendar_name=wishes.calendar, session_of=wishes.session_of
    )
    if era:
        notes = {**notes, "dates": era}
    return dates, {**notes, **({"sessions": note} if note else {})}


def _refuse_buddhist(year: int, place: str, wishes: DateWishes) -> None:
    if year > wishes.last.year + _BUDDHIST - 200:
        raise DataError(
            f"{place}: the year {year} is that of the Buddhist calendar, {year - _BUDDHIST}.",
            hint=f"write the years of the common calendar: {year} less {_BUDDHIST}",
        )


def _iso(plain: Sequence[str]) -> list[dt.datetime] | None:
    """Return the dates of a column of nothing but 2024-01-02, None where any cell is another."""
    if not all(_PLAIN_ISO.fullmatch(cell) for cell in plain):
        return None
    try:
        return [dt.datetime.fromisoformat(cell) for cell in plain]
    except ValueError:
        return None


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
    if date_format is None or "%" in date_format:
        return date_format in (None, *FORMS) and as_numbers(plain) is not None
    return date_format in FORMS


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


def _has_day_second(part: DateParts, date: dt.date) -> bool:
    """Tell whether a cell is year, day and month: 2024-31-12."""
    three = len(part.numbers) == 3 and len(part.numbers[0]) == 4
    return three and part.month is None and int(part.numbers[1]) != date.month


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
                f"{place} row {lines[i]}: {cells[i]!r} {error}: these are no daily bars.",
                hint=DAILY_ONLY,
            ) from None
        except (ValueError, OverflowError):
            raise date_error(cells[i], lines[i], place, first=not i) from None
        parts.append(known[cell])
    dates = in_best_order(
        parts, cells, lines, place=place, last=wishes.last, century=wishes.century
    )
    stamps = [
        Stamp(dt.datetime.combine(date, part.time or dt.time()), part.offset)
        for date, part in zip(dates, parts, strict=True)
    ]
    told = (
        i
        for i, (part, date) in enumerate(zip(parts, dates, strict=True))
        if is_open(part) or _has_day_second(part, date)
    )
    row = next(told, None)
    return stamps, {} if row is None else {"dates": f"{cells[row]} is {dates[row]}"}
