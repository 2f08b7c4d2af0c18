"""A file of bars as strings: the table whose header names dates and prices."""

from __future__ import annotations

from finscale.data.bars import Repair
from finscale.tables import CellTable as CsvTable
from finscale.tables.table import looks_like_date

__all__ = ["CsvTable", "looks_like_date", "reading_repairs"]


def reading_repairs(table: CsvTable) -> tuple[Repair, ...]:
    """Return what was left out among or below the rows while the file was read."""
    return tuple(Repair(line, None, reason) for line, reason in table.left_out)
