"""Bars in workbooks old and new, in web pages saved as .xls, and in lines of fixed width."""

from __future__ import annotations

import base64
import datetime as dt
import lzma

import openpyxl
import pytest

from finscale.data import fetch_bars
from finscale.data.calendar import sessions
from finscale.errors import DataError

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
DAYS = sessions("XNYS", dt.date(2024, 1, 2), dt.date(2024, 1, 31))
HEADER = ("Date", "Open", "High", "Low", "Close", "Volume")


def _bar(k: int) -> tuple[float, ...]:
    close = 100 + 0.37 * k
    prices = (close - 0.11, close + 0.52, close - 0.63, close)
    return (*(round(price, 2) for price in prices), 100_000 + 700 * k)


BARS = [_bar(k) for k in range(len(DAYS))]
ROWS = [(str(day), *map(str, bar)) for day, bar in zip(DAYS, BARS, strict=True)]
# The header and the first eight rows, as Excel 97 writes them (by xlwt, compressed with lzma).
XLS = (
    "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4BX/AtJdAGgzvhyGMHdg9KSEKkAMHHYngvKRhtyIyie64aC3xgQTZ5vNmL"
    "lpNRUqmeED08XozNH0Sz/ZqCLxYNmwx+4v1UI+paOKIneBVRFwGzT6D/ujymYAx2HNK6igkTgwCYzLHYse39FHGA10"
    "4/DYJ4+VKGOmrUwK6ls6nK/V8ANGtcY3YFqYFEqCx5eWX79ofuY4cKoND/k7tx7JFKeHSazwp/H40Fv4HQxGZJEZZQ"
    "u5VmygJkk4iVzyLa6f/PdweAVznRV+uXR+ljV6voG9g6/jg525NlHbcAatCLFa9nlziflrmV8zadAYMWXpVmcSbAUh"
    "dA2HtDHhs8b29Y899X+6peCRUS4jTR2tjtdwn3CE7PgAv6DSdqHny7qPE6PO+WzQ9FaYtMo8tZipK9EC7IFQLxP65F"
    "sENSFTQ9jJjizbtUV0vaeWi3P3VDgGsH/LoHx3S9iCjc1YFI4kbh3i2D+97CZlJrqZV72MYfvewmjGelAZOgL17p4D"
    "RQMuBtOrNlSdwAFWnT3iqrphCPEwVW8jKAdX2V+ZKt8+5PHpx2IuFrhDGfW0JJmWoVFp7Cc4YiDDLGRwXA2eQswVmu"
    "Dq/T07YXP7kVxoHncGlMoeJ1+PnQl4V8s7Yuy1/HtxH5bgsbaDbGasAGEuexFdUqXvqnOGbs2pu3mrnl1gtVuY0a6q"
    "DmIA2lTZsoGxV15pgrF5KSESA/wQZkwFbvQpT24jKaBh7+NmcT6dNe4LyXhwO7tPe2HsRVJuqv90p2EoDhc6DVqmni"
    "ki0jx7uvOSo1iuCkLx7cdjR3etVM8Ysu9HAWKKhnKb6i7qbqRtEr7ZcU76l+HlUi/OxPR0Gkmecol0vXlEZ6PnSriY"
    "vGXxResk8FbpxvI1yezQn/PvrEGVfRfkNi1O7p/mfxNmwdKmWnbj89Z1b0B+UYarFUPu6o5BXPggtpyTohymKwyQoS"
    "gT+PDjIGsFz8oAAAAAucaM5kxQ+dwAAe4FgCwAAOAo9fuxxGf7AgAAAAAEWVo="
)


@pytest.fixture
def read(tmp_path):
    def fetch(content, symbol="SPY", **options):
        file = tmp_path / "bars.xls"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        options = {"adjustment": "split", "now": NOW, "calendar": "XNYS", **options}
        return fetch_bars("csv", symbol, file=file, **options)

    return fetch


def _is_whole(bars, number=None):
    assert bars.frame["date"].to_list() == list(DAYS[:number])
    columns = ("open", "high", "low", "close", "volume")
    assert bars.frame.select(columns).rows() == [tuple(map(float, bar)) for bar in BARS[:number]]


def test_an_old_workbook(read):
    _is_whole(read(lzma.decompress(base64.b64decode(XLS))), 8)
    with pytest.raises(DataError, match="has no sheet 'QQQ'; it has SPY"):
        read(lzma.decompress(base64.b64decode(XLS)), sheet="QQQ")


def test_an_old_workbook_that_is_cut_off(read):
    with pytest.raises(DataError, match=r"old Excel workbook .* cannot be read") as error:
        read(lzma.decompress(base64.b64decode(XLS))[:1500])
    assert "save it as .xlsx" in error.value.hint


def _page(rows, cell="td"):
    body = "".join(
        f"<tr>{''.join(f'<{cell}>{text}</{cell}>' for text in row)}</tr>" for row in (HEADER, *rows)
    )
    return f"<table border=1>{body}</table>"


@pytest.mark.parametrize(
    "page",
    [
        _page(ROWS),
        f"<html><head><meta charset=utf-8></head><body>{_page(ROWS)}</body></html>",
        "<!DOCTYPE html><html><body><table><tr><td>Menu<td>News</table>"
        f"<div>{_page(ROWS)}</div></body></html>",
        f"<html><body><table><tr><td>{_page(ROWS)}</td><td>x</td></tr></table></body></html>",
        "<html xmlns:x='urn:schemas-microsoft-com:office:excel'><body><table><tr><td colspan=6>"
        + _page(ROWS)
        .removeprefix("<table border=1><tr><td>")
        .join(["SPDR S&amp;P</td></tr><tr><td>", ""])
        + "</body></html>",
        # without closing tags, and with marks inside the cells
        "<TABLE><TR>"
        + "<TR>".join("".join(f"<TD><b>{t}</b>&nbsp;" for t in row) for row in (HEADER, *ROWS))
        + "</TABLE>",
    ],
)
def test_a_web_page_with_the_table(read, page):
    bars = read(page)
    _is_whole(bars)
    assert "web page" in bars.provenance["table"]


def test_a_page_to_log_in_is_no_table(read):
    page = "<html><body><table><tr><td>User</td><td>Password</td></tr></table></body></html>"
    with pytest.raises(DataError, match="a web page, and none of its tables holds the data"):
        read(page)


def test_a_page_of_whole_german_prices_is_asked_about(read):
    rows = [
        (day, *(f"{41_000 + round(10 * x):,}".replace(",", ".") for x in bar[:4]))
        for day, bar in zip(DAYS, BARS, strict=True)
    ]
    page = _page(rows).replace("<td>Volume</td>", "")
    with pytest.raises(DataError, match="may stand between thousands"):
        read(page)
    assert read(page, decimal="comma").frame["close"][0] == 42_000


def test_a_web_page_with_german_numbers(read):
    rows = [
        (
            f"{day:%d.%m.%Y}",
            *(f"{x:.2f}".replace(".", ",") for x in bar[:4]),
            f"{bar[4]:,} Stk.".replace(",", "."),
        )
        for day, bar in zip(DAYS, BARS, strict=True)
    ]
    _is_whole(read(_page(rows, "th")))


def _spreadsheet(sheets):
    def cell(text, kind):
        return f'<Cell><Data ss:Type="{kind}">{text}</Data></Cell>'

    def row(cells):
        return (
            "<Row>"
            + "".join(
                cell(f"{t}T00:00:00.000", "DateTime") if t[4:5] == "-" else cell(t, "String")
                for t in cells
            )
            + "</Row>"
        )

    body = "".join(
        f'<Worksheet ss:Name="{name}"><Table>{"".join(map(row, (HEADER, *ROWS)))}</Table>'
        "</Worksheet>"
        for name in sheets
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<?mso-application progid="Excel.Sheet"?>\n'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" '
        f'xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">{body}</Workbook>'
    )


def test_a_workbook_in_the_xml_of_2003(read):
    _is_whole(read(_spreadsheet(["Sheet1"])))
    bars = read(_spreadsheet(["QQQ", "SPY"]))
    _is_whole(bars)
    assert bars.provenance["sheet"] == "SPY"
    with pytest.raises(DataError, match="2 sheets that could be meant: A, B") as error:
        read(_spreadsheet(["A", "B"]))
    assert "--sheet" in error.value.hint
    with pytest.raises(DataError, match="workbook in XML that cannot be read"):
        read(_spreadsheet(["A"])[:900])


def test_sheets_of_other_symbols_are_listed_with_the_option(tmp_path):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in ("AAPL", "MSFT"):
        sheet = book.create_sheet(name)
        for row in (HEADER, *ROWS):
            sheet.append(row)
    book.save(tmp_path / "two.xlsx")
    with pytest.raises(DataError, match="AAPL, MSFT") as error:
        fetch_bars("csv", "SPY", file=tmp_path / "two.xlsx", adjustment="split", now=NOW)
    assert "--sheet" in error.value.hint


def _b3(ticker, day, bar, market="010", factor=1):
    prices = [f"{round(100 * factor * price):013d}" for price in bar[:4]]
    opened, high, low, close = prices
    line = (
        f"01{day:%Y%m%d}02{ticker:<12}{market}{'NOME':<12}{'ON':<10}{'':<3}R$  "
        f"{opened}{high}{low}{close}{close}{close}{close}{7:05d}{bar[4]:018d}{10**9:018d}"
        f"{0:013d}0{99991231}{factor:07d}{0:013d}{'BRNOME':<12}{100:03d}"
    )
    assert len(line) == 245
    return line


def _cotahist(*tickers, factor=1, end="99COTAHIST.2024BOVESPA 20240131"):
    bars = [
        _b3(ticker, day, bar, market, factor)
        for day, bar in zip(DAYS, BARS, strict=True)
        for ticker, market in tickers
    ]
    return "\r\n".join([f"{'00COTAHIST.2024BOVESPA 20240131':<245}", *bars, end])


def test_cotahist_of_b3(read):
    text = _cotahist(("PETR4", "010"), ("PETR4T", "030"), ("SPY", "030"), ("SPY", "010"))
    for symbol in ("SPY", "SPY.SA"):
        bars = read(text, symbol=symbol)
        _is_whole(bars)
        assert "prices are hundredths" in bars.provenance["format"]
    with pytest.raises(DataError, match=r"holds 3 symbols .*, and VALE3 is none of them"):
        read(text, symbol="VALE3")
    _is_whole(read(text, symbol="PETROBRAS", ticker="PETR4"))


def test_cotahist_with_prices_of_a_thousand_shares(read):
    _is_whole(read(_cotahist(("SPY", "010"), factor=1000)))


def test_cotahist_that_is_cut_off(read):
    assert "may be cut off" in read(_cotahist(("SPY", "010"), end="")).provenance["end"]
    with pytest.raises(DataError, match="no whole line of a COTAHIST file"):
        read(_cotahist(("SPY", "010"), end="")[:-100])
