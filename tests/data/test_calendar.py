"""Sessions, gaps, and the first day whose bar cannot be complete."""

import contextlib
import datetime as dt
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from finscale.data import calendar, exchanges
from finscale.errors import DataError

#: Made by count_sessions.py under pandas 2.
FIGURES = json.loads((Path(__file__).parent / "session_counts.json").read_text())["calendars"]


def _days(text):
    return [dt.date.fromisoformat(day) for day in text.split()]


def test_sessions_know_holidays_and_special_closures():
    # 11 September 2001 and the three days after it; the weekends
    found = calendar.sessions("XNYS", dt.date(2001, 9, 7), dt.date(2001, 9, 18))
    assert found == _days("2001-09-07 2001-09-10 2001-09-17 2001-09-18")


def test_holidays_before_1970_are_known():
    found = calendar.sessions("XNYS", dt.date(1963, 11, 21), dt.date(1963, 11, 29))
    # the 25th: Kennedy's funeral; the 28th: Thanksgiving
    assert found == _days("1963-11-21 1963-11-22 1963-11-26 1963-11-27 1963-11-29")
    assert dt.date(1962, 12, 25) not in calendar.sessions(
        "XNYS", dt.date(1962, 12, 1), dt.date(1962, 12, 31)
    )


def test_gaps_are_runs_of_sessions():
    dates = _days("2024-01-02 2024-01-05 2024-01-09 2024-01-16")
    found = [str(gap) for gap in calendar.gaps(dates, "XNYS")]
    assert found == [
        "2024-01-03 – 2024-01-04 (2 sessions)",
        "2024-01-08",
        "2024-01-10 – 2024-01-12 (3 sessions)",
    ]
    assert calendar.gaps(dates, "none") == []
    assert calendar.gaps([], "XNYS") == []


@pytest.mark.parametrize(
    ("name", "now", "first_unfinished"),
    [
        # Friday after Thanksgiving closes at 13:00 in New York, 18:00 UTC
        ("XNYS", "2024-11-29T17:59", "2024-11-29"),
        ("XNYS", "2024-11-29T18:00", "2024-11-30"),
        # Monday evening in London is Tuesday morning in Tokyo
        ("XTKS", "2024-11-25T23:00", "2024-11-26"),
        ("XNYS", "2024-11-30T12:00", "2024-12-01"),
        ("none", "2024-11-29T23:59", "2024-11-29"),
        ("weekdays", "2024-11-30T12:00", "2024-12-01"),
        # before the first and after the last session of a year
        ("XNYS", "2027-01-01T15:00", "2027-01-02"),
        ("XNYS", "2022-12-31T15:00", "2023-01-01"),
        ("XTKS", "2025-12-30T05:59", "2025-12-30"),
        ("XTKS", "2025-12-31T06:00", "2026-01-01"),
        ("XTKS", "2026-01-03T06:00", "2026-01-04"),
    ],
)
def test_unfinished(name, now, first_unfinished):
    moment = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    assert calendar.unfinished(name, moment) == dt.date.fromisoformat(first_unfinished)


def test_time_zones():
    assert str(calendar.timezone("XTKS")) == "Asia/Tokyo"
    assert str(calendar.timezone("none")) == "UTC"


def test_an_unknown_calendar_and_years_before_its_records_are_refused():
    with pytest.raises(DataError, match="'XLOM' is not an exchange calendar") as caught:
        calendar.sessions("XLOM", dt.date(2020, 1, 1), dt.date(2020, 1, 2))
    assert "Did you mean XLON?" in caught.value.hint
    with pytest.raises(DataError, match="XHKG begins on 1960-01-01, after 1950-01-03"):
        calendar.sessions("XHKG", dt.date(1950, 1, 3), dt.date(1951, 1, 3))


def test_real_series_have_no_gap_since_1962(shared_data):
    import polars as pl

    for symbol in ("GE", "SPY"):
        dates = pl.read_csv(shared_data / "market" / f"{symbol}.csv", try_parse_dates=True)["date"]
        assert calendar.gaps(dates.to_list(), "XNYS") == []
        assert set(dates) <= set(calendar.sessions("XNYS", dates[0], dates[-1]))


def test_a_calendar_that_has_ended_refuses_later_bars_and_no_others():
    moment = dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC)
    assert calendar.unfinished("XSHG", moment) == dt.date(2027, 1, 5)
    assert calendar.sessions("XSHG", dt.date(2026, 12, 31), dt.date(2026, 12, 31))
    with pytest.raises(DataError, match=r"ends on 2026-12-31, before 2027-01-04") as e:
        calendar.sessions("XSHG", dt.date(2026, 12, 30), dt.date(2027, 1, 4))
    assert "--drop 2027-01-01:2027-01-04" in e.value.hint


def test_the_first_year_of_a_calendar_that_begins_in_december():
    found = calendar.sessions("XSHG", dt.date(1990, 12, 3), dt.date(1990, 12, 31))
    assert (found[0], found[-1]) == (dt.date(1990, 12, 3), dt.date(1990, 12, 31))


@pytest.mark.parametrize(
    ("name", "session", "holiday"),
    [
        ("ASEX", "2024-05-07", "2024-05-03"),  # Orthodox Good Friday, five weeks after the Western
        ("XTAE", "2024-04-01", "2024-04-29"),  # Western Easter Monday; the end of Passover
        ("XKRX", "1995-03-04", "1995-03-05"),  # a Saturday, when Seoul had sessions on it
        ("XMOS", "2009-01-11", "2009-01-10"),  # a Sunday on which Moscow made up for a holiday
        ("XBOM", "2025-02-01", "2025-02-08"),  # the Saturday of the budget
    ],
)
def test_rules_of_the_library_that_pandas_has_left_behind(name, session, holiday):
    day, other = dt.date.fromisoformat(session), dt.date.fromisoformat(holiday)
    found = calendar.sessions(name, min(day, other), max(day, other))
    assert day in found
    assert other not in found


def test_every_calendar_of_the_library_has_figures():
    known = exchanges.library().get_calendar_names(include_aliases=False)
    assert set(FIGURES) == set(known)


@pytest.mark.parametrize("name", FIGURES)
def test_sessions_are_those_under_pandas_2(name):
    least, most = exchanges.bounds(name)
    first, last = max(least, dt.date(1990, 1, 1)), min(most, dt.date(2025, 12, 31))
    found = calendar.sessions(name, first, last)
    years = Counter(day.year for day in found)
    digest = hashlib.md5(" ".join(map(str, found)).encode()).hexdigest()
    counts = [years[year] for year in range(first.year, last.year + 1)]
    assert FIGURES[name] == {"from": first.year, "sessions": counts, "md5": digest}


def test_what_the_library_cannot_work_out_is_one_sentence(monkeypatch):
    class Broken:
        day = None

        @property
        def regular_holidays(self):
            raise KeyError("lunar year")

        def bound_min(self):
            return None

        bound_max = bound_min

    monkeypatch.setattr(exchanges, "about", lambda name: Broken())
    with pytest.raises(DataError, match="cannot work out the sessions of XKLS for") as caught:
        exchanges.sessions("XKLS", dt.date(1950, 1, 1), dt.date(1950, 12, 31))
    assert "--calendar none" in caught.value.hint


@pytest.mark.parametrize("name", ["XNYS", "XTKS", "XTAE", "XKLS", "ASEX", "24/7"])
def test_years_long_ago_and_far_ahead_end_in_no_traceback(name):
    for year in (1955, 1969, 2030, 2190):
        with contextlib.suppress(DataError):
            assert len(calendar.sessions(name, dt.date(year, 1, 1), dt.date(year, 12, 31))) > 200
