"""JSON in the forms that vendors and pandas write, as tables of strings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from finscale.errors import DataError
from finscale.tables.content import Content
from finscale.tables.json_runs import run_tables
from finscale.tables.layout import table_of
from finscale.tables.table import (
    Cells,
    CellTable,
    Recogniser,
    looks_like_date,
    num_values,
    with_levels,
)
from finscale.tables.text import Grid
from finscale.tables.values import cell_text
from finscale.tables.vendor_words import refusal, said_in_json

_SYMBOL = re.compile(r"(?i)(\d+\. )?(symbol|ticker)|dataset_code|instrument|security|code")
# Longer lists are columns, not what stands in a cell.
_MOST_IN_CELL = 2
_BEGINNING = 10_000


@dataclass(frozen=True)
class _Found:
    """A table inside a document; ``names`` are empty where the rows are plain lists."""

    names: Cells
    rows: tuple[Cells, ...]
    lines: tuple[int, ...]
    symbol: str = ""
    """What the document says of the symbol, beside the table."""


def is_json(text: str) -> bool:
    """Tell whether a text begins like JSON, and not like a line of names in brackets."""
    text = text[:_BEGINNING]
    if re.match(r"\s*(\{|\[\s*[\[{\]]|\"[\[{]+\\\")", text):
        return True
    if not text.lstrip().startswith("["):
        return False
    try:
        return isinstance(json.loads(text.lstrip().split("\n", 1)[0]), list)
    except json.JSONDecodeError:
        return False


def json_table(text: str, content: Content, recognise: Recogniser | None) -> CellTable:
    """Return the table in a JSON text or in JSON lines.

    Records, lists of rows, lists by column, and objects of objects (by date or by column) are
    found at any depth: the table with most of the wanted columns, then the longest. Numbers stay as
    they are written.

    Raises
    ------
    DataError
        If the text is no JSON, is cut off, holds no table, or holds what the vendor says instead.
    """
    place = content.place
    documents, lines, cut = _documents(text, place)
    node: Any = documents[0] if len(documents) == 1 else documents
    found = list(_tables(node, "", tuple(lines) if len(documents) > 1 else ()))
    if recognise and not any(recognise(table.names) for table in found if table.names):
        # a tracker's runs hold lists, which the forms above take for tables of their own
        runs = next(((n, rows) for n, rows in run_tables(node) if recognise(n)), None)
        found += [_Found(*runs, lines=tuple(range(1, len(runs[1]) + 1)))] if runs else []
    if not found:
        said = said_in_json(node)
        if said:
            raise refusal(place, said)
        raise DataError(
            f"{place} is JSON without a table.",
            hint="a table is a list of records or of rows, or an object with a list a column",
        )

    def rank(table: _Found) -> tuple[int, int]:
        return (recognise(table.names) if recognise and table.names else 0, len(table.rows))

    best = max(found, key=rank)
    same = [table for table in found if table.names == best.names]
    if len(same) > 1 and len({table.symbol for table in same}) == len(same):
        best = _joined(same)
    elif best.symbol and not any(_SYMBOL.fullmatch(name) for name in best.names) and best.names:
        best = _joined([best])
    left_out = ((cut, "the file is cut off in this record: left out"),) if cut else ()
    if not best.names:
        records = tuple(zip(best.lines, best.rows, strict=True))
        table = table_of(Grid(records, " "), place, content.sha256, recognise)
        return replace(table, left_out=(*table.left_out, *left_out))
    return CellTable(
        place=place,
        headers=with_levels(best.names),
        rows=best.rows,
        lines=best.lines,
        delimiter=" ",
        sha256=content.sha256,
        left_out=left_out,
    )


def _documents(text: str, place: str) -> tuple[list[Any], list[int], int]:
    """Return the documents in a text, their lines, and the line of one that is cut off."""
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda pairs: _once(pairs, place),
        parse_float=str,
        parse_int=str,
        parse_constant=lambda name: "" if name == "NaN" else name,
    )
    found: list[Any] = []
    lines: list[int] = []
    position, line = 0, 1
    while match := re.compile(r"[\s,;]*(?=\S)").match(text, position):
        line += text.count("\n", position, match.end())
        try:
            document, end = decoder.raw_decode(text, match.end())
        except json.JSONDecodeError as error:
            rest = text[match.end() :].rstrip()
            if len(found) > 1 and "\n" not in rest:
                return found, lines, line
            if error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg:
                raise DataError(
                    f"{place} is JSON that ends in line {error.lineno} before it is complete.",
                    hint="download or copy it again",
                ) from None
            raise DataError(
                f"{place} is no valid JSON: {error.msg} in line {error.lineno}, "
                f"column {error.colno}.",
                hint="write it again with a program's JSON export",
            ) from None
        if isinstance(document, str) and is_json(document):
            document = _documents(document, place)[0]  # JSON that was written as JSON again
            document = document[0] if len(document) == 1 else document
        found.append(document)
        lines.append(line)
        line += text.count("\n", match.end(), end)
        position = end
    return found, lines, 0


def _once(pairs: list[tuple[str, Any]], place: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"{place} names {twice!r} twice in one JSON object.", hint="leave one of them out"
        )
    return found


def _tables(node: Any, symbol: str, lines: tuple[int, ...] = ()) -> Iterator[_Found]:
    """Yield every table in a document, with the symbol stated above it."""
    if isinstance(node, list) and node:
        lines = lines or tuple(range(1, len(node) + 1))
        if all(isinstance(item, list) and _is_flat(item) for item in node):
            rows = tuple(tuple(map(cell_text, item)) for item in node)
            yield _Found((), rows, lines, symbol)
        elif all(isinstance(item, dict) for item in node) and all(map(_is_record, node)):
            yield _records(node, lines, symbol)
        else:
            for item in node:
                yield from _tables(item, symbol)
    elif isinstance(node, dict):
        symbol = _stated(node) or symbol
        own = list(_of_object(node, symbol))
        yield from own
        if not own:
            for key, value in node.items():
                # {"bars": {"AAPL": [...], "MSFT": [...]}}: the symbol is the key
                keyed = isinstance(value, list) and all(
                    isinstance(other, list) for other in node.values()
                )
                yield from _tables(value, symbol or (key if keyed and len(node) > 1 else ""))


def _of_object(node: Mapping[str, Any], symbol: str) -> Iterator[_Found]:
    """Yield the table that an object is itself, whose parts are no tables of their own."""
    names = node.get("columns", node.get("column_names"))
    data = node.get("data", node.get("values", node.get("rows")))
    quotes = node.get("indicators")
    if isinstance(names, list) and isinstance(data, list):
        # pandas' split form, Nasdaq Data Link; the names may be objects themselves
        plain = [str(n["name"]) if isinstance(n, dict) else _name(n) for n in names]
        index = node.get("index")
        if isinstance(index, list) and index and not _counts(index):
            plain = ["", *plain]
            data = [[key, *row] for key, row in zip(index, data, strict=False)]
        if data and all(isinstance(row, list) and len(row) == len(plain) for row in data):
            yield _of_rows(plain, data, symbol)
    elif isinstance(node.get("timestamp"), list) and isinstance(quotes, dict):
        # Yahoo's chart: prices lie beside the moments
        meta = node.get("meta")
        lists = {"timestamp": node["timestamp"]}
        for group in quotes.values():
            for part in group if isinstance(group, list) else ():
                lists |= {k: v for k, v in part.items() if isinstance(v, list)}
        stated = _stated(meta) if isinstance(meta, dict) else ""
        if len({len(values) for values in lists.values()}) == 1:
            yield _of_rows(list(lists), list(zip(*lists.values(), strict=True)), stated or symbol)
    else:
        yield from _of_columns(node, symbol)


def _of_columns(node: Mapping[str, Any], symbol: str) -> Iterator[_Found]:
    """Yield the table of an object whose values are columns, or rows by their date."""
    lists = {k: v for k, v in node.items() if isinstance(v, list) and v and _is_flat(v)}
    if len(lists) >= 2 and len({len(values) for values in lists.values()}) == 1:
        if all(map(looks_like_date, lists)):  # {"2024-01-02": [1, 2, 3, 4], ...}
            keyed = tuple((key, *map(cell_text, cells)) for key, cells in lists.items())
            yield _Found((), keyed, tuple(range(1, len(keyed) + 1)), symbol)
        else:
            yield _of_rows(list(lists), list(zip(*lists.values(), strict=True)), symbol)
        return
    inner = {k: v for k, v in node.items() if isinstance(v, dict) and v and _is_flat(v.values())}
    if not inner or len(inner) < len(node) or (len(inner) < 2 and not num_values(list(inner))):
        return
    if num_values(list(inner)) == len(inner):  # {"2024-01-02": {"open": 1, ...}}
        keys = list(dict.fromkeys(key for row in inner.values() for key in row))
        rows = [[row.get(key) for key in keys] for row in inner.values()]
        if _counts(list(inner)):
            yield _of_rows(keys, rows, symbol)
        else:
            yield _of_rows(["", *keys], [[k, *r] for k, r in zip(inner, rows, strict=True)], symbol)
        return
    keys = list(dict.fromkeys(key for column in inner.values() for key in column))
    if num_values(keys) == len(keys):  # {"open": {"0": 1, ...}}: pandas' own form
        rows = [[column.get(key) for column in inner.values()] for key in keys]
        if _counts(keys) or not all(map(looks_like_date, keys)):
            yield _of_rows(list(inner), rows, symbol)
        else:
            yield _of_rows(["", *inner], [[k, *r] for k, r in zip(keys, rows, strict=True)], symbol)


def _of_rows(names: list[str], rows: list[Any], symbol: str) -> _Found:
    texts = tuple(tuple(map(cell_text, row)) for row in rows)
    return _Found(tuple(n.strip() for n in names), texts, tuple(range(1, len(rows) + 1)), symbol)


def _records(node: list[dict[str, Any]], lines: tuple[int, ...], symbol: str) -> _Found:
    flat = [_flattened(record) for record in node]
    names = list(dict.fromkeys(key for record in flat for key in record))
    rows = tuple(tuple(record.get(name, "") for name in names) for record in flat)
    return _Found(tuple(name.strip() for name in names), rows, lines, symbol)


def _flattened(record: Mapping[str, Any]) -> dict[str, str]:
    """Return a record without levels: ``{"mid": {"o": 1}}`` has ``mid.o``."""
    found: dict[str, str] = {}
    for key, value in record.items():
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
            value = next(iter(value.values()))  # MongoDB's {"$date": ...}
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": text for inner, text in _flattened(value).items()}
        else:
            found[key] = cell_text(value)
    return found


def _is_record(item: dict[str, Any]) -> bool:
    """Tell whether an object is a row: it holds values at any depth, and no columns."""
    return bool(item) and not any(map(_holds_columns, item.values()))


def _holds_columns(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_columns, value.values()))
    if not isinstance(value, list):
        return False
    return len(value) > _MOST_IN_CELL or not _is_flat(value)


def _is_flat(values: Any) -> bool:
    return not any(isinstance(value, (list, dict)) for value in values)


def _counts(keys: list[Any]) -> bool:
    """Tell whether keys only count the rows."""
    return [str(key) for key in keys] == [str(i) for i in range(len(keys))]


def _name(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, list) else cell_text(value)


def _stated(node: Mapping[str, Any]) -> str:
    """Return the symbol that an object names, itself or in what it says about its data."""
    for key, value in node.items():
        if isinstance(value, str) and _SYMBOL.fullmatch(key):
            return value.strip()
    for key, value in node.items():
        if (
            isinstance(value, dict)
            and re.fullmatch(r"(?i)meta.*", key)
            and _is_flat(value.values())
        ):
            return _stated(value)
    return ""


def _joined(tables: list[_Found]) -> _Found:
    """Return tables below one another, with the symbol of each in a column of its own."""
    return _Found(
        names=("symbol", *tables[0].names),
        rows=tuple((table.symbol, *row) for table in tables for row in table.rows),
        lines=tuple(range(1, 1 + sum(len(table.rows) for table in tables)))
        if len(tables) > 1
        else tables[0].lines,
    )
