"""Tables of results in the files that people have: CSV of any kind, JSON, parquet, Excel."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from finscale.errors import DataError
from finscale.tables import CellTable, read_table
from finscale.tables.table import NO_VALUE
from finscale.tables.values import cell_text

_COMMA = re.compile(r"[-+]?\d+(,\d+)+(\.\d+)?([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
# pandas, W&B and MLflow write settings and figures under these
_GROUPS = ("params", "metrics", "config", "summary", "tags", "attributes", "hparams")


def read_file(
    path: Path, wanted: Sequence[str], optional: Sequence[str] = ()
) -> tuple[pl.DataFrame, list[str]]:
    """Return a file of results as a frame, and what was left out on reading it.

    Columns are numbers or dates where all their cells are.

    ``wanted`` and ``optional`` are columns that are looked for; one that stands under a group
    (``metrics.loss`` of MLflow, ``summary.loss`` of W&B) is renamed.

    Raises
    ------
    DataError
        If the file cannot be read, or its decimal mark cannot be told.
    """
    names = (*wanted, *optional)
    table = read_table(path, recognise=partial(_num_wanted, wanted=wanted))
    if not table.headers:
        raise DataError(
            f"{table.place} has no header line: it begins with "
            f"{(table.delimiter or ',').join(table.rows[0])[:60]!r}.",
            hint=f"add one that names the columns: {','.join(names)}",
        )
    header = max(table.headers, key=lambda cells: (_num_wanted(cells, wanted), len(set(cells))))
    columns = _unfolded(header, table)
    own = {name: _meant(name, list(columns)) for name in names}
    renamed = {found: name for name, found in own.items() if found is not None}
    comma = _decimal_comma(table, {n: columns[own[n]] for n in wanted if own[n]})  # type: ignore[index]
    frame = pl.DataFrame(
        {renamed.get(name, name): _typed(cells, comma) for name, cells in columns.items()}
    )
    return frame, [f"line {line}: {reason}" for line, reason in table.left_out]


def _num_wanted(names: Sequence[str], wanted: Sequence[str]) -> int:
    """Return how many of the wanted columns a line names, if it names them all."""
    found = sum(_meant(name, names) is not None for name in wanted)
    return found if found == len(wanted) else 0


def _meant(name: str, names: Sequence[str]) -> str | None:
    """Return the column that a name means: itself, or the only one of that name in a group."""
    if name in names:
        return name
    grouped = [n for n in names if n in {f"{group}.{name}" for group in _GROUPS}]
    grouped = grouped or [n for n in names if n in {f"{group}/{name}" for group in _GROUPS}]
    return grouped[0] if len(grouped) == 1 else None


def _unfolded(header: Sequence[str], table: CellTable) -> dict[str, list[str]]:
    """Return the columns by name; one of dicts (``summary`` of W&B) becomes a column a key."""
    columns: dict[str, list[str]] = {}
    for i, name in enumerate(header):
        cells = [row[i] for row in table.rows]
        unnamed = name or f"column {i + 1}"
        if unnamed in columns:
            raise DataError(
                f"{table.place} has two columns {unnamed!r}.", hint="rename or remove one of them"
            )
        dicts = [_dict(cell) for cell in cells] if cells[0].startswith("{") else []
        if dicts and all(found is not None for found in dicts):
            keys = list(dict.fromkeys(key for found in dicts for key in found or ()))
            for key in keys:
                columns[f"{unnamed}.{key}"] = [cell_text((f or {}).get(key)) for f in dicts]
        else:
            columns[unnamed] = cells
    return columns


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
    cells = [cell for column in columns.values() for cell in column if _COMMA.fullmatch(cell)]
    if not cells:
        return False
    decimal = [cell for cell in cells if not _THOUSANDS.fullmatch(cell)]
    if not decimal and any(cell.count(",") > 1 or "." in cell for cell in cells):
        return False
    if not decimal:
        raise DataError(
            f"{table.place}: {cells[0]!r} could be a number of thousands or have a decimal comma.",
            hint="write numbers without thousands separators and with a decimal point",
        )
    several = [cell for cell in cells if cell.count(",") > 1 or "." in cell]
    if several:
        raise DataError(
            f"{table.place}: {decimal[0]!r} has a decimal comma, {several[0]!r} has none.",
            hint="write all numbers in one form",
        )
    return True


def _typed(cells: Sequence[str], comma: bool) -> pl.Series:
    """Return a column of numbers or dates where all its cells are some, else of text."""
    text = pl.Series([None if cell.lower() in ("", *NO_VALUE) else cell for cell in cells])
    text = text.cast(pl.String)
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
    return date if date.null_count() == nulls else text
