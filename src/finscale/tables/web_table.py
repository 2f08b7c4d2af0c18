"""Tables in web pages, as exchanges and brokers save them under the name .xls, and Excel's XML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from finscale.errors import DataError
from finscale.tables.content import Content
from finscale.tables.table import Recogniser, Record, num_values
from finscale.tables.text import Grid
from finscale.tables.workbook import choose_sheet

_SPREADSHEET = "urn:schemas-microsoft-com:office:spreadsheet"
# Dates and numbers in a row of bars.
_FEWEST_VALUES = 3
_MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})T00:00:00(\.0+)?")


def is_spreadsheet_xml(text: str) -> bool:
    """Tell whether text is a workbook in the XML of Excel 2003."""
    return text.lstrip().startswith(("<?xml", "<Workbook")) and _SPREADSHEET in text[:5000]


def spreadsheet_grid(
    text: str, content: Content, *, sheet: str | None, symbol: str, recognise: Recogniser | None
) -> Grid:
    """Return the cells of the sheet that holds the table, as ``workbook_grid`` chooses it.

    Raises
    ------
    DataError
        If the XML is damaged or several sheets could be meant.
    """
    try:
        # the text is decoded already, whatever its first line says
        book = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        raise DataError(
            f"{content.place} is a workbook in XML that cannot be read: {error}.",
            hint="it may be cut off; open it in a spreadsheet program and save it as .xlsx",
        ) from None
    sheets = {
        each.get(f"{{{_SPREADSHEET}}}Name") or f"Sheet{i}": _xml_records(each)
        for i, each in enumerate(book.iter(f"{{{_SPREADSHEET}}}Worksheet"), start=1)
    }
    name = choose_sheet(sheets, content.place, sheet, symbol, recognise)
    return Grid(tuple(sheets[name]), " ", (("sheet", name),) if len(sheets) > 1 else ())


def _xml_records(sheet: ElementTree.Element) -> list[Record]:
    records: list[Record] = []
    line = 0
    for row in sheet.iter(f"{{{_SPREADSHEET}}}Row"):
        line = int(row.get(f"{{{_SPREADSHEET}}}Index") or line + 1)  # empty rows are left out
        cells: list[str] = []
        for cell in row.iter(f"{{{_SPREADSHEET}}}Cell"):
            at = int(cell.get(f"{{{_SPREADSHEET}}}Index") or len(cells) + 1)
            cells += [""] * (at - 1 - len(cells))
            data = cell.find(f"{{{_SPREADSHEET}}}Data")
            value = "" if data is None else " ".join("".join(data.itertext()).split())
            midnight = _MIDNIGHT.fullmatch(value)
            cells.append(midnight[1] if midnight else value)
            cells += [""] * int(cell.get(f"{{{_SPREADSHEET}}}MergeAcross") or 0)
        if any(cells):
            records.append((line, tuple(cells)))
    return records


def page_grid(text: str, content: Content, recognise: Recogniser | None) -> Grid:
    """Return the cells of the table in a web page that names most of the wanted columns.

    Without ``recognise`` it is the one with most rows.

    Raises
    ------
    DataError
        If no table of the page has rows of several cells.
    """
    parser = _Tables()
    parser.feed(text)
    parser.close()
    tables = [table for table in parser.tables if max(map(len, table), default=0) > 1]
    if not tables:
        raise DataError(
            f"{content.place} is a web page whose tables hold no rows.",
            hint="the page may fill them by script: open it in a browser, and export or copy the "
            "data",
        )

    def rank(table: list[tuple[str, ...]]) -> tuple[int, int]:
        return (max(map(recognise, table)) if recognise else 0, len(table))

    best = max(tables, key=rank)
    has_rows = any(num_values(cells) >= _FEWEST_VALUES for cells in best)
    if recognise is not None and not rank(best)[0] and not has_rows:
        raise DataError(
            f"{content.place} is a web page, and none of its tables holds the data.",
            hint="the download may have needed a login or hit a limit: open the address in a "
            "browser",
        )
    records = tuple((line, cells) for line, cells in enumerate(best, start=1) if any(cells))
    many = f"the one of {len(tables)} that names the columns, " if len(tables) > 1 else ""
    about = (("table", f"{many}row numbers count its rows in the web page"),)
    # as in text, and unlike in a workbook, a cell holds marks and no number
    return Grid(records, ";", about)


class _Tables(HTMLParser):
    """Collect the rows of each table; those of a table inside another are its own."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[tuple[str, ...]]] = []
        self._open: list[list[tuple[str, ...]]] = []
        self._rows: list[list[str] | None] = []
        self._text: list[list[str] | None] = []
        self._span: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._open.append([])
            self._rows.append(None)
            self._text.append(None)
            self._span.append(1)
        elif not self._open:
            return
        elif tag == "tr":
            self._end_row()
            self._rows[-1] = []
        elif tag in ("td", "th"):
            self._end_cell()
            if self._rows[-1] is None:
                self._rows[-1] = []
            self._text[-1] = []
            span = dict(attrs).get("colspan") or "1"
            self._span[-1] = min(int(span), 100) if span.isdigit() else 1
        elif tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if not self._open:
            return
        if tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "table":
            self._end_row()
            self.tables.append(self._open.pop())
            for stack in (self._rows, self._text, self._span):
                stack.pop()

    def handle_data(self, data: str) -> None:
        if self._open and (cell := self._text[-1]) is not None:
            cell.append(data)

    def close(self) -> None:
        super().close()
        while self._open:  # a page that is cut off
            self.handle_endtag("table")

    def _end_cell(self) -> None:
        cell, row = self._text[-1], self._rows[-1]
        if cell is not None and row is not None:
            row += [" ".join("".join(cell).split())] + [""] * (self._span[-1] - 1)
        self._text[-1] = None

    def _end_row(self) -> None:
        self._end_cell()
        if self._rows[-1]:
            self._open[-1].append(tuple(self._rows[-1]))
        self._rows[-1] = None
