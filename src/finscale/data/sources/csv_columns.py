"""Find the columns of a table that hold one symbol's dates, prices and volume."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from finscale.data.sources.csv_table import CsvTable, looks_like_date
from finscale.errors import DataError

#: Names that columns have in practice, compared without case, digits, spaces, signs and brackets.
ALIASES = {
    "date": ("date", "datetime", "timestamp", "day", "tradedate", "tradingday", "time"),
    "open": ("open", "openprice", "o"),
    "high": ("high", "highprice", "h"),
    "low": ("low", "lowprice", "l"),
    "close": ("close", "closeprice", "closelast", "last", "lastprice", "c", "price"),
    "adj_close": ("adjclose", "adjustedclose", "adjcloseprice", "closeadj", "closeadjusted"),
    "volume": ("volume", "vol", "v", "tradedvolume", "totaltradequantity"),
    "symbol": ("symbol", "ticker", "tic", "name", "code"),
    "dividends": ("dividends", "dividend", "divcash"),
}
_FIELDS = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
# Names that are used only if the field has no better one: "Time" next to "Date".
_WEAK = ("price", "time", "last", "name", "code")
_NEEDED = ("date", "open", "high", "low", "close")


@dataclass(frozen=True)
class Columns:
    """Position of each field's column, the symbol's rows, and its name in the file."""

    index: dict[str, int]
    rows: tuple[int, ...]
    ticker: str


def find_columns(table: CsvTable, symbol: str) -> Columns:
    """Return the columns that hold the date, prices and volume of ``symbol``.

    One header line with the columns' names is enough; a second one may name a ticker for each
    column (yfinance), or a column may name a ticker for each row.

    Raises
    ------
    DataError
        If a column is missing or appears twice, or the file holds only other symbols.
    """
    names = max(table.headers, key=lambda cells: sum(_field(c, symbol) is not None for c in cells))
    fields = [_field(name, symbol) for name in names]
    tickers = _tickers(table, names, fields)
    ticker = _choose(tickers, symbol, table.place)
    if any(tickers):
        # in such a file the first column holds dates, whatever its header says
        fields = ["date", *fields[1:]]
    elif "date" not in fields:
        # the first unnamed column that holds dates
        for i, field in enumerate(fields):
            if field is None and looks_like_date(table.rows[0][i]):
                fields[i] = "date"
                break
    index: dict[str, int] = {}
    for field in ALIASES:
        mine = [
            i for i, f in enumerate(fields) if f == field and (not i or tickers[i] in ("", ticker))
        ]
        if mine:
            index[field] = _one_of(mine, names, field, table.place)
    missing = [field for field in _NEEDED if field not in index]
    if missing:
        have = ", ".join(name or "(no name)" for name in names)
        raise DataError(
            f"{table.place} has no column for {', '.join(missing)}; it has {have}.",
            hint="bars need date, open, high, low, close (and, if known, adj close and volume)",
        )
    rows = tuple(range(len(table.rows)))
    if "symbol" in index:
        stated = [cells[index["symbol"]] for cells in table.rows]
        ticker = _choose(stated, symbol, table.place)
        rows = tuple(i for i, name in enumerate(stated) if name in (ticker, ""))
    return Columns(index, rows, ticker)


def _field(name: str, symbol: str) -> str | None:
    """Return the field that a column's name means, with or without the symbol in it."""
    bare = _bare(name)
    if bare in _FIELDS:
        return _FIELDS[bare]
    # Close_SPY, SPY Close, ('Close', 'SPY'): headers flattened by pandas
    own = _bare(symbol)
    return _FIELDS.get(bare.removesuffix(own)) or _FIELDS.get(bare.removeprefix(own))


def _bare(name: str) -> str:
    inner = name if name.startswith("(") else re.sub(r"\(.*?\)", "", name)
    return re.sub(r"[^a-z]", "", inner.lower())


def _tickers(table: CsvTable, names: Sequence[str], fields: Sequence[str | None]) -> list[str]:
    """Return the ticker above or below each column's name; empty strings where there is none."""
    known = [i for i, field in enumerate(fields) if field is not None and i > 0]
    for cells in table.headers:
        if cells is not names and known and all(cells[i] for i in known):
            return ["", *cells[1:]]
    return [""] * len(names)


def _choose(tickers: Sequence[str], symbol: str, place: str) -> str:
    """Return the file's own name for ``symbol``: the one equal to it, or the only one."""
    known = sorted(set(tickers) - {""})
    for ticker in known:
        if ticker.upper() == symbol:
            return ticker
    if len(known) > 1:
        some = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
        raise DataError(
            f"{place} holds {len(known)} symbols ({some}), and {symbol} is none of them.",
            hint=f"choose one of them, such as --symbol {known[0]}",
        )
    return known[0] if known else ""


def _one_of(candidates: Sequence[int], names: Sequence[str], field: str, place: str) -> int:
    strong = [i for i in candidates if _bare(names[i]) not in _WEAK] or candidates
    if len(strong) > 1:
        listed = " and ".join(repr(names[i]) for i in strong)
        raise DataError(
            f"{place}: columns {listed} are all named like the {field}.",
            hint="leave all but one of them out of the file",
        )
    return strong[0]
