"""Every file of ../shared/data/bad gets the right answer; every file of market/ is imported."""

import datetime as dt

import pytest

from finscale.data import fetch_bars
from finscale.data.adjustment import AdjustmentNeededError
from finscale.errors import DataError


@pytest.fixture
def bad(shared_data):
    return lambda name, symbol, **options: fetch_bars(
        "csv", symbol, file=shared_data / "bad" / name, **options
    )


def _closes(bars):
    return dict(zip(bars.frame["date"].to_list(), bars.frame["close"].to_list(), strict=True))


def test_01_yf_multiheader_nq(bad):
    name = "01_yf_multiheader_NQ.csv"
    with pytest.raises(AdjustmentNeededError, match="has no adjusted close") as caught:
        bad(name, "NQ")
    assert "--adjustment split+dividend" in caught.value.hint
    bars = bad(name, "NQ", adjustment="split")
    assert len(bars) == 20
    assert bars.frame.row(0)[:6] == (dt.date(2000, 9, 18), "NQ", 3721.0, 3785.5, 3602.0, 3653.5)
    assert bars.frame["volume"][0] == 72994.0
    assert bars.provenance["ticker"] == "NQ=F in the file"


def test_02_yf_multiheader_two_tickers(bad):
    name = "02_yf_multiheader_two_tickers.csv"
    spy, dia = bad(name, "SPY"), bad(name, "DIA")
    assert (len(spy), len(dia)) == (21, 21)
    assert spy.frame["close"][0] == 603.6300048828125
    assert dia.frame["close"][0] == 448.739990234375
    assert (spy.frame["volume"][0], dia.frame["volume"][0]) == (31746000.0, 2661200.0)
    # whole cents in single precision on both sides of the dividend of 20 December
    assert spy.adjustment == "split"
    with pytest.raises(DataError, match=r"holds 2 symbols \(DIA, SPY\), and QQQ is none") as caught:
        bad(name, "QQQ")
    assert caught.value.hint == "choose one of them, such as --symbol DIA"


def test_03_tz_aware_dst_spy(bad):
    bars = bad("03_tz_aware_dst_SPY.csv", "SPY")
    dates = bars.frame["date"].to_list()
    assert dates[0] == dt.date(2024, 3, 4)
    assert dates[-1] == dt.date(2024, 3, 22)
    # across the change of clocks on 10 March no day is lost, doubled or moved
    assert dt.date(2024, 3, 8) in dates
    assert dt.date(2024, 3, 11) in dates
    assert len(set(dates)) == 15
    assert bars.repairs == ()
    # closes before the ex-day of 15 March are whole cents: its dividend was not taken off
    assert bars.adjustment == "split"


def test_04_yahoo_null_and_dup_spy(bad):
    name = "04_yahoo_null_and_dup_SPY.csv"
    bars = bad(name, "SPY")
    assert [(r.row, str(r.date)) for r in bars.repairs] == [
        (8, "2020-10-09"),
        (13, "2020-10-16"),
        (24, "2020-10-30"),
    ]
    assert bars.repairs[0].reason == "no prices: row left out"
    assert "adjusted like the day before" in bars.repairs[2].reason
    assert len(bars) == 20
    # the row that was adjusted is the one kept
    assert bars.frame["adj_close"][-1] == 302.6969
    assert bars.frame["volume"][-1] == 120287300.0
    with pytest.raises(DataError, match="3 rows need repair, and --strict was given"):
        bad(name, "SPY", strict=True)


def test_06_split_seam_klac(bad):
    name = "06_split_seam_KLAC.csv"
    with pytest.raises(DataError) as caught:
        bad(name, "KLAC")
    assert caught.value.message == (
        f"{name}: the close falls 89.6 % on 2026-06-03 and rises 1,029 % on 2026-06-11 while "
        "volume rises tenfold: a 10:1 split applied to part of the file. Nothing was imported."
    )
    assert "`--drop 2026-06-03:2026-06-10`" in caught.value.hint
    # saying what has been done to the prices does not make them right
    with pytest.raises(DataError, match="applied to part of the file"):
        bad(name, "KLAC", adjustment="split+dividend")
    drop = [(dt.date(2026, 6, 3), dt.date(2026, 6, 10))]
    bars = bad(name, "KLAC", drop=drop, adjustment="split+dividend")
    assert len(bars) == 17
    assert bars.provenance["dropped 2026-06-03 – 2026-06-10"] == "6 bars, as the user wished"
    assert bars.frame["close"].min() > 1700


def test_07_raw_splits_no_adj_aapl(bad):
    name = "07_raw_splits_no_adj_AAPL.csv"
    with pytest.raises(DataError) as caught:
        bad(name, "AAPL", adjustment="split+dividend")
    assert "falls 85.5 % on 2014-06-09 (7:1), falls 74.2 % on 2020-08-31 (4:1)" in str(caught.value)
    assert "--split 2014-06-09:7 --split 2020-08-31:4" in caught.value.hint
    splits = [(dt.date(2014, 6, 9), 7.0), (dt.date(2020, 8, 31), 4.0)]
    bars = bad(name, "AAPL", splits=splits)
    assert (bars.adjustment, bars.adjusted_to) == ("raw", "split")
    closes = _closes(bars)
    assert closes[dt.date(2014, 6, 6)] == pytest.approx(645.57, abs=0.01)
    adjusted = dict(zip(bars.frame["date"], bars.adjusted()["close"], strict=True))
    assert adjusted[dt.date(2014, 6, 6)] == pytest.approx(645.57 / 28, abs=0.01)
    assert adjusted[dt.date(2020, 8, 28)] == pytest.approx(closes[dt.date(2020, 8, 28)] / 4)
    assert adjusted[dt.date(2020, 8, 31)] == closes[dt.date(2020, 8, 31)]
    # one split alone is not enough
    with pytest.raises(DataError, match=r"falls 74\.2 % on 2020-08-31 \(4:1\)"):
        bad(name, "AAPL", splits=splits[:1])


def test_10_lfs_pointer_dia(bad):
    with pytest.raises(
        DataError, match="is a Git LFS pointer of a file of 603,211 bytes"
    ) as caught:
        bad("10_lfs_pointer_DIA.csv", "DIA")
    assert "git lfs pull" in caught.value.hint


def test_11_ohlc_inconsistent_holidays_vix(bad):
    name = "11_ohlc_inconsistent_holidays_VIX.csv"
    bars = bad(name, "VIX", adjustment="raw")
    assert [str(r) for r in bars.repairs] == [
        "row 4 · 1992-02-11: open 19.24 is outside low 17.61 … high 18.57: moved to its edge",
        "row 9 · 1992-02-19: open 17.79 is outside low 16.85 … high 17.69: moved to its edge",
        "row 14 · 1992-08-24: open 13.74 is outside low 15.21 … high 16.48: moved to its edge",
        "row 17 · 1992-08-27: open 14.05 is outside low 12.88 … high 13.86: moved to its edge",
        "row 23 · 2022-05-30: no session of XNYS on this Monday: row left out",
    ]
    assert (len(bars), bars.frame["open"][2]) == (25, 18.57)
    assert bars.provenance["volume"] == "none: 0 throughout"
    assert len(bad(name, "VIX", adjustment="raw", calendar="none")) == 26


@pytest.mark.parametrize(
    ("symbol", "rows", "adjustment"),
    [
        *[("SPY", 8397, None), ("QQQ", 6855, None), ("GLD", 5422, None), ("XLE", 6907, None)],
        *[("AAPL", 11464, "split+dividend"), ("GE", 16217, "split+dividend")],
    ],
)
def test_good_files_need_no_repair(shared_data, symbol, rows, adjustment):
    file = shared_data / "market" / f"{symbol}.csv"
    bars = fetch_bars("csv", symbol, file=file, adjustment=adjustment)
    assert (len(bars), bars.repairs, bars.splits) == (rows, (), ())
    assert (bars.adjustment, bars.last_date) == (adjustment or "split", dt.date(2026, 6, 9))


def test_the_whole_vix_is_repaired_and_listed(shared_data):
    file = shared_data / "market" / "VIX.csv"
    bars = fetch_bars("csv", "VIX", file=file, adjustment="raw")
    reasons = [r.reason for r in bars.repairs]
    assert sum("open" in reason for reason in reasons) == 47
    assert sum("no session" in reason for reason in reasons) == 33
    assert len(bars) == 9235 - 33
