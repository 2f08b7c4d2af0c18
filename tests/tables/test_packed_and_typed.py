"""Parquet, Arrow, workbooks, JSON and packed files give the strings that their values are."""

import bz2
import datetime as dt
import decimal
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from zoneinfo import ZoneInfo

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from finscale.data.sources.csv_header import num_fields
from finscale.errors import DataError
from finscale.tables import read_table

HEADER = ("Date", "Open", "High", "Low", "Close", "Volume")
ROWS = (
    ("2024-01-02", "472.16", "473.67", "470.49", "472.65", "123623700"),
    ("2024-01-03", "470.43", "471.19", "468.17", "468.79", "103585900"),
    ("2024-01-04", "468.3", "470.96", "467.05", "467.28", "84232200"),
)
PLAIN = "".join(",".join(cells) + "\n" for cells in (HEADER, *ROWS))
FRAME = pd.DataFrame(
    {
        "Date": pd.to_datetime([row[0] for row in ROWS]),
        **{name: [float(row[i]) for row in ROWS] for i, name in enumerate(HEADER[1:5], 1)},
        "Volume": [int(row[5]) for row in ROWS],
    }
)


@pytest.fixture
def read(tmp_path):
    def read(content, name="bars.bin", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        options.setdefault("recognise", lambda names: num_fields(names, "SPY"))
        return read_table(path, **options)

    return read


def _written(write):
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def _zip(**files):
    def write(content):
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)

    return _written(write)


def _tar(**files):
    def write(content):
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))

    return _written(write)


def _stream(table):
    def write(content):
        with pa.ipc.new_stream(content, table.schema) as writer:
            writer.write_table(table)

    return _written(write)


def _workbook(**sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return _written(book.save)


CELLS = [list(HEADER), *FRAME.astype(object).itertuples(index=False, name=None)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(PLAIN.encode(), mtime=0), id="gzip"),
        pytest.param(
            gzip.compress(HEADER[0].encode(), mtime=0) + gzip.compress(PLAIN[4:].encode(), mtime=0),
            id="two members",
        ),
        pytest.param(bz2.compress(PLAIN.encode()), id="bzip2"),
        pytest.param(lzma.compress(PLAIN.encode()), id="xz"),
        pytest.param(pa.compress(PLAIN.encode(), codec="zstd", asbytes=True), id="zstd"),
        pytest.param(_zip(**{"SPY.csv": PLAIN}), id="zip"),
        pytest.param(
            _zip(**{"a/x.csv": PLAIN, "README": "x", "__MACOSX/._x": "x"}), id="zip of a Mac"
        ),
        pytest.param(
            _zip(**{"SPY.csv.gz": gzip.compress(PLAIN.encode(), mtime=0)}), id="gzip in zip"
        ),
        pytest.param(_tar(**{"SPY.csv": PLAIN}), id="tar.gz"),
        pytest.param(_written(lambda f: FRAME.to_parquet(f)), id="parquet of pandas"),
        pytest.param(_written(lambda f: FRAME.set_index("Date").to_parquet(f)), id="indexed"),
        pytest.param(_written(lambda f: FRAME.to_parquet(f, compression="brotli")), id="brotli"),
        pytest.param(_written(pl.from_pandas(FRAME).write_parquet), id="parquet of polars"),
        pytest.param(_written(pl.from_pandas(FRAME).write_ipc), id="Arrow of polars"),
        pytest.param(_written(pl.from_pandas(FRAME).write_ipc_stream), id="stream of polars"),
        pytest.param(_written(lambda f: FRAME.to_feather(f)), id="Feather of pandas"),
        pytest.param(_stream(pa.Table.from_pandas(FRAME)), id="stream of pandas"),
        pytest.param(_workbook(Sheet1=CELLS), id="workbook"),
        pytest.param(_workbook(Notes=[["made by", "x"]], Data=CELLS, Empty=[]), id="two sheets"),
        pytest.param(_workbook(A=[[], *[[None, *row] for row in CELLS]]), id="moved"),
        pytest.param(_zip(**{"x.parquet": _written(lambda f: FRAME.to_parquet(f))}), id="zipped"),
        pytest.param(FRAME.to_json(orient="records", date_format="iso"), id="JSON records"),
        pytest.param(FRAME.to_json(orient="records", date_format="iso", indent=2), id="indented"),
        pytest.param(
            json.dumps(FRAME.to_json(orient="records", date_format="iso")), id="JSON in JSON"
        ),
        pytest.param(FRAME.to_json(orient="records", lines=True, date_format="iso"), id="lines"),
        pytest.param(FRAME.to_json(orient="columns", date_format="iso"), id="JSON columns"),
        pytest.param(FRAME.to_json(orient="index", date_format="iso"), id="JSON index"),
        pytest.param(FRAME.to_json(orient="split", date_format="iso"), id="JSON split"),
        pytest.param(FRAME.to_json(orient="table", index=False), id="JSON table"),
        pytest.param(json.dumps([HEADER, *ROWS]), id="JSON lists"),
        pytest.param("\n".join(map(json.dumps, [HEADER, *ROWS])), id="JSON lists by line"),
        pytest.param(json.dumps(FRAME.astype(str).to_dict(orient="list")), id="lists"),
        pytest.param(
            json.dumps({"dataset": {"id": 1, "column_names": HEADER, "data": ROWS}}), id="Quandl"
        ),
        pytest.param(
            json.dumps({"datatable": {"columns": [{"name": h} for h in HEADER], "data": ROWS}}),
            id="Nasdaq Data Link",
        ),
    ],
)
def test_it_is_the_same_table_in_every_format(read, content):
    table = read(content)
    assert table.headers[-1] == HEADER
    rows = tuple((row[0].removesuffix("T00:00:00.000"), *row[1:]) for row in table.rows)
    assert rows == ROWS
    assert table.left_out == ()


def test_the_name_of_the_file_does_not_matter(read):
    assert read(PLAIN, "bars.parquet").rows == ROWS
    assert read(_written(lambda f: FRAME.to_parquet(f)), "bars.csv").rows == ROWS
    assert read(json.dumps([HEADER, *ROWS]), "bars.xlsx").rows == ROWS


@pytest.mark.parametrize("packed", [_zip, _tar])
def test_an_archive_of_several_files(read, packed):
    other = PLAIN.replace("472.16", "1.16")
    content = packed(**{"data/SPY.csv": PLAIN, "data/qqq.us.txt": other, "x.csv": other})
    with pytest.raises(DataError, match=r"holds 3 files: data/SPY.csv, data/qqq.us.txt") as caught:
        read(content, symbol="DIA")
    assert caught.value.hint == "name one: --member data/SPY.csv"
    table = read(content, symbol="SPY")
    assert (table.rows, dict(table.about)) == (ROWS, {"member": "data/SPY.csv"})
    assert table.place == "bars.bin (data/SPY.csv)"
    assert read(content, symbol="QQQ").rows[0][1] == "1.16"
    assert read(content, symbol="DIA", member="SPY.csv").rows == ROWS
    with pytest.raises(DataError, match="holds no file DIA"):
        read(content, member="DIA.csv")
    with pytest.raises(DataError, match="is no archive with a file x"):
        read(PLAIN, member="x.csv")


def test_a_workbook_of_several_tables(read):
    other = [[*row[:1], *[1.5] * 4, 7] if i else row for i, row in enumerate(CELLS)]
    content = _workbook(SPY=CELLS, QQQ=other, Notes=[["x", "y"]])
    with pytest.raises(DataError, match="2 sheets that could be meant: SPY, QQQ") as caught:
        read(content, symbol="DIA")
    assert caught.value.hint == "name one: --sheet 'SPY'"
    table = read(content, symbol="SPY")
    assert (table.rows, dict(table.about)) == (ROWS, {"sheet": "SPY"})
    assert read(content, symbol="DIA", sheet="QQQ").rows[0][1:] == (*["1.5"] * 4, "7")
    with pytest.raises(DataError, match=r"no sheet 'DIA'; it has SPY, QQQ, Notes"):
        read(content, sheet="DIA")
    with pytest.raises(DataError, match="is no workbook"):
        read(PLAIN, sheet="DIA")


def test_columns_of_every_type(read):
    new_york = ZoneInfo("America/New_York")
    moments = [dt.datetime(2024, 1, d, tzinfo=new_york) for d in (2, 3)]
    table = pa.table(
        {
            "zoned": pa.array(moments, pa.timestamp("ns", "America/New_York")),
            "utc": pa.array(moments, pa.timestamp("us", "UTC")),
            "plain": pa.array([dt.datetime(2024, 1, 2, 16), dt.datetime(2024, 1, 3)]),
            "single": pa.array(np.array([472.55, np.nan], np.float32)),
            "double": pa.array([0.1 + 0.2, None]),
            "decimal": pa.array([decimal.Decimal("472.550"), None]),
            "category": pa.array(["SPY", "SPY"]).dictionary_encode(),
            "whole": pa.array([20240102, None], pa.int32()),
            "nothing": pa.array([None, None]),
            "truth": pa.array([True, False]),
        }
    )
    found = read(_written(lambda f: pyarrow.parquet.write_table(table, f)))
    assert dict(zip(found.headers[0], zip(*found.rows, strict=True), strict=True)) == {
        "zoned": ("2024-01-02T00:00:00-05:00", "2024-01-03T00:00:00-05:00"),
        "utc": ("2024-01-02T05:00:00+00:00", "2024-01-03T05:00:00+00:00"),
        "plain": ("2024-01-02T16:00:00", "2024-01-03T00:00:00"),
        "single": ("472.55", ""),
        "double": ("0.30000000000000004", ""),
        "decimal": ("472.550", ""),
        "category": ("SPY", "SPY"),
        "whole": ("20240102", ""),
        "nothing": ("", ""),
        "truth": ("true", "false"),
    }


def test_columns_of_two_levels_and_an_index_of_two(read):
    wide = FRAME.set_index("Date")
    wide.columns = pd.MultiIndex.from_product([wide.columns, ["SPY"]])
    table = read(_written(lambda f: wide.to_parquet(f)))
    assert table.headers == (HEADER, ("", *["SPY"] * 5))
    assert table.rows == ROWS
    long = FRAME.assign(symbol="SPY").set_index(["symbol", "Date"])
    table = read(_written(lambda f: long.to_parquet(f)))
    assert table.headers == (("Date", "symbol", *HEADER[1:]),)
    unnamed = FRAME.set_index("Date").rename_axis(None)
    assert read(_written(lambda f: unnamed.to_parquet(f))).headers == (("", *HEADER[1:]),)


def test_merged_names_above_tickers_in_a_workbook(read):
    wide = FRAME.set_index("Date")
    both = pd.concat({"DIA": wide + 1, "SPY": wide}, axis=1).swaplevel(axis=1)
    both = both[[(name, ticker) for name in HEADER[1:] for ticker in ("DIA", "SPY")]]
    table = read(_written(lambda f: both.to_excel(f)))
    assert table.headers[0][1:] == tuple(name for name in HEADER[1:] for _ in "12")
    assert table.headers[1][1:] == ("DIA", "SPY") * 5
    assert tuple((row[0], *row[2::2]) for row in table.rows) == ROWS


def test_columns_that_only_polars_writes(read):
    frame = pl.from_pandas(FRAME).with_columns(
        ticker=pl.lit("SPY").cast(pl.Categorical),
        board=pl.lit("A").cast(pl.Enum(["A"])),
        lot=pl.struct(size=pl.lit(1)),
    )
    assert read(_written(frame.write_ipc)).rows[0] == (*ROWS[0], "SPY", "A", '{"size": 1}')


def test_a_workbook_with_dates_errors_and_formulas_of_text(read):
    day = dt.date(2024, 1, 2)
    content = _workbook(
        A=[
            ["Date", "Open", "Close", "Volume"],
            [day, 1.5, "#N/A", 20240102.0],
            [day, 1e-7, None, "7"],
        ]
    )
    assert read(content).rows == (
        ("2024-01-02", "1.5", "", "20240102"),
        ("2024-01-02", "1e-07", "", "7"),
    )


ALPHA_VANTAGE = {
    "Meta Data": {
        "1. Information": "Daily Prices",
        "2. Symbol": "SPY",
        "5. Time Zone": "US/Eastern",
    },
    "Time Series (Daily)": {
        row[0]: dict(
            zip(("1. open", "2. high", "3. low", "4. close", "5. volume"), row[1:], strict=True)
        )
        for row in ROWS
    },
}
POLYGON = {
    "ticker": "SPY",
    "queryCount": 3,
    "results": [
        {
            "v": 7.0,
            "vw": 1.0,
            "o": 1.5,
            "c": 2.5,
            "h": 3.5,
            "l": 0.5,
            "t": 1704171600000 + i,
            "n": 9,
        }
        for i in range(3)
    ],
    "status": "OK",
}
YAHOO = {
    "chart": {
        "result": [
            {
                "meta": {"currency": "USD", "symbol": "SPY", "tradingPeriods": [[{"start": 1}]]},
                "timestamp": [1704205800, 1704292200],
                "events": {"dividends": {"1704205800": {"amount": 1.5, "date": 1704205800}}},
                "indicators": {
                    "quote": [{k: [1.5, None] for k in ("low", "open", "close", "high", "volume")}],
                    "adjclose": [{"adjclose": [1.25, None]}],
                },
            }
        ],
        "error": None,
    }
}


def test_what_vendors_write_as_json(read):
    table = read(json.dumps(ALPHA_VANTAGE))
    assert table.headers == (
        ("symbol", "", "1. open", "2. high", "3. low", "4. close", "5. volume"),
    )
    assert table.rows[0] == ("SPY", *ROWS[0])
    table = read(json.dumps(POLYGON))
    assert table.headers == (("symbol", "v", "vw", "o", "c", "h", "l", "t", "n"),)
    assert table.rows[1] == (
        "SPY",
        "7.0",
        "1.0",
        "1.5",
        "2.5",
        "3.5",
        "0.5",
        "1704171600001",
        "9",
    )
    table = read(json.dumps(YAHOO))
    assert set(table.headers[0]) >= {"symbol", "timestamp", "open", "adjclose"}
    assert dict(zip(table.headers[0], table.rows[1], strict=True))["timestamp"] == "1704292200"
    assert dict(zip(table.headers[0], table.rows[1], strict=True))["close"] == ""
    fmp = {"symbol": "SPY", "historical": [dict(zip(HEADER, row, strict=True)) for row in ROWS]}
    assert read(json.dumps(fmp)).rows[0] == ("SPY", *ROWS[0])
    alpaca = {
        "bars": {s: [dict(zip(HEADER, row, strict=True)) for row in ROWS] for s in ("A", "B")}
    }
    table = read(json.dumps(alpaca))
    assert [row[0] for row in table.rows] == ["A", "A", "A", "B", "B", "B"]
    finnhub = {
        "c": [1.5, 2],
        "h": [3, 3],
        "l": [1, 1],
        "o": [2, 2],
        "s": "ok",
        "t": [7, 8],
        "v": [5, 6],
    }
    assert read(json.dumps(finnhub)).headers == (("c", "h", "l", "o", "t", "v"),)
    oanda = {
        "instrument": "EUR_USD",
        "candles": [
            {"complete": True, "time": "t", "mid": {"o": "1", "h": "2", "l": "0", "c": "1"}}
            for _ in range(2)
        ],
    }
    assert read(json.dumps(oanda)).headers[0][-4:] == ("mid.o", "mid.h", "mid.l", "mid.c")


def test_lists_by_date_and_databases(read):
    table = read(json.dumps({row[0]: row[1:] for row in ROWS}))
    assert (table.headers, table.rows) == ((), ROWS)
    influx = {"results": [{"series": [{"name": "SPY", "columns": HEADER, "values": ROWS}]}]}
    assert read(json.dumps(influx)).rows == ROWS


def test_klines_have_no_names(read):
    rows = [
        [1727740800000 + i, "61817.27000000", "62705.76", "61683.31", "62469.6", "1"]
        for i in (0, 1)
    ]
    for content in (rows, {"error": [], "result": {"XBTUSD": rows, "last": 1}}):
        table = read(json.dumps(content))
        assert table.headers == ()
        assert table.rows[0][:2] == ("1727740800000", "61817.27000000")


def test_an_index_of_dates_is_the_first_column(read):
    for orient in ("columns", "index", "split"):
        table = read(FRAME.set_index("Date").to_json(orient=orient, date_format="iso"))
        assert table.headers == (("", *HEADER[1:]),)
        assert table.rows[0][0] == "2024-01-02T00:00:00.000"


def test_numbers_in_json_stay_as_written(read):
    text = (
        '[{"date":"2024-01-02","open":1.10,"high":1e2,"low":NaN,"close":null,"v":900719925474099}]'
    )
    assert read(text).rows == (("2024-01-02", "1.10", "1e2", "", "", "900719925474099"),)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"Note": "5 calls per minute"}, "5 calls per minute"),
        ({"Error Message": "Invalid API call."}, "Invalid API call."),
        ({"status": "ERROR", "request_id": "1", "error": "Unknown API Key"}, "Unknown API Key"),
        ({"detail": "Not found."}, "Not found."),
        ({"code": -1121, "msg": "Invalid symbol."}, "Invalid symbol."),
        ({"quandl_error": {"code": "QELx04", "message": "limit"}}, "limit"),
        ({"error": ["EQuery:Unknown asset pair"]}, "EQuery:Unknown asset pair"),
        ({"chart": {"result": None, "error": {"code": "x", "description": "No data"}}}, "No data"),
    ],
)
def test_what_a_vendor_says_instead(read, document, said):
    with pytest.raises(DataError) as caught:
        read(json.dumps(document))
    assert caught.value.message == f"bars.bin is not data: the vendor says {said!r}."


PARQUET = _written(lambda f: FRAME.to_parquet(f))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(PLAIN.encode(), mtime=0)[:-20], "is packed and cannot be unpacked"),
        (_zip(**{"a.csv": PLAIN})[:-30], "is packed and cannot be unpacked"),
        (lzma.compress(PLAIN.encode())[:-20], "is packed and cannot be unpacked"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (_zip(), "an archive without a data file"),
        (PARQUET[:-40], "is a parquet file that cannot be read"),
        (PARQUET[:200] + PARQUET[300:], "is a parquet file that cannot be read"),
        (_workbook(A=[]), "is a workbook without cells"),
        (_workbook(A=CELLS)[:2000], "cannot be unpacked"),
        (_written(lambda f: FRAME[:0].to_parquet(f)), "has no rows"),
        ("{}", "is JSON without a table"),
        ('[{"date": 1, "open": 2}, {"date": 2, "op', "ends in line 1 before it is complete"),
        ('{"date": [1, 2], "open": [1 2]}', "is no valid JSON: Expecting ',' delimiter in line 1"),
        ('[{"date": 1, "open": 2, "open": 3}]', "names 'open' twice"),
        (json.dumps([[1727740800000, 1, 2, 3, 4], [1727827200000, 1, 2, 3]] * 3), "cells where"),
    ],
)
def test_what_is_damaged_is_one_sentence(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content)


def test_json_lines_cut_off_in_the_last_are_listed(read):
    text = FRAME.to_json(orient="records", lines=True, date_format="iso")
    table = read(text.rstrip()[:-30])
    assert len(table.rows) == 2
    assert table.left_out == ((3, "the file is cut off in this record: left out"),)
