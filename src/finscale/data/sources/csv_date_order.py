"""Decide over a whole column what could be read in several ways: day, month and century."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np

from finscale.data.sources.csv_date_text import DateParts

#: Position of year, month and day among a cell's numbers.
ORDERS = {"ymd": (0, 1, 2), "mdy": (2, 0, 1), "dmy": (2, 1, 0), "ydm": (0, 2, 1)}
#: Tried where year, month and day fit no row's order.
LAST_ORDER = "ydm"
#: No vendor has bars from before; a date that would be earlier is read wrongly.
FIRST_YEAR = 1800
_DAY = dt.timedelta(days=1)
#: Largest share of rows on weekends in daily bars of weekdays.
WEEKEND_SHARE = 0.02
_DAILY_STEP = 3
# Read wrongly, daily bars are months apart or fall on weekends.
_FAR_STEP = 20
ENOUGH_ROWS = 7


def in_order(
    parts: Sequence[DateParts], order: str, last: dt.date, century: int | None
) -> list[dt.date] | None:
    """Return the dates of a column whose ambiguous numbers stand in ``order``, or None.

    Two-digit years are placed by their neighbours, as late as ``last`` allows, or with the earliest
    one in ``century`` (1900 reads 62 as 1962).
    """
    triples = []
    for part in parts:
        triple = _triple(part, order)
        if triple is None:
            return None
        triples.append(triple)
    if all(digits > 2 for _, _, _, digits in triples):
        dates = [_date(year, month, day) for year, month, day, _ in triples]
        found = [date for date in dates if date is not None]
        return _with_weekdays(found, parts) if len(found) == len(dates) else None
    readings = _centuries(triples, last, century)
    kept = [dates for dates in readings if _with_weekdays(dates, parts) is not None]
    if not kept:
        return None
    # the latest, unless its bars fall on weekends and those of a century before on weekdays
    latest = kept[0]
    earlier = [dates for dates in kept[1:] if looks_daily(dates)]
    if earlier and len(latest) >= ENOUGH_ROWS and weekend_share(latest) > 5 * WEEKEND_SHARE:
        return earlier[0]
    return latest


def _triple(part: DateParts, order: str) -> tuple[int, int, int, int] | None:
    """Return year, month, day and the number of digits of the year."""
    if part.exact is not None:
        return part.exact.year, part.exact.month, part.exact.day, 4
    numbers = part.numbers
    if len(numbers) == 1:
        digits = numbers[0]
        long = len(digits) == 8
        cuts = {"ymd": (4, 6) if long else (2, 4)}.get(order, (2, 4))
        numbers = (digits[: cuts[0]], digits[cuts[0] : cuts[1]], digits[cuts[1] :])
    if part.month is not None:
        first, second = numbers
        if len(first) != len(second) and 4 in (len(first), len(second)):
            year, day = (first, second) if len(first) == 4 else (second, first)
        else:
            year, day = (first, second) if order == "ymd" else (second, first)
        return int(year), part.month, int(day), len(year)
    if len(numbers[0]) == 4 or part.year_first:
        order = LAST_ORDER if order == LAST_ORDER else "ymd"
    elif order == LAST_ORDER or (len(numbers[2]) == 4 and order == "ymd"):
        return None
    year, month, day = (numbers[i] for i in ORDERS[order])
    return int(year), int(month), int(day), len(year)


def is_open(part: DateParts) -> bool:
    """Tell whether the order of a cell's numbers, or its century, is left open."""
    if part.exact is not None:
        return False
    lengths = [len(number) for number in part.numbers]
    if part.month is not None or part.year_first:
        return 4 not in lengths
    return lengths[0] != 4


def _date(year: int, month: int, day: int) -> dt.date | None:
    if year < FIRST_YEAR:
        return None
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _centuries(
    triples: Sequence[tuple[int, int, int, int]], last: dt.date, century: int | None
) -> list[list[dt.date]]:
    """Return the possible readings of two-digit years, the latest first."""
    whole = [i for i, triple in enumerate(triples) if triple[3] > 2]
    readings = []
    for start in (2000, 1900, 1800) if century == 1800 else (2000, 1900):
        dates: list[dt.date] = []
        previous: dt.date | None = _date(*triples[whole[0]][:3]) if whole else None
        for year, month, day, digits in triples:
            if digits > 2:
                options = [_date(year, month, day)]
            else:
                first = start if previous is None else previous.year // 100 * 100
                around = (first,) if previous is None else (first - 100, first, first + 100)
                options = [_date(base + year, month, day) for base in around]
            known = [date for date in options if date is not None]
            if not known:
                break
            previous = min(known, key=lambda date: abs((date - (previous or date)).days))
            dates.append(previous)
        if len(dates) < len(triples) or dates in readings:
            continue
        readings.append(dates)
    if century is not None:
        return [dates for dates in readings if min(dates).year // 100 * 100 == century]
    past = [dates for dates in readings if max(dates) <= last]
    return sorted(past or readings[-1:], key=max, reverse=True)


def _with_weekdays(dates: Sequence[dt.date], parts: Sequence[DateParts]) -> list[dt.date] | None:
    """Return the dates if they fall on the weekdays that the cells name."""
    agree = all(
        part.weekday in (None, date.weekday()) for part, date in zip(parts, dates, strict=True)
    )
    return list(dates) if agree else None


def weekend_share(dates: Sequence[dt.date]) -> float:
    """Return the share of dates that are Saturdays or Sundays."""
    return sum(date.weekday() > 4 for date in dates) / max(len(dates), 1)


def is_sorted(dates: Sequence[dt.date]) -> bool:
    """Tell whether dates run in one direction."""
    steps = np.diff(np.array(dates, "datetime64[D]")).astype(int)
    return bool((steps >= 0).all() or (steps <= 0).all())


def _usual_step(dates: Sequence[dt.date]) -> float:
    """Return the median number of days from one date to the next."""
    steps = np.diff(np.sort(np.array(dates, "datetime64[D]"))).astype(int)
    return float(np.median(steps)) if steps.size else 0.0


def looks_daily(dates: Sequence[dt.date]) -> bool:
    """Tell whether dates look like daily bars of weekdays."""
    return weekend_share(dates) <= WEEKEND_SHARE and 1 <= _usual_step(dates) <= _DAILY_STEP


def plausible(readings: Mapping[str, list[dt.date]], last: dt.date) -> dict[str, list[dt.date]]:
    """Return the readings of a column that no other one excels; one if the choice is unmistakable.

    No bar is dated after ``last``; bars are in order; and where one reading gives daily bars, all
    on weekdays, others whose bars are far apart or on weekends are wrong.
    """
    kept = {name: dates for name, dates in readings.items() if max(dates) <= last}
    kept = kept or dict(readings)
    ordered = {name: dates for name, dates in kept.items() if is_sorted(dates)}
    kept = _distinct(ordered or kept)
    if len(kept) < 2:
        return kept
    daily = {name: dates for name, dates in kept.items() if looks_daily(dates)}
    rest = [dates for name, dates in kept.items() if name not in daily]
    wrong = all(
        weekend_share(dates) > 5 * WEEKEND_SHARE or _usual_step(dates) >= _FAR_STEP
        for dates in rest
    )
    enough = all(len(dates) >= ENOUGH_ROWS for dates in daily.values())
    return daily if daily and wrong and enough else kept


def _distinct(readings: Mapping[str, list[dt.date]]) -> dict[str, list[dt.date]]:
    found: dict[str, list[dt.date]] = {}
    for name, dates in readings.items():
        if dates not in found.values():
            found[name] = dates
    return found
