"""Bars from a delimited text file in any usual layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finscale.data.acceptance import accept, wishes_from
from finscale.data.bars import PRICES, Bars
from finscale.data.calendar import timezone
from finscale.data.sources.base import Source, register
from finscale.data.sources.csv_choices import choices_from
from finscale.data.sources.csv_columns import find_columns
from finscale.data.sources.csv_marks import decimal_comma
from finscale.data.sources.csv_quirks import interpret
from finscale.data.sources.csv_table import read_table
from finscale.data.sources.csv_values import parse_dates, parse_numbers
from finscale.errors import DataError

_NUMBERS = (*PRICES, "adj_close", "volume", "dividends", "splits", "price_factor")


def fetch(
    symbol: str,
    *,
    file: Path | str | None = None,
    date_format: str | None = None,
    columns: str | Sequence[str] | Mapping[str, str] | None = None,
    format: str | None = None,
    where: str | Sequence[str] | Mapping[str, str] | None = None,
    ticker: str | None = None,
    **options: Any,
) -> Bars:
    """Return the bars of ``symbol`` in a delimited text file.

    Delimiter, encoding, header lines, the order of columns and rows, and the format of dates and
    numbers are detected; see :class:`finscale.data.acceptance.Wishes` for the options.

    Parameters
    ----------
    symbol : str
        Upper-case symbol; chooses among several in one file.
    file : Path
        The file.
    date_format : str, optional
        ``strptime`` format of dates whose day and month cannot be told apart.
    columns : str or mapping, optional
        Field → the column that holds it, by name or by number from 1, empty for none:
        ``open=PX_OPEN,close=PX_LAST,adj_close=``.
    format : str, optional
        A vendor's format, such as ``binance`` or ``crsp``; see ``vendor_formats.toml``.
    where : str or mapping, optional
        Column → the value that rows must have in it: ``BOARDID=TQBR``.
    ticker : str, optional
        The file's own name for the symbol, where it is no obvious spelling of it.

    Raises
    ------
    DataError
        If the file is no table of daily bars, or its bars cannot be trusted.
    """
    if file is None:
        raise DataError(
            "the csv source needs a file.", hint=f"finscale data import FILE --symbol {symbol}"
        )
    wishes = wishes_from(options, "csv")
    table = read_table(Path(file))
    place = table.place
    choices = choices_from(columns, format, where, ticker)
    dates_of = partial(
        parse_dates, place=place, zone=timezone(wishes.calendar), date_format=date_format
    )
    found = find_columns(table, symbol, choices, dates_of)
    cells, lines = found.cells, found.lines
    numbers = {name: cells[name] for name in cells if name in _NUMBERS}
    with_comma = decimal_comma(numbers, lines, delimiter=table.delimiter, place=place)
    dates = dates_of(cells["date"], lines)
    frame = pl.DataFrame(
        [
            pl.Series("line", lines, dtype=pl.Int64),
            pl.Series("date", dates, dtype=pl.Date),
            *(
                parse_numbers(column, lines, column=name, place=place, decimal_comma=with_comma)
                for name, column in numbers.items()
            ),
        ]
    )
    frame, wishes, about = interpret(frame, found, wishes, place=place)
    provenance = {"file": place, "file sha256": table.sha256, **found.notes, **about}
    return accept(symbol, frame, wishes, source="csv", place=place, provenance=provenance)


register(Source("csv", "a text file in any usual layout", fetch))
