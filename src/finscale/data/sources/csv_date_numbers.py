"""Dates written as one number: 20240102, Unix times, day counts of Excel, Matlab and others."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from finscale.data.sources.csv_date_order import (
    WEEKEND_SHARE,
    in_order,
    is_sorted,
    plausible,
    weekend_share,
)
from finscale.data.sources.csv_date_text import DateParts
from finscale.errors import DataError

NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
# 1/70415E+12, 1,70415E+12: a spreadsheet in which the decimal mark was a date's slash, or a comma
_MANGLED = re.compile(r"([-+]?\d)[/,](\d+[eE]\+?\d+)")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")
_EPOCH = dt.datetime(1970, 1, 1)
_MICRO = dt.timedelta(microseconds=1)
#: Earliest and latest year that a number may stand for.
_EARLIEST = dt.datetime(1900, 1, 1)
_DAY = dt.timedelta(days=1)
_SECOND = dt.timedelta(seconds=1)
# Below this a Unix time would be of January 1970.
_LEAST_SECONDS = 10_000_000


@dataclass(frozen=True)
class NumberForm:
    """One way to write a date as a number."""

    about: str
    """For messages."""
    read: Callable[[Decimal], dt.datetime]
    """The moment; raises ValueError, OverflowError or ArithmeticError where there is none."""
    per_second: int = 0
    """Of a Unix time: its units in a second. It is in UTC."""
    sure: bool = False
    """Whether it is taken without looking at weekdays once every number fits."""


def _days(origin: str) -> Callable[[Decimal], dt.datetime]:
    start = dt.datetime.fromisoformat(origin)
    return lambda number: start + round(number * 86_400) * _SECOND


def _epoch(per_second: int) -> Callable[[Decimal], dt.datetime]:
    return lambda number: _EPOCH + int(number * 1_000_000 / per_second) * _MICRO


def _digits(form: str, width: int) -> Callable[[Decimal], dt.datetime]:
    def read(number: Decimal) -> dt.datetime:
        text = f"{int(number):0{width}d}"
        if number != int(number) or len(text) != width:
            raise ValueError(number)
        return dt.datetime.strptime(text, form)

    return read


#: The forms by the name that ``--date-format`` takes, in the order in which they are tried.
FORMS: Mapping[str, NumberForm] = {
    "%Y%m%d": NumberForm("year, month and day", _digits("%Y%m%d", 8), sure=True),
    "%Y%m%d%H": NumberForm("year … hour", _digits("%Y%m%d%H", 10), sure=True),
    "%Y%m%d%H%M": NumberForm("year … minute", _digits("%Y%m%d%H%M", 12), sure=True),
    "%Y%m%d%H%M%S": NumberForm("year … second", _digits("%Y%m%d%H%M%S", 14), sure=True),
    "%d%m%Y": NumberForm("day, month and year", _digits("%d%m%Y", 8)),
    "%m%d%Y": NumberForm("month, day and year", _digits("%m%d%Y", 8)),
    "%Y%d%m": NumberForm("year, day and month", _digits("%Y%d%m", 8)),
    "s": NumberForm("Unix time in seconds", _epoch(1), 1, sure=True),
    "ms": NumberForm("Unix time in milliseconds", _epoch(10**3), 10**3, sure=True),
    "us": NumberForm("Unix time in microseconds", _epoch(10**6), 10**6, sure=True),
    "ns": NumberForm("Unix time in nanoseconds", _epoch(10**9), 10**9, sure=True),
    "%Y%j": NumberForm("year and day of the year", _digits("%Y%j", 7)),
    "%y%m%d": NumberForm("year, month and day", _digits("%y%m%d", 6)),
    "%d%m%y": NumberForm("day, month and year", _digits("%d%m%y", 6)),
    "%m%d%y": NumberForm("month, day and year", _digits("%m%d%y", 6)),
    "%y%j": NumberForm("year and day of the year", _digits("%y%j", 5)),
    "excel": NumberForm("Excel days", _days("1899-12-30")),
    "excel1904": NumberForm("Excel days from 1904", _days("1904-01-01")),
    "matlab": NumberForm("Matlab datenums", lambda n: _days("0001-01-01")(n - 367)),
    "ordinal": NumberForm("days of year 1", lambda n: _days("0001-01-01")(n - 1)),
    "julian": NumberForm("Julian days", lambda n: _days("1858-11-17")(n - Decimal("2400000.5"))),
    "unix-days": NumberForm("days from 1970", _days("1970-01-01")),
    "sas": NumberForm("days from 1960", _days("1960-01-01")),
    "mjd": NumberForm("modified Julian days", _days("1858-11-17")),
}
#: For messages about dates without a day.
DAILY_ONLY = (
    "import daily bars: finscale makes weekly and monthly ones of them (features build --timescale "
    "monthly)"
)
# Taken only when asked for: they would be mistaken for Excel's days.
_RARE = ("mjd",)


def as_numbers(cells: Sequence[str]) -> list[Decimal] | None:
    """Return the numbers of a column, or None if any cell is none.

    1/70415E+12 and 1,704,153,600 are taken for what they were.
    """
    found = []
    for cell in cells:
        text = _MANGLED.sub(r"\1.\2", cell)
        text = text.replace(",", "") if _GROUPED.fullmatch(text) else text
        if not NUMBER.fullmatch(text):
            return None
        found.append(Decimal(text))
    return found


def read_numbers(
    cells: Sequence[str],
    lines: Sequence[int],
    *,
    place: str,
    last: dt.date,
    form: str | None,
    century: int | None,
) -> tuple[list[dt.datetime], str]:
    """Return the moments of a column of numbers, and the name of their form.

    ``form`` is a name in :data:`FORMS`, if the user has said one; no bar is later than ``last``.

    Raises
    ------
    DataError
        If the numbers are no dates, have lost digits, or could be dates of several forms.
    """
    numbers = as_numbers(cells)
    if numbers is None:
        wrong = next(i for i, cell in enumerate(cells) if as_numbers([cell]) is None)
        raise DataError(
            f"{place} row {lines[wrong]}: {cells[wrong]!r} is not a number, and --date-format "
            f"{form} reads numbers.",
            hint="delete the row if it is no bar",
        )
    if form is not None:
        found = _read(numbers, form, last, century, asked=True)
        if found is None:
            raise DataError(
                f"{place}: numbers such as {cells[0]} are no dates as {FORMS[form].about}.",
                hint="leave --date-format away to see what they could be",
            )
        _refuse_lost_digits(cells, lines, found, place)
        return found, form
    mixed = _in_several_units(numbers, last)
    if mixed is not None:
        return mixed, "s"
    readings: dict[str, list[dt.datetime]] = {}
    for name in FORMS:
        found = _read(numbers, name, last, century, asked=False) if name not in _RARE else None
        if found is not None:
            readings[name] = found
    sure = _sure(readings)
    if sure is not None:
        _refuse_lost_digits(cells, lines, readings[sure], place)
        return readings[sure], sure
    readings = {name: found for name, found in readings.items() if not FORMS[name].per_second}
    if len(numbers) > 1 and numbers in (
        list(range(len(numbers))),
        list(range(1, len(numbers) + 1)),
    ):
        raise DataError(
            f"{place}: the column of dates counts rows ({cells[0]}, {cells[1]}, …).",
            hint="name the column of dates, or add one to the file",
        )
    period = _period(numbers, last)
    if period and (period == "year" or not readings or len(set(numbers)) > 12):
        raise DataError(
            f"{place} row {lines[0]}: {cells[0]!r} names a {period} and no day: these are no daily "
            "bars.",
            hint=DAILY_ONLY,
        )
    if not readings:
        raise DataError(_no_form(cells, lines, place), hint=_known_forms())
    kept = plausible({name: [m.date() for m in found] for name, found in readings.items()}, last)
    name, dates = next(iter(kept.items()))
    if not any(is_sorted(dates) for dates in kept.values()):
        raise DataError(_no_form(cells, lines, place), hint=_known_forms())
    if len(kept) > 1 or not _convincing(dates):
        could = " or ".join(f"{FORMS[key].about} ({kept[key][0]})" for key in kept)
        raise DataError(
            f"{place}: numbers such as {cells[0]} in the column of dates could be {could}.",
            hint="say which: " + " or ".join(f"--date-format {key}" for key in kept),
        )
    return readings[name], name


def _in_several_units(numbers: Sequence[Decimal], last: dt.date) -> list[dt.datetime] | None:
    """Return the moments of files joined from some in one unit and some in another, or None.

    Binance went from milliseconds to microseconds in 2025. Numbers a thousand times apart are in
    one unit only where some are close to 1970; then their sizes put others out of range.
    """
    if min(numbers) < 10**9 or max(numbers) < 500 * min(numbers):
        return None
    sizes = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
    found = []
    for number in numbers:
        unit = next((per_second for largest, per_second in sizes if number < largest), None)
        if unit is None:
            return None
        found.append(_epoch(unit)(number))
    in_range = min(found) >= _EARLIEST and max(found).date() <= last
    return found if in_range and _has_daily_steps(sorted(found)) else None


def _sure(readings: Mapping[str, list[dt.datetime]]) -> str | None:
    """Return the reading that needs no look at weekdays: a calendar date, or a Unix time."""
    calendar = [name for name in readings if "%Y" in name]
    if calendar:
        return calendar[0] if FORMS[calendar[0]].sure else None
    epochs = [name for name in readings if FORMS[name].per_second]
    # close to 1970 a unit is known by its steps: bars are about a day apart
    daily = [name for name in epochs if _has_daily_steps(readings[name])]
    return next(iter(daily or epochs), None)


def _has_daily_steps(moments: Sequence[dt.datetime]) -> bool:
    steps = sorted(abs(b - a) for a, b in itertools.pairwise(moments))
    return bool(steps) and _DAY * 0.9 <= steps[len(steps) // 2] <= _DAY * 4


def _read(
    numbers: Sequence[Decimal], name: str, last: dt.date, century: int | None, *, asked: bool
) -> list[dt.datetime] | None:
    """Return the moments in one form, or None if a number does not fit or is out of range."""
    form = FORMS[name]
    largest = max(abs(number) for number in numbers)
    try:
        found = [form.read(number) for number in numbers]
    except (ValueError, OverflowError, ArithmeticError):
        return None
    too_small = form.per_second and largest < _LEAST_SECONDS * form.per_second
    if too_small and not asked and not (form.per_second > 1 and _has_daily_steps(found)):
        return None
    if "%y" in name:
        dates = _with_century(found, name, last, century)
        return None if dates is None else [dt.datetime.combine(d, dt.time()) for d in dates]
    in_range = min(found) >= _EARLIEST and max(found).date() <= last
    return found if asked or in_range else None


def _with_century(
    found: Sequence[dt.datetime], name: str, last: dt.date, century: int | None
) -> list[dt.date] | None:
    """Place two-digit years by their neighbours; a day of the year is placed as a date."""
    parts = [DateParts((f"{m:%y}", f"{m:%m}", f"{m:%d}")) for m in found]
    dates = in_order(parts, "ymd", last, century)
    if not dates or max(dates) > last or (century is None and min(dates) < _EARLIEST.date()):
        return None
    return dates


def _period(numbers: Sequence[Decimal], last: dt.date) -> str:
    """Return ``month`` for 202401, 202402 …, ``year`` for 1999, 2000 …, else an empty string."""
    years = [number // 100 if number > 9999 else number for number in numbers]
    if any(
        n != int(n) or not _EARLIEST.year <= y <= last.year
        for n, y in zip(numbers, years, strict=True)
    ):
        return ""
    if max(numbers) > 9999:
        return "month" if all(1 <= number % 100 <= 12 for number in numbers) else ""
    steps = {abs(b - a) for a, b in itertools.pairwise(numbers)}
    return "year" if steps == {Decimal(1)} else ""


def _convincing(dates: Sequence[dt.date]) -> bool:
    """Tell whether day counts that fit one form only can be trusted to be dates."""
    steps = {(b - a).days for a, b in itertools.pairwise(dates)}
    in_order = all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
    weekdays = weekend_share(dates) <= WEEKEND_SHARE
    every_day = steps <= {0, 1, -1}
    return in_order and (weekdays or every_day) and not steps <= {0}


def _refuse_lost_digits(
    cells: Sequence[str], lines: Sequence[int], moments: Sequence[dt.datetime], place: str
) -> None:
    """Raise if a spreadsheet has rounded Unix times so far that their day cannot be told."""
    if not any("e" in cell.casefold() for cell in cells):
        return
    clocks = {(m.hour, m.minute, m.second) for m in moments}
    # daily bars have one time of day, or two where the clocks change
    if len(clocks) <= max(3, len(moments) // 20):
        return
    raise DataError(
        f"{place} row {lines[0]}: {cells[0]!r} has lost its last digits, as a spreadsheet shows "
        "long numbers: the time of day changes from row to row, and the day cannot be told.",
        hint="export the file again, with this column formatted as a number without decimals",
    )


def _no_form(cells: Sequence[str], lines: Sequence[int], place: str) -> str:
    return (
        f"{place} row {lines[0]}: {cells[0]!r} in the column of dates is no date from 1900 "
        "to today in any known form (20240102, 240102, Unix time, Excel or Matlab days, …)."
    )


def _known_forms() -> str:
    names = ", ".join(name for name in FORMS if "%" not in name)
    return f"name the form if it is one: --date-format %Y%m%d, {names}, …"
