"""Cells and tables of 100 columns, as ``finscale evaluate`` prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

from finscale.cli.options import plain_table

if TYPE_CHECKING:
    from rich.console import Console


def number_cell(value: float | None, digits: int = 4, *, sign: bool = False) -> str:
    """Return a number as tables show it; a dash where it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    shown = f"{value:{'+' if sign else ''}.{digits}f}"
    if not float(shown):
        return shown[shown[0] in "+-" :]  # nothing has no sign
    return shown.replace("-", "−")


def estimate_cells(
    line: Mapping[str, Any], name: str = "", digits: int = 4, *, sign: bool = False
) -> list[str]:
    """Return ``name`` of a line, its value where no name is given, and its interval.

    The interval is empty where it is undefined.
    """
    keys = (name, f"{name}_low", f"{name}_high") if name else ("value", "low", "high")
    value, low, high = (line[key] for key in keys)
    cell, *ends = (number_cell(number, digits, sign=sign) for number in (value, low, high))
    known = low is not None and high is not None and not math.isnan(low)
    return [cell, f"[{', '.join(ends)}]" if known else ""]


def p_value_cell(value: float) -> str:
    """Return a p-value with three decimals."""
    return "< .001" if value < 0.001 else f"{value:.3f}"


def print_table(
    terminal: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], legend: str = ""
) -> None:
    """Print a table without a frame: words left, figures right; then what its columns mean.

    On a narrow terminal cells go on in a second line: nothing is cut.
    """
    words = [all(row[number][:1].isalpha() for row in rows) for number in range(len(columns))]
    left = {columns[0], *compress(columns, words)}
    table = plain_table(columns, rows, left=left, padding=(0, 2, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    terminal.print(table)
    if legend:
        terminal.print(f"[dim]{legend}[/dim]")
    terminal.print()
