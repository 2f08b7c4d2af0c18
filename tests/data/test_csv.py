"""The layouts that people have, and what is no bars at all."""

import datetime as dt

import pytest

from finscale.data import fetch_bars
from finscale.errors import DataError

NOW = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
DATES = [dt.date(2024, 1, day) for day in (2, 3, 4, 5)]
PLAIN = """date,open,high,low,close,volume
2024-01-02,472.16,473.67,470.49,472.65,123623700
2024-01-03,470.43,471.19,468.17,468.79,103585900
2024-01-04,468.30,470.96,467.05,467.28,84232200
2024-01-05,467.49,470.44,466.43,467.92,86060800
"""


@pytest.fixture
def read(tmp_path):
    def fetch(content, symbol="SPY", **options):
        file = tmp_path / "bars.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        wanted = {"adjustment": "split", "now": NOW, **options}
        return fetch_bars("csv", symbol, file=file, **wanted)

    return fetch


def _rows(dates, *, header="Date,Open,High,Low,Close,Volume", separator=","):
    tails = [line.split(",")[1:] for line in PLAIN.splitlines()[1:]]
    lines = [separator.join([d, *tail]) for d, tail in zip(dates, tails, strict=True)]
    return "\n".join([separator.join(header.split(",")), *lines])


def test_plain(read):
    bars = read(PLAIN)
    assert bars.frame["date"].to_list() == DATES
    assert bars.frame.row(3)[2:] == (467.49, 470.44, 466.43, 467.92, 467.92, 86060800.0)
    assert (bars.repairs, bars.provenance["adjustment"]) == ((), "declared by the user")
    assert bars.provenance["file"] == "bars.csv"
    assert len(bars.provenance["file sha256"]) == 64


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN.upper(), id="upper case"),
        pytest.param(PLAIN.replace("\n", "\r\n"), id="CRLF"),
        pytest.param("\ufeff" + PLAIN, id="byte order mark"),
        pytest.param(PLAIN.encode("utf-16"), id="UTF-16"),
        pytest.param("# caf\xe9\n".encode("latin-1") + PLAIN.encode(), id="Latin-1 comment"),
        pytest.param(PLAIN.replace(",", "\t"), id="tabs"),
        pytest.param(PLAIN.replace(",", "|"), id="bars"),
        pytest.param(PLAIN.replace(",", ";").replace(".", ","), id="decimal comma"),
        pytest.param(PLAIN.replace("\n", "\n\n"), id="blank lines"),
        pytest.param(PLAIN.replace(",", " , "), id="blanks around cells"),
        pytest.param("Daily prices of SPY\n" + PLAIN, id="title line"),
        pytest.param(PLAIN.replace("date", "", 1), id="date without a name"),
        pytest.param(PLAIN.replace("close", "Close/Last", 1), id="Nasdaq"),
        pytest.param(PLAIN.replace("close", "Price", 1), id="Investing.com"),
        pytest.param(
            PLAIN.replace(
                "date,open,high,low,close,volume",
                "timestamp,1. open,2. high,3. low,4. close,5. volume",
            ),
            id="Alpha Vantage",
        ),
        pytest.param(
            PLAIN.replace(
                "date,open,high,low,close,volume", "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>"
            ),
            id="MetaStock",
        ),
        pytest.param(
            PLAIN.replace("open,high,low,close,volume", "Open_SPY,High_SPY,Low_SPY,Close_SPY,V"),
            id="flattened by pandas",
        ),
    ],
)
def test_layouts(read, content):
    assert read(content).frame.equals(read(PLAIN).frame)


@pytest.mark.parametrize(
    ("dates", "options"),
    [
        (["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"], {}),
        (["2024/1/2", "2024/1/3", "2024/1/4", "2024/1/5"], {}),
        (["20240102", "20240103", "20240104", "20240105"], {}),
        ([f"2024-01-0{d} 00:00:00-05:00" for d in (2, 3, 4, 5)], {}),
        ([f"2024-01-0{d}T14:30:00Z" for d in (2, 3, 4, 5)], {}),
        ([f"2024-01-0{d} 16:00:00" for d in (2, 3, 4, 5)], {}),
        (["1704205800", "1704292200", "1704378600", "1704465000"], {}),
        (["1704205800000", "1704292200000", "1704378600000", "1704465000000"], {}),
        (["1704153600", "1704240000", "1704326400", "1704412800"], {}),
        (["02-Jan-2024", "03-Jan-2024", "04-Jan-2024", "05-Jan-2024"], {}),
        (['"Jan 2, 2024"', '"Jan 3, 2024"', '"Jan 4, 2024"', '"Jan 5, 2024"'], {}),
        (["01/02/2024", "01/03/2024", "01/04/2024", "01/05/2024"], {"date_format": "%m/%d/%Y"}),
        (["02.01.2024", "03.01.2024", "04.01.2024", "05.01.2024"], {"date_format": "%d.%m.%Y"}),
    ],
)
def test_dates(read, dates, options):
    assert read(_rows(dates), **options).frame["date"].to_list() == DATES


def test_dates_of_tokyo_written_in_utc_are_those_of_tokyo(read):
    # midnight in Tokyo is 15:00 the day before in UTC
    dates = [f"2024-01-{d:02} 15:00:00+00:00" for d in (3, 4, 8, 9)]
    found = read(_rows(dates), calendar="XTKS").frame["date"].to_list()
    assert found == [dt.date(2024, 1, d) for d in (4, 5, 9, 10)]


def test_day_and_month_are_told_apart_by_what_all_rows_allow(read):
    days = [dt.date(2024, 1, d) for d in (11, 12, 16, 17)]
    for form in ("%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m/%d/%y"):
        content = _rows([day.strftime(form) for day in days])
        assert read(content).frame["date"].to_list() == days


def test_day_and_month_are_told_apart_by_order_and_else_asked_for(read):
    # as month first: 2, 3, 4 January; as day first: 1 February, March, April
    either = _rows(["01/02/2024", "01/03/2024", "01/04/2024", "01/05/2024"])
    with pytest.raises(DataError, match="month first or day first") as caught:
        read(either, now=dt.datetime(2024, 7, 1, tzinfo=dt.UTC))
    # in February, bars of March are still to come
    assert read(either).frame["date"].to_list() == DATES
    assert "--date-format %m/%d/%Y" in caught.value.hint
    # as month first these would go back from March to January
    ordered = _rows(["02/01/2024", "03/01/2024", "01/02/2024", "02/02/2024"])
    found = read(ordered, now=dt.datetime(2024, 3, 1, tzinfo=dt.UTC)).frame["date"]
    assert found.to_list() == [dt.date(2024, m, d) for m, d in ((1, 2), (1, 3), (2, 1), (2, 2))]


def test_newest_first_is_put_in_order_and_said(read):
    head, *rows = PLAIN.splitlines()
    bars = read("\n".join([head, *reversed(rows)]))
    assert bars.frame["date"].to_list() == DATES
    assert (bars.provenance["order"], bars.repairs) == ("newest first", ())


def test_money_thousands_and_suffixes(read):
    bars = read(
        'Date,Close/Last,Volume,Open,High,Low\n2024-01-02,$472.65,123.62M,"$1,472.16",$1473.67,$470\n'
    )
    assert bars.frame.row(0)[2:] == (1472.16, 1473.67, 470.0, 472.65, 472.65, 123_620_000.0)


def _marks(rows, separator="\t", days=None):
    """Rows of open, high, low, close, volume as they stand in a file."""
    lines = ["Date,Open,High,Low,Close,Volume".replace(",", separator)]
    for day, row in zip(days or DATES, rows, strict=False):
        cells = row.split()
        cells = [f'"{cell}"' if separator in cell else cell for cell in cells]
        lines.append(separator.join([str(day), *cells]))
    return "\n".join(lines)


@pytest.mark.parametrize("separator", ["\t", ";", "|", ","])
@pytest.mark.parametrize(
    ("rows", "closes", "volume"),
    [
        pytest.param(
            ["988 995 984 990 900", "1,010 1,017 1,006 1,012 901", "978 985 974 980 902"],
            [990, 1012, 980],
            900,
            id="whole numbers, some above a thousand",
        ),
        pytest.param(
            ["1,010 1,017 1,006 1,012 1,234,567", "1,010 1,017 1,006 1,013 1,234,567"],
            [1012, 1013],
            1_234_567,
            id="the volume tells",
        ),
        pytest.param(
            ["1,240 1,246 1,235 1,241 123,456", "1,241 1,246 1,235 1,241.25 123,456"],
            [1241, 1241.25],
            123_456,
            id="one price with a point tells",
        ),
        pytest.param(
            ["150 151 149 150 123,456", "150 151 149 151 98,765"],
            [150, 151],
            123_456,
            id="a number of shares has no decimals",
        ),
        pytest.param(
            ["998,5 999,5 997,5 998,50 1.234.567", "1.000 1.003,5 999 1.001,50 1.234.567"],
            [998.5, 1001.5],
            1_234_567,
            id="decimal comma, points between thousands",
        ),
        pytest.param(
            ["1,101 1,103 1,100 1,102 0", "1,101 1,103 1,100 1,1 0"],
            [1.102, 1.1],
            0,
            id="one price with fewer decimals tells",
        ),
        pytest.param(
            ["0,987 0,989 0,985 0,988 0", "1,001 1,003 1,000 1,002 0"],
            [0.988, 1.002],
            0,
            id="a nought before the comma tells",
        ),
        pytest.param(["2 2 2 2 0", "2,125 2,25 2 2,125 0"], [2, 2.125], 0, id="a later row tells"),
    ],
)
def test_thousands_and_decimal_commas_are_told_apart(read, rows, closes, volume, separator):
    bars = read(_marks(rows, separator)).frame
    assert bars["close"].to_list() == closes
    assert bars["volume"][0] == volume


def test_a_comma_after_the_first_fifty_rows_counts(read):
    days = [dt.date(2023, 1, 1) + dt.timedelta(n) for n in range(60)]
    rows = ["988 995 984 990 900"] * 55 + ["1,010 1,017 1,006 1,012 901"] * 5
    bars = read(_marks(rows, days=days), calendar="none")
    assert bars.frame["close"].to_list() == [990.0] * 55 + [1012.0] * 5


def test_commas_that_could_mean_either_are_asked_about(read):
    rows = ["1,101 1,103 1,100 1,102 900", "1,101 1,103 1,100 1,102 900"]
    with pytest.raises(DataError, match=r"bars.csv row 2: '1,101' \(open\) could be") as caught:
        read(_marks(rows))
    assert "--decimal point reads thousands" in caught.value.hint
    # between commas, decimal commas would be strange
    assert read(_marks(rows, ",")).frame["close"][0] == 1102


def test_both_forms_in_one_file_are_refused(read):
    rows = ["998,5 999,5 997,5 998,5 1000.0", "998,5 999,5 997,5 998,5 1000.0"]
    with pytest.raises(DataError, match=r"'998,5' \(open\) in row 2 .* '1000.0' \(volume\)"):
        read(_marks(rows))


def test_no_volume_is_said(read):
    bars = read("\n".join(line.rpartition(",")[0] for line in PLAIN.splitlines()))
    assert bars.frame["volume"].to_list() == [0.0] * 4
    assert bars.provenance["volume"] == "none: 0 throughout"


def test_a_file_of_several_symbols_one_below_the_other(read):
    head, *rows = PLAIN.splitlines()
    long = "\n".join([f"{head},Name", *[f"{r},SPY" for r in rows], f"{rows[0]},DIA"])
    assert len(read(long)) == 4
    assert len(read(long, "dia")) == 1
    with pytest.raises(DataError, match=r"holds 2 symbols \(DIA, SPY\)"):
        read(long, "QQQ")


def test_tickers_above_the_columns(read):
    """yfinance with group_by='ticker'."""
    head = "Ticker,SPY,SPY,SPY,SPY,SPY\nPrice,Open,High,Low,Close,Volume\nDate,,,,,\n"
    assert read(head + PLAIN.partition("\n")[2]).frame.equals(read(PLAIN).frame)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "bars.csv is empty"),
        (" \n\n", "bars.csv is empty"),
        ("date,open,high,low,close\n", "has a header and no rows"),
        ("close\n1.0\n2.0\n", "has one column: 'close'"),
        (PLAIN.partition("\n")[2], "has no header line"),
        ("<!DOCTYPE html><html>limit</html>", "is a web page"),
        (b"PK\x03\x04rest", "is packed and cannot be unpacked: it is damaged or cut off"),
        (b"PAR1", "is a parquet file that cannot be read"),
        (b"date,\0", "is a binary file"),
        ("date,open,close\n2024-01-02,1,1\n", "has no column for high, low"),
        (PLAIN.replace("volume", "close"), "columns 'close' and 'close' are all named like"),
        (PLAIN.replace("468.79", "46B.79x"), "row 3: '46B.79x' is not a number"),
        (PLAIN.replace("2024-01-03", "total"), "row 3: 'total' is not a date"),
        (PLAIN.replace("2024-01-03", "2024-13-03"), "row 3: '2024-13-03' is not a date"),
        (PLAIN.replace("2024", "2034"), "dated 2034-01-02, in the future"),
    ],
)
def test_what_is_no_bars_is_one_sentence(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content)


def test_no_file_a_folder_and_a_wrong_name(tmp_path):
    with pytest.raises(DataError, match="needs a file"):
        fetch_bars("csv", "SPY")
    (tmp_path / "SPY.csv").write_text(PLAIN)
    with pytest.raises(DataError, match="is a folder") as caught:
        fetch_bars("csv", "SPY", file=tmp_path)
    assert caught.value.hint == "it holds SPY.csv"
    with pytest.raises(DataError, match="does not exist") as caught:
        fetch_bars("csv", "SPY", file=tmp_path / "SPX.csv")
    assert caught.value.hint == "Did you mean SPY.csv?"
    with pytest.raises(DataError, match="cannot be read: Not a directory"):
        fetch_bars("csv", "SPY", file=tmp_path / "SPY.csv" / "x.csv")


def test_no_permission(unprivileged):
    file = unprivileged / "SPY.csv"
    file.write_text(PLAIN)
    file.chmod(0)
    with pytest.raises(DataError, match="may not be read by you") as caught:
        fetch_bars("csv", "SPY", file=file)
    assert "chmod u+r" in caught.value.hint


def test_unknown_options_and_adjustments_are_named(read):
    with pytest.raises(DataError, match="takes no option 'adjustement'") as caught:
        read(PLAIN, adjustement="split")
    assert caught.value.hint == "Did you mean adjustment?"
    with pytest.raises(DataError, match="'splits' is not an adjustment") as caught:
        read(PLAIN, adjustment="splits")
    assert caught.value.hint == "Did you mean split?"
    with pytest.raises(DataError, match="'XNYZ' is not an exchange calendar"):
        read(PLAIN, calendar="XNYZ")
    with pytest.raises(DataError, match="no bars from 2020-01-01 to 2020-01-02 to drop"):
        read(PLAIN, drop=[(dt.date(2020, 1, 1), dt.date(2020, 1, 2))])
