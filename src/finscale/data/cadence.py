"""How far apart bars are: finscale takes each row for a session, so weekly bars must be named."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import polars as pl

from finscale.errors import DataError

Cadence = Literal["daily", "weekly", "fortnightly", "monthly", "quarterly", "yearly"]

#: Days from one bar to the next, holidays included, and the fewest bars that show it.
_STEPS: dict[Cadence, tuple[int, int]] = {
    "weekly": (5, 9),
    "fortnightly": (12, 16),
    "monthly": (26, 35),
    "quarterly": (84, 98),
    "yearly": (357, 373),
}
# This share of all steps lies within the bounds; the rest are a halt, or a last unfinished bar.
_MOST = 0.9
_FEWEST_BARS = 4
# Bars of a slower cadence stand on one weekday (or beside it in weeks with a holiday), or on one
# day of the month, or at its beginning or end; the days of a stock that hardly trades do not.
_SAME_DAY = 0.6
_EDGE = 4
#: Bars in a row that show a slower cadence inside a daily series.
_LONG_RUN = 26
_WAY_OUT = (
    "import daily bars; finscale makes weekly and monthly ones of them (features build SYMBOL "
    "--timescale weekly). If every row is a day's trade after all: --cadence daily"
)


@dataclass(frozen=True)
class SlowStretch:
    """A part of a series whose bars are slower than daily."""

    cadence: Cadence
    first: dt.date
    last: dt.date
    bars: int
    whole: bool
    """Whether it is the whole series."""


def cadence(dates: Sequence[dt.date]) -> Cadence:
    """Return what sorted dates are: daily bars, gaps or not, or regularly slower ones.

    Examples
    --------
    >>> fridays = [dt.date(2024, 1, 5) + dt.timedelta(7 * i) for i in range(6)]
    >>> cadence(fridays)
    'weekly'
    """
    days = sorted(set(dates))
    if len(days) < _FEWEST_BARS:
        return "daily"
    steps = np.diff(np.array(days, "datetime64[D]")).astype(int)
    for name, (least, most) in _STEPS.items():
        inside = (steps >= least) & (steps <= most)
        # short steps count against it; long ones are halts, unless they are the rule
        enough = inside.mean() >= _MOST or (
            inside.mean() >= 0.5 and (steps < least).mean() <= 1 - _MOST
        )
        if enough and _is_regular(name, days):
            return name
    return "daily"


def slow_stretch(dates: Sequence[dt.date]) -> SlowStretch | None:
    """Return the whole series if it is slower than daily, or its longest part that is, or None."""
    days = sorted(set(dates))
    name = cadence(days)
    if name != "daily":
        return SlowStretch(name, days[0], days[-1], len(days), whole=True)
    steps = np.diff(np.array(days, "datetime64[D]")).astype(int)
    for name, (least, most) in _STEPS.items():
        edges = np.flatnonzero(np.diff(np.r_[0, (steps >= least) & (steps <= most), 0]))
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            run = days[first : end + 1]
            if len(run) > _LONG_RUN and _is_regular(name, run):
                return SlowStretch(name, run[0], run[-1], len(run), whole=False)
    return None


@lru_cache(maxsize=8)
def _slow_stretch(dates: tuple[dt.date, ...]) -> SlowStretch | None:
    """Do what :func:`slow_stretch` does once for the symbols of a panel that share their days."""
    return slow_stretch(dates)


def check_declared(name: str | None) -> None:
    """Raise a DataError unless a user's word on the cadence is None or ``daily``."""
    if name not in (None, "daily"):
        raise DataError(
            f"{name!r} bars cannot be imported: every row counts as a day.", hint=_WAY_OUT
        )


def refuse_slow_bars(dates: Iterable[dt.date], *, what: str) -> None:
    """Raise a DataError if bars are slower than daily; ``what`` names them in the message."""
    dates = sorted(dates.unique() if isinstance(dates, pl.Series) else set(dates))
    found = _slow_stretch(tuple(dates))
    if found is None:
        return
    if not found.whole:
        raise DataError(
            f"{what}: from {found.first} to {found.last} there is one bar "
            f"{_EVERY[found.cadence]} ({found.bars:,} of them), elsewhere one a day.",
            hint=f"--drop {found.first}:{found.last} leaves that part out; {_WAY_OUT}",
        )
    some = ", ".join(str(day) for day in dates[:3])
    raise DataError(
        f"{what}: these are {found.cadence} bars ({some} … {found.last}), and each would count as "
        "a day.",
        hint=_WAY_OUT,
    )


_EVERY: dict[Cadence, str] = {
    "weekly": "a week",
    "fortnightly": "a fortnight",
    "monthly": "a month",
    "quarterly": "a quarter",
    "yearly": "a year",
}


def _is_regular(name: Cadence, days: Sequence[dt.date]) -> bool:
    """Tell whether bars stand where a slower cadence puts them."""
    if name in ("weekly", "fortnightly"):
        steps = np.diff(np.array(days, "datetime64[D]")).astype(int)
        least, most = _STEPS[name]
        if len(days) > _LONG_RUN and ((steps >= least) & (steps <= most)).mean() >= _MOST:
            return True  # every fifth session, whichever its weekday
        weekdays = Counter(day.weekday() for day in days)
        return weekdays.most_common(1)[0][1] >= _SAME_DAY * len(days)
    months = {(day.year, day.month) for day in days}
    if len(months) < _MOST * len(days):
        return False
    begin = sum(day.day <= _EDGE for day in days)
    end = sum((day + dt.timedelta(days=_EDGE)).month != day.month for day in days)
    same = Counter(day.day for day in days).most_common(1)[0][1]
    return max(begin, end, same) >= _SAME_DAY * len(days)
