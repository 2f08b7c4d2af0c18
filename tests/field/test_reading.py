"""Files of bars and of law fits in every format, and text around the table."""

from __future__ import annotations

import datetime as dt

import pytest

from finscale.errors import DataError
from finscale.scaling.table import read_table

FIRST = (472.55, 480.97, 471.11, 480.84, 480.84, 720613.0)
LAST = (443.58, 444.44, 439.39, 440.33, 440.33, 973112.0)


@pytest.mark.parametrize(
    "name",
    [
        "bars.csv.gz",
        "bars.feather",
        "bars.jsonl",
        "bars.parquet",
        "bars.zip",
        "bars_records.json",
        "multiindex.parquet",
        "r_write_table.csv",
    ],
)
def test_the_same_bars_in_every_format(bars_of, name):
    bars = bars_of(name, "SPY", adjustment="split")
    assert (len(bars), bars.repairs) == (124, ())
    assert (bars.first_date, bars.last_date) == (dt.date(2024, 1, 2), dt.date(2024, 6, 28))
    assert (bars.frame.row(0)[2:], bars.frame.row(-1)[2:]) == (FIRST, LAST)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bars.arrow", "bars.arrow has one column: 'date'"),
        ("bars.xlsx", "bars.xlsx is a workbook that cannot be read"),
        ("av_limit.csv", "is not data: the vendor says 'Thank you for using Alpha Vantage!"),
    ],
)
def test_what_holds_no_bars_is_said(bars_of, name, message):
    with pytest.raises(DataError, match=message):
        bars_of(name, "SPY", adjustment="split")


@pytest.mark.parametrize("name", ["title_with_date.csv", "single_quote.csv"])
def test_titles_and_other_quotes(bars_of, name):
    bars = bars_of(name, "XYZ", adjustment="split")
    assert (len(bars), bars.first_date) == (625, dt.date(2022, 1, 3))
    assert bars.frame.row(0)[2:] == (99.79, 100.83, 99.03, 100.38, 100.38, 666806.0)
    said = bars.provenance.get("skipped", "")
    assert ("2022-01-03 to 2024-06-28 daily prices of XYZ" in said) == name.startswith("title")


def test_a_header_that_stands_again_is_skipped_and_listed(bars_of):
    bars = bars_of("binance_concat_headers.csv", "BTC", adjustment="split", calendar="none")
    assert len(bars) == 182
    assert str(bars.repairs[0]) == "row 94: the header again: skipped"
    assert (bars.first_date, bars.last_date) == (dt.date(2024, 10, 1), dt.date(2025, 3, 31))


def test_the_lines_above_bloombergs_header_are_found(field):
    from finscale.tables import read_table as read

    table = read(field("bbg.csv"))
    header = ("Date", "PX_OPEN", "PX_HIGH", "PX_LOW", "PX_LAST", "PX_VOLUME")
    assert table.headers[-1] == header
    assert table.headers[0][:2] == ("Security", "SPY US Equity")
    assert table.rows[0][:2] == ("1/2/2024", "472.55")
    assert len(table.rows) == 124


@pytest.mark.parametrize("name", ["law_semicolon.csv", "law_tsv.tsv", "law_json.json"])
def test_law_fit_reads_what_data_import_reads(field, name):
    table = read_table(field(name), x="parameters")
    assert table.x_nd[:, 0].tolist() == [10000, 31622, 100000, 316227, 1000000, 3162277]
    assert table.losses_nST.shape == (6, 4, 1)
    assert table.losses_nST[0, 0, 0] == pytest.approx(0.42386, abs=1e-5)
    assert not table.notes
