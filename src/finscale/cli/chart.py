"""A line chart of a few terminal rows, in braille dots."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Bits of the eight dots of a braille character, by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800


def line_chart(
    values: Sequence[float], *, width: int, height: int, first: str, last: str
) -> list[str]:
    """Return a chart of positive values on a logarithmic scale, and a line for the axis.

    ``width`` and ``height`` count characters of the plot itself, each of 2 × 4 dots; the highest,
    middle and lowest value stand at the left, ``first`` and ``last`` under the two ends.
    """
    logs = [math.log(value) for value in values]
    low, high = min(logs), max(logs)
    span = (high - low) or 1.0
    num_rows = height * 4
    cells = [[0] * width for _ in range(height)]
    previous = 0
    for x in range(width * 2):
        start = x * len(logs) // (width * 2)
        end = max(start + 1, (x + 1) * len(logs) // (width * 2))
        rows = [min(int((high - log) / span * num_rows), num_rows - 1) for log in logs[start:end]]
        # a column joins the one before it, so that the line does not break
        joined = rows if x == 0 else [*rows, previous]
        previous = rows[-1]
        for y in range(min(joined), max(joined) + 1):
            cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    marks = {0: high, height // 2: (high + low) / 2, height - 1: low}
    labels = {row: f"{math.exp(log):,.4g}" for row, log in marks.items()}
    margin = max(len(label) for label in labels.values())
    lines = [
        f"{labels.get(row, ''):>{margin}} ┤" + "".join(chr(_BLANK + bits) for bits in line)
        for row, line in enumerate(cells)
    ]
    lines.append(f"{'':>{margin}}  {first}{last:>{width - len(first)}}")
    return lines
