"""A table whose columns have names and, where the file gives them one each, tickers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from finscale.data.sources.csv_choices import Choices
from finscale.data.sources.csv_tickers import same_ticker
from finscale.data.sources.csv_words import Meaning, bare, meaning, meanings, means
from finscale.errors import DataError
from finscale.tables import CellTable, table
from finscale.tables.table import looks_like_date

#: What stands for no value, in small letters.
NO_VALUE = frozenset(("", *table.NO_VALUE))
#: Fields that a table can have once for each ticker.
_VALUES = ("open", "high", "low", "close", "adj_close", "volume")
_TICKER_LIKE = re.compile(
    r"[\^$]?[A-Z0-9][A-Z0-9.\-/=&]{0,11}( [A-Z]{2})?( (Equity|Index|Curncy|Comdty))?"
)
# 7203 is a ticker; the 1 of "1. open" is none.
_NUMBERED = re.compile(r"\d{3}")
# Volume (000s) is no volume of the ticker 000.
_THOUSANDS = re.compile(r"\((in )?'?(1[,.]?)?000'?s?\)", re.IGNORECASE)
# Datastream's codes: @AAPL(PO) is the open of @AAPL, @AAPL(VO) its volume in thousands.
_DATASTREAM = re.compile(r"((?:\w{1,3}:)?@?[\w.&$]+)\((P|UP|PO|UPO|PH|UPH|PL|UPL|VO|UVO)\)(~.*)?")
_DATATYPES = {"P": "close", "PO": "open", "PH": "high", "PL": "low", "VO": "volume"}
_TITLE = re.compile(r"[#\s]*([^:=]{2,20}?)\s*[:=]\s*(\S.*)")


@dataclass
class Sheet:
    """Named columns over rows; rows that are not the symbol's are taken out step by step."""

    place: str
    names: tuple[str, ...]
    tickers: tuple[str, ...]
    """The ticker that each column belongs to; empty for columns of the whole table."""
    meanings: tuple[tuple[Meaning, ...], ...]
    """What each column's name can mean."""
    rows: list[tuple[str, ...]]
    lines: list[int]
    """Line of each row in the file."""
    title: str = ""
    """A ticker that a line above the header names; empty if none does."""

    def column(self, index: int) -> list[str]:
        """Return the cells of one column."""
        return [row[index] for row in self.rows]

    def keep(self, kept: Sequence[bool]) -> None:
        """Take out all rows but those marked."""
        self.rows = [row for row, here in zip(self.rows, kept, strict=True) if here]
        self.lines = [line for line, here in zip(self.lines, kept, strict=True) if here]

    def replace(self, index: int, cells: Sequence[str]) -> None:
        """Put other cells into one column."""
        self.rows = [
            (*row[:index], cell, *row[index + 1 :])
            for row, cell in zip(self.rows, cells, strict=True)
        ]

    def append(self, cells: Sequence[str]) -> int:
        """Add a column made from others, without a name; return its index."""
        self.rows = [(*row, cell) for row, cell in zip(self.rows, cells, strict=True)]
        return len(self.rows[0]) - 1

    def named(self, *fields: str) -> list[tuple[int, Meaning]]:
        """Return the columns of the whole table that can be one of ``fields``."""
        return [
            (i, each)
            for i, meanings in enumerate(self.meanings)
            if not self.tickers[i]
            for each in meanings
            if each.field in fields
        ]


def make_sheet(
    table: CellTable, names: Sequence[str] | None, symbol: str, choices: Choices
) -> Sheet:
    """Return a table with names and tickers; ``names`` are given where no line holds them."""
    header = tuple(names) if names else _names(table, symbol, choices)
    wanted = choices.ticker or symbol
    tickers, found = zip(*(parts_of(name, wanted) for name in header), strict=True)
    coded = any(map(_DATASTREAM.fullmatch, header))
    above = [*tickers] if coded else _tickers(table, header, found, wanted)
    if any(above):
        tickers = tuple(above)
        # in such a file the first column holds dates, whatever its header says
        if not above[0]:
            found = ((Meaning("date"),), *found[1:])
    undated = not any(each.field in ("date", "year") for one in found for each in one)
    if undated and any(tickers) and all(looks_like_date(row[0]) for row in table.rows):
        # Datastream has dates under "Name"
        found = ((Meaning("date"),), *found[1:])
    title = "" if any(tickers) else _title(table, header)
    return Sheet(table.place, header, tickers, found, [*table.rows], [*table.lines], title)


def _names(table: CellTable, symbol: str, choices: Choices) -> tuple[str, ...]:
    """Return the header line that names most columns; the last of those that name none."""
    wanted = {bare(column) for column in choices.columns.values() if column}

    def known(cells: Sequence[str]) -> int:
        parts = [parts_of(cell, symbol) for cell in cells]
        fields = {(ticker, found[0].field) for ticker, found in parts if found}
        return len(fields) + sum(bool(cell) and bare(cell) in wanted for cell in cells)

    return max(reversed(table.headers), key=known)


def parts_of(name: str, symbol: str) -> tuple[str, tuple[Meaning, ...]]:
    """Return the ticker in a column's name, if it holds one, and what the rest means.

    ``Close_SPY``, ``SPY Close``, ``7203.T_Close``, ``('Close', 'SPY')``: headers flattened by
    pandas, and ``SPY.Close``, as R has them.
    """
    code = _DATASTREAM.fullmatch(name.strip())
    if code:
        return code[1], (Meaning(_DATATYPES[code[2].removeprefix("U")]),)
    name = _THOUSANDS.sub("", name).strip()
    whole = meanings(name)
    if _NUMBERED.search(name) and len(bare(name)) == 1:
        whole = ()  # 6758.T above a column is no t for time
    # Close_7203: without its digits it would be one of several closes
    if whole and not _NUMBERED.search(name):
        return "", whole
    pairs = [
        (ticker, found)
        for word, ticker in _pairs(name)
        if len(bare(word)) > 1 and not _NUMBERED.search(word) and (found := meaning(word, *_VALUES))
    ]
    for same in (str.__eq__, same_ticker):  # LOW_Low is the low of LOW
        for ticker, found in pairs:
            if same(ticker, symbol):
                return ticker, (found,)
    for ticker, found in pairs:
        known = means(ticker, "qualifier") or means(ticker, "unit")
        if not known and _could_be(ticker):
            return ticker, (found,)
    return "", whole


def _pairs(name: str) -> list[tuple[str, str]]:
    """Return the ways to part a name into a field's word and a ticker."""
    quoted = re.findall(r"'([^']*)'|\"([^\"]*)\"", name) if name.startswith("(") else []
    if len(quoted) == 2:
        one, other = ("".join(part) for part in quoted)
        return [(one, other), (other, one)]
    found = []
    for gap in re.finditer(r"[\s_.:/|-]+", name):
        left, right = name[: gap.start()], name[gap.end() :]
        if left and right:
            found += [(left, right), (right, left)]
    return found


def _could_be(ticker: str) -> bool:
    """Tell whether the rest of a name could be a ticker: no other field's name, not just 2."""
    if _NUMBERED.search(ticker):
        return True
    return bool(bare(ticker)) and not meaning(ticker, *_VALUES, "settle", "date")


def _tickers(
    table: CellTable,
    names: Sequence[str],
    known_as: Sequence[tuple[Meaning, ...]],
    symbol: str,
) -> list[str]:
    """Return the ticker above or below each column's name; empty strings where there is none."""
    known = [i for i, found in enumerate(known_as) if found and i > 0]
    repeated = len({bare(names[i]) for i in known}) < len(known)
    for cells in table.headers:
        if cells == tuple(names) or not known or _are_units([cells[i] for i in known], symbol):
            continue
        if all(cells[i] for i in known):
            return ["", *cells[1:]]
        if repeated and any(cells[i] for i in known):
            # one merged cell above the columns of each ticker
            return _filled(cells, known[0])
    return [""] * len(names)


def _filled(cells: Sequence[str], first: int) -> list[str]:
    found: list[str] = []
    own = cells[0] and not means(cells[0], "symbol") and not means(cells[0], "date")
    for i, cell in enumerate(cells):
        start = cell if i or own else ""
        found.append(start or (found[-1] if i > first or own else ""))
    return found


def _are_units(cells: Collection[str], symbol: str) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(
        means(cell, "unit") and not same_ticker(cell, symbol) for cell in filled
    )


def _title(table: CellTable, names: Sequence[str]) -> str:
    """Return the ticker that a line above the header names.

    ``Security,SPY US Equity``, ``# Symbol: SPY``, ``Apple Inc. (AAPL)``, or nothing but ``SPY``.
    """
    lines = [[cell for cell in cells if cell] for cells in table.headers if cells != tuple(names)]
    for filled in lines:
        if not 0 < len(filled) <= 2:
            continue
        key, value = filled if len(filled) > 1 else _title_parts(filled[0])
        if means(key.strip(" #:="), "symbol") and _TICKER_LIKE.fullmatch(value):
            return value
        if not key and not means(value, "title", "unit"):
            return value
    return ""


def _title_parts(cell: str) -> tuple[str, str]:
    """Return a title's key and value; an empty key where it names a ticker by itself."""
    match = _TITLE.fullmatch(cell)
    if match:
        return match[1], match[2]
    inside = re.findall(r"\(([A-Z][A-Z0-9.:]{1,11})\)", cell)
    alone = re.fullmatch(r"[#\s]*(\^?[A-Z][A-Z0-9.-]{0,6})", cell)
    if len(inside) == 1:
        return "", inside[0]
    return ("", alone[1]) if alone else ("title", cell)


def looks_like_ticker(text: str) -> bool:
    """Tell whether a cell is written as tickers are: capitals and digits, no words."""
    return _TICKER_LIKE.fullmatch(text) is not None


def need(sheet: Sheet, missing: Sequence[str]) -> DataError:
    """Return the error for fields that no column is named like."""
    have = ", ".join(name or "(no name)" for name in sheet.names)
    return DataError(
        f"{sheet.place} has no column for {', '.join(missing)}; it has {have}.",
        hint="bars need date, open, high, low, close (and, if known, adj close and volume); "
        f"name columns yourself: --columns {','.join(f'{field}=NAME' for field in missing)}"
        + ("; closes alone are bars too: --columns close=NAME" if len(missing) == 4 else ""),
    )
