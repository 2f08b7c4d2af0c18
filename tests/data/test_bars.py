"""Bars: one schema, one adjustment factor, the same bytes for the same bars."""

import datetime as dt
from urllib.parse import unquote

import polars as pl
import pytest

from finscale.data import Bars, Repair, fetch_bars
from finscale.data.bars import SCHEMA, conform, file_name, normal_symbol, read_bars, write_bars
from finscale.errors import DataError

DATES = [dt.date(2020, 8, 27), dt.date(2020, 8, 28), dt.date(2020, 8, 31)]


def _frame(**columns):
    values = {
        "date": DATES,
        "open": [508.57, 504.05, 127.58],
        "high": [509.94, 505.77, 131.0],
        "low": [495.33, 498.31, 126.0],
        "close": [500.04, 499.23, 129.04],
        "adj_close": [125.01, 124.8075, 129.04],
        "volume": [38_888_096.0, 46_907_479.0, 225_702_688.0],
    }
    return conform("AAPL", pl.DataFrame({**values, **columns}))


def _bars(**fields):
    return Bars(
        **{"symbol": "AAPL", "frame": _frame(), "adjustment": "raw", "source": "csv"} | fields
    )


def test_one_factor_adjusts_all_four_prices():
    adjusted = _bars().adjusted()
    assert adjusted.columns == ["date", "symbol", "open", "high", "low", "close", "volume"]
    assert adjusted["close"].to_list() == [125.01, 124.8075, 129.04]
    assert adjusted["open"].to_list() == pytest.approx([127.1425, 126.0125, 127.58])
    assert adjusted["high"].to_list() == pytest.approx([127.485, 126.4425, 131.0])
    assert adjusted["low"].to_list() == pytest.approx([123.8325, 124.5775, 126.0])


def test_volume_counts_the_shares_of_today_where_splits_are_known():
    assert _bars().adjusted()["volume"][0] == 38_888_096.0
    split = _bars(splits=((dt.date(2020, 8, 31), 4.0),))
    assert split.adjusted()["volume"].to_list() == [155_552_384.0, 187_629_916.0, 225_702_688.0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "split+dividend"),
        ({"provenance": {"adj_close": "splits"}}, "split"),
        ({"frame": _frame(adj_close=[500.04, 499.23, 129.04])}, "raw"),
    ],
)
def test_what_adjusted_prices_are(fields, expected):
    assert _bars(**fields).adjusted_to == expected


def test_bars_survive_a_file_and_equal_bars_give_equal_bytes(tmp_path):
    bars = _bars(
        repairs=(Repair(3, DATES[0], "no volume: set to 0"), Repair(None, None, "sorted")),
        provenance={"file": "a.csv"},
        splits=((DATES[2], 4.0),),
    )
    write_bars(bars, tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    back = read_bars(content, "a.parquet")
    assert back.frame.equals(bars.frame)
    assert (back.repairs, back.provenance, back.splits) == (
        bars.repairs,
        bars.provenance,
        bars.splits,
    )
    parts = pl.concat([bars.frame[:1], bars.frame[1:]], rechunk=False)
    write_bars(_bars(**{**vars(back), "frame": parts}), tmp_path / "b.parquet")
    assert (tmp_path / "b.parquet").read_bytes() == content


def test_a_file_of_something_else_is_refused(tmp_path):
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "x.parquet")
    for content in (b"", b"PAR1", (tmp_path / "x.parquet").read_bytes()):
        with pytest.raises(DataError, match=r"x\.parquet holds no bars"):
            read_bars(content, "x.parquet")


def test_another_schema_and_no_rows_are_refused():
    with pytest.raises(DataError, match="have columns"):
        _bars(frame=_frame().drop("adj_close"))
    with pytest.raises(DataError, match="AAPL has no bars"):
        _bars(frame=_frame()[:0])


def test_conform_fills_what_a_source_does_not_have():
    prices = {name: [1, 2, 3] for name in ("open", "high", "low", "close")}
    frame = conform("VIX", pl.DataFrame({"date": DATES, **prices}))
    assert dict(frame.schema) == SCHEMA
    assert frame["adj_close"].to_list() == [1.0, 2.0, 3.0]
    assert frame["volume"].to_list() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "symbol",
    [
        *("SPY", "BRK.B", "^GSPC", "NQ=F", "BTC-USD", "005930.KS", "M&M.NS", "ES1!", "BRK/B"),
        *("EUR/USD", "7203.T", "NYSE:IBM", ".DJI", "$SPX", "CON", "AUX.DE"),
    ],
)
def test_symbols(symbol):
    assert normal_symbol(f" {symbol.lower()} ") == symbol


@pytest.mark.parametrize("symbol", ["", "../SPY", "./SPY", "S P", "A\\B", "SPY\n.", "/", "A%2F"])
def test_what_cannot_name_a_file_is_no_symbol(symbol):
    with pytest.raises(DataError, match="is not a symbol"):
        normal_symbol(symbol)


def test_files_are_named_for_symbols_safely_and_reversibly():
    # names that files have today stay as they are
    for symbol in ("SPY", "BRK.B", "^GSPC", "NQ=F", "BTC-USD", "005930.KS", "A_B"):
        assert file_name(symbol) == symbol
    odd = ["BRK/B", "BRK_B", "BRK.B", "BRK:B", "M&M.NS", "ES1!", ".DJI", "CON", "CON.DE", "COM1"]
    names = [file_name(symbol) for symbol in odd]
    assert names[0] == "BRK%2FB"
    assert [unquote(name) for name in names] == odd
    assert len(set(names)) == len(odd)
    for name in names:
        assert not set(name) & set('/\\:*?"<>|&!')
        assert not name.startswith((".", "CON", "COM1"))


def test_repairs_read_as_sentences():
    assert str(Repair(8, DATES[0], "no prices: row left out")) == (
        "row 8 · 2020-08-27: no prices: row left out"
    )
    assert str(Repair(None, None, "closes only")) == "all rows: closes only"


@pytest.mark.parametrize(
    ("symbol", "rows", "first", "last", "close", "adjustment", "num_repairs"),
    [
        ("SP500", 5031, "1999-01-04", "2018-12-31", 2506.850098, "split", 0),
        ("NASDAQ", 5031, "1999-01-04", "2018-12-31", 6635.279785, "split", 0),
    ],
)
def test_bundled(symbol, rows, first, last, close, adjustment, num_repairs):
    bars = fetch_bars("bundled", symbol.lower())
    assert (len(bars), str(bars.first_date), str(bars.last_date)) == (rows, first, last)
    assert bars.frame["close"][-1] == close
    assert (bars.adjustment, bars.adjusted_to) == (adjustment, adjustment)
    assert len(bars.repairs) == num_repairs
    prices = bars.adjusted()
    inside = (pl.col("low") <= pl.min_horizontal("open", "close")) & (
        pl.max_horizontal("open", "close") <= pl.col("high")
    )
    assert prices.select(inside.all()).item()
    assert prices["close"].equals(bars.frame["close"])


def test_bundled_vix_says_that_it_is_closes_only():
    vix = fetch_bars("bundled", "VIX")
    assert str(vix.repairs[0]) == "2014-01-20: no value: row left out"
    assert (len(vix), len(vix.repairs), vix.columns) == (1259, 46, ("close",))
    assert vix.provenance["columns"] == "closes alone: no open, high, low, no volume"
    assert vix.adjusted().columns == ["date", "symbol", "close"]


def test_what_is_not_bundled():
    with pytest.raises(DataError, match="SPX is not bundled"):
        fetch_bars("bundled", "SPX")
    with pytest.raises(DataError, match="takes no option start"):
        fetch_bars("bundled", "SP500", start=DATES[0])
