"""Tell 41.431 pieces of gold from 41,431: points that may stand between thousands.

A price with exactly three digits behind its one point is either 151.204 yen for a dollar or 41 431
written as Germans do. The rest of the file has to tell which; where it does not, the user is asked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from finscale.data.sources.csv_marks import decimal_comma, kind_of, marks_found, stays_near
from finscale.data.sources.csv_tickers import upper
from finscale.data.sources.csv_words import bare
from finscale.errors import DataError, did_you_mean
from finscale.tables import CellTable
from finscale.tables.numbers import count_digits, number_digits
from finscale.tables.table import looks_like_date

#: What ``--decimal`` takes.
DECIMALS = ("point", "comma")
_WHOLE_COUNT = re.compile(r"\d{4,}")
_COUNT_IN_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_SMALL_COUNT = re.compile(r"\d{1,3}")
_LOOKED_AT = 500
# Volumes by which three digits behind each mark are no chance.
_FEWEST_COUNTS = 10
_MOSTLY = 0.9
# Currencies of which less than a thousand are given for any other large one.
_SMALL_RATES = frozenset(
    ("usd", "eur", "gbp", "jpy", "chf", "cad", "aud", "nzd", "cny", "cnh", "hkd", "sgd", "inr")
) | frozenset(
    ("sek", "nok", "dkk", "pln", "czk", "huf", "try", "zar", "mxn", "brl", "thb", "ils", "rub")
)
# Names of columns in a language; one may be a loan word.
_ENOUGH_WORDS = 2


def read_marks(
    cells: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    table: CellTable,
    dates: Sequence[str],
    *,
    symbol: str,
    stated: str | None = None,
) -> tuple[bool, dict[str, str]]:
    """Tell whether numbers are written 1.234,56, and what to say of it in the summary.

    Points with three digits behind each are settled by, in this order: how prices move from day to
    day in either reading; the volume, which is written with points or without; decimals in columns
    that are not read; a symbol that is an exchange rate; names of columns in a language that writes
    decimal commas, where cells are not parted by commas.

    Parameters
    ----------
    cells : mapping
        The columns of numbers that are read, the prices among them.
    lines : sequence of int
        Line of each row.
    table : CellTable
        The whole file.
    dates : sequence of str
        The column of dates, which is no number.
    symbol : str
        The symbol asked for.
    stated : {"point", "comma"}, optional
        What the user says (``--decimal``).

    Raises
    ------
    DataError
        If nothing tells the two readings apart, the file mixes them, or contradicts the user.
    """
    place, found = table.place, marks_found(cells, lines)
    if stated is not None:
        return _as_stated(stated, found, place), {}
    comma = decimal_comma(cells, lines, delimiter=table.delimiter, place=place, found=found)
    if comma or "points" not in found or {"point", "unsure"} & set(found):
        said = "" if table.typed else _doubtful_volume(cells.get("volume", ()), comma)
        return comma, {"volume digits": said} if said else {}
    # workbooks and JSON hold numbers; only text keeps a nought at the end: 41.430
    typed = table.delimiter == " " and not any(
        cell.endswith("0") and "." in cell for column in cells.values() for cell in column
    )
    if typed or table.typed:
        return False, {}
    cell, line = found["points"]
    why = _why_thousands(cells, lines, table, dates, symbol)
    if why is None:
        thousands = cell.split("'")[1].replace(".", "")
        raise DataError(
            f"{place} row {line}: {cell} and all other prices have three digits behind the point, "
            f"so it may stand between thousands ({thousands}) or before decimals, and nothing else "
            "in the file tells which.",
            hint=f"--decimal comma reads {thousands}, --decimal point reads the number as it "
            "stands",
        )
    notes = {"numbers": f"points stand between thousands, {cell}: {why}"} if why else {}
    return bool(why), notes


def _as_stated(stated: str, found: Mapping[str, tuple[str, int]], place: str) -> bool:
    if stated not in DECIMALS:
        raise DataError(
            f"{stated!r} is no decimal mark (--decimal).", hint=did_you_mean(stated, DECIMALS)
        )
    other = "point" if stated == "comma" else "comma"
    if other in found:
        cell, line = found[other]
        raise DataError(
            f"{place} row {line}: {cell} has a decimal {other}, and --decimal {stated} was given.",
            hint="leave --decimal away",
        )
    return stated == "comma"


def _why_thousands(
    cells: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    table: CellTable,
    dates: Sequence[str],
    symbol: str,
) -> str | None:
    """Return why points stand between thousands; empty where they do not, None if none knows."""
    near = {form: stays_near(cells, lines, table.place, form) for form in (False, True)}
    if near[False] != near[True]:
        return "read otherwise, prices would jump" if near[True] else ""
    by_volume = _by_volume(cells.get("volume", ()))
    language = _language(table) if table.delimiter != "," else ""
    if by_volume == "" and language and not _is_exchange_rate(symbol):
        return None  # columns named in German say one thing, the volume 1233251 the other
    if by_volume is not None:
        return by_volume
    elsewhere = _elsewhere(table, dates)
    if elsewhere is not None:
        return elsewhere
    if _is_exchange_rate(symbol):
        return ""
    if language:
        return f"the columns have names in {language}"
    return None


def _by_volume(volume: Sequence[str]) -> str | None:
    """Tell by the volume, which counts: 523.100 beside 950, or 523100."""
    counts = {count_digits(cell) for cell in volume} - {"0", ""}
    pointed = {cell for cell in counts if _COUNT_IN_THOUSANDS.fullmatch(cell)}
    if pointed and all(_SMALL_COUNT.fullmatch(cell) for cell in counts - pointed):
        return f"the volume is written so too, {min(pointed)}"
    if not pointed and any(_WHOLE_COUNT.fullmatch(cell) for cell in counts):
        return ""  # thousands have no points here
    return None


def _doubtful_volume(volume: Sequence[str], comma: bool) -> str:
    """Say that a volume has three digits behind its decimal mark wherever it has any."""
    mark = "," if comma else "."
    counts = {count_digits(cell) for cell in volume} - {"0", ""}
    marked = {cell for cell in counts if mark in cell}
    thousands = re.compile(rf"[1-9]\d{{0,2}}\{mark}\d{{3}}")
    if len(marked) < _FEWEST_COUNTS or not all(map(thousands.fullmatch, marked)):
        return ""
    if not all(_SMALL_COUNT.fullmatch(cell) for cell in counts - marked):
        return ""
    return (
        f"three digits behind the {'comma' if comma else 'point'} in all of it ({min(marked)}), "
        "read as decimals, as the prices are written; if it counts thousands, take these marks out"
    )


def _elsewhere(table: CellTable, dates: Sequence[str]) -> str | None:
    """Tell by decimals in any column of the file: +0,45 % or 0.45."""
    kinds: dict[str, str] = {}
    first = set(dates[:_LOOKED_AT])
    for column in zip(*table.rows[:_LOOKED_AT], strict=True):
        filled = [cell for cell in column if cell]
        if not filled or first & set(filled) or any(map(looks_like_date, filled[:20])):
            continue
        digits = [number_digits(cell) for cell in filled]
        if sum(map(bool, digits)) < _MOSTLY * len(filled):
            continue
        for cell, number in zip(filled, digits, strict=True):
            kind = kind_of(number, "")
            if kind in DECIMALS:
                kinds.setdefault(kind, cell)
    if len(kinds) != 1:
        return None
    ((kind, cell),) = kinds.items()
    return f"{cell!r} in another column has a decimal comma" if kind == "comma" else ""


def _is_exchange_rate(symbol: str) -> bool:
    """Tell whether a symbol is a pair of currencies, none of which costs thousands of another."""
    letters = re.sub(r"[^A-Z]", "", upper(symbol).rpartition(":")[2].removesuffix("=X")).lower()
    return len(letters) == 6 and {letters[:3], letters[3:]} <= _SMALL_RATES


@cache
def _comma_languages() -> dict[str, frozenset[str]]:
    """Return the bare names of columns in each language that writes decimal commas."""
    path = files("finscale.data.sources").joinpath("header_words.toml")
    table = tomllib.loads(path.read_text("utf-8"))["decimal_comma"]
    return {language: frozenset(map(bare, names)) for language, names in table.items()}


def _language(table: CellTable) -> str:
    names = {bare(cell) for cells in table.headers for cell in cells} - {""}
    for language, words in _comma_languages().items():
        if len(names & words) >= _ENOUGH_WORDS:
            return language
    return ""
