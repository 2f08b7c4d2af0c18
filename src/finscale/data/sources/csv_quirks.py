"""What a vendor's numbers mean: scaled prices, signed closes, factors, listed splits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from finscale.data.sources.csv_columns import Columns
from finscale.data.sources.csv_tickers import some
from finscale.errors import DataError

_PRICES = ("open", "high", "low", "close")
# Rows without an adjusted close that are left out one by one; with more, it is the user's decision.
_FEW = 3
_FEW_SHARE = 0.01
# Lean with a header: whole numbers, nearly all of them whole cents in ten-thousandths.
_CENT = 100
_MOSTLY = 0.9


def interpret(
    frame: pl.DataFrame,
    columns: Columns,
    *,
    place: str,
    drop: Sequence[tuple[dt.date, dt.date]] = (),
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return rows whose numbers are prices and volume, and what was done to them.

    ``frame`` has a column for each of ``columns.cells``, and ``line`` and ``date``. Columns of
    factors are used up, and so are splits, unless there is one. ``drop`` are days that the user
    leaves out.

    Raises
    ------
    DataError
        If the adjusted close is missing on the newest rows, or on more than a few.
    """
    form, notes = columns.format, dict[str, str]()
    frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None))
    if form.signed:
        averages = frame.filter(pl.col("close") < 0).height
        if averages:
            notes["midpoints"] = (
                f"{averages:,} closes are the midpoint of bid and ask (below zero in the file: no "
                "trade that day)"
            )
        frame = frame.with_columns(pl.col("close").abs())
    if form.scale != 1:
        prices = [name for name in (*_PRICES, "adj_close") if name in frame.columns]
        frame = frame.with_columns(pl.col(prices) * form.scale)
    if "price_factor" in frame.columns:
        frame, about = _divided(frame, columns)
        notes |= about
    if "adj_close" in frame.columns:
        kept = frame
        for first, last in drop:
            kept = kept.filter(~pl.col("date").is_between(first, last))
        _refuse_partly_adjusted(kept, columns, place)
    if "splits" in frame.columns and not _splits(frame):
        frame = frame.drop("splits")
    return frame, notes


def _divided(frame: pl.DataFrame, columns: Columns) -> tuple[pl.DataFrame, dict[str, str]]:
    """Use a cumulative factor (CRSP's CFACPR): adjusted for splits is the price over it."""
    factor, name = pl.col("price_factor"), columns.names["price_factor"]
    known = frame["price_factor"].drop_nulls()
    frame_without = frame.drop("price_factor")
    if "adj_close" in frame.columns or known.n_unique() <= 1:
        return frame_without, {}
    divided = pl.when(factor > 0).then(pl.col("close") / factor)
    # "splits": see Bars.adjusted_to
    return frame.with_columns(adj_close=divided).drop("price_factor"), {
        "adj_close": "splits",
        "adjusted by": f"close / {name}: splits, not dividends",
    }


def _refuse_partly_adjusted(frame: pl.DataFrame, columns: Columns, place: str) -> None:
    """Raise if bars would be lost because only their adjusted close is missing."""
    complete = frame.drop_nulls(_PRICES).filter(pl.all_horizontal(pl.col(_PRICES) > 0))
    lost = complete.filter(pl.col("adj_close").is_null() | ~(pl.col("adj_close") > 0))
    if lost.is_empty():
        return
    newest = lost["date"].max() == complete["date"].max()
    if not newest and lost.height <= max(_FEW, _FEW_SHARE * complete.height):
        return
    name = columns.names.get("adj_close", "the adjusted close")
    days: list[dt.date] = lost["date"].sort().to_list()
    first, last = days[0], days[-1]
    which = "the newest among them" if newest else f"{first} to {last}"
    rows = "1 bar has" if lost.height == 1 else f"{lost.height:,} of {complete.height:,} bars have"
    raise DataError(
        f"{place}: {rows} no {name!r}, {which} (first {first}, row {lost['line'][0]}).",
        hint="fetch the file again; `--columns adj_close=` imports all bars without it (say then "
        "what has been done to the prices: --adjustment); "
        f"`--drop {first}:{last}` leaves those days out",
    )


def _splits(frame: pl.DataFrame) -> list[tuple[dt.date, float]]:
    stated = frame.select("date", "splits").drop_nulls().filter(~pl.col("splits").is_in([0.0, 1.0]))
    return [(day, ratio) for day, ratio in stated.sort("date").iter_rows() if ratio > 0]


def listed_splits(frame: pl.DataFrame) -> tuple[list[tuple[dt.date, float]], dict[str, str]]:
    """Return the splits of a column that the prices still show, and what to say of all.

    A split that the file lists and the prices do not show has been taken into account already.
    """
    if "splits" not in frame.columns:
        return [], {}
    rows = frame.drop_nulls(_PRICES).sort("date")
    dates = rows["date"].to_list()
    open_T, close_T = rows["open"].to_numpy(), rows["close"].to_numpy()
    shown = []
    for day, ratio in _splits(frame):
        t = dates.index(day) if day in dates else 0
        if t and min(open_T[t], close_T[t - 1]) > 0:
            gap = float(np.log(open_T[t] / close_T[t - 1]))
            if abs(gap + np.log(ratio)) < abs(gap):
                shown.append((day, ratio))
    said = [
        f"{ratio:g}:1 on {day}" + ("" if (day, ratio) in shown else " (in the prices already)")
        for day, ratio in _splits(frame)
    ]
    return shown, {"splits": f"{some(said)}, as the file lists them"}
