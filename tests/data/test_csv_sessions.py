"""The session that a time stamp belongs to."""

import datetime as dt

import numpy as np
import pytest

from finscale.data.sources.csv_dates import DateWishes, parse_dates
from finscale.errors import DataError

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
WEEKDAYS = [
    day.item() for day in np.busday_offset("2024-01-01", np.arange(30), roll="forward")
]  # from a Monday
EVERY_DAY = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(30)]


def _read(cells, calendar="none", session_of=None):
    wishes = DateWishes(session_of=session_of, calendar=calendar, now=NOW)
    lines = list(range(2, len(cells) + 2))
    return parse_dates(cells, lines, place="bars.csv", wishes=wishes)


def _stamps(days, clock, *, evening_before=False):
    """Days as ``2024-01-01 22:00Z``, or the evening before each of them."""
    ahead = dt.timedelta(days=int(evening_before))
    return [f"{day - ahead} {clock}" for day in days]


@pytest.mark.parametrize(
    ("clock", "calendar"),
    [
        ("14:30:00Z", "XNYS"),
        ("14:30:00Z", "none"),  # New York opens
        ("21:00:00Z", "none"),  # New York closes
        ("16:00:00", "none"),
        ("17:00:00", "us_futures"),  # futures close
        ("17:00:00-05:00", "XNYS"),
        ("23:59:59.999Z", "none"),
        ("00:00:00Z", "XNYS"),  # a plain date stored as a time
        ("00:00:00-05:00", "XNYS"),
        ("08:00:00+08:00", "none"),
    ],
)
def test_stamps_on_the_day_itself(clock, calendar):
    dates, _ = _read(_stamps(WEEKDAYS, clock), calendar)
    assert dates == WEEKDAYS


@pytest.mark.parametrize(
    ("clock", "calendar"),
    [
        ("22:00:00Z", "none"),
        ("22:00:00Z", "24/5"),
        ("23:00:00Z", "us_futures"),
        ("23:00:00Z", "CMES"),
        ("18:00:00", "us_futures"),
        ("17:00:00-06:00", "none"),
        ("23:00:00Z", "XASX"),
        ("15:00:00Z", "XTKS"),  # midnight in Tokyo
    ],
)
def test_stamps_of_the_evening_before(clock, calendar):
    dates, notes = _read(_stamps(WEEKDAYS, clock, evening_before=True), calendar)
    assert dates == WEEKDAYS
    assert notes["sessions"]


@pytest.mark.parametrize("clock", ["22:00:00Z", "18:00:00-05:00", "17:00"])
def test_evenings_of_an_exchange_that_is_closed_by_then(clock):
    """The default calendar is New York's stock exchange; these bars are of FX or futures."""
    cells = _stamps(WEEKDAYS, clock, evening_before=True)
    with pytest.raises(DataError, match="when XNYS is closed: they are of another exchange"):
        _read(cells, "XNYS")
    assert _read(cells, "XNYS", session_of="open")[0] == WEEKDAYS


def test_clocks_that_change_in_march():
    # 10:00 in Sydney is 23:00 UTC of the day before in summer and 00:00 UTC in winter
    cells = _stamps(WEEKDAYS[:15], "23:00Z", evening_before=True) + _stamps(WEEKDAYS[15:], "00:00Z")
    assert _read(cells)[0] == WEEKDAYS
    # midnight in London: an offset of zero is not UTC where others are not zero
    cells = _stamps(WEEKDAYS[:15], "00:00:00+00:00") + _stamps(WEEKDAYS[15:], "00:00:00+01:00")
    assert _read(cells, "XLON")[0] == WEEKDAYS


def test_sundays_on_which_an_exchange_trades_stay():
    sundays_to_thursdays = [day - dt.timedelta(days=1) for day in WEEKDAYS]
    dates, notes = _read(_stamps(sundays_to_thursdays, "07:00Z"))
    assert dates == sundays_to_thursdays
    assert "--session-of open: Mondays to Fridays" in notes["sessions"]
    dates, _ = _read(_stamps(sundays_to_thursdays, "17:30+03:00"), "XSAU")
    assert dates == sundays_to_thursdays
    # Tokyo's midnight, or the close of Tel Aviv
    with pytest.raises(DataError, match="15:00 UTC and fall on Sundays to Thursdays") as caught:
        _read(_stamps(sundays_to_thursdays, "15:00Z"))
    assert "--calendar XTKS" in caught.value.hint
    assert _read(_stamps(sundays_to_thursdays, "15:00Z"), session_of="open")[0] == WEEKDAYS
    dates, _ = _read(_stamps(sundays_to_thursdays, "15:00Z"), session_of="close")
    assert dates == sundays_to_thursdays


def test_what_trades_every_day_is_asked_about_unless_midnight():
    assert _read(_stamps(EVERY_DAY, "00:00Z"))[0] == EVERY_DAY
    assert _read([str(day) for day in EVERY_DAY])[0] == EVERY_DAY
    evening = _stamps(EVERY_DAY, "16:00Z", evening_before=True)  # midnight in Hong Kong
    for calendar in ("none", "24/7"):
        with pytest.raises(DataError, match=r"16:00 UTC.* nothing tells") as caught:
            _read(evening, calendar)
        assert "--session-of open or --session-of close" in caught.value.hint
    assert _read(evening, session_of="open")[0] == EVERY_DAY
    assert _read(_stamps(EVERY_DAY, "16:00Z"), session_of="close")[0] == EVERY_DAY


def test_a_few_evenings_tell_nothing():
    cells = _stamps(WEEKDAYS[1:4], "22:00Z", evening_before=True)
    with pytest.raises(DataError, match="nothing tells"):
        _read(cells)
    assert _read(cells, session_of="open")[0] == WEEKDAYS[1:4]


def test_bars_stamped_when_the_session_was_over():
    tuesdays_to_saturdays = [day + dt.timedelta(days=1) for day in WEEKDAYS]
    for clock in ("", "00:00", "05:00+09:00"):
        cells = _stamps(tuesdays_to_saturdays, clock)
        with pytest.raises(DataError, match="fall on Tuesdays to Saturdays"):
            _read(cells)
        assert _read(cells, session_of="close")[0] == WEEKDAYS


def test_one_live_bar_at_the_end_changes_nothing():
    cells = [*_stamps(WEEKDAYS[:-1], "00:00:00-05:00"), f"{WEEKDAYS[-1]} 19:59:01-05:00"]
    assert _read(cells, "XNYS")[0] == WEEKDAYS


def test_intraday_bars_are_named():
    cells = [f"{day} {hour:02}:30" for day in WEEKDAYS for hour in range(9, 16)]
    with pytest.raises(DataError, match="210 bars on 30 dates, an hour apart: intraday") as caught:
        _read(cells)
    assert "weekly" in caught.value.hint
    # the time stands in a column of its own
    cells = [str(day) for day in WEEKDAYS[:2] for _ in range(7)]
    with pytest.raises(DataError, match=r"7 rows for 2024-01-01 .* intraday bars whose time is in"):
        _read(cells)


def test_a_wrong_word_is_named():
    with pytest.raises(DataError, match="'opening' is not an end of a session"):
        DateWishes(session_of="opening")
    with pytest.raises(DataError, match="19 is not a century"):
        DateWishes(century=19)
