"""Field files whose difficulty is their dates: each is read rightly or refused with its reason."""

import datetime as dt

import pytest

from finscale.errors import DataError

# clock of the tests: the files end in 2024
NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
FIRST, LAST = dt.date(2024, 1, 2), dt.date(2024, 6, 28)


@pytest.mark.parametrize(
    "name",
    [
        "excel_serial.csv",
        "yyyymmdd_float.csv",
        "yymmdd.csv",
        "yy_mm_dd.csv",
        "postgres_tz.csv",
        "fullmonth_dash.csv",
        "weekday_prefix.csv",
        "ib_tws_dates.csv",
    ],
)
def test_days_of_2024(bars_of, name):
    bars = bars_of(name, "SPY", adjustment="split", now=NOW)
    dates = bars.frame["date"].to_list()
    assert (dates[0], dates[-1], len(dates)) == (FIRST, LAST, 124)
    assert bars.repairs == ()


def test_lean_days(bars_of):
    # its prices are ten thousands of dollars, which is not the dates' concern
    dates = bars_of("lean_daily_hdr.csv", "SPY", adjustment="split", now=NOW).frame["date"]
    assert (dates[0], dates[-1], len(dates)) == (dt.date(2022, 1, 3), LAST, 625)


def test_year_first_in_a_few_rows(bars_of):
    bars = bars_of("yy_mm_dd_8rows.csv", "SPY", adjustment="split", now=NOW)
    days = [2, 3, 4, 5, 8, 9, 10, 11, 12]
    assert bars.frame["date"].to_list() == [dt.date(2024, 1, day) for day in days]
    assert bars.provenance["dates"] == "24/01/02 is 2024-01-02"


@pytest.mark.parametrize("date_format", [None, "%m/%d/%y"])
def test_years_of_the_sixties(bars_of, date_format):
    wishes = {"adjustment": "raw", "now": NOW, "calendar": "none", "date_format": date_format}
    bars = bars_of("mdy2_1965.csv", "SPY", **wishes)
    assert (bars.first_date, bars.last_date) == (dt.date(1962, 1, 2), dt.date(1974, 12, 31))
    assert len(bars) == 3318


def test_unix_times_that_a_spreadsheet_rounded(bars_of):
    with pytest.raises(DataError, match=r"row 2: '1.70415E\+12' has lost its last digits"):
        bars_of("epoch_sci.csv", "SPY", adjustment="split", now=NOW)


@pytest.mark.parametrize("calendar", ["none", "24/5"])
def test_bars_that_open_the_evening_before(bars_of, calendar):
    bars = bars_of("oanda_EURUSD.csv", "EURUSD", adjustment="raw", calendar=calendar, now=NOW)
    dates = bars.frame["date"]
    assert (dates[0], dates[-1], len(dates)) == (dt.date(2023, 1, 2), LAST, 390)
    assert set(dates.dt.weekday()) == {1, 2, 3, 4, 5}
    assert "the evening before (21:00 to 22:00 UTC)" in bars.provenance["sessions"]


@pytest.mark.parametrize("calendar", ["none", "XASX"])
def test_bars_of_sydney(bars_of, calendar):
    bars = bars_of("tv_ASX.csv", "BHP", adjustment="split", calendar=calendar, now=NOW)
    dates = bars.frame["date"]
    assert (dates[0], dates[-1], len(dates)) == (FIRST, LAST, 124)
    assert set(dates.dt.weekday()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("name", ["oanda_EURUSD.csv", "tv_ASX.csv"])
def test_evenings_on_the_default_calendar_are_another_exchanges(bars_of, name):
    with pytest.raises(DataError, match="when XNYS is closed") as caught:
        bars_of(name, "BHP", adjustment="split", now=NOW)
    assert "--calendar" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weekly_friday.csv", "these are weekly bars"),
        ("monthly_last.csv", "these are monthly bars"),
        ("hourly_2days.csv", "14 bars on 2 dates, an hour apart: intraday bars"),
    ],
)
def test_bars_that_are_not_daily(bars_of, name, message):
    with pytest.raises(DataError, match=message) as caught:
        bars_of(name, "SPY", adjustment="split", now=NOW)
    assert "daily bars" in caught.value.hint


def test_weekly_bars_on_the_users_word(bars_of):
    wishes = {"adjustment": "split", "now": NOW, "cadence": "daily"}
    bars = bars_of("weekly_friday.csv", "THIN", **wishes)
    assert (len(bars), bars.provenance["cadence"]) == (130, "daily, as the user says")
