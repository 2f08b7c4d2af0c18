"""Bars from a delimited text file in any usual layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from finscale.data.acceptance import accept, wishes_from
from finscale.data.bars import Bars
from finscale.data.calendar import timezone
from finscale.data.sources.base import Source, register
from finscale.data.sources.csv_columns import find_columns
from finscale.data.sources.csv_marks import decimal_comma
from finscale.data.sources.csv_table import read_table
from finscale.data.sources.csv_values import parse_dates, parse_numbers
from finscale.errors import DataError

_NUMBERS = ("open", "high", "low", "close", "adj_close", "volume", "dividends")


def fetch(
    symbol: str,
    *,
    file: Path | str | None = None,
    date_format: str | None = None,
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
    columns = find_columns(table, symbol)
    rows = [table.rows[i] for i in columns.rows]
    lines = [table.lines[i] for i in columns.rows]
    cells = {name: [row[i] for row in rows] for name, i in columns.index.items()}
    # in the file's order: the end of the last line may be missing
    in_order = sorted(columns.index, key=lambda name: columns.index[name])
    numbers = {name: cells[name] for name in in_order if name in _NUMBERS}
    with_comma = decimal_comma(numbers, lines, delimiter=table.delimiter, place=place)
    zone = timezone(wishes.calendar)
    dates = parse_dates(cells["date"], lines, place=place, zone=zone, date_format=date_format)
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
    provenance = {"file": place, "file sha256": table.sha256}
    if columns.ticker and columns.ticker.upper() != symbol:
        provenance["ticker"] = f"{columns.ticker} in the file"
    return accept(
        symbol,
        frame,
        wishes,
        source="csv",
        place=place,
        provenance=provenance,
        last_line=max(table.lines),
    )


register(Source("csv", "a text file in any usual layout", fetch))
