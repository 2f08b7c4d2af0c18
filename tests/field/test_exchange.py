"""Whose sessions are these? Files of exchanges other than New York's."""

from __future__ import annotations

import datetime as dt

import pytest

from finscale.errors import DataError

NEW_YEAR = dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("name", "lost", "fits", "bars"),
    [
        ("dax_default.csv", 12, "XETR", 381),
        ("ftse_default.csv", 9, "XLON", 376),
        ("gold_spot_weekdays.csv", 16, "24/5", 390),
    ],
)
def test_another_exchange_is_asked_about_and_its_calendar_takes_every_bar(
    bars_of, name, lost, fits, bars
):
    with pytest.raises(DataError, match=f"{lost} bars fall on days without a session of XNYS") as e:
        bars_of(name, "ITS")
    assert f"--calendar {fits}" in e.value.hint
    found = bars_of(name, "ITS", calendar=fits)
    assert (len(found), found.repairs) == (bars, ())


def test_a_calendar_that_was_named_is_used_and_its_better_is_said(bars_of):
    bars = bars_of("dax_default.csv", "DAX", calendar="XNYS")
    assert len(bars) == 369
    assert len(bars.repairs) == 12
    assert str(bars.repairs[0].reason).endswith("row left out (XETR fits these bars better)")


def test_tel_aviv_from_sunday_to_thursday(bars_of):
    bars = bars_of("tlv_sun_thu.csv", "TLV", calendar="XTAE")
    assert {day.isoweekday() for day in bars.frame["date"]} == {7, 1, 2, 3, 4}
    # what the file has on holidays of Tel Aviv is listed
    assert len(bars) + len(bars.repairs) == 130
    assert len(bars.repairs) == 9


@pytest.mark.parametrize("calendar", ["XSHG", "XBOM", "XSES"])
def test_a_calendar_that_has_ended_takes_bars_of_2015(bars_of, calendar):
    bars = bars_of("shanghai_2015.csv", "SSE", calendar=calendar, now=NEW_YEAR)
    assert len(bars) + len(bars.repairs) == 488
    assert bool(bars.repairs) == (calendar != "XSHG")
