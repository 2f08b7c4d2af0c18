"""Which session the moment of a bar belongs to: that of its date, or of the day that follows."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from finscale.data import calendar
from finscale.data.sources.csv_date_order import WEEKEND_SHARE
from finscale.errors import DataError, did_you_mean

SessionOf = Literal["open", "close"]

_DAY = dt.timedelta(days=1)
_NOON = dt.time(12)
# On the exchange's clock no session of the same day opens so late; FX and futures open at 17:00.
_EVENING = dt.time(17)
# In UTC: futures, FX, Sydney and Auckland open from 20:00 on; Tel Aviv and Riyadh, which trade on
# Sundays, are closed by then.
_EVENING_UTC = dt.time(20)
_LAST_MINUTE = dt.time(23, 55)
_WEEK = 7
_MONDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 4, 5, 6


@dataclass(frozen=True)
class Stamp:
    """When a bar is said to have been."""

    local: dt.datetime
    """As written, without a zone; midnight where no time of day is written."""
    offset: dt.timedelta | None = None
    """From UTC, where one is written."""


def check_session_of(name: str | None) -> None:
    """Raise a DataError unless ``name`` is None, ``open`` or ``close``."""
    if name is not None and name not in get_args(SessionOf):
        raise DataError(
            f"{name!r} is not an end of a session.", hint=did_you_mean(name, get_args(SessionOf))
        )


def session_dates(
    stamps: Sequence[Stamp],
    *,
    place: str,
    calendar_name: str,
    session_of: SessionOf | None = None,
) -> tuple[list[dt.date], str]:
    """Return the session of each bar, and a note if it is not simply the date as written.

    Moments in UTC are put on the exchange's clock; midnight in UTC is a plain date that was stored
    as a time. Written local times are taken as they are. Bars stamped in the evening and falling
    on Sundays to Thursdays opened the evening before: they belong to the day that follows.

    Parameters
    ----------
    session_of : {"open", "close"}, optional
        What the stamps mark, where the user says it.

    Raises
    ------
    DataError
        If the stamps could be the open or the close of a session.
    """
    moments, clock = _on_clock(stamps, calendar_name)
    written = [moment.date() for moment in moments]
    note = f"times in UTC, dated on the clock of {calendar_name}" if clock == calendar_name else ""
    late = sorted(moment.time() for moment in moments if moment.time() >= _NOON)
    if session_of is None and not late and all(date.weekday() < _SATURDAY for date in written):
        return written, note
    trading = _trading_weekdays(calendar_name, written)
    if session_of == "open":
        return _by_open(moments, trading, clock), "dated by the open, as --session-of says"
    if session_of == "close":
        return _by_close(moments, trading), "dated by the close, as --session-of says"
    fits = _fits(written, trading)
    days = Counter(date.weekday() for date in written)
    few = WEEKEND_SHARE * len(written)
    if (
        not fits
        and len(written) >= _WEEK
        and days[_SATURDAY] > 5 * few
        and days[_SUNDAY] + days[_MONDAY] <= few
    ):
        raise DataError(
            f"{place}: bars fall on Tuesdays to Saturdays, such as {moments[0]:%A %F %H:%M}: they "
            "are stamped when the session was over, on the next day.",
            hint="say so: --session-of close dates each bar by the session that closes then",
        )
    # one live bar among many does not count; 23:59:59 is the end of its own day
    if len(late) < max(1, len(written) / 20) or late[0] >= _LAST_MINUTE:
        if not fits and days[_SUNDAY] > 5 * few and days[_SATURDAY] + days[_FRIDAY] <= few:
            note = "on Sundays to Thursdays, as written (--session-of open: Mondays to Fridays)"
        return written, note
    when = f"{late[0]:%H:%M}" + (f" to {late[-1]:%H:%M}" if late[-1] > late[0] else "")
    when += "" if clock == "local" else f" {clock}"
    evening = late[0] >= (_EVENING_UTC if clock == "UTC" else _EVENING)
    following = _evening_before(moments, trading)
    if following and not fits:
        if evening and not _may_open_in_the_evening(calendar_name):
            raise DataError(
                f"{place}: bars are stamped {when} on Sundays to Thursdays, such as "
                f"{moments[0]:%A %F %H:%M}, when {calendar_name} is closed: they are of another "
                "exchange.",
                hint="name its calendar, such as --calendar us_futures, XASX or 24/5 (FX), or "
                "--calendar none: each bar is then dated by the day that follows",
            )
        if evening:
            return following, f"stamped the evening before ({when}): dated by the day that follows"
        raise DataError(
            f"{place}: bars are stamped {when} and fall on Sundays to Thursdays: the exchange lies "
            "further east, or trades on Sundays.",
            hint="name its calendar, such as --calendar XTKS, or --session-of open for Mondays to "
            "Fridays, or --session-of close for the dates as they are",
        )
    everyday = len(trading) == _WEEK and late[0] > _NOON
    if everyday or (following and evening):
        raise DataError(
            f"{place}: bars are stamped {when}, such as {moments[0]:%A %F %H:%M}, and nothing "
            "tells whether that is the open of the next day's session or the close of that day's.",
            hint="say so: --session-of open or --session-of close",
        )
    return written, note


def _by_open(moments: Sequence[dt.datetime], trading: set[int], clock: str) -> list[dt.date]:
    written = [moment.date() for moment in moments]
    after_noon = [m.date() + (m.time() >= _NOON) * _DAY for m in moments]
    if len(trading) == _WEEK:
        return after_noon
    evening = _EVENING_UTC if clock == "UTC" else _EVENING
    if _fits(written, trading) and min(moment.time() for moment in moments) < evening:
        return written
    next_day = [date + _DAY for date in written]
    following = _evening_before(moments, trading)
    return following or (next_day if _fits(next_day, trading) else after_noon)


def _by_close(moments: Sequence[dt.datetime], trading: set[int]) -> list[dt.date]:
    # a bar that closes at midnight is that of the day before
    dates = [m.date() - (m.time() == dt.time()) * _DAY for m in moments]
    before = [m.date() - (m.time() < _NOON) * _DAY for m in moments]
    return before if not _fits(dates, trading) and _fits(before, trading) else dates


def _on_clock(stamps: Sequence[Stamp], calendar_name: str) -> tuple[list[dt.datetime], str]:
    """Return the moments on one clock, and its name: ``local``, ``UTC`` or the calendar's."""
    if not all(stamp.offset == dt.timedelta(0) for stamp in stamps):
        # an offset that is not always zero is the exchange's own
        return [stamp.local for stamp in stamps], "local"
    plain = [stamp.local.time() == dt.time() for stamp in stamps]
    zone = calendar.timezone(calendar_name)
    if all(plain) or zone == ZoneInfo("UTC"):
        return [stamp.local for stamp in stamps], "UTC"
    mostly_plain = sum(plain) > len(plain) / 2
    found = [
        stamp.local
        if midnight and mostly_plain
        else stamp.local.replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)
        for stamp, midnight in zip(stamps, plain, strict=True)
    ]
    return found, calendar_name


def _trading_weekdays(calendar_name: str, dates: Sequence[dt.date]) -> set[int]:
    """Return the weekdays on which the exchange has sessions.

    Without a calendar these are all seven where many bars fall on Saturdays and on Sundays.
    """
    weekdays = set(range(5))
    if calendar_name == calendar.NONE:
        days = Counter(date.weekday() for date in dates)
        everyday = min(days[_SATURDAY], days[_SUNDAY]) > WEEKEND_SHARE * len(dates)
        return set(range(_WEEK)) if everyday else weekdays
    last = max(dates)
    try:
        found = calendar.sessions(calendar_name, last - 27 * _DAY, last)
    except DataError:
        return weekdays  # whoever needs the sessions themselves says what is wrong
    return {day.weekday() for day in found} or weekdays


def _may_open_in_the_evening(calendar_name: str) -> bool:
    """Tell whether a session can open on the day before: futures and FX, or no calendar."""
    if calendar.timezone(calendar_name) == ZoneInfo("UTC"):
        return True
    return calendar.opens_the_evening_before(calendar_name)


def _fits(dates: Sequence[dt.date], trading: set[int]) -> bool:
    return sum(date.weekday() not in trading for date in dates) <= WEEKEND_SHARE * len(dates)


def _evening_before(moments: Sequence[dt.datetime], trading: set[int]) -> list[dt.date] | None:
    """Return the dates with late bars moved to the next day, if one hour to cut at fits them."""
    found: list[list[dt.date]] = []
    for hour in sorted({moment.hour for moment in moments if moment.hour > 10}):
        dates = [m.date() + (m.hour >= hour) * _DAY for m in moments]
        if _fits(dates, trading) and len(set(dates)) == len(dates) and dates not in found:
            found.append(dates)
    return found[0] if len(found) == 1 and len(trading) < _WEEK else None


def refuse_intraday(stamps: Sequence[Stamp], place: str) -> None:
    """Raise if most dates have bars at several times of day, or many rows without a time.

    ``place`` is the file, for messages.
    """
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
