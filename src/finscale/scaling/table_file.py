"""Tables of results in the files that people have: CSV of any kind, JSON, parquet, Excel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finscale.errors import DataError
from finscale.scaling.chart_export import chart_rows
from finscale.scaling.column_names import candidates
from finscale.tables import CellTable, read_table
from finscale.tables.numbers import number_digits
from finscale.tables.table import NO_VALUE
from finscale.tables.values import cell_text

_COMMA = re.compile(r"[-+]?\d+(,\d+)+(\.\d+)?([eE][-+]?\d+)?")
# with a decimal comma: points between thousands
_POINTS = re.compile(r"\d{1,3}(\.\d{3})+(,\d+)?|\d+(,\d+)?(e[-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")


def read_file(
    path: Path, wanted: Sequence[str], *, sheet: str | None = None, member: str | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """Return a file of results as a frame, and what was left out on reading it.

    Columns are numbers or dates where all their cells are. Nested ones get names with points:
    ``{"model": {"params": 5}}`` has ``model.params``.

    ``wanted`` are columns that are looked for, which tells the header and the decimal mark;
    ``sheet`` and ``member`` say which of a workbook or an archive.

    Raises
    ------
    DataError
        If the file cannot be read, or its decimal mark cannot be told.
    """
    recognise = partial(_num_wanted, wanted=wanted)
    table = read_table(path, recognise=recognise, sheet=sheet, member=member)
    if not table.headers:
        raise DataError(
            f"{table.place} has no header line: it begins with "
            f"{(table.delimiter or ',').join(table.rows[0])[:60]!r}.",
            hint=f"add one that names the columns: {','.join(wanted)}",
        )
    header = max(table.headers, key=lambda cells: (_num_wanted(cells, wanted), len(set(cells))))
    columns = _unfolded(header, table)
    meant = {n for name in wanted for n in candidates(name, list(columns))}
    comma = _decimal_comma(table, {name: columns[name] for name in meant})
    frame = pl.DataFrame(
        {name: _typed(cells, comma, told=name in meant) for name, cells in columns.items()}
    )
    frame, notes = chart_rows(frame, wanted)
    return frame, [*notes, *(f"line {line}: {reason}" for line, reason in table.left_out)]


def _num_wanted(names: Sequence[str], wanted: Sequence[str]) -> int:
    """Return how many of the wanted columns a line names, if it names them all.

    W&B's API has them inside two columns of dicts.
    """
    found = sum(bool(candidates(name, names)) for name in wanted)
    if found == len(wanted):
        return found
    return int({"config", "summary"} <= {name.strip().casefold() for name in names})


def _unfolded(header: Sequence[str], table: CellTable) -> dict[str, list[str]]:
    """Return the columns by name; one of dicts (``summary`` of W&B) becomes a column a key."""
    columns: dict[str, list[str]] = {}
    for i, name in enumerate(header):
        unnamed = name or f"column {i + 1}"
        if unnamed in columns:
            raise DataError(
                f"{table.place} has two columns {unnamed!r}.", hint="rename or remove one of them"
            )
        columns |= _unfolded_column(unnamed, [row[i] for row in table.rows])
    return columns


def _unfolded_column(name: str, cells: list[str]) -> dict[str, list[str]]:
    first = next((cell for cell in cells if cell), "")
    dicts = [_dict(cell) for cell in cells] if first.startswith("{") else []
    if not dicts or any(found is None for found in dicts):
        return {name: cells}
    flat = [dict(_flattened(found or {})) for found in dicts]
    keys = list(dict.fromkeys(key for found in flat for key in found))
    return {f"{name}.{key}": [cell_text(found.get(key)) for found in flat] for key in keys}


def _flattened(found: Mapping[Any, object], above: str = "") -> Iterator[tuple[str, object]]:
    """Yield a dict's values under names with points; W&B writes a setting as value and desc."""
    for key, value in found.items():
        if isinstance(value, Mapping) and "value" in value and set(value) <= {"value", "desc"}:
            value = value["value"]
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _dict(cell: str) -> Mapping[str, object] | None:
    if not cell:
        return {}
    plain = re.sub(r"\b(nan|NaN|null)\b", "None", cell)
    plain = re.sub(r"\btrue\b", "True", re.sub(r"\bfalse\b", "False", plain))
    try:
        found = ast.literal_eval(plain)
    except (ValueError, SyntaxError, MemoryError):
        return None
    return found if isinstance(found, dict) else None


def _decimal_comma(table: CellTable, columns: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether commas in the numbers are decimal ones rather than between thousands."""
    found = _digits(columns, ",")
    cells = [digits for digits in found if _COMMA.fullmatch(digits)]
    if not cells:
        return False
    decimal = [cell for cell in cells if not _THOUSANDS.fullmatch(cell)]
    if not decimal and any(cell.count(",") > 1 or "." in cell for cell in cells):
        return False
    if not decimal:
        raise DataError(
            f"{table.place}: {found[cells[0]]} could be a number of thousands or have a decimal "
            "comma.",
            hint="write numbers without thousands separators and with a decimal point",
        )
    several = [found[cell] for cell in cells if cell.count(",") > 1 or "." in cell]
    pointed = _digits(columns, ".")
    several += [where for cell, where in pointed.items() if not _POINTS.fullmatch(cell)]
    if several:
        raise DataError(
            f"{table.place}: {found[decimal[0]]} has a decimal comma, {several[0]} has none.",
            hint="write all numbers in one form",
        )
    return True


def _digits(columns: Mapping[str, Sequence[str]], mark: str) -> dict[str, str]:
    """Return the digits of numbers that hold a mark, and where each stands, in words."""
    return {
        digits: f"{cell!r} in row {row} of column {name!r}"
        for name, column in columns.items()
        for row, cell in enumerate(column, 1)
        if mark in cell and mark in (digits := number_digits(cell))
    }


def _with_point(cell: str) -> str:
    """Return a number with a decimal comma as one with a point: ``53,6 %`` as ``53.6 %``."""
    digits = number_digits(cell)
    return cell.replace(digits, digits.replace(".", "").replace(",", ".")) if digits else cell


def _typed(cells: Sequence[str], comma: bool, *, told: bool) -> pl.Series:
    """Return a column of numbers or dates where all its cells are some, else of text.

    A column that is ``told`` to be numbers has a decimal point in all of them.
    """
    if comma and told:
        cells = [_with_point(cell) for cell in cells]
        comma = False
    text = pl.Series([None if cell.lower() in ("", *NO_VALUE) else cell for cell in cells])
    text = text.cast(pl.String)
    text, written = text.str.replace(r"\s+#.*$", ""), text  # a comment behind a number
    if comma:
        plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    else:
        # between thousands
        plain = text.str.replace_all(r"^([-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?)$", "${1}")
        grouped = text.str.contains(r"^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$")
        plain = pl.select(
            pl.when(grouped).then(plain.str.replace_all(",", "", literal=True)).otherwise(plain)
        ).to_series()
    nulls = text.null_count()
    for kind in (pl.Int64, pl.Float64):
        number = plain.cast(kind, strict=False)
        if number.null_count() == nulls:
            return number
    date = text.str.to_date("%Y-%m-%d", strict=False)
    return date if date.null_count() == nulls else written
