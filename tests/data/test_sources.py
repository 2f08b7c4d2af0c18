"""From rows to bars: repairs, jumps, adjustment. What every source goes through."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.data import SOURCES, calendar, fetch_bars
from finscale.data.acceptance import Wishes, accept
from finscale.data.adjustment import AdjustmentNeededError
from finscale.data.bars import PRICES
from finscale.data.jumps import find_jumps, terms
from finscale.errors import DataError, FinscaleError

NOW = dt.datetime(2024, 6, 3, tzinfo=dt.UTC)
DAYS = calendar.sessions("XNYS", dt.date(2024, 1, 2), dt.date(2024, 5, 31))[:40]


def _rows(close=None, *, volume=1e6, **columns):
    """Forty quiet bars, or the closes given, with what is given changed."""
    close = np.asarray(close if close is not None else 100 + np.sin(np.arange(40)))
    days = DAYS[: len(close)]
    return pl.DataFrame(
        {
            "line": pl.Series(range(2, len(days) + 2), dtype=pl.Int64),
            "date": days,
            "open": close * 0.999,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": np.broadcast_to(np.asarray(volume, dtype=float), close.shape),
            **columns,
        }
    )


def _accept(rows, **wishes):
    wishes = {"adjustment": "split", "now": NOW, **wishes}
    return accept("X", rows, Wishes(**wishes), source="csv", place="x.csv", provenance={})


def _change(rows, row, **values):
    return rows.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def test_sources_are_registered_and_unknown_ones_are_named():
    assert {"bundled", "csv", "yahoo"} <= set(SOURCES)
    with pytest.raises(FinscaleError, match="'yaho' is not a source") as caught:
        fetch_bars("yaho", "SPY")
    assert caught.value.hint == "Did you mean yahoo?"


@pytest.mark.parametrize(
    ("change", "reason", "rows_left"),
    [
        ({"close": None}, "no close: row left out", 39),
        ({"open": float("inf")}, "no open: row left out", 39),
        ({"high": 0.0}, "high is 0: row left out", 39),
        ({"low": -1.5}, "low is -1.5: row left out", 39),
        ({"low": 103.0}, "high 100.847 is below low 103: row left out", 39),
        ({"volume": None}, "no volume: set to 0", 40),
        ({"volume": -9.223372036854775808e18}, "volume is -9.22337e+18: set to 0", 40),
        ({"open": 90.0}, "open 90 is outside low 98.8502 … high 100.847: moved to its edge", 40),
        ({"high": 99.5}, "close 99.8486 is outside low 98.8502 … high 99.5: range widened", 40),
    ],
)
def test_one_bad_row_is_mended_and_listed(change, reason, rows_left):
    # the close of this row is 99.8486
    rows = _change(_rows(100 + 0.2 * np.sin(np.arange(40))), 4, **change)
    bars = _accept(rows)
    assert bars.repairs[0].row == 6
    assert bars.repairs[0].date == DAYS[4]
    assert bars.repairs[0].reason.startswith(reason)
    assert len(bars) == rows_left
    with pytest.raises(DataError, match="--strict was given"):
        _accept(rows, strict=True)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 39),
            st.sampled_from([*PRICES, "volume"]),
            st.sampled_from([None, 0.0, -1.0, 99.0, 101.5, float("nan")]),
        ),
        max_size=8,
    )
)
def test_what_is_accepted_is_consistent_and_every_change_is_listed(changes):
    rows = _rows()
    for row, name, value in changes:
        rows = _change(rows, row, **{name: value})
    if (rows["close"] < 0).sum() > 3:
        with pytest.raises(DataError, match="prices cross zero"):
            _accept(rows, leave_out_bad_rows=True)
        return
    bars = _accept(rows, leave_out_bad_rows=True)
    low, high = bars.frame["low"], bars.frame["high"]
    assert (low > 0).all()
    for price in ("open", "close"):
        assert ((low <= bars.frame[price]) & (bars.frame[price] <= high)).all()
    assert bars.frame["date"].is_sorted()
    listed = {repair.date for repair in bars.repairs}
    before = rows.select("date", *PRICES, "volume")
    after = bars.frame.select("date", *PRICES, "volume")
    untouched = before.join(after, on=before.columns, how="semi")["date"]
    assert set(DAYS) - set(untouched) == listed


def test_rows_on_other_days_are_left_out_or_another_calendar_is_asked_for():
    holiday = _change(_rows(), 8, date=dt.date(2024, 1, 15)).sort("date")
    bars = _accept(holiday)
    assert bars.repairs[0].reason == "no session of XNYS on this Monday: row left out"
    daily = [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(40)]
    every = _rows().with_columns(pl.Series("date", daily))
    with pytest.raises(DataError, match="12 of 40 bars, such as Monday 2024-01-01") as caught:
        _accept(every)
    assert "--calendar none" in caught.value.hint
    assert len(_accept(every, calendar="none")) == 40


def test_columns_that_are_mixed_up_are_refused():
    rows = _rows().with_columns(high=pl.col("low") * 0.9, low=pl.col("low") * 0.8)
    with pytest.raises(DataError, match="lies outside low … high in 40 of 40 rows"):
        _accept(rows)


def test_the_bar_of_today_is_partial_until_the_close():
    during = dt.datetime(DAYS[-1].year, DAYS[-1].month, DAYS[-1].day, 18, tzinfo=dt.UTC)
    bars = _accept(_rows(), now=during)
    assert bars.last_date == DAYS[-2]
    assert bars.repairs[0].reason == "the session is not over: partial bar left out"
    assert _accept(_rows(), now=during + dt.timedelta(hours=4)).last_date == DAYS[-1]


def test_duplicates():
    rows = _rows()
    bars = _accept(pl.concat([rows, rows[5:6]]))
    assert [str(r) for r in bars.repairs] == [
        "row 7 · 2024-01-09: the date appears 2 times, with equal values: this row left out"
    ]
    other_volume = rows[5:6].with_columns(volume=pl.lit(5.0))
    bars = _accept(pl.concat([rows, other_volume]))
    assert "the first row is kept" in bars.repairs[0].reason
    assert bars.frame["volume"][5] == 1e6
    with pytest.raises(DataError, match=r"different prices for 2024-01-09 \(rows 7, 7"):
        _accept(pl.concat([rows, rows[5:6].with_columns(close=pl.lit(100.5))]))
    with pytest.raises(DataError, match="has 3 rows for 2024-01-02 and more than one for most"):
        _accept(pl.concat([rows, rows, rows]))


def test_no_row_left():
    with pytest.raises(DataError, match="no bar that can be used: row 2 · 2024-01-02: no close"):
        _accept(_rows([100.0]).with_columns(close=pl.lit(None, pl.Float64)))


class TestJumps:
    CLOSE = 100 + 0.2 * np.sin(np.arange(40))

    def _split(self, ratio, at=20, volume_ratio=None):
        close = self.CLOSE.copy()
        close[at:] /= ratio
        volume = np.full(40, 1e6)
        volume[at:] *= ratio if volume_ratio is None else volume_ratio
        return _rows(close, volume=volume)

    @pytest.mark.parametrize(
        ("ratio", "name"), [(2, "2:1"), (1.5, "3:2"), (7, "7:1"), (0.1, "1:10"), (20, "20:1")]
    )
    @pytest.mark.parametrize("volume_ratio", [None, 1.0])
    def test_a_split_that_prices_do_not_account_for(self, ratio, name, volume_ratio):
        rows = self._split(ratio, volume_ratio=volume_ratio)
        (jump,) = find_jumps(rows)
        assert (jump.date, jump.before, jump.terms) == (DAYS[20], DAYS[19], name)
        with pytest.raises(DataError, match="splits that the prices do not account for") as caught:
            _accept(rows)
        assert f"--split {DAYS[20]}:{ratio:g}" in caught.value.hint
        assert _accept(rows, real_moves=[DAYS[20]]).provenance["real moves"] == str(DAYS[20])
        bars = _accept(rows, adjustment=None, splits=[(DAYS[20], ratio)])
        assert bars.adjusted()["close"].to_list() == pytest.approx(
            (self.CLOSE / ratio).tolist(), rel=1e-12
        )

    def test_a_crash_that_people_traded_is_no_split(self):
        rows = self._split(2, volume_ratio=2.0)
        rows = _change(rows, 20, volume=20e6)
        assert find_jumps(rows) == []

    def test_a_fall_within_the_day_is_no_split(self):
        rows = self._split(2)
        assert find_jumps(_change(rows, 20, open=98.0, high=99.0)) == []

    def test_a_split_after_a_halt_is_a_split(self):
        rows = self._split(2)
        (jump,) = find_jumps(rows.filter(~pl.col("date").is_between(DAYS[10], DAYS[25])))
        assert (jump.before, jump.date) == (DAYS[9], DAYS[26])
        assert str(jump) == "falls 50.0 % on 2024-02-08 after 23 days without a bar"

    def test_without_volume_only_whole_ratios_count(self):
        assert find_jumps(self._split(1.5).drop("volume")) == []
        assert len(find_jumps(self._split(3).drop("volume"))) == 1
        assert find_jumps(_rows([100.0])) == []

    @pytest.mark.parametrize("ratio", [2.5, 3.5, 12, 17, 34, 60, 88, 120, 1 / 2.5, 1 / 12, 1 / 75])
    @pytest.mark.parametrize("volume_ratio", [None, 1.0])
    def test_a_split_by_an_unusual_ratio(self, ratio, volume_ratio):
        rows = self._split(ratio, volume_ratio=volume_ratio)
        (jump,) = find_jumps(rows)
        assert jump.date == DAYS[20]
        assert jump.ratio == pytest.approx(ratio, rel=0.02)
        assert not jump.usual
        with pytest.raises(DataError, match=r"\(about .*splits that the prices do") as caught:
            _accept(rows)
        assert "look the exact ratio up first" in caught.value.hint
        assert len(find_jumps(rows.drop("volume"))) == 1

    def test_an_unusual_gap_that_people_traded_or_that_the_day_bridged_is_no_split(self):
        rows = self._split(2.5, volume_ratio=1.0)
        assert find_jumps(_change(rows, 20, volume=20e6)) == []
        assert find_jumps(_change(rows, 20, open=98.0, high=99.0)) == []

    def test_a_seam_by_an_unusual_ratio(self):
        close = self.CLOSE * np.where((np.arange(40) >= 20) & (np.arange(40) < 25), 1 / 12.3, 1)
        with pytest.raises(DataError, match="a split of about 12:1 applied to part of the file"):
            _accept(_rows(close))

    def test_many_jumps_are_counted(self):
        close = self.CLOSE.copy()
        for at in (5, 10, 15, 20, 25, 30):
            close[at:] /= 2
        with pytest.raises(DataError, match="and 1 more, and the traded value"):
            _accept(_rows(close))

    @pytest.mark.parametrize("volume", [3.0, 1.0])
    def test_a_seam(self, volume):
        close = self.CLOSE.copy()
        close[20:25] /= 3
        volumes = np.full(40, 1e6)
        volumes[20:25] *= volume
        with pytest.raises(DataError, match="a 3:1 split applied to part of the file") as caught:
            _accept(_rows(close, volume=volumes))
        assert ("while volume rises threefold" in caught.value.message) == (volume == 3.0)
        assert f"--drop {DAYS[20]}:{DAYS[24]}" in caught.value.hint

    def test_bundled_indices_have_none(self):
        for symbol in ("SP500", "NASDAQ"):
            assert find_jumps(fetch_bars("bundled", symbol).frame) == []

    def test_terms(self):
        assert [terms(r) for r in (7.0, 1.5, 0.1, 0.05)] == ["7:1", "3:2", "1:10", "1:20"]
        assert [terms(r) for r in (2.5, 0.4, 7.0312, 1.25)] == ["5:2", "2:5", "7.0312:1", "5:4"]


class TestAdjustment:
    CLOSE = 100 + 0.2 * np.sin(np.arange(40))

    def test_an_adjusted_close_beside_a_smooth_close_means_split(self):
        factor = np.where(np.arange(40) < 20, 0.995, 1.0)
        bars = _accept(_rows(self.CLOSE, adj_close=self.CLOSE * factor), adjustment=None)
        assert (bars.adjustment, bars.adjusted_to, bars.splits) == ("split", "split+dividend", ())

    def test_a_split_that_only_the_adjusted_close_knows_means_raw(self):
        close = np.where(np.arange(40) < 20, self.CLOSE * 4, self.CLOSE)
        volume = np.where(np.arange(40) < 20, 1e6, 4e6)
        rows = _rows(close, volume=volume, adj_close=self.CLOSE)
        bars = _accept(rows, adjustment=None)
        assert (bars.adjustment, bars.splits) == ("raw", ((DAYS[20], 4.0),))
        assert bars.provenance["adjustment"].startswith(
            f"detected: the close jumps 4:1 on {DAYS[20]}"
        )
        assert bars.adjusted()["close"].to_list() == self.CLOSE.tolist()
        assert bars.adjusted()["volume"].to_list() == pytest.approx([4e6] * 40)
        with pytest.raises(DataError, match="so prices are raw, not split-adjusted"):
            _accept(rows, adjustment="split")

    @pytest.mark.parametrize("ratio", [2.0, 2.5, 12.0, 0.5, 0.1])
    def test_the_adjusted_close_tells_a_split_on_a_busy_day(self, ratio):
        close = np.where(np.arange(40) < 20, self.CLOSE * ratio, self.CLOSE)
        volume = np.where(np.arange(40) < 20, 1e6, 1e6 * ratio)
        volume[20] *= 20
        dividend = np.where(np.arange(40) < 30, 0.99, 1.0)
        for factor in (dividend, 1.0):
            rows = _rows(close, volume=volume, adj_close=self.CLOSE * factor)
            bars = _accept(rows, adjustment=None)
            assert (bars.adjustment, bars.splits) == ("raw", ((DAYS[20], ratio),))
            after = bars.adjusted()["volume"]
            assert after[21] / after[19] == pytest.approx(1)

    def test_a_special_dividend_is_no_split(self):
        # a fifth, a third and four ninths of the price
        for share in (0.2, 1 / 3, 4 / 9):
            close = np.where(np.arange(40) < 20, self.CLOSE, self.CLOSE * (1 - share))
            adjusted = self.CLOSE * (1 - share)
            volume = np.where(np.arange(40) == 20, 20e6, 1e6)
            bars = _accept(_rows(close, volume=volume, adj_close=adjusted), adjustment=None)
            assert (bars.adjustment, bars.splits) == ("split", ())

    def test_a_split_that_was_not_declared_beside_one_that_was(self):
        close = self.CLOSE * np.select([np.arange(40) < 10, np.arange(40) < 20], [8, 2], 1)
        rows = _rows(close, adj_close=self.CLOSE)
        bars = _accept(rows, adjustment=None, splits=[(DAYS[20], 2.0)])
        assert bars.splits == ((DAYS[10], 4.0), (DAYS[20], 2.0))
        assert bars.adjusted()["close"].to_list() == self.CLOSE.tolist()

    def test_what_contradicts_the_adjusted_close_is_refused(self):
        rows = _rows(self.CLOSE, adj_close=self.CLOSE * np.linspace(0.9, 1, 40))
        with pytest.raises(DataError, match="are not split\\+dividend adjusted"):
            _accept(rows, adjustment="split+dividend")
        assert _accept(rows, adjustment="raw").provenance["adjustment"] == "declared by the user"

    def test_an_append_seam_is_refused_with_its_date(self):
        # the first half was downloaded before the dividend of day 30, the second after it
        factor = np.where((np.arange(40) >= 20) & (np.arange(40) < 30), 0.992, 1.0)
        rows = _rows(self.CLOSE, adj_close=self.CLOSE * factor)
        with pytest.raises(DataError, match=r"falls 0\.8 % against the close on 2024-01-31"):
            _accept(rows, adjustment=None)

    def test_nothing_tells_so_the_user_is_asked(self):
        with pytest.raises(AdjustmentNeededError, match="nothing in it says"):
            _accept(_rows(self.CLOSE), adjustment=None)
        for declared in ("raw", "split", "split+dividend"):
            bars = _accept(_rows(self.CLOSE), adjustment=declared)
            assert (bars.adjustment, bars.adjusted_to) == (declared, declared)

    def test_closes_in_whole_single_precision_cents_have_no_dividend_taken_off(self):
        cents = np.round(self.CLOSE, 2).astype(np.float32).astype(np.float64)
        dividends = np.where(np.arange(40) == 20, 0.5, 0.0)
        assert _accept(_rows(cents), adjustment=None).adjustment == "split"
        # one dividend and closes anywhere: one ex-day does not tell
        taken_off = (cents * np.where(np.arange(40) < 20, 0.995, 1)).astype(np.float32)
        rows = _rows(taken_off.astype(np.float64), dividends=dividends)
        with pytest.raises(AdjustmentNeededError, match="on 1 ex-day the price falls by"):
            _accept(rows, adjustment=None)
        # rounded to cents it could be either
        with pytest.raises(AdjustmentNeededError):
            _accept(_rows(np.round(self.CLOSE, 2)), adjustment=None)

    @pytest.mark.parametrize(
        ("split", "message"),
        [
            ((DAYS[10], 2.0), "would take the price from .* to about .*, and it opens at"),
            ((dt.date(2030, 1, 1), 2.0), "no bars on both sides of the split of 2030-01-01"),
        ],
    )
    def test_a_split_must_be_seen_in_the_prices(self, split, message):
        close = np.where(np.arange(40) < 20, self.CLOSE * 2, self.CLOSE)
        with pytest.raises(DataError, match=message):
            _accept(_rows(close), adjustment=None, splits=[split])

    def test_splits_describe_raw_prices_only(self):
        with pytest.raises(DataError, match="--adjustment says split"):
            _accept(_rows(), splits=[(DAYS[20], 2.0)])

    @pytest.mark.parametrize("knows_the_split", [True, False])
    def test_a_declared_split_leaves_the_dividends_of_the_adjusted_close(self, knows_the_split):
        raw = np.where(np.arange(40) < 20, self.CLOSE * 2, self.CLOSE)
        # ex-dividend on days 10 and 30, before and after the split
        paid = np.where(np.arange(40) < 10, 0.98, 1.0) * np.where(np.arange(40) < 30, 0.99, 1.0)
        adjusted = self.CLOSE * paid
        stated = adjusted if knows_the_split else raw * paid
        rows = _rows(raw, volume=np.where(np.arange(40) < 20, 1e6, 2e6), adj_close=stated)
        bars = _accept(rows, adjustment=None, splits=[(DAYS[20], 2.0)])
        assert (bars.adjustment, bars.adjusted_to) == ("raw", "split+dividend")
        assert bars.splits == ((DAYS[20], 2.0),)
        after = bars.adjusted()
        assert after["close"].to_list() == pytest.approx(adjusted.tolist(), rel=1e-12)
        assert after["high"].to_list() == pytest.approx((adjusted * 1.01).tolist(), rel=1e-12)
        assert after["volume"].to_list() == [2e6] * 40
        assert "dividends as the file's adjusted close has them" in bars.provenance["adjustment"]

    def test_an_adjusted_close_equal_to_the_close_has_no_dividends(self):
        raw = np.where(np.arange(40) < 20, self.CLOSE * 2, self.CLOSE)
        bars = _accept(_rows(raw, adj_close=raw), adjustment=None, splits=[(DAYS[20], 2.0)])
        assert bars.adjusted_to == "split"
        assert bars.adjusted()["close"].to_list() == pytest.approx(self.CLOSE.tolist(), rel=1e-12)

    def test_an_adjusted_close_that_contradicts_a_declared_split_is_refused(self):
        raw = np.where(np.arange(40) < 20, self.CLOSE * 2, self.CLOSE)
        rows = _rows(raw, adj_close=np.where(np.arange(40) < 20, raw / 1.4, raw))
        with pytest.raises(DataError, match=r"a factor of 1\.4, which is neither a 2:1 split"):
            _accept(rows, adjustment=None, splits=[(DAYS[20], 2.0)])
