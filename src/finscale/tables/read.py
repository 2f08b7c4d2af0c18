"""Read any file that holds a table, by what it is rather than by its name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from finscale.errors import DataError
from finscale.tables.columnar import columnar_table, is_columnar
from finscale.tables.content import Content, is_workbook, read_content
from finscale.tables.cotahist import cotahist_table, is_cotahist
from finscale.tables.json_text import is_json, json_table
from finscale.tables.layout import table_of
from finscale.tables.table import CellTable, Recogniser, num_values
from finscale.tables.text import decoded, grid_of
from finscale.tables.vendor_words import refusal, said_in_text
from finscale.tables.web_table import is_spreadsheet_xml, page_grid, spreadsheet_grid
from finscale.tables.workbook import workbook_grid

_WEB_PAGE = re.compile(r"<(!doctype|html|head|body|table|div|meta)", re.IGNORECASE)
# Dates and numbers in a row of bars.
_FEWEST_VALUES = 3


def read_table(
    path: Path,
    *,
    recognise: Recogniser | None = None,
    symbol: str = "",
    sheet: str | None = None,
    member: str | None = None,
) -> CellTable:
    """Read a file into a :class:`CellTable`.

    Delimited and space-aligned text in any usual encoding, JSON and JSON lines, parquet, Feather,
    Arrow, Excel (its XML and old formats too), tables of web pages and B3's COTAHIST are read,
    plain or packed with gzip, bzip2, xz, zstd, zip or tar.

    Parameters
    ----------
    path : Path
        The file.
    recognise : callable, optional
        Tells how many of the wanted columns a line of names holds.
    symbol : str
        Chooses among the sheets of a workbook or the members of an archive that are named so.
    sheet, member : str, optional
        The sheet of a workbook, the file in an archive.

    Raises
    ------
    DataError
        If the file is missing, unreadable, empty, damaged, of another kind, a web page, what a
        vendor says instead of data, or without rows.
    """
    content = read_content(path, member=member, symbol=symbol)
    table = _table(content, recognise, symbol, sheet)
    if content.member:
        table = replace(table, about=(("member", content.member), *table.about))
    return table


def _table(
    content: Content, recognise: Recogniser | None, symbol: str, sheet: str | None
) -> CellTable:
    place = content.place
    if is_workbook(content.data):
        grid = workbook_grid(content, sheet=sheet, symbol=symbol, recognise=recognise)
        return table_of(grid, place, content.sha256, recognise)
    if is_columnar(content.data):
        _refuse_sheet(sheet, place)
        return columnar_table(content)
    text = decoded(content.data, place, recognise)
    if is_spreadsheet_xml(text):
        grid = spreadsheet_grid(text, content, sheet=sheet, symbol=symbol, recognise=recognise)
        return table_of(grid, place, content.sha256, recognise)
    _refuse_sheet(sheet, place)
    if is_cotahist(text):
        return cotahist_table(text, content, symbol)
    if is_json(text):
        return json_table(text, content, recognise)
    if text.lstrip().startswith("<?xml"):
        raise DataError(
            f"{place} is XML, not a table.",
            hint="open it in a spreadsheet program and save it as CSV or .xlsx",
        )
    if _WEB_PAGE.match(text.lstrip()) and "<table" in text.lower():
        return table_of(page_grid(text, content, recognise), place, content.sha256, recognise)
    if _WEB_PAGE.match(text.lstrip()):
        raise DataError(
            f"{place} is a web page, not a table.",
            hint="the download needed a login or hit a limit: open the address in a browser",
        )
    said = said_in_text(text)
    try:
        table = table_of(grid_of(text, place, recognise), place, content.sha256, recognise)
    except DataError:
        if said:
            raise refusal(place, said) from None
        raise
    if said and recognise and not any(map(recognise, table.headers)):
        has_bars = any(num_values(cells) >= _FEWEST_VALUES for cells in table.rows)
        if not has_bars:
            raise refusal(place, said)
    return table


def _refuse_sheet(sheet: str | None, place: str) -> None:
    if sheet is not None:
        raise DataError(f"{place} is no workbook, so it has no sheets.", hint="leave --sheet away")
