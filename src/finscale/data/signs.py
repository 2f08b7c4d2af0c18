"""Prices at and below zero: a series that crosses zero has no returns."""

from __future__ import annotations

import polars as pl

from finscale.data.mending import Context, Mended, at
from finscale.errors import DataError

# A few negative closes are a vendor's mark for "no trade"; more of them are a shifted series.
_MOST_MARKS = 0.01
_FEW_ROWS = 3


def refuse_negative(rows: pl.DataFrame, context: Context) -> Mended:
    """Raise if prices cross zero, as those of futures joined by adding differences do.

    Raises
    ------
    DataError
        If more than a few closes lie below zero.
    """
    below = rows.filter(pl.col("close") < 0)
    if below.height <= max(_FEW_ROWS, _MOST_MARKS * rows.height):
        return rows, []
    above = rows.filter(pl.col("close") > 0)
    first = below.row(0, named=True)
    if above.is_empty():
        raise DataError(
            f"{context.place}: every close is below zero, from {first['close']:g} on {at(first)}: "
            "no returns can be made of such prices.",
            hint="import prices as traded, or futures joined by ratios",
        )
    raise DataError(
        f"{context.place}: prices cross zero, so they have no returns: {below.height:,} of "
        f"{rows.height:,} closes lie below it, from {first['close']:g} on {at(first)} on. Nothing "
        "was imported.",
        hint="futures joined by adding differences do that: export them joined by ratios "
        "(“ratio adjusted”), or unjoined as traded",
    )
