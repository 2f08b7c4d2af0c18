import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.data.timescales import TIMESCALES, last_finished, resample
from finscale.errors import DataError, FinscaleError


def bars(days: list[dt.date], seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
    return pl.DataFrame(
        {
            "date": days,
            "symbol": ["X"] * len(days),
            "open": close * 1.001,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": rng.integers(1, 100, len(days)).astype(float),
        }
    )


def weekdays(start: dt.date, count: int, holidays: tuple[dt.date, ...] = ()) -> list[dt.date]:
    days = (start + dt.timedelta(i) for i in range(2 * count + 20))
    return [d for d in days if d.weekday() < 5 and d not in holidays][:count]


GOOD_FRIDAY = dt.date(2024, 3, 29)


def test_five_sessions_make_one_bar_by_hand():
    frame = pl.DataFrame(
        {
            "date": weekdays(dt.date(2024, 1, 2), 6),
            "symbol": ["X"] * 6,
            "open": [1.0, 2, 3, 4, 5, 6],
            "high": [9.0, 8, 12, 7, 6, 99],
            "low": [1.0, 0.5, 3, 4, 5, 0.1],
            "close": [2.0, 3, 4, 5, 6, 7],
            "volume": [10.0, 20, 30, 40, 50, 60],
        }
    )
    slow = resample(frame, "5d")
    assert slow.rows() == [(dt.date(2024, 1, 8), "X", 1.0, 12.0, 0.5, 6.0, 150.0)]
    assert last_finished(frame, "5d").tolist() == [-1, -1, -1, -1, 0, 0]


def test_weekly_bars_end_with_their_last_session_and_the_current_week_is_left_out():
    # Monday 2024-03-18 … Wednesday 2024-04-10; Good Friday is no session
    frame = bars(weekdays(dt.date(2024, 3, 18), 17, holidays=(GOOD_FRIDAY,)))
    assert resample(frame, "weekly")["date"].to_list() == [
        dt.date(2024, 3, 22),
        dt.date(2024, 3, 28),
        dt.date(2024, 4, 5),
    ]


def test_a_week_cut_by_a_holiday_is_seen_from_the_next_session_on():
    frame = bars(weekdays(dt.date(2024, 3, 18), 17, holidays=(GOOD_FRIDAY,)))
    seen = dict(zip(frame["date"].to_list(), last_finished(frame, "weekly").tolist(), strict=True))
    assert seen[dt.date(2024, 3, 21)] == -1
    assert seen[dt.date(2024, 3, 22)] == 0  # a Friday closes its week
    assert seen[dt.date(2024, 3, 28)] == 0  # Thursday: nothing yet proves that Friday is closed
    assert seen[dt.date(2024, 4, 1)] == 1


def test_a_first_week_without_its_beginning_is_left_out():
    frame = bars(weekdays(dt.date(2024, 1, 10), 8))  # from a Wednesday
    assert resample(frame, "weekly")["date"].to_list() == [dt.date(2024, 1, 19)]


def test_monthly_bars():
    frame = bars(weekdays(dt.date(2024, 1, 1), 70))
    slow = resample(frame, "monthly")
    assert slow["date"].to_list() == [dt.date(2024, 1, 31), dt.date(2024, 2, 29), GOOD_FRIDAY]
    february = frame.filter(pl.col("date").dt.month() == 2)
    assert slow["volume"][1] == february["volume"].sum()
    assert slow["open"][1] == february["open"][0]


def test_two_week_bars_do_not_depend_on_where_the_data_start():
    days = weekdays(dt.date(2024, 1, 1), 60)
    whole = resample(bars(days), "2wk")["date"].to_list()
    later = resample(bars(days[7:]), "2wk")["date"].to_list()
    assert whole[-len(later) :] == later
    assert np.diff(np.array(whole, dtype="datetime64[D]")).astype(int).tolist() == [14] * 4


def test_a_market_seen_to_trade_on_weekends_closes_its_week_on_sunday():
    frame = bars([dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(30)])
    assert resample(frame, "weekly")["date"].to_list() == [
        dt.date(2024, 1, 5),  # nothing has told yet that Saturday is a session
        dt.date(2024, 1, 12),
        dt.date(2024, 1, 21),
        dt.date(2024, 1, 28),
    ]


def test_one_late_saturday_changes_nothing_before_it():
    days = [*weekdays(dt.date(2024, 1, 1), 40), dt.date(2024, 2, 24)]
    for timescale in ("weekly", "2wk", "monthly"):
        for cut in range(1, len(days)):
            whole = last_finished(bars(days), timescale)[:cut]
            assert whole.tolist() == last_finished(bars(days[:cut]), timescale).tolist()


def test_daily_bars_stay_as_they_are():
    frame = bars(weekdays(dt.date(2024, 1, 2), 9))
    for name in ("daily", "daily+multi"):
        assert resample(frame, name).equals(frame)
        assert last_finished(frame, name).tolist() == list(range(9))


def test_an_empty_frame_gives_no_bars():
    frame = bars(weekdays(dt.date(2024, 1, 2), 5)).clear()
    assert resample(frame, "weekly").height == 0
    assert last_finished(frame, "weekly").size == 0


def test_errors_name_the_place():
    frame = bars(weekdays(dt.date(2024, 1, 2), 5))
    with pytest.raises(DataError, match="2024-01-02 follows 2024-01-03"):
        resample(frame[[1, 0, 2]], "5d")
    with pytest.raises(DataError, match="column rsi has no meaning"):
        resample(frame.with_columns(rsi=pl.lit(50.0)), "5d")
    with pytest.raises(FinscaleError, match="'weakly' is not a timescale") as error:
        resample(frame, "weakly")
    assert "weekly" in error.value.hint


@st.composite
def calendars(draw):
    """Weekdays with random holidays, starting anywhere."""
    start = dt.date(2024, 1, 1) + dt.timedelta(draw(st.integers(0, 40)))
    days = weekdays(start, draw(st.integers(1, 60)))
    open_days = draw(st.lists(st.booleans(), min_size=len(days), max_size=len(days)))
    return [day for day, is_open in zip(days, open_days, strict=True) if is_open] or days[:1]


@settings(max_examples=60, deadline=None)
@given(days=calendars(), timescale=st.sampled_from(sorted(TIMESCALES)), data=st.data())
def test_what_a_row_sees_is_the_same_when_the_future_is_cut_off(days, timescale, data):
    cut = data.draw(st.integers(1, len(days)))
    frame = bars(days)
    whole, part = last_finished(frame, timescale), last_finished(frame[:cut], timescale)
    assert whole[:cut].tolist() == part.tolist()
    slow, early = resample(frame, timescale), resample(frame[:cut], timescale)
    if part[-1] >= 0:
        assert slow.row(int(whole[cut - 1])) == early.row(int(part[-1]))
        assert slow["date"][int(whole[cut - 1])] <= days[cut - 1]


@settings(max_examples=60, deadline=None)
@given(days=calendars(), timescale=st.sampled_from(sorted(TIMESCALES)))
def test_every_bar_holds_each_of_its_sessions_once(days, timescale):
    frame = bars(days)
    slow = resample(frame, timescale)
    assert slow["date"].is_sorted()
    if slow.height:
        last = frame["date"].index_of(slow["date"][-1])
        # dropped rows lie before the first bar or after the last one, never in between
        volumes = frame["volume"].to_numpy()[: last + 1]
        assert slow["volume"].sum() in np.cumsum(volumes[::-1])
