"""The calendar: what the date alone says. Nobody needs the future to know tomorrow's weekday.

Ends of months and expiries are those of the civil calendar, not of an exchange's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from finscale.features.declared.family import Family
from finscale.features.feature import Array

FAMILY = Family("calendar")
_Days = NDArray[np.datetime64]


def _days(date: Array) -> _Days:
    return date.astype(np.int64).astype("datetime64[D]")


def _weekday(date: Array) -> Array:
    """Return 0 for Monday to 6 for Sunday; 1970-01-01 was a Thursday."""
    return (date + 3) % 7


def _month(date: Array) -> Array:
    return (_days(date).astype("datetime64[M]").astype(np.int64) % 12).astype(np.float64)


def _day(date: Array) -> Array:
    days = _days(date)
    return np.asarray(
        (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.float64)
    )


def _length(date: Array) -> Array:
    month = _days(date).astype("datetime64[M]")
    first, following = (m.astype("datetime64[D]") for m in (month, month + 1))
    return np.asarray((following - first).astype(np.float64))


def _day_of_year(date: Array) -> Array:
    days = _days(date)
    return np.asarray(
        (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    )


def _year(date: Array) -> Array:
    return _days(date).astype("datetime64[Y]").astype(np.float64) + 1970


def _third_friday(date: Array) -> Array:
    """Return the days to the third Friday of the month, negative after it."""
    first = date - _day(date)
    third = first + (4 - _weekday(first)) % 7 + 14
    return np.asarray(third - date)


def _cycle(part: Array, turn: Callable[[Array], Array]) -> Array:
    return turn(2 * np.pi * part)


def _since_last(date: Array) -> Array:
    gap = np.full_like(date, np.nan)
    gap[1:] = np.log(np.maximum(np.diff(date), 1.0))
    return gap


def _of_month(date: Array) -> Array:
    """Return how many rows of this month there have been, this one among them, over 23."""
    month = _days(date).astype("datetime64[M]").astype(np.int64)
    row = np.arange(len(date))
    new = np.ones(len(date), dtype=bool)
    new[1:] = month[1:] != month[:-1]
    began = np.maximum.accumulate(np.where(new, row, 0))
    return (row - began + 1) / 23.0


def _flag(values: NDArray[np.bool_]) -> Array:
    return values.astype(np.float64)


def _is_weekday(day: int) -> Callable[[Array], Array]:
    return lambda date: _flag(_weekday(date) == day)


_FEATURES: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "monday": ("1 on Mondays", _is_weekday(0)),
    "month_sin": (
        "sine of the month's place in the year",
        lambda d: _cycle(_month(d) / 12, np.sin),
    ),
    "day_of_month": ("day of the month over its length", lambda d: _day(d) / _length(d)),
    "friday": ("1 on Fridays", _is_weekday(4)),
    "month_cos": ("cosine of the month's place", lambda d: _cycle(_month(d) / 12, np.cos)),
    "turn_of_month": (
        "1 on the last two and first three days of a month",
        lambda d: _flag((_length(d) - _day(d) <= 2) | (_day(d) < 3)),
    ),
    "expiry_week": (
        "1 in the five days up to the month's third Friday",
        lambda d: _flag((_third_friday(d) >= 0) & (_third_friday(d) < 5)),
    ),
    "january": ("1 in January", lambda d: _flag(_month(d) == 0)),
    "tuesday": ("1 on Tuesdays", _is_weekday(1)),
    "wednesday": ("1 on Wednesdays", _is_weekday(2)),
    "thursday": ("1 on Thursdays", _is_weekday(3)),
    "quarter_end": (
        "1 in the last five days of a quarter",
        lambda d: _flag((_month(d) % 3 == 2) & (_length(d) - _day(d) <= 5)),
    ),
    "year_sin": (
        "sine of the day's place in the year",
        lambda d: _cycle(_day_of_year(d) / 365.25, np.sin),
    ),
    "year_cos": (
        "cosine of the day's place in the year",
        lambda d: _cycle(_day_of_year(d) / 365.25, np.cos),
    ),
    "to_expiry": ("days to the month's third Friday over 15", lambda d: _third_friday(d) / 15),
    "witching": (
        "1 in the five days up to the third Friday of a quarter's last month",
        lambda d: _flag((_month(d) % 3 == 2) & (_third_friday(d) >= 0) & (_third_friday(d) < 5)),
    ),
    "december": ("1 in December", lambda d: _flag(_month(d) == 11)),
    "summer": (
        "1 from May to October (Halloween)",
        lambda d: _flag((_month(d) >= 4) & (_month(d) < 10)),
    ),
    "half_year_sin": (
        "sine of the place in the half year",
        lambda d: _cycle(_month(d) / 6, np.sin),
    ),
    "half_year_cos": (
        "cosine of the place in the half year",
        lambda d: _cycle(_month(d) / 6, np.cos),
    ),
    "four_years": ("year in the four-year cycle over 4", lambda d: _year(d) % 4 / 4),
    "month_end": ("days to the month's end over 31", lambda d: (_length(d) - 1 - _day(d)) / 31),
}

for _name, (_words, _compute) in _FEATURES.items():
    FAMILY.add(f"date_{_name}", "date", _compute, _words)
FAMILY.add("date_gap", "date", _since_last, "log of the days since the last row", extra=1)
FAMILY.add(
    "date_session",
    "date",
    _of_month,
    "rows of this month so far over 23",
    recursive=True,
)
