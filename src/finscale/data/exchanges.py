"""The library of exchange calendars, made to work with the pandas that is installed.

pandas 3.1 made two changes that exchange_calendars 4.13 does not know of:

1. The next date of an offset comes from ``_add_datetime``; before, from ``_apply``, which is all
   that the library's own offsets define. Orthodox Easter raises (Athens, Sofia, Belgrade, Cyprus),
   and each Hebrew holiday silently becomes Easter (Tel Aviv).
2. ``date_range`` filters days by one weekmask, where the library's offsets have a mask for some
   weeks: sessions on Saturday and Sunday silently vanish (Seoul, Moscow, Mumbai, Tel Aviv).

Here these offsets are told the new name, and the filter every weekmask.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from finscale.errors import DataError

# a whole year that every calendar of the library covers
_KNOWN_YEAR = 2024

# pandas, whose rules the library uses, has no recurring holidays before 1970 unless asked for
_RULES_FROM = dt.date(1970, 1, 1)

_LONGEST = 120


@cache
def library() -> Any:
    """Return ``exchange_calendars``, mended; the only place that imports it."""
    import exchange_calendars

    _mend_offsets()
    return exchange_calendars


@cache
def about(name: str) -> Any:
    """Return one year of a calendar: it knows the zone, the bounds and the rule for sessions.

    Raises
    ------
    DataError
        If the library cannot build it.
    """
    with _in_a_sentence(name, _KNOWN_YEAR):
        return library().get_calendar(
            name, start=f"{_KNOWN_YEAR}-01-01", end=f"{_KNOWN_YEAR}-12-31"
        )


@cache
def bounds(name: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last date that the library's calendar covers."""
    least, most = about(name).bound_min(), about(name).bound_max()
    return (
        dt.date.min if least is None else least.date(),
        dt.date.max if most is None else most.date(),
    )


def sessions(name: str, first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
    """Return the sessions of ``first`` … ``last``, which lie within the bounds."""
    import pandas as pd

    calendar = about(name)
    early: set[dt.date] = set()
    with _in_a_sentence(name, f"{first} to {last}"):
        # as the library builds a calendar of these years, without times of opening and closing
        days = pd.date_range(first, last, freq=calendar.day).date.tolist()
        if first < _RULES_FROM and calendar.regular_holidays is not None:
            holidays = calendar.regular_holidays.holidays(first.isoformat(), _RULES_FROM)
            early = set(holidays.date.tolist())
    return tuple(day for day in days if day not in early)


def close(name: str, session: dt.date) -> dt.datetime:
    """Return the moment at which a session ends."""
    moment: dt.datetime = _year(name, session.year).session_close(session.isoformat())
    return moment


def _year(name: str, year: int) -> Any:
    with _in_a_sentence(name, year):
        return library().get_calendar(name, start=f"{year}-01-01", end=f"{year}-12-31")


@contextmanager
def _in_a_sentence(name: str, years: object) -> Iterator[None]:
    """Say what the library cannot do; rules of seventy exchanges can raise whatever they like."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
        raise DataError(
            f"exchange_calendars {library().__version__} cannot work out the sessions of {name} "
            f"for {years} ({type(error).__name__}: {reason.rstrip('.')}).",
            hint="leave those years out with --drop FROM:TO, or accept every day with "
            "--calendar none",
        ) from error


def _mend_offsets() -> None:
    from exchange_calendars.pandas_extensions.offsets import CompositeCustomBusinessDay
    from pandas.tseries.offsets import BaseOffset

    if "_get_daily_offset_mask" not in vars(CompositeCustomBusinessDay):
        CompositeCustomBusinessDay._get_daily_offset_mask = _are_sessions
    before = hasattr(BaseOffset, "_apply")  # pandas 3.0 or earlier
    if not before:
        for offset in _offsets_of_the_library(BaseOffset):
            offset._add_datetime = offset._apply
    # its own way from day to day needs pandas' _apply, and in one piece from 1990 it goes past a
    # session of Moscow's: Sunday, 2009-01-11
    setattr(CompositeCustomBusinessDay, "_apply" if before else "_add_datetime", _step)


def _offsets_of_the_library(base: type) -> Iterator[Any]:
    """Yield the library's offsets that define ``_apply`` and not ``_add_datetime``."""
    offset: Any
    for offset in base.__subclasses__():
        ours = offset.__module__.startswith("exchange_calendars.")
        if ours and "_apply" in vars(offset) and "_add_datetime" not in vars(offset):
            yield offset
        yield from _offsets_of_the_library(offset)


def _step(offset: Any, moment: Any) -> Any:
    """Go to the next session, ``offset.n`` times."""
    day = dt.timedelta(days=1 if offset.n > 0 else -1)
    for _ in range(abs(offset.n)):
        moment += day
        while not offset.is_on_offset(moment):
            moment += day
    return moment


def _are_sessions(offset: Any, days: np.ndarray) -> np.ndarray:
    """Tell of each day whether it is a session, by the weekmask of its week."""
    days = days.astype("datetime64[D]")
    found = np.is_busday(days, busdaycal=offset.calendar)
    for first, last, weekdays in offset.business_days:
        inside = np.ones(len(days), bool)
        inside &= True if first is None else days >= np.datetime64(first, "D")
        inside &= True if last is None else days <= np.datetime64(last, "D")
        found[inside] = np.is_busday(days[inside], busdaycal=weekdays.calendar)
    return found
