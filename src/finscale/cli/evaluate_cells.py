"""Cells and tables of 100 columns, as ``finscale evaluate`` prints them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def interval_cell(
    low: float | None, high: float | None, digits: int = 4, *, sign: bool = False
) -> str:
    """Return an interval; nothing where it is undefined."""
    if low is None or high is None or math.isnan(low):
        return ""
    return f"[{number_cell(low, digits, sign=sign)}, {number_cell(high, digits, sign=sign)}]"


def gain_cells(line: dict[str, Any], name: str, digits: int, *, itself: bool) -> list[str]:
    """Return a difference and its interval; a dash for what is compared with itself."""
    if itself:
        return ["–", ""]
    value, low, high = (line[name + end] for end in ("", "_low", "_high"))
    return [number_cell(value, digits, sign=True), interval_cell(low, high, digits, sign=True)]


def p_value_cell(value: float) -> str:
    """Return a p-value with three decimals."""
    return "< .001" if value < 0.001 else f"{value:.3f}"


def print_table(
    terminal: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], legend: str = ""
) -> None:
    """Print a table without a frame: words left, figures right; then what its columns mean.

    On a narrow terminal cells go on in a second line: nothing is cut.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        words = all(row[number][:1].isalpha() for row in rows)
        side: Literal["left", "right"] = "left" if words or not number else "right"
        table.add_column(column, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*row)
    terminal.print(table)
    if legend:
        terminal.print(f"[dim]{legend}[/dim]")
    terminal.print()
