"""A mistyped date: one row among its neighbours' dates that says another month or year."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError

_FEWEST_ROWS = 10
#: With more rows out of order, the file's order says nothing.
_MOST, _MOST_ROWS = 0.02, 5
#: Neighbours are at most so many days apart, and the date lies so many days outside of them.
_NEAR, _FAR = 14, 30


def refuse_misdated(rows: pl.DataFrame, *, place: str) -> None:
    """Raise if a few rows of an ordered file are dated far from the rows around them.

    Sorted by date, such a row would be a bar months or years from its place. It is asked about
    only where the days between its neighbours have no other bar: rows that are merely out of order
    are sorted.

    Parameters
    ----------
    rows : polars.DataFrame
        ``date`` and ``line`` in the file's order.
    place : str
        The file or the address, for messages.

    Raises
    ------
    DataError
        With the row, its date and those of its neighbours.
    """
    dates = rows["date"]
    if len(dates) < _FEWEST_ROWS or dates.is_sorted() or dates.is_sorted(descending=True):
        return
    day_T = dates.to_numpy().astype("datetime64[D]")
    steps = np.diff(day_T).astype(int)
    order = range(len(day_T)) if (steps > 0).sum() >= (steps < 0).sum() else range(len(day_T))[::-1]
    kept = _in_order(day_T[list(order)])
    stray = sorted(set(range(len(day_T))) - set(kept))
    if len(stray) > max(_MOST_ROWS, _MOST * len(day_T)):
        return
    for k in stray:
        # neighbours among the rows that are in order
        at = bisect_right(kept, k)
        if not 0 < at < len(kept):
            continue
        before, after = (day_T[order[i]] for i in (kept[at - 1], kept[at]))
        row = order[k]
        day = day_T[row]
        outside = max((before - day).astype(int), (day - after).astype(int))
        near = (after - before).astype(int) <= _NEAR
        empty = np.busday_count(before + 1, after) > 0
        if not (near and empty and outside > _FAR) or (day_T == day).sum() > 1:
            continue
        line = rows["line"][row]
        where = f"row {line}" if line is not None else "a row"
        raise DataError(
            f"{place}: {where} is dated {day}, and the rows around it {before} and {after}, with "
            "a day between them missing: a mistyped date. Nothing was imported.",
            hint=f"mend the date, or `--drop {day}:{day}` leaves that bar out; if it is right, "
            "sort the rows by date",
        )


def _in_order(day_T: NDArray[np.datetime64]) -> list[int]:
    """Return the positions of a longest part of the dates that never goes back."""
    tails: list[int] = []
    values: list[int] = []
    before = [-1] * len(day_T)
    for i, value in enumerate(day_T.astype(int).tolist()):
        at = bisect_right(values, value)
        before[i] = tails[at - 1] if at else -1
        if at == len(tails):
            tails.append(i)
            values.append(value)
        else:
            tails[at], values[at] = i, value
    found, i = [], tails[-1]
    while i >= 0:
        found.append(i)
        i = before[i]
    return found[::-1]
