"""When values of a series become known: one declared rule per series, as its publisher works.

A file says which period a value is about, and not when it was published. A rule turns the one into
the other, and it may be late but never early: it names the **latest usual** day, and releases that
a government shutdown delayed beyond it stand beside it. Exact days come with vintages (ALFRED), or
with a file's own release column.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.registry import Registry

Frequency = Literal["daily", "weekly", "monthly", "quarterly"]
Transform = Literal["log", "difference"]
Days = NDArray[np.datetime64]

FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
#: Periods that are "usual": five years, or one of daily values.
_USUAL: dict[Frequency, int] = {"daily": 252, "weekly": 260, "monthly": 60, "quarterly": 20}
#: Days without a new period after which a series has stopped.
_STALE: dict[Frequency, int] = {"daily": 15, "weekly": 30, "monthly": 100, "quarterly": 250}
#: A value known at no given hour counts from the end of its day.
_END_OF_DAY = "23:59"
_NEW_YORK = "America/New_York"


@dataclass(frozen=True)
class ReleaseRule:
    """When the values of one series are published, and how changes of it are measured."""

    name: str
    """As FRED calls it, where FRED has it: ``CPIAUCSL``."""
    title: str
    frequency: Frequency
    days: int
    """Days from the end of a period to its release: the latest usual one."""
    words: str
    """The publisher's own rule."""
    source: str
    """Where the publisher states it."""
    hour: str = _END_OF_DAY
    """Of the release, in ``zone``."""
    zone: str = _NEW_YORK
    is_business: bool = False
    """Whether ``days`` are business days of the United States' government."""
    is_revised: bool = True
    """Whether published values are changed later: without vintages they are not those of the
    day."""
    transform: Transform = "log"
    """Whether a change is one of the logarithm, or a difference."""
    late: Mapping[dt.date, dt.date] = field(default_factory=dict)
    """First day of a period → day of its release, where that was later than the rule."""

    @property
    def usual(self) -> int:
        """Past periods against which a value is held."""
        return _USUAL[self.frequency]

    @property
    def stale(self) -> int:
        """Days after its last release from which on a series counts as ended."""
        return _STALE[self.frequency]

    def released(self, period_P: Days) -> NDArray[np.datetime64]:
        """Return when the values of periods became known, in UTC by the microsecond.

        Parameters
        ----------
        period_P : ndarray of datetime64[D]
            The day that a period is dated with: its first, and of a week its last.
        """
        days: Days = last_day(period_P, self.frequency)
        if self.is_business:
            days = np.busday_offset(days, self.days, roll="forward", holidays=_holidays())
        else:
            days = np.asarray(days + np.timedelta64(self.days, "D"), "datetime64[D]")
        for first, day in self.late.items():
            found = np.asarray(period_P == np.datetime64(first))
            days[found] = np.maximum(days[found], np.datetime64(day))
        return moments(days, self.hour, self.zone)

    def describe(self) -> str:
        """Return the rule in one line."""
        unit = "business day" if self.is_business else "day"
        days = f"{self.days} {unit}{'s' * (self.days != 1)}"
        zone = self.zone.rsplit("/", 1)[-1].replace("_", " ")
        return f"{days} after the period's end, {self.hour} {zone}"


def last_day(period_P: Days, frequency: Frequency) -> Days:
    """Return the last day of periods; daily and weekly ones are dated by it."""
    if frequency in ("daily", "weekly"):
        return period_P.astype("datetime64[D]")
    length = 1 if frequency == "monthly" else 3
    month = period_P.astype("datetime64[M]").astype(np.int64) // length * length
    following: Days = (month + length).astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(following - np.timedelta64(1, "D"), "datetime64[D]")


def moments(days: Days, hour: str, zone: str) -> NDArray[np.datetime64]:
    """Return an hour of days in a time zone, as UTC by the microsecond."""
    clock = dt.time.fromisoformat(hour)
    minutes = np.timedelta64(60 * clock.hour + clock.minute, "m")
    local = pl.Series((days.astype("datetime64[D]") + minutes).astype("datetime64[us]"))
    aware = local.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    found: NDArray[np.datetime64] = aware.dt.convert_time_zone("UTC").to_numpy()
    return found.astype("datetime64[us]")


def usual_frequency(period_P: Days) -> Frequency:
    """Return how far apart periods are.

    Raises
    ------
    DataError
        If they are of no known frequency.
    """
    step = float(np.median(np.diff(period_P.astype("datetime64[D]")).astype(int)))
    bounds: dict[Frequency, tuple[float, float]] = {
        "daily": (1, 4),
        "weekly": (5, 9),
        "monthly": (27, 32),
        "quarterly": (85, 95),
    }
    for name, (least, most) in bounds.items():
        if least <= step <= most:
            return name
    raise DataError(
        f"the periods are {step:g} days apart, which is neither daily, weekly, monthly nor "
        "quarterly.",
        hint=f"--frequency says what they are: {', '.join(FREQUENCIES)}",
    )


@cache
def _holidays() -> Days:
    """Return the holidays of the United States' government, on which nothing is published."""
    from pandas.tseries.holiday import USFederalHolidayCalendar

    days = USFederalHolidayCalendar().holidays("1950-01-01", "2100-12-31")
    return np.asarray(days.to_numpy(), "datetime64[D]")


_BLS = "https://www.bls.gov/schedule/news_release"
_H15 = "https://www.federalreserve.gov/releases/h15/"
_CBOE = "https://www.cboe.com/tradable_products/vix/"
_date = dt.date

_JOBS: dict[dt.date, dt.date] = {
    _date(1995, 12, 1): _date(1996, 1, 19),
    _date(2013, 9, 1): _date(2013, 10, 22),
    _date(2025, 9, 1): _date(2025, 11, 20),
    _date(2025, 10, 1): _date(2025, 12, 16),
    _date(2025, 11, 1): _date(2025, 12, 16),
}
_PRICES: dict[dt.date, dt.date] = {
    _date(1995, 12, 1): _date(1996, 2, 1),
    _date(2013, 9, 1): _date(2013, 10, 30),
    _date(2025, 10, 1): _date(2025, 12, 18),
}
_OUTPUT: dict[dt.date, dt.date] = {
    _date(1995, 10, 1): _date(1996, 2, 23),
    _date(2013, 7, 1): _date(2013, 11, 7),
    _date(2018, 10, 1): _date(2019, 2, 28),
    _date(2025, 7, 1): _date(2025, 12, 23),
}
_CLAIMS: dict[dt.date, dt.date] = {
    _date(2025, 9, 27) + dt.timedelta(7 * week): _date(2025, 11, 20) for week in range(7)
}


def _volatility_index(name: str, title: str) -> ReleaseRule:
    words = "closes at 16:15 New York, after the exchange: the next session is the first to know it"
    return ReleaseRule(
        name, title, "daily", 0, words, _CBOE, "16:15", is_revised=False, transform="log"
    )


def _yield(name: str, title: str) -> ReleaseRule:
    words = "H.15 is posted on each business day at 16:15, with the values of the day before"
    return ReleaseRule(
        *(name, title, "daily", 1, words, _H15, "16:15"),
        is_business=True,
        is_revised=False,
        transform="difference",
    )


#: Series → when its values become known.
RELEASE_RULES: Registry[ReleaseRule] = Registry("series")
for _rule in (
    ReleaseRule(
        *("CPIAUCSL", "consumer prices, all items, seasonally adjusted", "monthly", 26),
        "in the month after: the 10th to the 15th, February's up to the 26th",
        f"{_BLS}/cpi.htm",
        "08:30",
        late=_PRICES,
    ),
    ReleaseRule(
        *("PAYEMS", "employees on nonfarm payrolls", "monthly", 12),
        "on the third Friday after the week of the 12th: up to the 12th of the month after",
        f"{_BLS}/empsit.htm",
        "08:30",
        late=_JOBS,
    ),
    ReleaseRule(
        *("UNRATE", "unemployment rate", "monthly", 12),
        "with the payrolls: up to the 12th of the month after",
        f"{_BLS}/empsit.htm",
        "08:30",
        transform="difference",
        late=_JOBS,
    ),
    ReleaseRule(
        *("ICSA", "initial claims for unemployment insurance", "weekly", 6),
        "on the Thursday after the week's last Saturday, or a day later beside a holiday",
        "https://www.dol.gov/ui/data.pdf",
        "08:30",
        late=_CLAIMS,
    ),
    *(
        ReleaseRule(
            *(name, title, "quarterly", 31),
            "the advance estimate comes up to 31 days after the quarter; two revisions follow",
            "https://www.bea.gov/news/schedule",
            "08:30",
            late=_OUTPUT,
        )
        for name, title in (
            ("GDP", "gross domestic product"),
            ("GDPC1", "real gross domestic product"),
        )
    ),
    ReleaseRule(
        *("UMCSENT", "consumer sentiment, University of Michigan", "monthly", 5),
        "final figures at 10:00 on the last Friday of the month, rarely in the first days after",
        "https://data.sca.isr.umich.edu/",
        "10:00",
        is_revised=False,
        transform="difference",
    ),
    ReleaseRule(
        *("USEPUINDXD", "economic policy uncertainty in newspapers, daily", "daily", 2),
        "each morning for the day before; the last days and the scale are revised",
        "https://www.policyuncertainty.com/us_monthly.html",
        "10:00",
    ),
    _yield("T10Y2Y", "ten-year less two-year Treasury yield"),
    _yield("DGS10", "ten-year Treasury yield"),
    _yield("DFF", "effective federal funds rate"),
    _volatility_index("VIXCLS", "CBOE volatility index, 30 days"),
    _volatility_index("VIX9D", "CBOE volatility index, 9 days"),
    _volatility_index("VIX3M", "CBOE volatility index, 3 months"),
    ReleaseRule(
        *("TRENDS", "search interest, Google Trends", "monthly", 3),
        "within three days; each export is scaled to its own maximum, later days included",
        "https://support.google.com/trends/answer/4365533",
        transform="log",
    ),
):
    RELEASE_RULES.add(_rule.name, _rule)


def release_rule(name: str) -> ReleaseRule | None:
    """Return a series' declared rule; None where nobody declares one."""
    known = name in RELEASE_RULES  # its own words for an unknown name are an error
    return RELEASE_RULES[name] if known else None


#: Other names of series → the name under which they are kept.
OTHER_NAMES = {"VIX": "VIXCLS", "^VIX": "VIXCLS", "^VIX9D": "VIX9D", "^VIX3M": "VIX3M"}
