"""Parse numbers in the forms found in practice."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from finscale.errors import DataError
from finscale.tables.table import NO_VALUE

_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-------")
_APOSTROPHES = str.maketrans("\u2018\u2019\u00b4`\u02bc\u2032", "''''''")
# Arabic marks of decimals and thousands
_ARABIC_MARKS = str.maketrans("\u066b\u066c", ".,")
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_LOWERED = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")
# 2×10^6, 2 * 10**6; and 10^6 alone
_TIMES_TEN = re.compile(r"(?<=\d)\s*[×x*·∙⋅]\s*10\s*(?:\^|\*\*)\s*([-+]?\d+)")
_TEN = re.compile(r"(^|(?<=[-+(]))10\s*(?:\^|\*\*)\s*([-+]?\d+)")
_QUOTED = re.compile(r"=?\s*(?:\"+|[\u201c\u201d\u201e]+|'+)(.*?)(?:\"+|[\u201c\u201d]+|'+)")
#: What a suffix multiplies by.
_SUFFIXES = {
    **dict.fromkeys(("k", "tsd", "tys", "тыс", "千"), 1e3),
    **dict.fromkeys(("万", "萬", "만"), 1e4),
    **dict.fromkeys(("lakh", "lac"), 1e5),
    **dict.fromkeys(("m", "mm", "mn", "mio", "mln", "million", "millions", "млн", "百万"), 1e6),
    **dict.fromkeys(("cr", "crore"), 1e7),
    **dict.fromkeys(("亿", "億", "억"), 1e8),
    **dict.fromkeys(
        ("b", "bn", "bln", "mrd", "mld", "md", "billion", "billions", "млрд"),
        1e9,
    ),
    **dict.fromkeys(("t", "tn", "trn", "trillion", "兆", "조"), 1e12),
}
# Behind a price these are no multiples, as a rule: bid, mean, trade.
_QUOTE_LETTERS = ("b", "m", "t")
_PRICES = ("open", "high", "low", "close", "adj_close")
_SYMBOLS = "$€£¥₹₩₽₺฿₫₪₴₦₱₿"
_CODES = (
    *("usd", "eur", "gbp", "gbx", "gbp", "jpy", "cny", "rmb", "cnh", "hkd", "sgd", "twd", "krw"),
    *("inr", "idr", "myr", "thb", "vnd", "php", "aud", "nzd", "cad", "chf", "sek", "nok", "dkk"),
    *("isk", "pln", "czk", "huf", "ron", "bgn", "rub", "uah", "try", "ils", "aed", "sar", "qar"),
    *("kwd", "egp", "zar", "ngn", "kes", "brl", "mxn", "clp", "cop", "pen", "ars", "pkr", "bdt"),
    *("lkr", "btc", "eth", "usdt", "zł", "zl", "kr", "kč", "ft", "fr", "rs", "tl", "p", "元", "円"),
    *("원", "圆", "руб", "pts", "pt"),
)
# What stands behind a count: 69.761.949 Stk.
_COUNTED = (
    *("stk", "stück", "stücke", "stuecke", "aktien", "shares", "share", "shs", "sh", "titres"),
    *(
        "actions",
        "acciones",
        "títulos",
        "titulos",
        "azioni",
        "titoli",
        "ações",
        "acoes",
        "aandelen",
    ),
    *("stuks", "akcji", "szt", "adet", "hisse", "шт", "акций", "ks", "kpl", "aktier", "pcs", "pc"),
    *("db", "株", "股", "주", "contracts", "kontrakte"),
)
_CURRENCY = (
    rf"(?:[a-z]{{0,3}}[{re.escape(_SYMBOLS)}]|(?:{'|'.join(sorted(_CODES, key=len)[::-1])})\.?)"
)
_SUFFIX = "|".join(sorted(_SUFFIXES, key=len)[::-1])
_DIGITS = r"(?=[.,]?\d)[\d.,](?:[\d.,' ]*[\d.,])?(?:e[-+]?\d+)?"
# In lower case: parentheses or signs, a currency, digits with their marks, suffix, currency.
_FORM = re.compile(
    rf"(?P<sign>[-+])?\s*(?P<outer>{_CURRENCY})?\s*(?P<open>\()?\s*(?P<before>{_CURRENCY})?\s*"
    r"(?P<inner>[-+])?\s*"
    rf"(?P<digits>{_DIGITS})\s*(?:(?P<suffix>{_SUFFIX})\.?)?\s*(?P<after>{_CURRENCY})?\s*"
    rf"(?:(?P<counted>{'|'.join(sorted(_COUNTED, key=len)[::-1])})\.?)?\s*"
    r"(?P<percent>%)?\s*(?P<minus>-)?\s*(?P<close>\))?"
)
# 110-16, 110'16, 110'165, 110-16+, 452'4: bonds in 32nds, grain in 8ths
_TICKS = re.compile(r"\d{2,3}-\d{2}[+\d]?|\d{2,4}'(?:[0-3]\d[+]?|\d)")
_TICKS_OF_THREE = re.compile(r"\d{2,3}'[0-3]\d[0257]")
# 1'234, 1 234 567, 1,23,456
_GROUPED = re.compile(
    r"\d{1,3}(?:[' ]\d{3})+(?![\d' ]).*|\d{1,2}(?:[' ]\d{2})*[' ]\d{3}(?![\d' ]).*"
)
_IN_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_FRACTION = re.compile(r"(?:\d+[ -])?\d+/\d+")
_MANGLED = re.compile(r"-?\d/\d+e\+?\d+")


def plain_number(cell: str) -> str:
    """Return a cell in lower case, with plain digits, blanks, dashes and apostrophes.

    Powers of ten are written ``2e6``, whether they stood there as 2×10^6, 2·10⁶ or 10**6.
    """
    if not cell.isascii():
        # NFKC makes plain digits of raised ones: 10⁶ is no 106
        cell = _RAISED.sub(lambda found: "^" + found[0].translate(_LOWERED), cell)
        # looked at first: NFKC makes a blank and an accent of an acute accent
        cell = unicodedata.normalize("NFKC", cell.translate(_APOSTROPHES | _ARABIC_MARKS))
        cell = "".join(str(unicodedata.decimal(char, char)) for char in cell)
        cell = "".join(
            str(unicodedata.decimal(c)) if c.isdecimal() else c for c in cell.translate(_DASHES)
        )
    cell = " ".join(cell.split()).casefold()
    cell = _TIMES_TEN.sub(r"e\1", cell)
    cell = _TEN.sub(r"\g<1>1e\2", cell)
    match = _QUOTED.fullmatch(cell)
    return match[1].strip() if match else cell


def number_digits(cell: str) -> str:
    """Return the digits of a number with the marks between them, or an empty string.

    Examples
    --------
    >>> number_digits("CHF 1’234.50-"), number_digits("12.3 Mio. €"), number_digits("n/a")
    ("1'234.50", '12.3', '')
    """
    match = _FORM.fullmatch(plain_number(cell))
    return match["digits"] if match else ""


def count_digits(cell: str) -> str:
    """Return the digits of a whole count with their marks, without ``Stk.``; nothing for 0.67 M.

    Examples
    --------
    >>> count_digits("69.761.949 Stk."), count_digits("0.67 M"), count_digits("950")
    ('69.761.949', '', '950')
    """
    match = _FORM.fullmatch(plain_number(cell))
    return match["digits"] if match and not match["suffix"] else ""


class WrittenNumber(NamedTuple):
    """A cell's number; a percentage is the share that it says, ``53.6%`` is .536."""

    value: float
    is_percent: bool = False
    in_parentheses: bool = False


def written_number(cell: str) -> WrittenNumber:
    """Return the number that a cell holds, with a decimal point and commas between thousands.

    Raises
    ------
    ValueError
        If it holds none, or a comma that may be a decimal one; what it is, in words.

    Examples
    --------
    >>> [written_number(cell).value for cell in ("−0.3", "1,234", "2×10^6", "1.3B", "(0.12)")]
    [-0.3, 1234.0, 2000000.0, 1300000000.0, -0.12]
    >>> written_number("53.6%")
    WrittenNumber(value=0.536, is_percent=True, in_parentheses=False)
    """
    text = plain_number(cell)
    match = _FORM.fullmatch(text)
    if match is None or bool(match["open"]) != bool(match["close"]) or match["counted"]:
        raise ValueError("which is not a number")
    digits = match["digits"]
    if ("'" in digits or " " in digits) and not _GROUPED.fullmatch(digits):
        raise ValueError("which is not a number")
    digits = digits.replace("'", "").replace(" ", "")
    if "," in digits and not _IN_THOUSANDS.fullmatch(digits):
        raise ValueError("whose comma stands between no thousands")
    try:
        value = float(digits.replace(",", ""))
    except ValueError:
        raise ValueError("which is not a number") from None
    value = value * _SUFFIXES.get(match["suffix"] or "", 1.0)
    if "-" in (match["sign"], match["inner"], match["minus"]) or match["open"]:
        value = -value
    percent = match["percent"] is not None
    # one rounding, so that 53.6% is .536
    return WrittenNumber(value / 100 if percent else value, percent, match["open"] is not None)


def parse_numbers(
    cells: Sequence[str], lines: Sequence[int], *, column: str, place: str, decimal_comma: bool
) -> pl.Series:
    """Return a column of numbers; null where the file has no value.

    Understood are thousands separators (``1,234`` ``1'234`` ``1 234`` ``1,23,456``), suffixes
    (``12.5K`` ``0.67 M`` ``3.4Bn`` ``1.2T`` ``万`` ``亿``), currencies, signs before and behind,
    parentheses for negative numbers, and per cent where all cells have it.

    Raises
    ------
    DataError
        If a cell is neither a number nor one of the usual words for none.
    """
    text = pl.Series(column, cells, dtype=pl.String).str.strip_chars()
    number = (text if not decimal_comma else text.str.replace_all(",", "x")).cast(
        pl.Float64, strict=False
    )
    if decimal_comma:
        # 1.234 is a thousand here
        number = pl.select(
            pl.when(text.str.contains(".", literal=True)).then(None).otherwise(number)
        ).to_series()
    known: dict[str, float | None] = {}
    currencies: dict[str, int] = {}
    percents: list[int] = []
    values = number.to_list()
    _refuse_ticks(cells, lines, column, place)
    for row in number.is_null().arg_true().to_list():
        cell = cells[row]
        if cell not in known:
            known[cell] = _value(cell, row, lines, column, place, decimal_comma, currencies)
        values[row] = known[cell]
        if "%" in cell and known[cell] is not None:
            percents.append(row)
    if len(currencies) > 1:
        (one, row), (other, other_row) = list(currencies.items())[:2]
        raise DataError(
            f"{place}: {cells[row]!r} in row {lines[row]} is in {one}, {cells[other_row]!r} in row "
            f"{lines[other_row]} in {other} ({column}).",
            hint="bars need prices in one currency",
        )
    numbers = sum(value is not None for value in values)
    if percents and len(percents) < numbers:
        row = percents[0]
        raise DataError(
            f"{place} row {lines[row]}: {cells[row]!r} is a percentage, other cells are not "
            f"({column}).",
            hint="mend or delete the row",
        )
    return pl.Series(column, values, dtype=pl.Float64)


def _refuse_ticks(cells: Sequence[str], lines: Sequence[int], column: str, place: str) -> None:
    """Raise if a whole column is of prices like 110'165, which is 110 and 16.5 32nds."""
    if "'" in cells[0] and all(_TICKS_OF_THREE.fullmatch(cell) for cell in cells):
        raise _no_number(cells[0], cells[0], lines[0], column, place)


def _value(
    cell: str,
    row: int,
    lines: Sequence[int],
    column: str,
    place: str,
    decimal_comma: bool,
    currencies: dict[str, int],
) -> float | None:
    """Return a cell's number, None for no value; add its currency to ``currencies``."""
    text = plain_number(cell)
    # cells that begin with # are a spreadsheet's errors
    if not text or text in NO_VALUE or text.startswith("#"):
        return None
    match = _FORM.fullmatch(text)
    if match is None or bool(match["open"]) != bool(match["close"]):
        raise _no_number(cell, text, lines[row], column, place)
    if match["suffix"] in _QUOTE_LETTERS and column in _PRICES:
        raise DataError(
            f"{place} row {lines[row]}: {cell!r} ends in a letter that may count ({column}), as in "
            "0.67 M, or mark a bid, a mean or a trade.",
            hint="write the prices as numbers, without the letter",
        )
    if match["counted"] and column != "volume":
        raise _no_number(cell, text, lines[row], column, place)
    digits = match["digits"]
    if ("'" in digits or " " in digits) and not _GROUPED.fullmatch(digits):
        raise _no_number(cell, text, lines[row], column, place)
    digits = digits.replace("'", "").replace(" ", "")
    thousands = "." if decimal_comma else ","
    digits = digits.replace(thousands, "")
    if decimal_comma:
        digits = digits.replace(",", ".")
    try:
        value = float(digits)
    except ValueError:
        raise _no_number(cell, text, lines[row], column, place) from None
    currency = (match["outer"] or match["before"] or match["after"] or "").strip(".")
    if currency:
        currencies.setdefault(currency, row)
    negative = "-" in (match["sign"], match["inner"], match["minus"]) or match["open"]
    return value * _SUFFIXES.get(match["suffix"] or "", 1.0) * (-1 if negative else 1)


def _no_number(cell: str, text: str, line: int, column: str, place: str) -> DataError:
    where = f"{place} row {line}: {cell!r}"
    if _MANGLED.fullmatch(text):
        return DataError(
            f"{where} is a number whose decimal mark became a slash ({column}).",
            hint="export the file again, with this column formatted as a number",
        )
    if _TICKS.fullmatch(text) or _TICKS_OF_THREE.fullmatch(text) or _FRACTION.fullmatch(text):
        return DataError(
            f"{where} is a price in fractions, such as 32nds of a bond ({column}).",
            hint="write decimals: 110-16 is 110.5",
        )
    return DataError(f"{where} is not a number ({column}).", hint="mend or delete the row")
