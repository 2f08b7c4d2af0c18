"""What no market made, what was cut off and what was lost: seen at import, with the way out."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.data import calendar, fetch_bars
from finscale.data.acceptance import Wishes, accept
from finscale.data.adjustment import AdjustmentNeededError
from finscale.data.jumps import find_jumps
from finscale.errors import DataError

NOW = dt.datetime(2024, 6, 3, tzinfo=dt.UTC)
DAYS = calendar.sessions("XNYS", dt.date(2023, 1, 3), dt.date(2024, 5, 31))[:300]
CLOSE = np.round(100 + 3 * np.sin(np.arange(300) / 3) + np.cos(np.arange(300) * 1.7), 2)
PRICES = ("open", "high", "low", "close")


def _rows(close=CLOSE, **columns):
    days = DAYS[: len(close)]
    return pl.DataFrame(
        {
            "line": pl.Series(range(2, len(days) + 2), dtype=pl.Int64),
            "date": days,
            "open": np.round(close * 0.999, 4),
            "high": np.round(close * 1.01, 4),
            "low": np.round(close * 0.99, 4),
            "close": close,
            "volume": 1e6 + 1e4 * (np.arange(len(close)) % 7),
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


class TestCells:
    @pytest.mark.parametrize("column", PRICES)
    @pytest.mark.parametrize("times", [1000, 100, 10, 0.1, 0.01])
    @pytest.mark.parametrize("row", [0, 150, 299])
    def test_a_slip_by_a_power_of_ten_is_mended_and_listed(self, column, times, row):
        rows = _rows()
        value = rows[column][row]
        bars = _accept(_change(rows, row, **{column: value * times}))
        assert bars.frame[column][row] == pytest.approx(value)
        (repair,) = bars.repairs
        assert (repair.date, repair.row) == (DAYS[row], row + 2)
        assert repair.reason.startswith(f"{column} ")
        assert "the prices around it: taken as" in repair.reason

    @pytest.mark.parametrize("times", [100, 0.01])
    def test_a_day_in_another_unit_is_mended(self, times):
        rows = _rows(adj_close=CLOSE * 0.9)
        day = {name: rows[name][150] * times for name in (*PRICES, "adj_close")}
        bars = _accept(_change(rows, 150, **day), adjustment=None)
        assert len(bars.repairs) == 4
        assert bars.frame["close"][150] == CLOSE[150]
        assert bars.frame["adj_close"][150] == pytest.approx(CLOSE[150] * 0.9)

    def test_weeks_in_another_unit_are_refused(self):
        rows = _rows(np.where((np.arange(300) > 100) & (np.arange(300) < 130), 100, 1) * CLOSE)
        with pytest.raises(DataError, match=r"another unit \(such as pence and pounds\)"):
            _accept(rows)

    def test_a_change_of_unit_is_named(self):
        with pytest.raises(DataError, match="a change of unit, such as from pence to pounds"):
            _accept(_rows(np.where(np.arange(300) > 100, 0.01, 1) * CLOSE))

    def test_many_slips_are_two_units(self):
        rows = _rows()
        for row in range(10, 110, 10):
            rows = _change(rows, row, high=rows["high"][row] * 100)
        with pytest.raises(DataError, match="and 9 more rows like it: two units in one file"):
            _accept(rows)
        assert len(_accept(rows, leave_out_bad_rows=True)) == 290

    def test_a_price_far_from_all_others_is_asked_about(self):
        rows = _change(_rows(), 150, high=655.0)
        with pytest.raises(DataError, match=r"high 655 on .* is 6\.\d+ times the prices") as caught:
            _accept(rows)
        day = DAYS[150]
        assert f"`--drop {day}:{day}`" in caught.value.hint
        assert f"`--real-move {day}`" in caught.value.hint
        assert _accept(rows, real_moves=[day]).frame["high"][150] == 655.0
        assert len(_accept(rows, drop=[(day, day)])) == 299

    def test_a_strange_high_that_is_real_is_kept_and_said(self):
        bars = _accept(_change(_rows(), 150, high=CLOSE[150] * 3), real_moves=[DAYS[150]])
        assert bars.repairs == ()
        assert bars.provenance["unusual"].startswith(f"{DAYS[150]} high ")

    @pytest.mark.parametrize(
        ("column", "times"),
        [("high", 1.5), ("high", 1.25), ("high", 3), ("low", 0.6), ("low", 0.8)],
    )
    @pytest.mark.parametrize("row", [0, 1, 150, 299])
    def test_a_high_or_low_many_ranges_from_all_else_is_asked_about(self, column, times, row):
        rows = _rows()
        rows = _change(rows, row, **{column: rows[column][row] * times})
        said = rf"{column} .* on {DAYS[row]} .* the other prices of that day .* usual day's range"
        with pytest.raises(DataError, match=said) as caught:
            _accept(rows)
        assert f"`--real-move {DAYS[row]}`" in caught.value.hint
        real = _accept(rows, real_moves=[DAYS[row]])
        assert real.frame[column][row] == rows[column][row]
        assert len(_accept(rows, leave_out_bad_rows=True)) == 299
        assert len(_accept(rows, drop=[(DAYS[row], DAYS[row])])) == 299

    def test_an_open_and_high_of_another_day(self):
        rows = _change(_rows(), 150, open=CLOSE[150] * 1.4, high=CLOSE[150] * 1.4)
        with pytest.raises(DataError, match=r"is 1\.4\d* times the other prices"):
            _accept(rows)

    def test_heavy_trade_explains_a_far_low(self):
        rows = _change(_rows(), 150, low=CLOSE[150] * 0.65, volume=4e6)
        bars = _accept(rows)
        assert bars.frame["low"][150] == rows["low"][150]
        assert "heavy trade explains it" in bars.provenance["far prices"]

    def test_a_tick_or_two_is_no_spike(self):
        still = np.full(300, 3.0)
        rows = _rows(still, open=still, high=still, low=still)
        assert _accept(_change(rows, 150, high=4.0)).repairs == ()
        with pytest.raises(DataError, match="high 30 on"):
            _accept(
                _change(
                    _rows(still * 5, open=still * 5, high=still * 5, low=still * 5), 150, high=30.0
                )
            )

    def test_wild_days_are_no_spikes_and_flat_ones_no_measure(self):
        # days with a range of 8 % as a matter of course, and a low of 1.45 times it one day
        rows = _rows().with_columns(high=pl.col("close") * 1.04, low=pl.col("close") * 0.96)
        assert _accept(_change(rows, 150, high=CLOSE[150] * 1.4)).repairs == ()
        # levels without a range, in a year in which they move by up to a fifth
        flat = np.round(20 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.06, 300))), 2)
        still = _rows(flat, open=flat, high=flat, low=flat).drop("volume")
        assert _accept(still).repairs == ()

    def test_a_fall_that_stays_is_no_slip(self):
        close = np.where(np.arange(300) >= 150, 0.1, 1) * CLOSE
        rows = _change(_rows(close), 150, open=CLOSE[150], high=CLOSE[150])
        assert _accept(rows).repairs == ()

    def test_a_close_far_outside_its_day_is_asked_about(self):
        rows = _change(_rows(), 150, close=60.0)
        with pytest.raises(DataError, match=r"close 60 on .* lies far outside low") as caught:
            _accept(rows)
        assert "--real-move" in caught.value.hint
        assert len(_accept(rows, leave_out_bad_rows=True)) == 299
        near = _accept(_change(_rows(), 150, close=CLOSE[150] * 1.03))
        assert "range widened" in near.repairs[0].reason


class TestCutOff:
    HEADER = "Date,Open,High,Low,Close,Adj Close,Volume"

    def _file(self, tmp_path, cut, header=HEADER):
        rows = _rows(**{"adj close": CLOSE})
        columns = header.lower().split(",")
        lines = [",".join(str(v) for v in row) for row in rows.select(columns).iter_rows()]
        file = tmp_path / "x.csv"
        file.write_text("\n".join([header, *lines])[:-cut])
        return fetch_bars("csv", "X", file=file, now=NOW, adjustment="split")

    # the last line is 2024-03-14,96.2937,97.3539,95.4261,96.39,96.39,1050000.0
    @pytest.mark.parametrize("cut", [4, 5, 6, 9, 10, 11, 12, 14, 17, 20, 22, 29, 36])
    def test_the_last_line_is_left_out_and_listed(self, tmp_path, cut):
        bars = self._file(tmp_path, cut)
        assert bars.last_date == DAYS[298]
        assert len(bars) == 299
        # a row of fewer cells is left out before its date is read
        (repair,) = bars.repairs
        assert repair.row == 301
        assert repair.reason.endswith("left out")
        assert bars.provenance["left out"].startswith("1 of 300 rows: ")

    @pytest.mark.parametrize(
        "order", ["Volume,Open,High,Low,Close", "Close,Open,Low,High", "High,Low,Close,Open"]
    )
    def test_in_any_order_of_columns(self, tmp_path, order):
        last = str(_rows()[order.rpartition(",")[2].lower()][-1])
        bars = self._file(tmp_path, len(last) - 1, header=f"Date,{order}")
        assert len(bars) == 299
        assert "the last line is cut off" in bars.repairs[-1].reason

    def test_the_last_line_of_a_symbol_is_not_the_files(self, tmp_path):
        rows = _rows().with_columns(volume=pl.when(pl.int_range(300) < 299).then("volume"))
        lines = [f"{name},{','.join(map(str, row))}" for name in "AB" for row in rows.rows()]
        text = "\n".join(["Symbol,Line,Date,Open,High,Low,Close,Volume", *lines])
        file = tmp_path / "two.csv"
        file.write_text(text.replace("None", ""))
        one, two = (
            fetch_bars("csv", name, file=file, now=NOW, adjustment="split") for name in "AB"
        )
        assert (len(one), one.repairs[0].reason) == (300, "no volume: set to 0")
        assert (len(two), two.repairs[0].row) == (299, 601)

    def test_a_whole_line_without_a_line_end_stays(self, tmp_path):
        bars = self._file(tmp_path, 2)  # 1050000 instead of 1050000.0
        assert (len(bars), bars.repairs) == (300, ())


class TestLosses:
    def test_more_than_a_few_per_cent(self):
        rows = _rows().with_columns(
            low=pl.when(pl.int_range(300).is_between(100, 120)).then(0.0).otherwise("low")
        )
        with pytest.raises(DataError, match=r"21 of 300 bars cannot be used \(low is 0\)") as error:
            _accept(rows)
        assert "--leave-out-bad-rows imports the other 279" in error.value.hint
        bars = _accept(rows, leave_out_bad_rows=True)
        assert (len(bars), bars.provenance["left out"]) == (279, "21 of 300 rows: low is 0")

    @pytest.mark.parametrize("newest", [1, 2])
    def test_the_newest_bars(self, newest):
        rows = _rows(adj_close=CLOSE).with_columns(
            adj_close=pl.when(pl.int_range(300) < 300 - newest).then("adj_close")
        )
        with pytest.raises(DataError, match=r"the newest .*no adj_close") as caught:
            _accept(rows, adjustment=None)
        assert "--fill-from-close" in caught.value.hint
        assert len(_accept(rows, adjustment=None, fill_from_close=True)) == 300
        assert len(_accept(rows, adjustment=None, leave_out_bad_rows=True)) == 300 - newest

    def test_an_adjusted_close_is_not_filled_where_dividends_were_taken_off(self):
        rows = _rows(adj_close=CLOSE * 0.98).with_columns(
            adj_close=pl.when(pl.int_range(300) < 290).then("adj_close")
        )
        with pytest.raises(DataError, match=r"10 of 300 bars|the newest 10 bars"):
            _accept(rows, adjustment=None, fill_from_close=True)

    def test_an_empty_row_at_the_end_is_no_loss(self):
        empty = dict.fromkeys((*PRICES, "volume"))
        assert len(_accept(_change(_rows(), 299, **empty))) == 299

    def test_empty_rows_on_days_without_a_session_are_no_loss(self):
        every = pl.DataFrame({"date": pl.date_range(DAYS[0], DAYS[-1], eager=True)})
        rows = every.join(_rows(), on="date", how="left").with_columns(
            line=pl.int_range(2, every.height + 2, dtype=pl.Int64)
        )
        for name in ("XNYS", "none"):
            assert len(_accept(rows.select(_rows().columns), calendar=name)) == 300

    def test_reasons_are_grouped(self):
        rows = _rows()
        for row, value in ((5, None), (9, None), (20, -3.0)):
            rows = _change(rows, row, open=value)
        said = _accept(rows).provenance["left out"]
        assert said == "3 of 300 rows: no open (2), open is below 0 (1)"

    def test_no_opens_at_all(self):
        rows = _rows().with_columns(open=pl.lit(0.0))
        with pytest.raises(DataError, match="no bar that can be used") as caught:
            _accept(rows)
        assert "--fill-from-close" in caught.value.hint
        bars = _accept(rows, fill_from_close=True)
        assert bars.frame["open"].to_list() == CLOSE.tolist()

    def test_closes_only(self):
        rows = _rows().with_columns(pl.lit(None, pl.Float64).alias(n) for n in PRICES[:3])
        bars = _accept(rows, fill_from_close=True)
        assert (bars.frame["high"] == bars.frame["low"]).all()
        assert bars.repairs[0].reason.startswith("no open, high, low: taken from the close")

    def test_halts_are_counted(self):
        still = dict.fromkeys(PRICES, CLOSE[99])
        rows = _change(_change(_rows(), 99, **still), 100, **still, volume=0.0)
        assert _accept(rows).provenance["no trading"].startswith("1 bar of volume 0 repeats")


def test_prices_through_zero():
    with pytest.raises(DataError, match="prices cross zero, so they have no returns") as caught:
        _accept(_rows(CLOSE - 100))
    assert "joined by ratios" in caught.value.hint
    with pytest.raises(DataError, match="every close is below zero"):
        _accept(_rows(CLOSE - 200))


class TestSmallSplits:
    def _split(self, ratio, at=200):
        after = np.arange(300) >= at
        volume = np.where(after, ratio, 1) * (1e6 + 1e4 * (np.arange(300) % 7))
        return _rows(np.where(after, 1 / ratio, 1) * CLOSE, volume=volume)

    @pytest.mark.parametrize(
        ("ratio", "name", "option"),
        [
            (6 / 5, "about 6:5", "1.2"),
            (5 / 4, "5:4", "1.25"),
            (4 / 3, "4:3", "4:3"),
            (7 / 5, "about 7:5", "1.4"),
            (3 / 2, "3:2", "1.5"),
            (4 / 5, "4:5", "0.8"),
        ],
    )
    def test_on_ordinary_traded_value(self, ratio, name, option):
        with pytest.raises(DataError, match=rf"\({name}\), and the traded value") as caught:
            _accept(self._split(ratio), adjustment="raw")
        assert f"`--split {DAYS[200]}:{option}`" in caught.value.hint
        assert len(_accept(self._split(ratio), real_moves=[DAYS[200]])) == 300

    def test_a_loss_that_people_traded_stays(self):
        rows = self._split(4 / 3)
        assert find_jumps(_change(rows, 200, volume=6e6)) == []

    def test_a_loss_among_others_stays(self):
        wild = CLOSE * np.exp(0.1 * np.cumsum(np.cos(np.arange(300) * 2.1)))
        rows = _rows(np.where(np.arange(300) >= 200, 3 / 4, 1) * wild)
        assert find_jumps(rows) == []

    def test_without_volume_it_is_said(self):
        bars = _accept(self._split(4 / 3).drop("volume"))
        assert bars.provenance["split-like"].startswith("falls ")

    def test_the_adjusted_close_tells_it(self):
        rows = self._split(5 / 4)
        bars = _accept(rows.with_columns(adj_close=pl.Series(CLOSE / 1.25)), adjustment=None)
        assert (bars.adjustment, bars.splits) == ("raw", ((DAYS[200], 1.25),))

    def test_a_split_that_is_not_in_the_prices_cannot_be_given(self):
        with pytest.raises(DataError, match=r"a 5:4 split on .* would take the price"):
            _accept(_rows(), adjustment=None, splits=[(DAYS[200], 1.25)])


class TestJumps:
    def _fall(self, ratio, volume):
        close = np.where(np.arange(300) >= 200, 1 / ratio, 1) * CLOSE
        return _change(_rows(close), 200, volume=volume)

    def test_a_crash_that_people_traded_stays_and_is_said(self):
        bars = _accept(self._fall(2, 10e6))
        assert bars.provenance["big moves"].startswith("falls 50.")

    def test_a_crash_too_deep_for_its_value_may_be_either(self):
        with pytest.raises(DataError, match="is 10 times the usual; a 4:1 split alone") as caught:
            _accept(self._fall(4, 10e6))
        assert f"`--real-move {DAYS[200]}`" in caught.value.hint

    @pytest.mark.parametrize("days", [8, 20, 60, 180])
    def test_the_seam_after_a_drop(self, days):
        rows = self._fall(5, 1e6)
        hole = (DAYS[200 - days // 2], DAYS[200 + days // 2])
        with pytest.raises(DataError, match=r"days without a bar \(5:1\)"):
            _accept(rows, drop=[hole])

    def test_growth_over_years_is_no_split(self):
        close = 100 * np.exp(0.007 * np.arange(300) + 0.03 * np.cos(np.arange(300) * 1.7))
        bars = _accept(_rows(close), drop=[(DAYS[100], DAYS[200])])
        assert len(bars) == 199

    def test_moves_of_a_few_ticks(self):
        close = np.array([0.0004, 0.0003, 0.0002, 0.0004, 0.0006, 0.0004] * 50)
        bars = _accept(_rows(close, open=close, high=close, low=close))
        assert "ticks of 0.0001" in bars.provenance["tick"]


class TestExDays:
    """Twelve dividends of 1 %, a month apart."""

    EX = np.arange(20, 300, 24)

    def _rows(self, *, taken_off, number=12):
        factor, ex = np.ones(300), self.EX[:number]
        for day in ex:
            factor[day:] *= 0.99
        # the ordinary nights of these bars spread by about half a per cent
        price = 100 * np.exp(0.005 * np.cumsum(np.sin(np.arange(300) * 2.3)))
        split = price * factor
        paid = np.zeros(300)
        paid[ex] = 0.01 * split[ex - 1]
        close = price if taken_off else split
        before = np.r_[close[0], close[:-1]] * (1 if taken_off else factor / np.r_[1, factor[:-1]])
        rows = _rows(close, dividends=paid)
        return rows.with_columns(
            open=before * np.exp(0.003 * np.cos(np.arange(300) * 5.1)),
            high=close * 1.05,
            low=close * 0.95,
        )

    def test_dividends_in_the_prices(self):
        rows = self._rows(taken_off=False)
        bars = _accept(rows, adjustment=None)
        assert (bars.adjustment, bars.adjusted_to) == ("split", "split+dividend")
        assert "on 12 ex-days the price falls by" in bars.provenance["adjustment"]
        whole = self._rows(taken_off=True)["close"]
        adjusted = bars.adjusted()["close"]
        assert (adjusted / whole).to_list() == pytest.approx([adjusted[-1] / whole[-1]] * 300)

    def test_dividends_taken_off(self):
        bars = _accept(self._rows(taken_off=True), adjustment=None)
        assert (bars.adjustment, bars.adjusted_to) == ("split+dividend", "split+dividend")
        assert (bars.frame["adj_close"] == bars.frame["close"]).all()

    def test_few_ex_days_do_not_tell(self):
        with pytest.raises(AdjustmentNeededError, match="on 3 ex-days the price falls by"):
            _accept(self._rows(taken_off=False, number=3), adjustment=None)

    @pytest.mark.parametrize(
        ("taken_off", "said"), [(True, "split"), (True, "raw"), (False, "split+dividend")]
    )
    def test_what_was_said_is_contradicted(self, taken_off, said):
        with pytest.raises(DataError, match=r"says .*, and on 12 ex-days the price falls by"):
            _accept(self._rows(taken_off=taken_off), adjustment=said)

    def test_dividends_of_other_shares(self):
        rows = self._rows(taken_off=False, number=3)
        with pytest.raises(DataError, match="it counts other shares than the prices do"):
            _accept(_change(rows, 20, dividends=60.0))


def test_an_adjusted_close_rounded_to_cents_is_no_seam():
    adjusted = np.round(CLOSE * 0.007, 2)
    bars = _accept(_rows(adj_close=adjusted), adjustment=None)
    assert bars.provenance["rounding"].startswith("to 0.01, up to 1.5 % of the price")


class TestFlat:
    """Prices that stand still: no deviation, no tick."""

    @pytest.mark.parametrize("ratio", [5, 2, 3 / 2, 4 / 3])
    def test_a_split_of_prices_that_stand_still(self, ratio):
        rows = _rows(np.where(np.arange(300) >= 200, 60.0 / ratio, 60.0))
        flat = rows.with_columns(pl.col("close").alias(name) for name in PRICES[:3])
        assert [jump.date for jump in find_jumps(flat)] == [DAYS[200]]

    def test_sixteenths(self):
        close = np.array([2, 3, 2, 1, 2, 3, 4, 3] * 30) / 16
        bars = _accept(_rows(close, open=close, high=close, low=close))
        assert "ticks of 0.0625" in bars.provenance["tick"]


def test_a_placeholder_is_no_slip():
    with pytest.raises(DataError, match=r"low 0\.01 on .* is 1/"):
        _accept(_change(_rows(), 150, low=0.01))
