"""What the rules of :mod:`finscale.data.repairs` share: their context, and rows left out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import polars as pl

from finscale.data.bars import Repair

Reason = Callable[[dict[str, Any]], str]
#: The rows that remain, and what was done.
Mended = tuple[pl.DataFrame, list[Repair]]


@dataclass(frozen=True)
class Context:
    """What the rules need besides the rows."""

    place: str
    """The file or the address, for messages."""
    calendar: str
    now: dt.datetime
    real: Collection[dt.date] = ()
    """Days whose prices the user calls real, however strange."""
    leave_out: bool = False
    """Leave out rows that cannot be used, however many, instead of refusing."""
    fill_from_close: bool = False
    """Take the close where open, high, low or adjusted close has no value."""
    ask_calendar: bool = False
    """Whether to refuse rows that another exchange's calendar fits clearly better."""


def drop(rows: pl.DataFrame, wrong: pl.Expr, reason: Reason) -> Mended:
    """Return the rows without the wrong ones, and a repair for each of those."""
    repairs = listed(rows, wrong, reason)
    return (rows.filter(~wrong) if repairs else rows), repairs


def listed(rows: pl.DataFrame, wrong: pl.Expr, reason: Reason) -> list[Repair]:
    """Return a repair for each of the wrong rows."""
    return [
        Repair(row["line"], row["date"], reason(row))
        for row in rows.filter(wrong).iter_rows(named=True)
    ]


def at(row: dict[str, Any]) -> str:
    """Return a row's date, with its line where the source has lines."""
    return f"{row['date']}" + (f" (row {row['line']})" if row["line"] is not None else "")
