"""Name the columns of a file without a header line, where its numbers prove which is which.

The high is the column that no other exceeds on any row, the low the one that none undercuts. Of the
other two, the open lies nearer to the close of the day before than the close to the open of the day
before: the market has moved through a whole day less. The volume counts what no price is near to.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from finscale.data.sources.csv_sheet import looks_like_ticker
from finscale.tables import CellTable
from finscale.tables.numbers import number_digits
from finscale.tables.table import NO_VALUE, looks_like_date

#: Reads the cells of a column as dates.
Dates = Callable[[Sequence[str], Sequence[int]], Sequence[dt.date]]
Floats = NDArray[np.float64]

# With fewer rows the open may lie nearer by chance.
_FEWEST_ROWS = 10
_LOOKED_AT = 2000
# How much nearer (mean distance) the open lies; a walk with half of its variance at night has .71.
_NEARER = 0.85
# A volume differs from every price by more than this factor on most rows.
_FAR, _MOSTLY = 3.0, 0.9
_PRICES = 4
# Adjusted closes are rounded to cents, as closes are.
_CENT = 0.01
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


def proven_names(table: CellTable, dates_of: Dates | None) -> tuple[str, ...] | None:
    """Return the names of a table's columns, or None where its numbers do not prove them.

    Known are files of a date and four prices in any order, with a volume and an adjusted close
    behind them, and with a
    ticker or numbers of rows, a time of day or columns of noughts beside them.
    """
    rows = table.rows
    if len(rows) < _FEWEST_ROWS or dates_of is None:
        return None
    columns = list(zip(*rows, strict=True))
    dated = [i for i, cells in enumerate(columns) if all(map(looks_like_date, cells[:20]))]
    # a date of eight digits looks like a number, and a number of eight digits like a date
    if not dated or dated[0] > 1:
        return None
    names = [""] * len(columns)
    names[dated[0]] = "date"
    if dated[0] == 1 and not _are_row_numbers(columns[0]):
        if not all(looks_like_ticker(cell) for cell in set(columns[0])):
            return None
        names[0] = "symbol"
    first = dated[0] + 1
    if first < len(columns) and all(map(_CLOCK.fullmatch, columns[first])):
        names[first] = "time"
        first += 1
    numbers = [i for i in range(first, len(columns)) if _are_numbers(columns[i])]
    if len(numbers) < len(columns) - first:
        return None
    step = _step(columns[dated[0]], table.lines, dates_of)
    values = {i: _values(columns[i]) for i in numbers}
    used = [i for i in numbers if np.nanmax(np.abs(values[i]), initial=0.0) > 0]
    prices, rest = used[:_PRICES], used[_PRICES:]
    if step is None or len(prices) < _PRICES or len(rest) > 2:
        return None
    order = _order([values[i] for i in prices], step)
    if order is None:
        return None
    for field, k in zip(("open", "high", "low", "close"), order, strict=True):
        names[prices[k]] = field
    _, high, low, close = (values[prices[k]] for k in order)
    counts = [i for i in rest if _counts(values[i], high, low)]
    adjusted = [i for i in rest if i not in counts and _is_adjusted(values[i], close, step)]
    if len(counts) > 1 or len(counts) + len(adjusted) < len(rest) or (adjusted and not counts):
        return None
    for i in rest:
        names[i] = "volume" if i in counts else "adj close"
    return tuple(names)


def _are_row_numbers(cells: Sequence[str]) -> bool:
    return any(list(cells) == [str(i + k) for i in range(len(cells))] for k in (0, 1))


def _are_numbers(cells: Sequence[str]) -> bool:
    return all(not cell or cell.casefold() in NO_VALUE or number_digits(cell) for cell in cells)


def _values(cells: Sequence[str]) -> Floats:
    """Return numbers for comparing; a comma is taken for a point where it stands alone."""
    found = []
    for cell in cells[:_LOOKED_AT]:
        digits = number_digits(cell).replace("'", "").replace(" ", "")
        if digits.count(",") == 1 and "." not in digits:
            digits = digits.replace(",", ".")
        elif digits.rfind(",") > digits.rfind("."):
            digits = digits.replace(".", "").replace(",", ".")
        else:
            digits = digits.replace(",", "")
        if digits.count(".") > 1:
            digits = digits.replace(".", "")
        found.append(float(digits) if digits else np.nan)
    return np.array(found)


def _step(cells: Sequence[str], lines: Sequence[int], dates_of: Dates) -> int | None:
    """Return 1 where dates rise from row to row, -1 where they fall, None where they do neither."""
    days = list(dates_of(cells, lines))
    for step in (1, -1):
        ordered = days[::step]
        if all(a < b for a, b in pairwise(ordered)):
            return step
    return None


def _order(prices: Sequence[Floats], step: int) -> tuple[int, int, int, int] | None:
    """Return which of four columns are open, high, low and close; None unless proven."""
    price_TP = np.column_stack(prices)[::step]
    price_TP = price_TP[np.isfinite(price_TP).all(axis=1)]
    if len(price_TP) < _FEWEST_ROWS or (price_TP <= 0).any():
        return None
    fits = [
        (high, low)
        for high, low in permutations(range(_PRICES), 2)
        if (price_TP[:, high] >= price_TP.max(axis=1)).all()
        and (price_TP[:, low] <= price_TP.min(axis=1)).all()
    ]
    if len(fits) != 1:
        return None
    ((high, low),) = fits
    one, other = (k for k in range(_PRICES) if k not in (high, low))
    log_TP = np.log(price_TP)

    def night(opening: int, closing: int) -> float:
        return float(np.abs(log_TP[1:, opening] - log_TP[:-1, closing]).mean())

    for opening, closing in ((one, other), (other, one)):
        if night(opening, closing) < _NEARER * night(closing, opening):
            return opening, high, low, closing
    return None


def _counts(value_T: Floats, high_T: Floats, low_T: Floats) -> bool:
    """Tell whether numbers are a volume: not negative, mostly far from the prices, never still."""
    known = np.isfinite(value_T)
    if (value_T[known] < 0).any() or len(np.unique(value_T[known])) < len(value_T) / 4:
        return False
    far = (value_T > _FAR * high_T) | (value_T < low_T / _FAR)
    return bool(far[known].mean() >= _MOSTLY)


def _is_adjusted(value_T: Floats, close_T: Floats, step: int) -> bool:
    """Tell whether prices are the closes times a factor that only rises and ends at 1."""
    known = np.isfinite(value_T) & np.isfinite(close_T) & (value_T > 0)
    if not known.all():
        return False
    factor_T = (value_T / close_T)[::step]
    rounding = _CENT / float(value_T.min())
    newest = len(value_T) < _LOOKED_AT or step < 0
    ends = not newest or abs(factor_T[-1] - 1) <= rounding
    return bool(ends and factor_T.max() <= 1 + rounding and np.diff(factor_T).min() >= -rounding)
