"""Files in the forms that programs write, read as tables of strings."""

from finscale.tables.read import read_table
from finscale.tables.table import CellTable, Recogniser

__all__ = ["CellTable", "Recogniser", "read_table"]
