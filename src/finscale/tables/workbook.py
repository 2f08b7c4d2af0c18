"""Excel and OpenDocument workbooks as tables of strings."""

from __future__ import annotations

import io
from typing import Any

from finscale.errors import DataError, did_you_mean
from finscale.tables.content import OLD_WORKBOOK, Content
from finscale.tables.table import Recogniser, Record
from finscale.tables.text import Grid
from finscale.tables.values import cell_text

_SEARCHED = 200
# Columns of a sheet that could hold bars.
_FEWEST_COLUMNS = 3


def workbook_grid(
    content: Content, *, sheet: str | None, symbol: str, recognise: Recogniser | None
) -> Grid:
    """Return the cells of the sheet that holds the table.

    It is the one named ``sheet``; else the only one with a line of wanted names; else the one
    named like ``symbol``; else the only one with cells.

    Raises
    ------
    DataError
        If the workbook cannot be read, is empty, or several sheets could be meant.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    place = content.place
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content.data))
        sheets = {
            name: _records(book.get_sheet_by_name(name).to_python(skip_empty_area=False))
            for name in book.sheet_names
        }
    except (CalamineError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if content.data.startswith(OLD_WORKBOOK):
            raise DataError(
                f"{place} is an old Excel workbook (.xls), or an encrypted one, that cannot be "
                f"read: {reason.rstrip('.')}.",
                hint="open it in a spreadsheet program and save it as .xlsx or CSV, without a "
                "password",
            ) from None
        raise DataError(
            f"{place} is a workbook that cannot be read: {reason.rstrip('.')}.",
            hint="open it in a spreadsheet program and save it again, as .xlsx or CSV",
        ) from None
    name = choose_sheet(sheets, place, sheet, symbol, recognise)
    about = (("sheet", name),) if len(sheets) > 1 else ()
    return Grid(tuple(sheets[name]), " ", about)


def _records(rows: list[list[Any]]) -> list[Record]:
    found = []
    for line, row in enumerate(rows, start=1):
        cells = tuple(_text(value) for value in row)
        if any(cells):
            found.append((line, cells))
    # empty columns left of the table, and right of it
    filled = [i for _, cells in found for i, cell in enumerate(cells) if cell]
    first, last = min(filled, default=0), max(filled, default=0)
    return [(line, cells[first : last + 1]) for line, cells in found]


def _text(value: Any) -> str:
    # a spreadsheet has one kind of number: 720613.0 is 720613
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return cell_text(value)


def choose_sheet(
    sheets: dict[str, list[Record]],
    place: str,
    sheet: str | None,
    symbol: str,
    recognise: Recogniser | None,
) -> str:
    """Return the name of the sheet that holds the table; see :func:`workbook_grid`."""
    if sheet is not None:
        if sheet in sheets:
            return sheet
        raise DataError(
            f"{place} has no sheet {sheet!r}; it has {', '.join(sheets)}.",
            hint=did_you_mean(sheet, list(sheets)),
        )
    filled = [name for name, records in sheets.items() if records]
    if not filled:
        raise DataError(f"{place} is a workbook without cells.")
    if recognise is not None:
        named = [
            name
            for name in filled
            if any(recognise(cells) for _, cells in sheets[name][:_SEARCHED])
        ]
        wide = [name for name in filled if len(sheets[name][0][1]) >= _FEWEST_COLUMNS]
        filled = named or wide or filled
    if len(filled) == 1:
        return filled[0]
    mine = [name for name in filled if symbol and name.strip().upper() == symbol.upper()]
    if len(mine) == 1:
        return mine[0]
    raise DataError(
        f"{place} has {len(filled)} sheets that could be meant: {', '.join(filled[:8])}.",
        hint=f"name one: --sheet {filled[0]!r}",
    )
