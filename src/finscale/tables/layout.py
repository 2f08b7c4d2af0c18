"""Find the header, the rows, and what is neither among the lines of a file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from finscale.errors import DataError
from finscale.tables.table import (
    NO_VALUE,
    Cells,
    CellTable,
    Recogniser,
    Record,
    looks_like_date,
    looks_like_number,
    num_values,
    shown,
    with_levels,
)
from finscale.tables.text import Grid

# Units, currencies and types, as they stand in a line of their own below the names.
_UNIT = re.compile(
    r"(?i)[\[(<]?(usd?|eur|gbp|gbx|jpy|chf|cny|cnh|hkd|inr|pln|cad|aud|sek|nok|dkk|zar|brl|krw|twd"
    r"|usdt|btc|\$|€|£|¥|us\$|pence|cents?|dollars?|shares?|contracts?|lots?|units?|pts|points?|pips"
    r"|%|percent|local|currency|number|count|mln|million|thousands?|yyyy[-/.]?mm[-/.]?dd"
    r"|mm/dd/yyyy|dd[/.]mm[/.]yyyy|date(time)?|timestamp|string|text|varchar|char|float(64|32)?"
    r"|double|real|decimal|numeric|int(eger|64|32)?|bigint|object|-+|n/a)"
    r"([ /]?(share|day|contract))?[\])>]?"
)
_TICKER_LABEL = re.compile(r"(?i)(ticker|symbol|security|instrument|price|name|code)s?:?")
# MSFT, Ticker: MSFT or Microsoft (MSFT) by itself on a line.
_TICKER_LINE = re.compile(
    r"(?:#?\s*(?i:ticker|symbol|security)s?\s*[:=;,\t]?\s*)?\^?[A-Z][A-Z0-9.=^-]{0,9}( US Equity)?"
    r"|.*\([A-Z][A-Z0-9.:]{0,11}\)"
)
_FOOTER = re.compile(
    r"(?i)(grand )?totals?\b|sum\b|average|avg\b|mean\b|median|min(imum)?\b|max(imum)?\b|count\b"
    r"|std\b|sources?\b|quelle|copyright|©|\(c\)|data (provided|source|from|by|delayed)|provided by"
    r"|powered by|downloaded|exported|generated|retrieved|created|printed|disclaimer|notes?\b|\*"
    r"|end( of\b|$)|eof|\(?\d+ rows?\b|page \d|summe|gesamt|razem|źródło|https?:|www\."
)
# Yahoo's page has lines of dividends and splits among the bars.
_EVENT = re.compile(r"(?i)\b(dividend|split)s?\b")
_FEWEST_NAMES = 3
# Lines in which a header is looked for before it is taken to be text only.
_TOP = 200
_CUT = "the file is cut off in this row: left out"


@dataclass(frozen=True)
class _Found:
    """Which lines name the columns, and where the rows begin."""

    headers: tuple[Record, ...]
    names: Cells
    above: tuple[Record, ...]
    rows: tuple[Record, ...]


def table_of(grid: Grid, place: str, sha256: str, recognise: Recogniser | None) -> CellTable:
    """Return the table among a file's lines.

    The header is the line that names most of the wanted columns (``recognise``); where no line
    names any, the lines above the first row of numbers. A header that stands in the file again is
    skipped, and so are lines below the last row that are no rows; both are listed. A row cut off at
    the end of the file is left out and listed.

    Raises
    ------
    DataError
        If there are no rows, one column only, rows of another width than the header, or a second
        header that names other columns.
    """
    records = list(grid.records)
    if not records:
        raise DataError(f"{place} is empty.")
    width = _usual_width(records)
    if max(len(cells) for _, cells in records) == 1:
        raise DataError(
            f"{place} has one column: {records[0][1][0][:60]!r}.",
            hint="the cells of a table need , ; | or a tab between them",
        )
    found = _find(records, width, place, recognise)
    wide = len(found.names) or width
    rows, left_out = _without_repeats(found, wide, grid.delimiter, place, recognise)
    rows, footers = _without_footers(rows, wide, grid.delimiter)
    if not rows and recognise is not None and _first_names(records, recognise) is None:
        raise DataError(
            f"{place} holds no table: no line in it names a known column, and none is a row of "
            "numbers."
        )
    if not rows:
        raise DataError(f"{place} has a header and no rows.")
    rows, cut = _without_cut(rows, wide, grid.unclosed)
    rows, above_cut = _without_footers(rows, wide, grid.delimiter)
    if not rows:
        raise DataError(f"{place} has a header and one row, which is cut off.")
    found = _with_merged_names(found)
    headers, rows = _same_width([cells for _, cells in found.headers], rows, found.names, place)
    about = list(grid.about)
    if found.above:
        some = "; ".join(
            f"line {line}: {shown(cells, grid.delimiter)[1:-1]}" for line, cells in found.above[:5]
        )
        more = f" … {len(found.above) - 5} more" if len(found.above) > 5 else ""
        about.append(("skipped", some + more))
    return CellTable(
        place=place,
        headers=tuple(level for cells in headers for level in with_levels(cells)),
        rows=tuple(cells for _, cells in rows),
        lines=tuple(line for line, _ in rows),
        delimiter=grid.delimiter,
        sha256=sha256,
        left_out=tuple(sorted([*left_out, *footers, *cut, *above_cut])),
        about=tuple(about),
    )


def _with_merged_names(found: _Found) -> _Found:
    """Repeat names over the columns that a merged cell of a workbook spans, as pandas writes it.

    That is so where the line below the names, of tickers, is filled throughout.
    """
    lines = [cells for _, cells in found.headers]
    at = lines.index(found.names) if found.names in lines else len(lines)
    below = lines[at + 1] if at + 1 < len(lines) else ()
    if len(below) != len(found.names) or not all(below[1:]) or all(found.names[1:]):
        return found
    names: list[str] = []
    for name in found.names:
        names.append(name or (names[-1] if len(names) > 1 else ""))
    line = found.headers[at][0]
    headers = (*found.headers[:at], (line, tuple(names)), *found.headers[at + 1 :])
    return replace(found, headers=headers, names=tuple(names))


def _usual_width(records: Sequence[Record]) -> int:
    counts = Counter(len(cells) for _, cells in records)
    return max(counts, key=lambda width: (counts[width], width))


def _find(
    records: Sequence[Record], width: int, place: str, recognise: Recogniser | None
) -> _Found:
    first = _first_names(records, recognise) if recognise else None
    if first is not None and recognise is not None:
        begin = _first_row(records, first + 1)
        # several lines of names may stand above the rows: the best of them is the header
        best = max(range(first, begin), key=lambda i: recognise(records[i][1]))
        rows_above = [record for record in records[:first] if _is_row(record[1], width)]
        if rows_above:  # sorted as text, a file has its header at the end
            if begin < len(records):
                raise DataError(
                    f"{place} line {records[best][0]} names the columns, and rows stand above and "
                    "below it.",
                    hint="move that line to the top if it is the header of all rows",
                )
            other = tuple(r for r in records[:first] if not _is_row(r[1], width))
            return _Found((records[best],), records[best][1], other, tuple(rows_above))
    else:
        whole = (i for i, (_, cells) in enumerate(records) if _is_row(cells, width))
        begin = next(whole, _first_row(records, 0))
        named = [i for i in range(begin) if _is_names(records[i][1], width)]
        if not named:
            return _Found((), (), tuple(records[:begin]), tuple(records[begin:]))
        best = max(named, key=lambda i: (len(_filled(records[i][1])), i))
    headers = [r for i, r in enumerate(records[:begin]) if i == best or not _is_units(r[1])]
    above = [
        (line, cells)
        for i, (line, cells) in enumerate(records[:begin])
        if i != best and (_is_units(cells) or (i < best and not _is_names(cells, width)))
    ]
    return _Found(tuple(headers), records[best][1], tuple(above), tuple(records[begin:]))


def _first_names(records: Sequence[Record], recognise: Recogniser) -> int | None:
    """Return the first line that names wanted columns; far below the top, one of text only."""
    lines = enumerate(cells for _, cells in records)
    found = (i for i, cells in lines if (i < _TOP or _is_text(cells)) and recognise(cells))
    return next(found, None)


def _first_row(records: Sequence[Record], start: int) -> int:
    """Return the first line that holds a number, a date or an object in braces."""
    rows = (
        i
        for i, (_, cells) in enumerate(records)
        if i >= start
        and (num_values(cells) or any(map(_is_object, cells)))
        and not _TICKER_LABEL.fullmatch(cells[0])
    )
    return next(rows, len(records))


def _is_object(cell: str) -> bool:
    return cell.startswith("{") and cell.endswith("}")


def _filled(cells: Cells) -> list[str]:
    return [cell for cell in cells if cell]


def _is_row(cells: Cells, width: int) -> bool:
    """Tell whether most of a line's cells are filled, most of them with numbers or dates."""
    filled = _filled(cells)
    values = num_values(filled)
    known = values + sum(cell.casefold() in NO_VALUE for cell in filled)
    return values > 0 and 2 <= known >= len(filled) / 2 and len(filled) > width / 2


def _is_names(cells: Cells, width: int) -> bool:
    filled = _filled(cells)
    return len(filled) >= max(2, width / 2) and not num_values(filled)


def _is_units(cells: Cells) -> bool:
    first, *rest = cells
    if _TICKER_LABEL.fullmatch(first):
        return False
    units = [cell for cell in rest if cell]
    return bool(units) and all(_UNIT.fullmatch(cell) for cell in units)


def _without_repeats(
    found: _Found, width: int, delimiter: str, place: str, recognise: Recogniser | None
) -> tuple[list[Record], list[tuple[int, str]]]:
    """Leave out the header where it stands again among the rows, as in joined files."""
    known = {_folded(cells) for _, cells in (*found.headers, *found.above)}
    firsts = {cells[0] for cells in known if cells}
    names = _folded(found.names)
    rows: list[Record] = []
    left_out: list[tuple[int, str]] = []
    for line, cells in found.rows:
        folded = _folded(cells) if cells[0].casefold() in firsts else ()
        if names and folded == names:
            _refuse_next_title(rows, line, place)
            # what stands below the first file's rows and above the second's header
            rows, lines_between = _without_footers(rows, width, delimiter)
            left_out += lines_between
            left_out.append((line, "the header again: skipped"))
        elif folded in known:
            left_out.append((line, f"a line from above again: skipped ({shown(cells, delimiter)})"))
        elif recognise is not None and names and _is_text(cells) and recognise(cells):
            raise DataError(
                f"{place} line {line} is another header ({shown(cells, delimiter)}): "
                "the file joins tables with different columns.",
                hint="cut the file in two there, and import the parts or join them by column",
            )
        else:
            rows.append((line, cells))
    return rows, left_out


def _refuse_next_title(rows: Sequence[Record], line: int, place: str) -> None:
    """Raise if another ticker stands right above a repeated header: another symbol's table."""
    if not rows or num_values(rows[-1][1]):
        return
    title = " ".join(_filled(rows[-1][1]))
    if len(_filled(rows[-1][1])) <= 2 and _TICKER_LINE.fullmatch(title):
        raise DataError(
            f"{place} holds several tables, one below the other: {title!r} in line {rows[-1][0]}, "
            f"and the header again in line {line}.",
            hint="cut the file into its tables, and import each under its own symbol",
        )


def _is_text(cells: Cells) -> bool:
    if cells[0][:1].isdigit():
        return False
    return sum(cell[:1].isalpha() or cell[:1] == "<" for cell in cells) >= _FEWEST_NAMES


def _folded(cells: Cells) -> tuple[str, ...]:
    folded = [cell.casefold() for cell in cells]
    while folded and not folded[-1]:
        folded.pop()
    return tuple(folded)


def _without_footers(
    rows: list[Record], width: int, delimiter: str
) -> tuple[list[Record], list[tuple[int, str]]]:
    """Leave out the lines below the last row that are no rows: totals, sources, copyright."""
    left_out = []
    first = next(iter(_filled(rows[0][1])), "") if rows else ""
    # where rows begin with a name, a name is no sign of a footer: MIN is a ticker
    begins_with_value = looks_like_date(first) or looks_like_number(first)
    while rows:
        line, cells = rows[-1]
        filled = _filled(cells)
        is_text = width >= 3 and not any(
            looks_like_date(cell)
            or looks_like_number(cell)
            or cell[:1].isdigit()
            or _is_object(cell)
            for cell in (filled if len(filled) > 1 else filled[:1])
        )
        if not is_text and not (begins_with_value and _FOOTER.match(filled[0])):
            break
        left_out.append(
            (line, f"a line below the rows, not one of them: left out ({shown(cells, delimiter)})")
        )
        rows = rows[:-1]
    return rows, left_out


def _without_cut(
    rows: list[Record], width: int, unclosed: int | None
) -> tuple[list[Record], list[tuple[int, str]]]:
    """Leave out a last row that ends too early."""
    line, cells = rows[-1]
    others = _usual_width(rows[:-1]) if len(rows) > 1 else width
    if line == unclosed or (len(cells) < others and len(cells) < width):
        return rows[:-1], [(line, _CUT)]
    return rows, []


def _same_width(
    headers: list[Cells], rows: list[Record], names: Cells, place: str
) -> tuple[list[Cells], list[Record]]:
    """Return headers and rows of one width, or raise naming the first row that differs."""
    names = _trimmed(names)
    usual = _usual_width(rows)
    if names and all(len(_trimmed(cells)) <= len(names) for _, cells in rows):
        usual = len(names)  # what lies beyond is empty
    elif names and usual == len(names) + 1 and _are_row_names(names, rows):
        # R and pandas write names of rows and no name above them
        headers = [("", *cells) for cells in headers]
        names = ("", *names)
    elif names:
        usual = len(names)
    for line, cells in rows:
        beyond = len(_trimmed(cells)) > usual
        # cells may be missing only where the header has no name either
        too_few = len(cells) < usual and any(names[len(cells) :] if names else [True])
        too_few = too_few and not any(map(_EVENT.search, cells))
        if beyond or too_few:
            of = "the header names" if names else "most rows have"
            raise DataError(
                f"{place} row {line} has {len(cells)} cells where {of} {usual}.",
                hint=_why(rows, usual),
            )
    return (
        [_padded(cells, usual) for cells in headers],
        [(line, _padded(cells, usual)) for line, cells in rows],
    )


def _are_row_names(names: Cells, rows: list[Record]) -> bool:
    """Tell whether the first cell of every row, which has no name, names the row."""
    several = [cells for _, cells in rows if len(cells) == len(names) + 1]
    firsts = [cells[0] for cells in several]
    if len(several) < len(rows):
        return False
    if firsts == [str(i) for i in range(1, len(rows) + 1)]:
        return True
    if firsts == [str(i) for i in range(len(rows))]:
        return True
    dated = [i for i, name in enumerate(names) if re.search("date|time|datum", name, re.IGNORECASE)]
    if not dated:
        return all(looks_like_date(cell) for cell in firsts)
    # the dates stand one column behind their name
    return any(
        all(looks_like_date(cells[i + 1]) and not looks_like_date(cells[i]) for cells in several)
        for i in dated
    )


def _why(rows: Sequence[Record], usual: int) -> str:
    widths = {len(cells) for _, cells in rows}
    if len(widths) == 1 and widths > {usual}:
        return ""
    if len(widths) == 1 and min(widths) > usual:
        return (
            "numbers with a comma between commas need quotes, or ; between the cells; "
            "a column without a name needs one"
        )
    return "mend or delete that row; a comma inside a number needs quotes around it"


def _trimmed(cells: Cells) -> Cells:
    last = len(cells)
    while last and not cells[last - 1]:
        last -= 1
    return cells[:last]


def _padded(cells: Cells, width: int) -> Cells:
    return cells if len(cells) == width else (*cells, *[""] * (width - len(cells)))[:width]
