"""Sessions, gaps, and the first day whose bar cannot be complete."""

import datetime as dt

import pytest

from finscale.data import calendar
from finscale.errors import DataError


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
    with pytest.raises(DataError, match="XHKG does not cover 1950–1951"):
        calendar.sessions("XHKG", dt.date(1950, 1, 3), dt.date(1951, 1, 3))


def test_real_series_have_no_gap_since_1962(shared_data):
    import polars as pl

    for symbol in ("GE", "SPY"):
        dates = pl.read_csv(shared_data / "market" / f"{symbol}.csv", try_parse_dates=True)["date"]
        assert calendar.gaps(dates.to_list(), "XNYS") == []
        assert set(dates) <= set(calendar.sessions("XNYS", dates[0], dates[-1]))
