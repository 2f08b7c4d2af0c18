"""A file of bars as strings: the table whose header names dates and prices."""

from __future__ import annotations

from finscale.data.bars import Repair
from finscale.errors import DataError
from finscale.tables import CellTable as CsvTable
from finscale.tables.table import looks_like_date, shown

__all__ = ["CsvTable", "headerless", "looks_like_date", "reading_repairs"]


def headerless(table: CsvTable) -> DataError:
    """Return the error for a file whose columns nothing names."""
    return DataError(
        f"{table.place} has no header line: it begins with "
        f"{shown(table.rows[0], table.delimiter)}.",
        hint="add one, such as date,open,high,low,close,volume",
    )


def reading_repairs(table: CsvTable) -> tuple[Repair, ...]:
    """Return what was left out among or below the rows while the file was read."""
    return tuple(Repair(line, None, reason) for line, reason in table.left_out)
