"""Exchange calendars: the sessions of an exchange, and those that a series lacks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from finscale.errors import DataError, did_you_mean

#: The name that stands for no calendar: every day counts, none is missing.
NONE = "none"

DEFAULT = "XNYS"

_OTHER_NAMES = {"weekdays": "24/5"}

# exchange_calendars builds on pandas, which has no recurring holidays before 1970
_RULES_FROM = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Gap:
    """Consecutive sessions without a bar."""

    first: dt.date
    last: dt.date
    sessions: int

    def __str__(self) -> str:
        if self.sessions == 1:
            return str(self.first)
        return f"{self.first} – {self.last} ({self.sessions:,} sessions)"


def check_calendar(name: str) -> str:
    """Return the calendar's name, or raise a DataError with the nearest known one."""
    import exchange_calendars

    known = [NONE, *_OTHER_NAMES, *exchange_calendars.get_calendar_names()]
    if name not in known:
        raise DataError(
            f"{name!r} is not an exchange calendar.",
            hint=f"{did_you_mean(name, known)} XNYS is New York, none accepts every day",
        )
    return name


def sessions(name: str, first: dt.date, last: dt.date) -> list[dt.date]:
    """Return the days of ``first`` … ``last`` on which the exchange had a session.

    Raises
    ------
    DataError
        If the calendar is unknown or does not reach back to ``first``.
    """
    # whole years, so that many series share one cached calendar
    return [day for day in _sessions(name, first.year, last.year) if first <= day <= last]


def gaps(dates: Sequence[dt.date], name: str) -> list[Gap]:
    """Return the runs of sessions between the first and the last date that have no bar."""
    if name == NONE or not dates:
        return []
    present = set(dates)
    found: list[Gap] = []
    run: list[dt.date] = []
    for day in sessions(name, min(present), max(present)):
        if day not in present:
            run.append(day)
        elif run:
            found.append(Gap(run[0], run[-1], len(run)))
            run = []
    return found


@lru_cache(maxsize=32)
def timezone(name: str) -> ZoneInfo:
    """Return the exchange's time zone; UTC without a calendar."""
    import exchange_calendars

    if name == NONE:
        return ZoneInfo("UTC")
    name = _OTHER_NAMES.get(check_calendar(name), name)
    return ZoneInfo(str(exchange_calendars.get_calendar(name).tz))


def unfinished(name: str, now: dt.datetime) -> dt.date:
    """Return the first date whose session is not over at ``now``: its bar is partial or foreign.

    Without a calendar a day is over at midnight UTC; ``now`` has a zone.
    """
    today = now.astimezone(timezone(name)).date()
    if name == NONE:
        return today
    # look in the list: the calendar raises for days outside its first and last session
    if sessions(name, today, today):
        close = _calendar(name, today.year, today.year).session_close(today.isoformat())
        if now < close:
            return today
    return today + dt.timedelta(days=1)


@lru_cache(maxsize=32)
def _sessions(name: str, first_year: int, last_year: int) -> tuple[dt.date, ...]:
    calendar = _calendar(name, first_year, last_year)
    holidays: set[dt.date] = set()
    if first_year < _RULES_FROM.year and calendar.regular_holidays is not None:
        early = calendar.regular_holidays.holidays(dt.datetime(first_year, 1, 1), _RULES_FROM)
        holidays = set(early.date.tolist())
    return tuple(day for day in calendar.sessions.date.tolist() if day not in holidays)


@lru_cache(maxsize=32)
def _calendar(name: str, first_year: int, last_year: int) -> Any:
    import exchange_calendars

    try:
        return exchange_calendars.get_calendar(
            _OTHER_NAMES.get(check_calendar(name), name),
            start=f"{first_year}-01-01",
            end=f"{last_year}-12-31",
        )
    except ValueError as error:
        raise DataError(
            f"calendar {name} does not cover {first_year}–{last_year} ({error}).",
            hint="leave earlier bars out with --drop FROM:TO, or use --calendar none",
        ) from error
