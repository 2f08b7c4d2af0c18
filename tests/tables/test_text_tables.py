"""Text as people's programs write it: what is around the table, between cells and around them."""

import pytest

from finscale.data.sources.csv_header import num_fields
from finscale.errors import DataError
from finscale.tables import read_table

HEADER = ("Date", "Open", "High", "Low", "Close", "Volume")
ROWS = (
    ("2024-01-02", "472.16", "473.67", "470.49", "472.65", "123623700"),
    ("2024-01-03", "470.43", "471.19", "468.17", "468.79", "103585900"),
    ("2024-01-04", "468.30", "470.96", "467.05", "467.28", "84232200"),
    ("2024-01-05", "467.49", "470.44", "466.43", "467.92", "86060800"),
)
PLAIN = "".join(",".join(cells) + "\n" for cells in (HEADER, *ROWS))
HEAD, BODY = PLAIN.split("\n", 1)


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "bars.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        options.setdefault("recognise", lambda names: num_fields(names, "SPY"))
        return read_table(path, **options)

    return read


def _wrapped(text, quote):
    return "\n".join(
        ",".join(f"{quote}{cell}{quote}" for cell in line.split(","))
        for line in text.strip().split("\n")
    )


def _aligned(text, gap):
    return "\n".join(
        gap.join(f"{cell:>12}" for cell in line.split(",")) for line in text.strip().split("\n")
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN.replace("\n", "\r"), id="line ends of old Macs"),
        pytest.param(PLAIN.replace("\n", "\r\r\n"), id="doubled line ends"),
        pytest.param("\ufeff\ufeff" + PLAIN, id="two byte order marks"),
        pytest.param(PLAIN.encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param(PLAIN.encode("utf-16-be"), id="UTF-16, big end, without a mark"),
        pytest.param(PLAIN.encode("utf-32"), id="UTF-32"),
        pytest.param(PLAIN.encode() + b"\0" * 512, id="zeros behind the end"),
        pytest.param(PLAIN + "\x1a", id="Ctrl-Z at the end, as on DOS"),
        pytest.param("sep=;\n" + PLAIN.replace(",", ";"), id="Excel's first line"),
        pytest.param('"sep=|"\n' + PLAIN.replace(",", "|"), id="Excel's first line, quoted"),
        pytest.param(_wrapped(PLAIN, "'"), id="single quotes"),
        pytest.param(_wrapped(PLAIN, "`"), id="backticks"),
        pytest.param(
            "\n".join(
                ",".join(f"“{c}”" for c in line.split(",")) for line in PLAIN.strip().split("\n")
            ),
            id="curly quotes",
        ),
        pytest.param(_wrapped(PLAIN, '"').replace('","', '", "'), id="blanks before quotes"),
        pytest.param(
            "\n".join(f'"{line}"' for line in PLAIN.strip().split("\n")), id="quotes around lines"
        ),
        pytest.param(
            "\n".join(f'"{line}"' for line in _wrapped(PLAIN, "'").split("\n")),
            id="quotes around quotes",
        ),
        pytest.param(PLAIN.replace("\n", ",\n"), id="a delimiter behind every line"),
        pytest.param(BODY.replace("\n", ",\n").join([HEAD + "\n", ""]), id="behind rows only"),
        pytest.param(PLAIN.replace(",", " "), id="single blanks"),
        pytest.param(_aligned(PLAIN, "  "), id="aligned with blanks"),
        pytest.param(_wrapped(PLAIN, '"').replace(",", " "), id="quotes and blanks"),
        pytest.param(PLAIN.replace(",", "^"), id="carets"),
        pytest.param(PLAIN.replace(",", "\x01"), id="Hive"),
        pytest.param(_aligned(PLAIN, " | "), id="a database's output"),
        pytest.param(
            "".join(
                f'="{line.split(",")[0]}",{line.split(",", 1)[1]}\n' if i else line + "\n"
                for i, line in enumerate(PLAIN.strip().split("\n"))
            ),
            id="Excel's text formula",
        ),
        pytest.param(PLAIN.replace("2024", "'2024"), id="an apostrophe before dates"),
        pytest.param("#" + PLAIN, id="the header is a comment"),
        pytest.param(PLAIN.replace("\n", "\n# 1, 2\n") + "// the end, 3\n", id="comments"),
        pytest.param(BODY + HEAD + "\n", id="sorted as text: the header is last"),
    ],
)
def test_it_is_the_same_table(read, content):
    table = read(content)
    assert (table.headers, table.rows, table.left_out) == ((HEADER,), ROWS, ())


@pytest.mark.parametrize(
    "above",
    [
        "2024-01-02 to 2024-01-05 daily prices of SPY\n",
        "SPY,,,,,\nStart Date,1/2/2024,,,,\nPeriod,D,,,,\n,,,,,\n",
        "Report;1;2;3\n\n",
        'Query,"SPY, daily, 2024"\nRows,4\n\n',
        "Prices as of 2024-01-05, USD\n" * 3,
        "==========\n",
        "1,2,3\n",
        "# Symbol: SPY\n# Rows: 1, 2, 3, 4, 5, 6\n",
    ],
)
def test_lines_above_the_header_are_no_rows_and_are_said(read, above):
    table = read(above + PLAIN)
    assert table.headers[-1] == HEADER
    assert table.rows == ROWS
    assert table.lines[0] == above.count("\n") + 2
    first = above.split("\n")[0].split(",")[0].split(";")[0].strip('"')
    assert above[0] == "=" or first in dict(table.about)["skipped"]


@pytest.mark.parametrize(
    "units",
    [
        ",USD,USD,USD,USD,shares",
        "-,USD,USD,USD,USD,-",
        "yyyy-mm-dd,$,$,$,$,units",
        "date,float,float,float,float,bigint",
    ],
)
def test_a_line_of_units_is_no_row_and_no_ticker(read, units):
    table = read(f"{HEAD}\n{units}\n{BODY}")
    assert (table.headers, table.rows) == ((HEADER,), ROWS)
    assert "USD" in dict(table.about)["skipped"] or "$" in units or "float" in units


@pytest.mark.parametrize(
    "footer",
    [
        "Source: Example Data",
        "Total,,,,,397502600",
        "Average,469.6,471.5,468.0,469.2,99375650",
        "Copyright 2024, Example Inc., all rights reserved",
        "© Example",
        "Data provided by Example",
        "(4 rows)",
        "Downloaded 2024-01-08 09:30",
        "These figures may be late",
        "The data, as they are, may be late",
        '"Past performance, as ever, is no guide"',
    ],
)
def test_lines_below_the_rows_are_left_out_and_listed(read, footer):
    table = read(f"{PLAIN}\n{footer}\n")
    assert table.rows == ROWS
    assert [line for line, _ in table.left_out] == [7]
    assert "not one of them: left out" in table.left_out[0][1]


def test_a_last_row_of_a_ticker_called_min_is_a_row(read):
    rows = "".join(f"{tic},{row}\n" for tic in ("SPY", "MIN") for row in BODY.strip().split("\n"))
    table = read(f"ticker,{HEAD}\n{rows}")
    assert (len(table.rows), table.left_out) == (8, ())


def test_a_row_that_is_no_number_stays_to_be_refused(read):
    table = read(PLAIN.replace("2024-01-03", "total"))
    assert table.rows[1][0] == "total"


def test_the_header_again_is_skipped_and_listed(read):
    table = read(f"Prices\n{PLAIN}\nPrices\n\ufeff{PLAIN.upper()}")
    assert table.rows == ROWS * 2
    assert [line for line, _ in table.left_out] == [8, 9]
    assert table.left_out[1][1] == "the header again: skipped"


def test_lines_between_joined_files_are_skipped_and_listed(read):
    table = read(f"Prices of 2023\n{PLAIN}Source: Example\n\nPrices of 2024\n{PLAIN}")
    assert table.rows == ROWS * 2
    assert [line for line, _ in table.left_out] == [7, 9, 10]


@pytest.mark.parametrize("other", ["Date,Close,High,Low,Open,Volume", "date,open,high,low,close"])
def test_another_header_below_is_refused(read, other):
    with pytest.raises(DataError, match="line 6 is another header"):
        read(f"{PLAIN}{other}\n{BODY}")


def test_a_header_between_rows_is_refused(read):
    lines = PLAIN.strip().split("\n")
    with pytest.raises(DataError, match="line 3 names the columns, and rows stand above and below"):
        read("\n".join([*lines[1:3], lines[0], *lines[3:]]))


def test_lines_of_dividends_may_be_short(read):
    table = read(PLAIN.replace("\n2024-01-04", "\n2024-01-04,1.59 Dividend\n2024-01-04"))
    assert table.rows[2] == ("2024-01-04", "1.59 Dividend", "", "", "", "")


@pytest.mark.parametrize(
    "names",
    [("1", "2", "3", "4"), ("0", "1", "2", "3"), ("17", "18", "21", "30"), ("a", "b", "c", "d")],
)
def test_names_of_rows_without_a_name_above_them(read, names):
    """R's write.table, with rows numbered or named."""
    lines = [f"{name},{row}" for name, row in zip(names, BODY.split("\n"), strict=False)]
    table = read("\n".join([HEAD, *lines]))
    assert table.headers == (("", *HEADER),)
    assert table.rows[0] == (names[0], *ROWS[0])


def test_what_write_table_of_r_writes_by_default(read):
    rows = [f'"{row[0]}" {" ".join(row[1:])}' for row in ROWS]
    lines = [f'"{i}" {row}' for i, row in enumerate(rows, start=1)]
    table = read("\n".join([" ".join(f'"{name}"' for name in HEADER), *lines]))
    assert table.headers == (("", *HEADER),)
    assert table.rows[1] == ("2", *ROWS[1])


def test_dates_that_are_names_of_rows(read):
    table = read(f"Open,High,Low,Close,Volume\n{BODY}")
    assert (table.headers, table.rows) == ((("", *HEADER[1:]),), ROWS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BODY.replace("\n", ",7\n"), "row 2 has 7 cells where the header names 6"),
        (BODY.replace("471.19,", ""), "row 3 has 5 cells where the header names 6"),
        (BODY.replace("103585900", "103,585,900"), "row 3 has 8 cells where the header names 6"),
        (BODY.replace(".", ","), "row 2 has 10 cells where the header names 6"),
    ],
)
def test_a_row_of_another_width_is_named(read, content, message):
    with pytest.raises(DataError, match=message):
        read(f"{HEAD}\n{content}")


@pytest.mark.parametrize(
    "end", ["2024-01-08,468.4", "2024-01-08,468.4,474", "2024-01-", '"2024-01-08","468', "2024"]
)
def test_a_row_that_is_cut_off_at_the_end_is_left_out_and_listed(read, end):
    table = read(PLAIN + end)
    assert table.rows == ROWS
    assert [line for line, _ in table.left_out] == [6]
    assert "cut off" in table.left_out[0][1]


@pytest.mark.parametrize(
    "row",
    [
        '2024-01-03,"470.43,471.19,468.17,468.79,103585900',
        '2024-01-03,470.43,471.19,468.17,468.79,"103585900',
        '"2024-01-03,470.43,471.19,468.17,468.79,103585900',
    ],
)
@pytest.mark.parametrize("quoted", [False, True])
def test_an_open_quote_is_named_and_swallows_nothing(read, row, quoted):
    lines = PLAIN.split("\n")
    lines[2] = row
    if quoted:
        lines[3:5] = [_wrapped(line, '"') for line in lines[3:5]]
    with pytest.raises(DataError, match="line 3: a quote is opened and not closed"):
        read("\n".join(lines))


def test_an_open_quote_in_a_long_file_is_named(read):
    rows = BODY * 2000
    with pytest.raises(DataError, match="line 6: a quote is opened and not closed"):
        read(f'{PLAIN}2024-01-08,"470\n{rows}')


def test_lines_inside_quotes_are_one_cell(read):
    text = PLAIN.replace("Close", '"Close\n(USD)"').replace("\n2024-01-04", '\n"2024-01-04"')
    table = read(text)
    assert table.headers == (("Date", "Open", "High", "Low", "Close (USD)", "Volume"),)
    assert (table.rows, table.lines) == (ROWS, (3, 4, 5, 6))


def test_a_note_of_several_lines_stays_one_cell(read):
    lines = PLAIN.strip().split("\n")
    lines = [f"{lines[0]},Note", *[f"{line}," for line in lines[1:]]]
    lines[2] += '"a note, of\ntwo lines"'
    table = read("\n".join(lines))
    assert [row[:6] for row in table.rows] == list(ROWS)
    assert table.rows[1][6] == "a note, of two lines"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN.replace("471.19", "471\0.19"), "binary file or damaged: line 3 holds a NUL byte"),
        (bytes(range(256)) * 4, "binary file"),
        (b"%PDF-1.7\n%....", "is a PDF"),
        (b"\xd0\xcf\x11\xe0rest", r"old Excel workbook \(\.xls\), or an encrypted one"),
        ("<html><body><table><tr><td>Date", "a web page whose tables hold no rows"),
        ("<?xml version='1.0'?><Workbook/>", "is XML, not a table"),
        ("Error: invalid API key\n", "is not data: the vendor says 'Error: invalid API key'"),
        ("Exceeded the daily hits limit", "the vendor says 'Exceeded the daily hits limit'"),
        ("No data", "the vendor says 'No data'"),
        ("Message,Code\nToo many requests,429\n", "the vendor says"),
    ],
)
def test_what_is_no_table_is_said(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content)


def test_a_file_without_a_header_has_none(read):
    table = read(BODY)
    assert (table.headers, table.rows) == ((), ROWS)
    assert read("Daily prices\n" + BODY).headers == ()


def test_words_in_another_code_page(tmp_path):
    words = {"Data", "Otwarcie", "Najwyższy", "Najniższy", "Zamknięcie", "Wolumen"}
    path = tmp_path / "wig.csv"
    path.write_bytes(PLAIN.replace(HEAD, ",".join(sorted(words))).encode("cp1250"))
    table = read_table(path, recognise=lambda names: len(words & set(names)) // 3)
    assert set(table.headers[0]) == words


def test_pairs_of_pandas_are_two_lines_of_names(read):
    head = "Date," + ",".join(f"\"('{name}', 'SPY')\"" for name in HEADER[1:])
    table = read(f"{head}\n{BODY}")
    assert table.headers == (HEADER, ("", *["SPY"] * 5))


def test_time_behind_the_date_in_aligned_text(read):
    text = _aligned(PLAIN, " ").replace("2024-01-0", "2024-01-0").split("\n")
    text = [text[0], *[line.replace(" 4", " 00:00:00 4", 1) for line in text[1:]]]
    table = read("\n".join(" ".join(line.split()) for line in text))
    assert table.headers == (HEADER,)
    assert table.rows[0] == ("2024-01-02 00:00:00", *ROWS[0][1:])


@pytest.mark.parametrize(
    "text",
    [
        "name: small\ndata: {root: data, tier: a20}\naxes: {parameters: [3k, 5k]}\n",
        "Dear all,\nfind the prices, the volumes and the rest below.\nRegards, Jo\n",
    ],
)
def test_what_is_no_table_is_not_called_a_header(read, text):
    with pytest.raises(DataError, match="holds no table: no line in it names a known column"):
        read(text)
    with pytest.raises(DataError, match="has a header and no rows"):
        read(HEAD + "\n")
