"""The last line of a file whose writing or download was broken off."""

from __future__ import annotations

import polars as pl

from finscale.data import calendar
from finscale.data.bars import Repair, series_columns
from finscale.data.mending import Context, Mended
from finscale.data.ticks import tick_size

# Rows that must have the values which the last line lacks.
_USUAL = 0.99
_FEW_ROWS = 5
# Prices of one day, and a close and the close before, lie within this factor.
_NEAR = 1.25
# A volume under this share of the smallest of a year has lost digits.
_SMALL_VOLUME, _YEAR = 0.1, 250
_MOST_DIGITS = 12


def drop_cut_off(rows: pl.DataFrame, context: Context) -> Mended:
    """Leave the last line of a file out if it ends within a number or lacks the last columns.

    ``rows`` have their columns in the file's order; a source without lines has no last line.
    """
    kept = series_columns(rows)  # these may end early
    numbers = [name for name in rows.columns if name not in ("line", "date", *kept)]
    if rows.height <= _FEW_ROWS or rows["line"].null_count() or not numbers:
        return rows, []
    last = rows["line"].arg_max()
    assert last is not None
    if context.last_line is not None and rows["line"][last] != context.last_line:
        return rows, []  # another symbol's rows follow
    others = rows.filter(pl.col("line") != rows["line"][last])
    reason = _lacks(rows, others, last, numbers) or _ends_early(rows, others, last, numbers[-1])
    if not reason or rows["date"][last] >= calendar.unfinished(context.calendar, context.now):
        return rows, []
    repair = Repair(
        rows["line"][last], rows["date"][last], f"the last line is cut off, {reason}: row left out"
    )
    return others, [repair]


def _lacks(rows: pl.DataFrame, others: pl.DataFrame, last: int, numbers: list[str]) -> str:
    """Name the last columns that only the last line lacks; a line without any is left alone."""
    present = [name for name in numbers if rows[name][last] is not None]
    if not present or present[-1] == numbers[-1]:
        return ""
    lacking = numbers[numbers.index(present[-1]) + 1 :]
    if lacking == ["adj_close"]:  # vendors are late with it
        return ""
    usual = all(others[name].is_not_null().mean() > _USUAL for name in lacking)  # type: ignore[operator]
    return f"no {', '.join(lacking)}" if usual else ""


def _ends_early(rows: pl.DataFrame, others: pl.DataFrame, last: int, column: str) -> str:
    """Say that the last number is the beginning of a plausible one and not plausible itself."""
    row = rows.row(last, named=True)
    value = row[column]
    if value is None or not 0 <= value < float("inf"):
        return ""
    if column == "volume":
        usual = others["volume"].tail(_YEAR).drop_nulls()
        usual = usual.filter(usual > 0)
        small = not usual.is_empty() and value < _SMALL_VOLUME * float(usual.min())  # type: ignore[arg-type]
        return f"volume {value:,.0f}" if small and value > 0 else ""
    interval = _plausible(row, rows, last, column)
    if (
        interval is None
        or interval[0] <= value <= interval[1]
        or _on(value, interval, rows[column])
    ):
        return ""
    return f"{column} {value:g}" if _can_become(value, interval) else ""


def _plausible(
    row: dict[str, float | None], rows: pl.DataFrame, last: int, column: str
) -> tuple[float, float] | None:
    """Return between which prices the last number should lie."""
    open_, high, low, close = (row.get(name) for name in ("open", "high", "low", "close"))
    if column == "adj_close" and close:
        beside = last - 1 if last else last + 1
        adjusted, plain = rows["adj_close"][beside], rows["close"][beside]
        if not adjusted or not plain:
            return None
        return close * adjusted / plain / _NEAR, close * adjusted / plain * _NEAR
    if column in ("open", "close") and high and low and low <= high:
        return low, high
    if column == "high" and open_ and close:
        return max(open_, close), max(open_, close) * _NEAR
    if column == "low" and open_ and close:
        return min(open_, close) / _NEAR, min(open_, close)
    return None


def _on(value: float, interval: tuple[float, float], column: pl.Series) -> bool:
    """Tell whether a price misses its interval by rounding only."""
    known = column.drop_nulls()
    tick = tick_size(known.filter(known.is_finite()).to_numpy())
    slack = max(1.5 * tick, 1e-4 * value) if tick < 1 else 1e-4 * value
    return interval[0] - slack <= value <= interval[1] + slack


def _can_become(value: float, interval: tuple[float, float]) -> bool:
    """Tell whether further digits can bring a number into an interval.

    Examples
    --------
    >>> _can_become(7.0, (76.28, 77.43)), _can_become(8.0, (76.28, 77.43))
    (True, False)
    """
    text = f"{value:.10g}"
    decimals = len(text.partition(".")[2])
    # digits behind the last decimal
    if value + 10.0**-decimals > interval[0] and value <= interval[1]:
        return True
    if decimals:
        return False
    # digits before the decimal point: 7 begins 70 … 80, 700 … 800
    return any(
        value * 10.0**more <= interval[1] and (value + 1) * 10.0**more > interval[0]
        for more in range(1, _MOST_DIGITS)
    )
