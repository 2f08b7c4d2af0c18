"""Bars that have a close and no open, high, low or adjusted close, where the user wants them."""

from __future__ import annotations

from typing import Any

import polars as pl

from finscale.data.bars import present
from finscale.data.mending import Context, Mended, listed

# The adjusted close beside a hole equals the close: nothing was taken off there.
_UNADJUSTED = 1e-3


def fill_from_close(rows: pl.DataFrame, context: Context) -> Mended:
    """Take the close where another price has no value, as old index levels and fund prices do.

    Columns that are absent stay so. High and low are the higher and the lower of open and close. An
    adjusted close is filled only where those before and after the hole equal the close.
    """
    if not context.fill_from_close:
        return rows, []
    lacks = {name: ~_has(name) & _has("close") for name in present(rows, ("open", "high", "low"))}
    if "adj_close" in rows.columns:
        off = (pl.col("adj_close") / pl.col("close") - 1).abs()
        known = pl.when(_has("adj_close") & _has("close")).then(off)
        beside = pl.max_horizontal(known.forward_fill(), known.backward_fill())
        lacks["adj_close"] = ~_has("adj_close") & _has("close") & (beside < _UNADJUSTED)
    if not lacks:
        return rows, []
    marks = [wrong.alias(f"no {name}") for name, wrong in lacks.items()]
    rows = rows.with_columns(marks)

    def reason(row: dict[str, Any]) -> str:
        names = ", ".join(name for name in lacks if row[f"no {name}"])
        return f"no {names}: taken from the close, as the user wished"

    repairs = listed(rows, pl.any_horizontal(f"no {name}" for name in lacks), reason)
    values = {
        "open": pl.col("close"),
        "adj_close": pl.col("close"),
        "high": pl.max_horizontal("open", "close"),
        "low": pl.min_horizontal("open", "close"),
    }
    for name in (name for name in values if name in lacks):
        filled = pl.when(f"no {name}").then(values[name]).otherwise(name)
        rows = rows.with_columns(filled.alias(name))
    return rows.drop(f"no {name}" for name in lacks), repairs


def _has(name: str) -> pl.Expr:
    return (pl.col(name).is_finite() & (pl.col(name) > 0)).fill_null(False)
