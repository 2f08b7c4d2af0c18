"""Numbers in the forms that vendors and spreadsheets write."""

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.data.sources.csv_marks import decimal_comma
from finscale.errors import DataError
from finscale.tables.numbers import number_digits, parse_numbers


def _read(cells, column="close"):
    lines = list(range(2, len(cells) + 2))
    prices = dict.fromkeys(("open", "high", "low", "close"), cells)
    with_comma = decimal_comma(prices, lines, delimiter=";", place="bars.csv")
    return parse_numbers(
        cells, lines, column=column, place="bars.csv", decimal_comma=with_comma
    ).to_list()


@pytest.mark.parametrize(
    "cell",
    [
        *["", "null", "NaN", "N/A", "n.a.", "#N/A", "#N/A N/A", "#DIV/0!", "#REF!", "None", "NA"],
        *["-", "--", "—", "–", ".", "...", "…", "<NA>", "\\N", "nil"],
    ],
)
def test_no_value(cell):
    absent, present = _read([cell, "1.5"])
    assert absent is None or math.isnan(absent)
    assert present == 1.5


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,234.50", 1234.5),
        ("1'234.50", 1234.5),
        ("1’234.50", 1234.5),
        ("1 234.50", 1234.5),
        ("1 234,50", 1234.5),
        ("1\u202f234,50", 1234.5),
        ("1\u00a0234\u00a0567,5", 1234567.5),
        ("1\u2009234,567", 1234.567),
        ("1'234,50", 1234.5),
        ("1.234,50", 1234.5),
        ("1.234.567,5", 1234567.5),
        ("1,23,456.70", 123456.7),
        ("12,34,567", 1234567.0),
        ("+12.3", 12.3),
        ("-12.3", -12.3),
        ("12.3-", -12.3),
        ("(12.3)", -12.3),
        ("$(1,234.5)", -1234.5),
        ("-$12.3", -12.3),
        ("$-12.3", -12.3),
        ("\u221212.3", -12.3),
        ("１２．３", 12.3),
        ("１，２３４．５", 1234.5),
        ('="12.5"', 12.5),
        ("=“12”", 12.0),
        ("'12.5'", 12.5),
        ("1.2E+03", 1200.0),
        ("1,2E+03", 1200.0),
        (".5", 0.5),
        ("98.5%", 98.5),
    ],
)
def test_marks_and_signs(cell, value):
    assert _read([cell]) == [value]


@pytest.mark.parametrize(
    "form",
    [
        *["€{}", "{} €", "£{}", "¥{}", "￥{}", "₹{}", "₹ {}", "US${}", "R$ {}", "HK${}"],
        *["USD {}", "{} USD", "{}USD", "CHF {}", "{} zł", "Rs. {}", "{} kr", "{}p", "{} 元"],
    ],
)
def test_currencies(form):
    assert _read([form.format("12.3"), "12.5", form.format("1,234.5")]) == [12.3, 12.5, 1234.5]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12.5K", 12_500.0),
        ("0.67 M", 670_000.0),
        ("12.5MM", 12_500_000.0),
        ("3.4Bn", 3.4e9),
        ("3.4 B", 3.4e9),
        ("1.2T", 1.2e12),
        ("1.234,5 Mio.", 1_234_500_000.0),
        ("2,5 Mrd. €", 2.5e9),
        ("1.5 Cr", 15_000_000.0),
        ("1.25万", 12_500.0),
        ("3.5亿", 3.5e8),
        ("2.5億", 2.5e8),
    ],
)
def test_suffixes(cell, value):
    assert _read([cell], "volume") == [pytest.approx(value, rel=1e-12)]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["12abc"], "'12abc' is not a number"),
        (['"18,69'], "is not a number"),  # a quoted cell that is cut off
        (["'18"], "is not a number"),
        (["12 34"], "'12 34' is not a number"),
        (["(12"], "is not a number"),
        (["12.3.4,5,6"], "is not a number"),
        (["98.5%", "98.6"], "'98.5%' is a percentage, other cells are not"),
        (["€1.5", "1.6", "$1.7"], "'€1.5' in row 2 is in €, '\\$1.7' in row 4 in \\$"),
        (["1/70415E+12"], "decimal mark became a slash"),
        (["110-16"], "is a price in fractions, such as 32nds"),
        (["110-16+"], "is a price in fractions"),
        (["110'16"], "is a price in fractions"),
        (["110'165", "110'170", "111'002"], "is a price in fractions"),
        (["110 16/32"], "is a price in fractions"),
        (["452'4"], "is a price in fractions"),
        (["12 3/8"], "is a price in fractions"),
    ],
)
def test_what_is_refused(cells, message):
    with pytest.raises(DataError, match=message):
        _read(cells)


def test_swiss_thousands_are_no_fractions():
    assert _read(["11'160.25", "11'207.5"]) == [11160.25, 11207.5]
    assert _read(["110'160", "110'198"]) == [110160.0, 110198.0]


def test_the_digits_alone():
    assert number_digits("CHF 1’234.50-") == "1'234.50"
    assert number_digits("n/a") == ""


def _indian(number):
    whole, _, decimals = f"{number:.2f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    pairs = [head[max(i - 2, 0) : i] for i in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail]) + f".{decimals}"


_STYLES = {
    "plain": lambda x: f"{x:.2f}",
    "long": lambda x: repr(x),
    "English": lambda x: f"{x:,.2f}",
    "German": lambda x: f"{x:,.2f}".translate(str.maketrans(",.", ".,")),
    "German bare": lambda x: f"{x:.2f}".replace(".", ","),
    "Swiss": lambda x: f"{x:,.2f}".replace(",", "’"),
    "French": lambda x: f"{x:,.2f}".translate(str.maketrans(",.", "\u202f,")) + " €",
    "Polish": lambda x: f"{x:,.2f}".translate(str.maketrans(",.", "\u00a0,")) + " zł",
    "Indian": lambda x: f"₹{_indian(x)}",
    "dollars": lambda x: f"$ {x:,.2f}",
    "full width": lambda x: f"{x:,.2f}".translate({c: c + 0xFEE0 for c in range(0x2C, 0x3A)}),
    "thousands only": lambda x: f"{x:,.0f}",
    "three decimals": lambda x: f"{x:.3f}".replace(".", ","),
}


@pytest.mark.parametrize("style", _STYLES)
@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 3e6), st.lists(st.floats(0.97, 1.03), max_size=12))
def test_prices_in_every_style_come_back_or_are_refused(style, first, changes):
    prices = [first]
    for change in changes:
        prices.append(prices[-1] * change)
    digits = {"long": None, "thousands only": 0, "three decimals": 3}.get(style, 2)
    expected = [price if digits is None else float(f"{price:.{digits}f}") for price in prices]
    with contextlib.suppress(DataError):
        assert _read([_STYLES[style](price) for price in prices]) == pytest.approx(expected)
