"""Cells of a series' file: periods by day, month or quarter, and numbers."""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from finscale.data import calendar
from finscale.data.sources.csv_dates import DateWishes, parse_dates
from finscale.errors import DataError
from finscale.tables.table import NO_VALUE, CellTable

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_MONTH = re.compile(r"(\d{4})(?:[-/.]|M|m)(\d{1,2})")
_MONTH_DIGITS = re.compile(r"((?:19|20)\d{2})(0[1-9]|1[0-2])")
_MONTH_YEAR = re.compile(r"(\d{1,2})[-/](\d{4})")
_MONTH_WORD = re.compile(r"([A-Za-z]{3,9})\.?[- /]?(\d{4})|(\d{4})[- /]?([A-Za-z]{3,9})")
_QUARTER = re.compile(r"(\d{4})[-: ]?[Qq]([1-4])")
_QUARTER_YEAR = re.compile(r"[Qq]([1-4])[-/ ]?(\d{4})")
_YEAR = re.compile(r"\d{4}")
_WORDS = {
    name.lower(): number
    for names in (months.month_name, months.month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}
# 1,573 and 1,573.25; 1573,25 and 1.573,25
_GROUPS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
_DECIMAL = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")

Days = NDArray[np.datetime64]
_Form = Callable[[str], tuple[int, int] | None]


def _word(text: str) -> tuple[int, int] | None:
    match = _MONTH_WORD.fullmatch(text)
    if match is None:
        return None
    year, word = (match[2], match[1]) if match[2] else (match[3], match[4])
    number = _WORDS.get(word.lower())
    return None if number is None else (int(year), number)


def _by(pattern: re.Pattern[str], *, turned: bool = False, of: int = 1) -> _Form:
    def read(text: str) -> tuple[int, int] | None:
        match = pattern.fullmatch(text)
        if match is None:
            return None
        year, number = (match[2], match[1]) if turned else (match[1], match[2])
        return int(year), of * (int(number) - 1) + 1

    return read


#: Each returns year and month of a text, None where it is of another form.
_FORMS = (
    _by(_MONTH),
    _by(_MONTH_DIGITS),
    _by(_MONTH_YEAR, turned=True),
    _word,
    _by(_QUARTER, of=3),
    _by(_QUARTER_YEAR, turned=True, of=3),
)


def read_periods(cells: Sequence[str], table: CellTable, date_format: str | None = None) -> Days:
    """Return the day by which each period is dated: of a month or a quarter the first.

    Raises
    ------
    DataError
        If a cell says no period, or only its year.
    """
    texts = [cell.strip() for cell in cells]
    if date_format is None:
        for form in _FORMS:
            found = [one for text in texts if (one := form(text)) is not None]
            if texts and len(found) == len(texts):
                return _days([f"{year}-{month:02d}-01" for year, month in found], table)
        if all(_ISO.fullmatch(text) for text in texts):
            return _days(texts, table)
        if texts and all(_YEAR.fullmatch(text) for text in texts):
            raise DataError(
                f"{table.place}: the periods are years, and series are daily to quarterly.",
                hint="take the monthly or quarterly series",
            )
    # a period is dated by the day that stands there, whatever day of the week that is
    wishes = DateWishes(date_format=date_format, calendar=calendar.NONE, session_of="open")
    try:
        days, _ = parse_dates(cells, table.lines, place=table.place, wishes=wishes)
    except DataError as error:
        if "no daily bars" not in error.message:
            raise
        line = error.message.partition(": ")[0]
        raise DataError(
            f"{line}: not every period is written in one form that is known.",
            hint="months are 2024-01, 2024M01, 01/2024 or Jan 2024, quarters 2024-Q1 or Q1 2024",
        ) from None
    return _days([str(day) for day in days], table)


def _days(texts: Sequence[str], table: CellTable) -> Days:
    try:
        return np.array(texts, "datetime64[D]")
    except ValueError:
        raise DataError(f"{table.place}: a period is no date.", hint="2024-01 is January") from None


def read_values(cells: Sequence[str], table: CellTable, column: str) -> NDArray[np.float64]:
    """Return numbers, NaN where there is no value.

    A comma is one mark in the whole column: between thousands where a point shows the decimals or
    no other reading is left, else for the decimals.

    Raises
    ------
    DataError
        If a cell is no finite number, or nothing shows what a comma stands for.
    """
    texts = [cell.strip().replace("\u2212", "-") for cell in cells]
    comma = comma_in(texts, table, column)
    values = np.full(len(cells), np.nan)
    for at, text in enumerate(texts):
        if text in ("", ".") or text.lower() in NO_VALUE:
            continue
        if text == "<1":  # Google Trends: some, and less than a hundredth of the most
            values[at] = 0.5
            continue
        pattern = {"thousands": _GROUPS, "decimals": _DECIMAL}.get(comma)
        plain = text
        if "," in text and pattern is not None and pattern.fullmatch(text):
            plain = text.replace("," if comma == "thousands" else ".", "").replace(",", ".")
        elif comma == "decimals" and re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+", text):
            plain = text.replace(".", "")
        try:
            values[at] = float(plain)
        except ValueError:
            values[at] = np.nan
        if not np.isfinite(values[at]):
            raise DataError(
                f"{table.place} line {table.lines[at]}: {cells[at]!r} is not a number ({column}).",
                hint="mend the cell; . or nothing stands for no value",
            )
    return values


def comma_in(texts: Sequence[str], table: CellTable, column: str) -> str:
    """Return what a comma stands for in a column: thousands, decimals, or nothing."""
    commas = [text for text in texts if "," in text]
    if not commas:
        return ""
    point = any(re.search(r"\.\d*$", t) and not _DECIMAL.fullmatch(t) for t in texts)
    groups = sum(bool(_GROUPS.fullmatch(text)) for text in commas)
    decimals = sum(bool(_DECIMAL.fullmatch(text)) for text in commas)
    several = any(text.count(",") > 1 for text in commas)
    if groups == len(commas) and (several or any("." in text for text in commas)):
        return "thousands"
    if groups < decimals and decimals == len(commas):
        return "decimals"
    if groups == len(commas) == decimals:  # 1,573: both readings are left
        if table.delimiter == ";":
            return "decimals"
        if point or any(re.fullmatch(r"[-+]?\d{1,3}", text) for text in texts):
            return "thousands"
        raise DataError(
            f"{table.place}: {commas[0]!r} ({column}) could be {commas[0].replace(',', '')} or "
            f"{commas[0].replace(',', '.')}.",
            hint="write the numbers without a comma",
        )
    return ""
