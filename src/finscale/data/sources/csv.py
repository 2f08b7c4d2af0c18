"""Bars from a file or a frame in any usual layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finscale.data.acceptance import accept, wishes_from
from finscale.data.bars import PRICES, SERIES, Bars, Repair
from finscale.data.sources.base import Source, register
from finscale.data.sources.csv_choices import choices_from
from finscale.data.sources.csv_columns import find_columns
from finscale.data.sources.csv_dates import DateWishes, parse_dates
from finscale.data.sources.csv_header import num_fields
from finscale.data.sources.csv_keep import names_to_keep
from finscale.data.sources.csv_quirks import interpret
from finscale.data.sources.csv_sessions import SessionOf
from finscale.data.sources.csv_thousands import read_marks
from finscale.errors import DataError
from finscale.tables import CellTable, read_table
from finscale.tables.numbers import parse_numbers

_NUMBERS = (*PRICES, "adj_close", "volume", "dividends", "splits", "price_factor")


def fetch(
    symbol: str,
    *,
    file: Path | str | None = None,
    sheet: str | None = None,
    member: str | None = None,
    **options: Any,
) -> Bars:
    """Return the bars of ``symbol`` in a file.

    The kind of file, delimiter, encoding, header lines, the order of columns and rows, and the
    format of dates and numbers are detected.

    Parameters
    ----------
    symbol : str
        Upper-case symbol; chooses among several in one file.
    file : Path
        The file.
    sheet, member : str, optional
        The sheet of a workbook and the file in an archive, where several could be meant.
    **options
        Those of :func:`bars_in`.

    Raises
    ------
    DataError
        If the file is no table of daily bars, or its bars cannot be trusted.
    """
    if file is None:
        raise DataError(
            "the csv source needs a file.", hint=f"finscale data import FILE --symbol {symbol}"
        )
    table = read_table(
        Path(file),
        recognise=partial(num_fields, symbol=symbol),
        symbol=options.get("ticker") or symbol,
        sheet=sheet,
        member=member,
    )
    return bars_in(table, symbol, **options)


def bars_in(
    table: CellTable,
    symbol: str,
    *,
    source: str = "csv",
    date_format: str | None = None,
    century: int | None = None,
    session_of: SessionOf | None = None,
    columns: str | Sequence[str] | Mapping[str, str] | None = None,
    format: str | None = None,
    where: str | Sequence[str] | Mapping[str, str] | None = None,
    ticker: str | None = None,
    decimal: str | None = None,
    keep: str | Sequence[str] | None = None,
    **options: Any,
) -> Bars:
    """Return the bars of ``symbol`` in a table of strings.

    Parameters
    ----------
    table : CellTable
        The file or frame, read.
    symbol : str
        Upper-case symbol; chooses among several.
    source : str
        Registered name of the source.
    date_format : str, optional
        ``strptime`` format of dates whose day and month cannot be told apart, or what numbers
        count: ``excel``, ``s``, ``ms``, ``matlab`` … (``csv_date_numbers.FORMS``).
    century : int, optional
        Century of the earliest two-digit year: 1900 reads 62 as 1962.
    session_of : {"open", "close"}, optional
        Which end of a session time stamps mark, where their weekdays do not tell.
    columns : str or mapping, optional
        Field → the column that holds it, by name or by number from 1, empty for none:
        ``open=PX_OPEN,close=PX_LAST,adj_close=``.
    format : str, optional
        A vendor's format, such as ``binance`` or ``crsp``; see ``vendor_formats.toml``.
    where : str or mapping, optional
        Column → the value that rows must have in it: ``BOARDID=TQBR``.
    ticker : str, optional
        The table's own name for the symbol, where it is no obvious spelling of it.
    decimal : {"point", "comma"}, optional
        The decimal mark, where no number tells: a comma reads 41.431 as 41431.
    keep : str or sequence of str, optional
        Columns of numbers to keep with the bars as ``series:NAME``: ``"sentiment,oi"``.
    **options
        See :class:`finscale.data.acceptance.Wishes`.

    Raises
    ------
    DataError
        If the table holds no daily bars of the symbol, or they cannot be trusted.
    """
    wishes = wishes_from(options, source)
    place = table.place
    choices = replace(choices_from(columns, format, where, ticker), keep=names_to_keep(keep))
    said = DateWishes(date_format, century, session_of, wishes.calendar, wishes.now)
    dates_of = partial(parse_dates, place=place, wishes=said)
    found = find_columns(table, symbol, choices, lambda *column: dates_of(*column)[0])
    cells, lines = found.cells, found.lines
    numbers = {name: cells[name] for name in cells if name in _NUMBERS or name.startswith(SERIES)}
    with_comma, number_notes = read_marks(
        numbers, lines, table, cells["date"], symbol=symbol, stated=decimal
    )
    dates, date_notes = dates_of(cells["date"], lines)
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
    provenance = {"file": place, "file sha256": table.sha256, **dict(table.about)}
    return accept(
        symbol,
        frame,
        wishes,
        source=source,
        place=place,
        provenance={**provenance, **found.notes, **number_notes, **date_notes, **about},
        repairs=[Repair(line, None, reason) for line, reason in table.left_out],
        last_line=max(table.lines, default=None),
    )


register(Source("csv", "a file in any usual layout", fetch))
