"""Whose sessions are these? Compare the days of a series with the calendars of other exchanges."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import polars as pl

from finscale.data.bars import PRICES, present
from finscale.data.calendar import NONE, sessions
from finscale.errors import DataError

#: What a series may follow, the more usual first: of calendars that fit alike, the first is named.
CANDIDATES = (
    *("XNYS", "XETR", "XLON", "XPAR", "XSWX", "XMIL", "XMAD", "XSTO", "XCSE", "XHEL", "XOSL"),
    *("XTSE", "XTKS", "XHKG", "XSHG", "XTAI", "XBOM", "XSES", "XASX", "XNZE", "BVMF", "XMEX"),
    *("XJSE", "XSAU", "XIST", "XWAR", "CMES", "24/5", "24/7"),
)
#: Tried only where none of these fits every day: what is less usual, and at last Moscow, Tel Aviv
#: and Seoul, whose holidays take a second to work out.
FURTHER = (
    *("XAMS", "XBRU", "XLIS", "XDUB", "XWBO", "XICE", "XPRA", "XBUD", "XBSE", "ASEX", "XZAG"),
    *("XLJU", "XBRA", "XBEL", "XCYS", "XTAL", "XRIS", "XLIT", "AIXK", "XBDA", "XBUE", "XBOG"),
    *("XLIM", "XSGO", "XPHS", "XKLS", "XIDX", "XBKK", "XKAR", "XMOS", "XTAE", "XKRX"),
)

# Of two calendars, at least so many days a year are a session of one alone.
_DIFFERENT_A_YEAR = 2
# Calendars differ on some ten days a year: five years tell them apart, and are quickly compared.
_WINDOW = dt.timedelta(days=5 * 366)
# A hole longer than any holiday says nothing about the exchange.
_HOLE = dt.timedelta(days=14)
# Daily bars are at most so far apart as a rule, even of what seldom trades.
_DAILY = dt.timedelta(days=3)
#: Share of bars that may fall on days without a session. With more, the calendar must be wrong.
_MOST_UNNAMED, _MOST_NAMED, _FEW = 0.05, 0.1, 3

_DAY_EARLY_HINT = (
    "--session-of open dates each bar by the session that follows; --calendar none keeps the dates "
    "as they stand"
)

_LEAST_DAYS = 3
_LEAST_RATIO = 3
_MOST_AGAINST = 0.02


@dataclass(frozen=True)
class BetterCalendar:
    """A calendar that a series follows clearly better than the one it was compared with."""

    name: str
    alike: tuple[str, ...]
    """Others that fit exactly as well."""
    missing: int
    """Sessions of the first calendar that have no bar, long holes left out."""
    exact: bool
    """Whether no day of the last years speaks against it."""

    @property
    def option(self) -> str:
        """The option that names it, and what fits as well."""
        if self.name == "24/7":
            return "--calendar 24/7 lists missing days as gaps, --calendar none accepts every day"
        also = f" ({', '.join(self.alike[:3])} would fit as well)" if self.alike else ""
        return f"--calendar {self.name}{also}"


def check_foreign_days(
    rows: pl.DataFrame, foreign: pl.DataFrame, name: str, *, place: str, ask: bool
) -> str:
    """Return what to add to the note on each row that falls on a day without a session.

    Parameters
    ----------
    rows, foreign : polars.DataFrame
        All rows, as :func:`better_calendar` takes them, and those without a session.
    name : str
        The calendar.
    place : str
        The file or the address, for messages.
    ask : bool
        Whether nobody has named the calendar: then a better one is a question.

    Raises
    ------
    DataError
        If another calendar has to be asked about, or so many rows have no session that the
        calendar must be wrong.
    """
    better, day = better_calendar(rows, name), foreign["date"][0]
    many = foreign.height > max(_MOST_NAMED * rows.height, _FEW)
    if better is not None and ask:
        lacking = f", and {better.missing:,} of its sessions have no bar" if better.missing else ""
        bars = "1 bar falls" if foreign.height == 1 else f"{foreign.height:,} bars fall"
        raise DataError(
            f"{place}: {bars} on days without a session of {name}, such as {day:%A %F}{lacking}: "
            f"the days are {'' if better.exact else 'nearest to '}those of {better.name}.",
            hint=better.option + ("" if many else f"; --calendar {name} leaves those bars out"),
        )
    if many and (said := _a_day_early(rows["date"].to_list(), name)):
        raise DataError(f"{place}: {said}", hint=_DAY_EARLY_HINT)
    # a calendar that was named is believed further
    if many or (ask and foreign.height > max(_MOST_UNNAMED * rows.height, _FEW)):
        raise DataError(
            f"{place}: {foreign.height:,} of {rows.height:,} bars, such as {day:%A %F}, fall on "
            f"days without a session of {name}.",
            hint=better.option
            if better
            else "name the exchange's calendar, such as --calendar XLON, or --calendar none for "
            "what trades every day",
        )
    return f" ({better.name} fits these bars better)" if better else ""


def _a_day_early(days: Sequence[dt.date], name: str) -> str:
    """Say that every bar is dated the day before a session; nothing where that is not so."""
    following = [day + dt.timedelta(days=1) for day in days]
    own, later = _Evidence.of(list(days), name), _Evidence.of(following, name)
    if own is None or later is None or len(later.days) > _MOST_AGAINST * len(days):
        return ""
    day = min(own.foreign)
    return (
        f"the bars stand a day before the sessions of {name}, such as {day:%A %F} for "
        f"{day + dt.timedelta(days=1):%A}: a change of time zone, or the open of the evening "
        "before, has moved their dates."
    )


def better_calendar(rows: pl.DataFrame, name: str) -> BetterCalendar | None:
    """Return the calendar whose sessions the rows follow clearly better; None where none does.

    A day speaks against a calendar where it has a bar and no session, or a session and no bar.
    Another calendar is clearly better if three days or more speak against the given one alone, a
    bar without a session among them, and at most a third as many, and 2 % of all days, against the
    other one alone.

    Parameters
    ----------
    rows : polars.DataFrame
        ``date`` (sorted, each once), ``open``, ``high``, ``low`` and ``close``. A row that only
        repeats the last prices is a filled gap and counts as no bar.
    name : str
        The calendar to compare with, not ``none``.
    """
    if name == NONE:
        return None
    days = rows.filter(~_repeats(present(rows, PRICES)))["date"].to_list()
    # weekly and monthly bars, or a handful of days, follow no calendar of days
    if len(days) < 2 or median(after - before for before, after in pairwise(days)) > _DAILY:
        return None
    own, years = _Evidence.of(days, name), (days[-1] - days[0]).days / 365
    least = max(_LEAST_DAYS, _DIFFERENT_A_YEAR * years)
    if own is None or not own.foreign or len(own.days) < least:
        return None
    recent = [day for day in days if day >= days[-1] - _WINDOW]
    found: list[tuple[set[dt.date], str]] = []
    for candidate in (*CANDIDATES, *FURTHER):
        if candidate in FURTHER and not all(against for against, _ in found):
            break
        evidence = _Evidence.of(recent, candidate)
        if evidence is not None:
            found.append((evidence.days, candidate))
    against, best = min(found, key=lambda fit: len(fit[0]))
    alike = [other for theirs, other in found if len(theirs) == len(against) and other != best]
    # what the last years say must hold for all of them: VIX has bars on holidays since 2022 only
    if best == name or not all(_is_clear(part, name, best) for part in (recent, days)):
        return None
    return BetterCalendar(best, tuple(alike), len(own.missing), not against)


@dataclass(frozen=True)
class _Evidence:
    """The days that speak against a calendar."""

    foreign: set[dt.date]
    """A bar and no session."""
    missing: set[dt.date]
    """A session and no bar, outside long holes."""

    @property
    def days(self) -> set[dt.date]:
        return self.foreign | self.missing

    @staticmethod
    def of(days: list[dt.date], name: str) -> _Evidence | None:
        """Compare sorted days with a calendar; None where it does not cover them."""
        try:
            known = set(sessions(name, days[0], days[-1]))
        except DataError:
            return None
        present = set(days)
        return _Evidence(present - known, (known - present) & _told(days))


def _is_clear(days: list[dt.date], name: str, other: str) -> bool:
    """Tell whether the days speak against a calendar and not against the other."""
    own, theirs = _Evidence.of(days, name), _Evidence.of(days, other)
    if own is None or theirs is None:
        return False
    # what speaks against both, such as a day that the source lacks, says nothing
    against, in_favour = len(own.days - theirs.days), len(theirs.days - own.days)
    fits = in_favour <= 1 + _MOST_AGAINST * len(days)
    return fits and against >= max(_LEAST_DAYS, _LEAST_RATIO * in_favour)


def _repeats(prices: Sequence[str]) -> pl.Expr:
    """Tell of each row whether it is the one before, or its close in all prices."""
    same = pl.all_horizontal(pl.col(price) == pl.col(price).shift() for price in prices)
    flat = pl.all_horizontal(pl.col(price) == pl.col("close").shift() for price in prices)
    return (same | flat).fill_null(False)


def _told(days: list[dt.date]) -> set[dt.date]:
    """Return every day from the first to the last that lies in no long hole."""
    told = set(days)
    for before, after in pairwise(days):
        if after - before <= _HOLE:
            told.update(before + dt.timedelta(days=n) for n in range(1, (after - before).days))
    return told
