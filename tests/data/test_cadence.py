"""Daily bars with gaps, and bars that are slower than daily."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.data.cadence import cadence, refuse_slow_bars, slow_stretch
from finscale.errors import DataError

START = dt.date(2022, 1, 3)  # a Monday
DAYS = [day.item() for day in np.busday_offset("2022-01-03", np.arange(600), roll="forward")]


def _every(days, count=60, start=START):
    return [start + dt.timedelta(days=days * n) for n in range(count)]


def _months(interval, end, count=24):
    return pl.date_range(
        dt.date(2022, 1, 31 if end else 1),
        dt.date(2050, 1, 1),
        interval,
        eager=True,
    ).to_list()[:count]


def _on_weekdays(dates, roll):
    return [d.item() for d in np.busday_offset(np.array(dates, "datetime64[D]"), 0, roll=roll)]


def _fridays_with_holidays():
    fridays = _every(7, start=dt.date(2022, 1, 7))
    return [day - dt.timedelta(days=int(n % 20 == 7)) for n, day in enumerate(fridays)]


@pytest.mark.parametrize(
    ("name", "dates"),
    [
        ("weekly", _every(7)),
        ("weekly", _every(7, count=4)),
        ("weekly", _every(7, start=dt.date(2022, 1, 2))),  # Sundays
        ("weekly", _fridays_with_holidays()),
        ("weekly", [*_every(7), START + dt.timedelta(days=59 * 7 + 3)]),  # the week so far
        ("weekly", _every(7, count=20) + _every(7, start=dt.date(2022, 9, 5))),  # a halt
        ("fortnightly", _every(14)),
        ("monthly", _months("1mo", end=True)),
        ("monthly", _months("1mo", end=False)),
        ("monthly", _on_weekdays(_months("1mo", end=True), "backward")),
        ("monthly", _on_weekdays(_months("1mo", end=False), "forward")),
        ("quarterly", _on_weekdays(_months("3mo", end=False), "forward")),
        ("yearly", _on_weekdays(_months("1y", end=False), "forward")),
        ("daily", DAYS),
        ("daily", _every(1)),
        ("daily", DAYS[:3]),
        ("daily", DAYS[::2]),
        ("daily", DAYS[:200] + DAYS[400:]),
        ("daily", []),
    ],
)
def test_cadence(name, dates):
    assert cadence(dates) == name


@pytest.mark.parametrize("share", [0.04, 0.1, 0.2, 0.5])
def test_a_stock_that_hardly_trades_is_daily(share):
    for seed in range(20):
        traded = np.random.default_rng(seed).random(len(DAYS)) < share
        dates = [day for day, is_traded in zip(DAYS, traded, strict=True) if is_traded]
        assert slow_stretch(dates) is None


def test_weekly_bars_before_daily_ones_are_named():
    early = _every(7, count=50, start=dt.date(2020, 6, 1))
    found = slow_stretch([*early, *DAYS])
    assert found is not None
    assert (found.cadence, found.first, found.whole) == ("weekly", early[0], False)
    with pytest.raises(DataError, match=r"from 2020-06-01 to .* one bar a week") as caught:
        refuse_slow_bars([*early, *DAYS], what="bars.csv")
    assert "--drop 2020-06-01:2021-05-10" in caught.value.hint
    refuse_slow_bars(DAYS, what="bars.csv")
