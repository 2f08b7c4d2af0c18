"""Files in the forms that programs write, read as tables of strings."""

from finscale.tables.read import read_table
from finscale.tables.table import Recogniser, Table

__all__ = ["Recogniser", "Table", "read_table"]
