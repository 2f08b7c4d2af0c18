"""Whose sessions are these? Days of one exchange held against another's calendar."""

from __future__ import annotations

import datetime as dt
import random

import polars as pl
import pytest

from finscale.data import calendar, exchanges
from finscale.data.calendar_fit import CANDIDATES, FURTHER, better_calendar
from finscale.data.sources import fetch_bars
from finscale.errors import DataError


def _rows(days):
    """Return a random walk on the days."""
    draw = random.Random(1)
    close = 100.0
    rows = []
    for day in days:
        start, close = close, close * (1 + draw.gauss(0, 0.01))
        low, high = min(start, close) * 0.999, max(start, close) * 1.001
        rows.append((day, start, high, low, close))
    return pl.DataFrame(rows, schema=["date", "open", "high", "low", "close"], orient="row")


def _sessions(name, first="2019-01-02", last="2023-12-29"):
    return calendar.sessions(name, dt.date.fromisoformat(first), dt.date.fromisoformat(last))


def _import(tmp_path, days, **options):
    file = tmp_path / "bars.csv"
    _rows(days).write_csv(file)
    return fetch_bars("csv", "X", file=file, adjustment="raw", **options)


@pytest.mark.parametrize(
    "name",
    ["XETR", "XLON", "XTSE", "XASX", "XJSE", "24/5", "CMES", "XBUD", "XBSE", "ASEX", "XMOS"],
)
@pytest.mark.parametrize("first", ["2019-01-02", "2023-01-02"])
def test_sessions_of_another_exchange_are_known(name, first):
    days = _sessions(name, first)
    better = better_calendar(_rows(days), "XNYS")
    assert better is not None
    assert name in (better.name, *better.alike)


def test_every_exchange_that_the_library_knows_can_be_asked_about():
    names = {*CANDIDATES, *FURTHER}
    left = set(exchanges.library().get_calendar_names(include_aliases=False)) - names
    # those whose days are Frankfurt's, and markets of energy, derivatives and interest rates
    german = {"XFRA", "XDUS", "XHAM", "XSTU", "XLUX"}
    assert left <= german | {"IEPA", "XEEE", "XEUR", "XCBF", "us_futures"}


@pytest.mark.parametrize("name", ["XNYS", "XLON"])
def test_lost_days_and_a_halt_do_not_make_another_exchange(name):
    draw = random.Random(7)
    days = [day for day in _sessions(name) if draw.random() > 0.03]
    days = days[:300] + days[420:]
    assert better_calendar(_rows(days), name) is None


def test_a_london_series_with_lost_days_is_still_known():
    draw = random.Random(7)
    days = [day for day in _sessions("XLON") if draw.random() > 0.03]
    better = better_calendar(_rows(days[:300] + days[420:]), "XNYS")
    assert better is not None
    assert better.name == "XLON"


def test_a_few_foreign_rows_stay_a_listed_repair(tmp_path):
    # Good Friday, Thanksgiving, a Saturday
    strange = [dt.date(2023, 4, 7), dt.date(2023, 11, 23), dt.date(2023, 6, 3)]
    bars = _import(tmp_path, sorted([*_sessions("XNYS", "2023-01-03"), *strange]))
    assert len(bars) == 250
    assert sorted(repair.date for repair in bars.repairs) == sorted(strange)


def test_holidays_filled_with_the_last_prices_are_no_bars():
    days = _sessions("24/5", "2023-01-02")
    rows = _rows(days)
    own = pl.col("date").is_in(pl.Series(_sessions("XNYS", "2023-01-02")).implode())
    prices = ("open", "high", "low", "close")
    filled = rows.with_columns(
        pl.when(own).then(price).forward_fill().fill_null(100.0).alias(price) for price in prices
    )
    assert better_calendar(filled, "XNYS") is None
    assert better_calendar(rows, "XNYS").name == "24/5"


def test_the_question_names_the_way_out(tmp_path):
    days = _sessions("XLON", "2023-01-03")
    with pytest.raises(DataError, match="the days are those of XLON") as caught:
        _import(tmp_path, days)
    assert caught.value.hint.startswith("--calendar XLON")
    assert len(_import(tmp_path, days, calendar="XLON")) == len(days)
    named = _import(tmp_path, days, calendar="XNYS")
    assert len(named) < len(days)
    assert all("XLON fits these bars better" in repair.reason for repair in named.repairs)


def test_a_calendar_that_is_only_the_nearest_is_called_so(tmp_path):
    with pytest.raises(DataError, match="the days are nearest to those of"):
        days = _sessions("XBUD", "2021-01-04")
        _import(tmp_path, [day for number, day in enumerate(days) if number % 100])


def test_what_trades_every_day_is_told_so(tmp_path):
    days = _sessions("24/7", "2023-01-02", "2023-06-30")
    with pytest.raises(DataError, match="the days are those of 24/7") as caught:
        _import(tmp_path, days)
    assert "--calendar none accepts every day" in caught.value.hint
    # that would leave out a third of the bars
    assert "XNYS" not in caught.value.hint
    with pytest.raises(DataError, match="56 of 180 bars, such as Monday"):
        _import(tmp_path, days, calendar="XNYS")


@pytest.mark.parametrize("step", [7, 30])
def test_weekly_and_monthly_bars_follow_no_exchange(step):
    first = dt.date(2015, 1, 2)
    days = [first + dt.timedelta(days=step * number) for number in range(200)]
    assert better_calendar(_rows(days), "XNYS") is None


@pytest.mark.parametrize(
    ("closed", "fits"), [([(1, 1), (12, 25)], "24/5"), ([(1, 1), (12, 25), (4, 7)], "CMES")]
)
def test_currencies_and_metals_on_new_yorks_holidays(closed, fits):
    # closed at New Year and Christmas; metals on Good Friday too
    days = [day for day in _sessions("24/5", "2023-01-02") if (day.month, day.day) not in closed]
    assert better_calendar(_rows(days), "XNYS").name == fits


def test_new_york_with_flaws_is_never_taken_for_another_exchange():
    draw = random.Random(3)
    sessions, weekdays = _sessions("XNYS", "2015-01-02"), _sessions("24/5", "2015-01-02")
    holidays = sorted(set(weekdays) - set(sessions))
    for _ in range(30):
        count = draw.choice([40, 120, 250, 800, 2200])
        start = draw.randrange(len(sessions) - count)
        lost = draw.choice([0, 0.01, 0.05])
        days = {day for day in sessions[start : start + count] if draw.random() >= lost}
        inside = [day for day in holidays if min(days) < day < max(days)]
        days |= set(draw.sample(inside, min(len(inside), 2)))
        assert better_calendar(_rows(sorted(days)), "XNYS") is None
