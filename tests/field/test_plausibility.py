"""The field files whose prices, lost rows, adjustment or dividends need a word."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from finscale.data.adjustment import AdjustmentNeededError
from finscale.errors import DataError

SPLIT = "splits that the prices do not account for"


def test_the_last_price_cut_off(bars_of):
    bars = bars_of("truncated_price.csv", "ABC", adjustment="split")
    assert (len(bars), bars.last_date) == (624, dt.date(2024, 6, 27))
    (repair,) = bars.repairs
    assert str(repair) == ("row 626 · 2024-06-28: the last line is cut off, close 7: row left out")
    assert bars.provenance["left out"] == "1 of 625 rows: the last line is cut off, close …"
    with pytest.raises(DataError, match="--strict was given"):
        bars_of("truncated_price.csv", "ABC", adjustment="split", strict=True)


@pytest.mark.parametrize(
    ("name", "calendar", "mended"),
    [
        (
            "lse_100x_high_low.csv",
            "XLON",
            {("2021-06-25", "low"): 410.36, ("2021-10-18", "high"): 377.25},
        ),
        (
            "bad_high_long.csv",
            "XNYS",
            {("2007-12-17", "low"): 49.36, ("2017-11-20", "high"): 27.2},
        ),
    ],
)
def test_prices_of_a_hundred_times(bars_of, name, calendar, mended):
    bars = bars_of(name, "ABC", calendar=calendar)
    assert len(bars.repairs) == 2
    for (day, column), value in mended.items():
        row = bars.frame.row(by_predicate=pl.col("date") == dt.date.fromisoformat(day))
        assert row[bars.frame.columns.index(column)] == value
        assert any(str(r.date) == day and f"{column} " in r.reason for r in bars.repairs)
    assert (bars.frame["high"] / bars.frame["low"]).max() < 1.2
    with pytest.raises(DataError, match="2 rows need repair"):
        bars_of(name, "ABC", calendar=calendar, strict=True)


def test_dividends_in_split_adjusted_prices(bars_of):
    with pytest.raises(AdjustmentNeededError, match="on 5 ex-days the price falls by 99 ± 6 % of"):
        bars_of("dividends_split_adjusted.csv", "ABC")
    bars = bars_of("dividends_split_adjusted.csv", "ABC", adjustment="split")
    assert (bars.adjustment, bars.adjusted_to) == ("split", "split+dividend")
    assert bars.provenance["dividends"] == "5 listed: the adjusted close is made from them"
    with pytest.raises(DataError, match=r"says split\+dividend, and on 5 ex-days"):
        bars_of("dividends_split_adjusted.csv", "ABC", adjustment="split+dividend")


@pytest.mark.parametrize(
    ("name", "adjustment", "said", "option"),
    [
        ("split_after_halt.csv", "split", "79.8 % on 2023-03-15 after 14 days", "2023-03-15:5"),
        ("bonus_5_4_noadj.csv", "raw", r"19.7 % on 2023-03-15 \(5:4\)", "2023-03-15:1.25"),
        ("split_4_3_noadj.csv", "raw", r"24.8 % on 2023-03-15 \(4:3\)", "2023-03-15:4:3"),
    ],
)
def test_splits_that_look_like_losses(bars_of, name, adjustment, said, option):
    with pytest.raises(DataError, match=f"{said}.*{SPLIT}") as caught:
        bars_of(name, "ABC", adjustment=adjustment)
    assert f"`--split {option}`" in caught.value.hint
    day = dt.date(2023, 3, 15)
    kept = bars_of(name, "ABC", adjustment=adjustment, real_moves=[day])
    assert kept.provenance["real moves"] == "2023-03-15"
    ratio = {"5": 5.0, "1.25": 1.25, "4:3": 4 / 3}[option.partition(":")[2]]
    split = bars_of(name, "ABC", splits=[(day, ratio)])
    assert split.adjusted_to == "split"
    assert split.adjusted()["close"].pct_change().abs().max() < 0.1


def test_opens_of_zero(bars_of):
    with pytest.raises(DataError, match=r"400 of 625 bars cannot be used \(open is 0\)") as caught:
        bars_of("index_open0.csv", "ABC", adjustment="split")
    assert "--fill-from-close" in caught.value.hint
    assert "--leave-out-bad-rows imports the other 225" in caught.value.hint
    filled = bars_of("index_open0.csv", "ABC", adjustment="split", fill_from_close=True)
    assert (len(filled), len(filled.repairs)) == (625, 400)
    assert filled.frame["open"][0] == filled.frame["close"][0] == 100.38
    left = bars_of("index_open0.csv", "ABC", adjustment="split", leave_out_bad_rows=True)
    assert len(left) == 225
    assert left.provenance["left out"] == "400 of 625 rows: open is 0"


def test_the_newest_adjusted_closes_are_missing(bars_of):
    with pytest.raises(DataError, match="65 of 625 bars"):
        bars_of("adj_missing_tail.csv", "ABC")


def test_adjusted_closes_rounded_to_cents(bars_of):
    bars = bars_of("adj_rounded_cents.csv", "ABC")
    assert (len(bars), bars.repairs, bars.adjusted_to) == (1013, (), "split+dividend")
    assert bars.provenance["rounding"].startswith("to 0.01, up to 1.7 % of the price")


def test_ticks_of_a_hundredth_of_a_cent(bars_of):
    bars = bars_of("penny_0001.csv", "ABC", adjustment="split")
    assert (len(bars), bars.repairs) == (250, ())
    assert bars.provenance["tick"].startswith("prices move in ticks of 0.0001")


def test_prices_that_cross_zero(bars_of):
    with pytest.raises(DataError, match="prices cross zero, so they have no returns: 546 of 625"):
        bars_of("backadjusted_negative.csv", "ABC", adjustment="split")
