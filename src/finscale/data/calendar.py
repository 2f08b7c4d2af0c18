"""Exchange calendars: the sessions of an exchange, and those that a series lacks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from finscale.data import exchanges
from finscale.errors import DataError, did_you_mean

#: The name that stands for no calendar: every day counts, none is missing.
NONE = "none"

DEFAULT = "XNYS"

# Exchanges of one country share their sessions; the library knows one of them.
_OTHER_NAMES = {
    "weekdays": "24/5",
    "IEXG": "XNYS",
    "XNSE": "XBOM",
    "XSHE": "XSHG",
    "XKOS": "XKRX",
    "XJPX": "XTKS",
    "ROCO": "XTAI",
    "XMCE": "XMAD",
    "MTAA": "XMIL",
    "MISX": "XMOS",
    "XMUN": "XFRA",
    "XBER": "XFRA",
}

_DAY = dt.timedelta(days=1)


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
    known = [NONE, *_OTHER_NAMES, *exchanges.library().get_calendar_names()]
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
        If the calendar is unknown or does not cover ``first`` … ``last``.
    """
    least, most = exchanges.bounds(_name(name))
    if first < least:
        raise DataError(
            f"calendar {name} begins on {least}, after {first}.",
            hint=f"--drop {first}:{least - _DAY} leaves the earlier bars out, --calendar none "
            "accepts every day",
        )
    if last > most:
        version = exchanges.library().__version__
        raise DataError(
            f"calendar {name} of exchange_calendars {version} ends on {most}, before {last}.",
            hint=f"update exchange_calendars; or --drop {most + _DAY}:{last} leaves the later bars "
            "out, --calendar none accepts every day",
        )
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
    return ZoneInfo("UTC") if name == NONE else ZoneInfo(str(exchanges.about(_name(name)).tz))


def opens_the_evening_before(name: str) -> bool:
    """Tell whether the exchange's sessions open on the day before, as those of futures do."""
    return name != NONE and bool(exchanges.about(_name(name)).open_offset < 0)


def unfinished(name: str, now: dt.datetime) -> dt.date:
    """Return the first date whose session is not over at ``now``: its bar is partial or foreign.

    Without a calendar a day is over at midnight UTC; ``now`` has a zone.
    """
    today = now.astimezone(timezone(name)).date()
    if name == NONE:
        return today
    # a calendar of the library may end before today: bars of later days are refused by `sessions`
    known = today <= exchanges.bounds(_name(name))[1] and sessions(name, today, today)
    if known and now < exchanges.close(_name(name), today):
        return today
    return today + _DAY


@lru_cache(maxsize=64)
def _sessions(name: str, first_year: int, last_year: int) -> tuple[dt.date, ...]:
    least, most = exchanges.bounds(_name(name))
    first, last = dt.date(first_year, 1, 1), dt.date(last_year, 12, 31)
    return exchanges.sessions(_name(name), max(first, least), min(last, most))


def _name(name: str) -> str:
    """Return the library's name of a calendar."""
    return _OTHER_NAMES.get(check_calendar(name), name)
