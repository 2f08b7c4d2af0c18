"""Bars from a file in any usual layout: text, JSON, parquet, Arrow or a workbook."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finscale.data.acceptance import accept, wishes_from
from finscale.data.bars import Bars
from finscale.data.sources.base import Source, register
from finscale.data.sources.csv_columns import find_columns
from finscale.data.sources.csv_header import num_fields
from finscale.data.sources.csv_marks import decimal_comma
from finscale.data.sources.csv_table import headerless, reading_repairs
from finscale.data.sources.csv_values import parse_dates, parse_numbers
from finscale.data.sources.csv_dates import DateWishes, parse_dates
from finscale.data.sources.csv_marks import decimal_comma
from finscale.data.sources.csv_sessions import SessionOf
from finscale.data.sources.csv_table import read_table
from finscale.data.sources.csv_values import parse_numbers
from finscale.errors import DataError
from finscale.tables import read_table

_NUMBERS = ("open", "high", "low", "close", "adj_close", "volume", "dividends")


def fetch(
    symbol: str,
    *,
    file: Path | str | None = None,
    date_format: str | None = None,
    sheet: str | None = None,
    member: str | None = None,
    century: int | None = None,
    session_of: SessionOf | None = None,
    **options: Any,
) -> Bars:
    """Return the bars of ``symbol`` in a file.

    The kind of file, delimiter, encoding, header lines, the order of columns and rows, and the
    format of dates and numbers are detected; see :class:`finscale.data.acceptance.Wishes` for the
    options.

    Parameters
    ----------
    symbol : str
        Upper-case symbol; chooses among several in one file.
    file : Path
        The file.
    date_format : str, optional
        ``strptime`` format of dates whose day and month cannot be told apart.
    sheet, member : str, optional
        The sheet of a workbook and the file in an archive, where several could be meant.
        ``strptime`` format of dates whose day and month cannot be told apart, or what numbers
        count: ``excel``, ``s``, ``ms``, ``matlab`` … (``csv_date_numbers.FORMS``).
    century : int, optional
        Century of the earliest two-digit year: 1900 reads 62 as 1962.
    session_of : {"open", "close"}, optional
        Which end of a session time stamps mark, where their weekdays do not tell.

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
    table = read_table(
        Path(file),
        recognise=partial(num_fields, symbol=symbol),
        symbol=symbol,
        sheet=sheet,
        member=member,
    )
    place = table.place
    if not table.headers:
        raise headerless(table)
    columns = find_columns(table, symbol)
    rows = [table.rows[i] for i in columns.rows]
    lines = [table.lines[i] for i in columns.rows]
    cells = {name: [row[i] for row in rows] for name, i in columns.index.items()}
    numbers = {name: cells[name] for name in _NUMBERS if name in cells}
    with_comma = decimal_comma(numbers, lines, delimiter=table.delimiter, place=place)
    said = DateWishes(date_format, century, session_of, wishes.calendar, wishes.now)
    dates, notes = parse_dates(cells["date"], lines, place=place, wishes=said)
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
    provenance = {"file": place, "file sha256": table.sha256, **dict(table.about)}
    provenance = {"file": place, "file sha256": table.sha256, **notes}
    if columns.ticker and columns.ticker.upper() != symbol:
        provenance["ticker"] = f"{columns.ticker} in the file"
    return accept(
        symbol,
        frame,
        wishes,
        source="csv",
        place=place,
        provenance=provenance,
        repairs=reading_repairs(table),
    )


register(Source("csv", "a file in any usual layout", fetch))
