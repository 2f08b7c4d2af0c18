"""What a vendor's numbers mean: scaled prices, signed closes, factors, listed splits."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import numpy as np
import polars as pl

from finscale.data.acceptance import Wishes
from finscale.data.bars import PRICES, opens, present
from finscale.data.sources.csv_columns import Columns
from finscale.data.sources.csv_tickers import some
from finscale.errors import DataError

# Rows without an adjusted close that are left out one by one; with more, it is the user's decision.
_FEW = 3
_FEW_SHARE = 0.01
#: Units of volume behind its name. A lot (手) is 100 shares in China.
_UNITS = {
    r"[(\[（_ ](?:in )?('?(?:1[,.]?)?000'?s?|thousands?|k|千株|千股|千)[)\]）]?$": 1_000,
    r"[(\[（_ ](?:in )?(millions?|mln|mn|mio\.?|百万股?|百万株)[)\]）]?$": 1_000_000,
    r"[(\[（](万股?|萬股?)[)\]）]$": 10_000,
    r"[(\[（](手)[)\]）]$": 100,
    r"\((U?VO)\)(~.*)?$": 1_000,  # Datastream counts thousands
}
# Lean with a header line: whole numbers, nearly all of them whole cents in ten-thousandths.
_LEAN_DATE = re.compile(r"\d{8} \d\d:\d\d")
_CENT = 100
_MOSTLY = 0.9


def interpret(
    frame: pl.DataFrame, columns: Columns, wishes: Wishes, *, place: str
) -> tuple[pl.DataFrame, Wishes, dict[str, str]]:
    """Return rows whose numbers are prices and volume, the wishes, and what was done.

    ``frame`` has a column for each of ``columns.cells``, and ``line`` and ``date``. Columns of
    factors and splits are used up; the wishes get the splits that the prices still show.

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
        prices = [name for name in (*PRICES, "adj_close") if name in frame.columns]
        broken = frame.filter(pl.any_horizontal(pl.col(PRICES) % 1 != 0))
        if not broken.is_empty():
            raise DataError(
                f"{place} row {broken['line'][0]}: prices have decimals, so they are not "
                f"multiplied by {1 / form.scale:,.0f} as {form.about} are (--format {form.name}).",
                hint="leave --format away",
            )
        # numpy divides; polars multiplies by the inverse, and 100.52 gets a tail of decimals
        exact = [pl.Series(p, frame[p].to_numpy() / round(1 / form.scale)) for p in prices]
        frame = frame.with_columns(exact).with_columns(pl.col(prices).fill_nan(None))
    elif _are_ten_thousandths(frame, columns):
        notes["scale"] = (
            "prices look like the ten-thousandths of Lean and were taken as they are; "
            "--format lean divides them by 10,000"
        )
    if "volume" in frame.columns:
        times, unit = _volume_unit(columns.names.get("volume", ""))
        if times > 1:
            frame = frame.with_columns(pl.col("volume") * times)
            notes["volume"] = f"in {unit} in the file, multiplied by {times:,}"
    if "price_factor" in frame.columns:
        frame, constant, about = _divided(frame, columns)
        notes |= about
        if constant and "adj_close" not in frame.columns and wishes.adjustment is None:
            wishes = replace(wishes, adjustment="raw", said_by="the file")
    asked = wishes.leave_out_bad_rows or wishes.fill_from_close
    if "adj_close" in frame.columns and not asked:
        kept = frame
        for first, last in wishes.drop:
            kept = kept.filter(~pl.col("date").is_between(first, last))
        _refuse_partly_adjusted(kept, columns, place)
    if "splits" in frame.columns:
        shown, listed = _shown_splits(frame)
        notes |= listed
        if shown and not wishes.splits and wishes.adjustment in (None, "raw"):
            wishes = replace(wishes, splits=shown, said_by="the file")
        frame = frame.drop("splits")
    return frame, wishes, notes


def _volume_unit(name: str) -> tuple[int, str]:
    """Return how many shares a volume's unit is, and the unit: Volume (000s), 成交量(手)."""
    for pattern, times in _UNITS.items():
        found = re.search(pattern, name, re.IGNORECASE)
        if found:
            return times, "thousands, as Datastream has it," if "VO" in found[1] else found[1]
    return 1, ""


def _are_ten_thousandths(frame: pl.DataFrame, columns: Columns) -> bool:
    """Tell whether prices beside Lean's form of dates are cents in ten-thousandths."""
    if not _LEAN_DATE.fullmatch(columns.cells["date"][0]):
        return False
    price = pl.concat([frame[name].alias("price") for name in present(frame, PRICES)]).drop_nulls()
    whole_cents = (price % _CENT == 0).sum()
    return bool((price % 1 == 0).all()) and whole_cents > _MOSTLY * len(price)


def _divided(frame: pl.DataFrame, columns: Columns) -> tuple[pl.DataFrame, bool, dict[str, str]]:
    """Use a cumulative factor (CRSP's CFACPR): adjusted for splits is the price over it.

    Returned are the rows, whether the factor is the same on all of them, and what was done.
    """
    factor, name = pl.col("price_factor"), columns.names["price_factor"]
    known = frame["price_factor"].drop_nulls()
    frame_without = frame.drop("price_factor")
    if known.n_unique() == 1:
        said = f"raw prices: {name} is {known[0]:g} throughout, so there is no split among them"
        return frame_without, known.len() == frame.height, {"factor": said}
    if "adj_close" in frame.columns or known.is_empty():
        return frame_without, False, {}
    divided = pl.when(factor > 0).then(pl.col("close") / factor)
    # "splits": see Bars.adjusted_to
    about = {"adj_close": "splits", "adjusted by": f"close / {name}: splits, not dividends"}
    return frame.with_columns(adj_close=divided).drop("price_factor"), False, about


def _refuse_partly_adjusted(frame: pl.DataFrame, columns: Columns, place: str) -> None:
    """Raise if bars would be lost because only their adjusted close is missing."""
    prices = present(frame, PRICES)
    complete = frame.drop_nulls(prices).filter(pl.all_horizontal(pl.col(prices) > 0))
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
        f"`--drop {first}:{last}` or --leave-out-bad-rows leaves those days out; --fill-from-close "
        "takes the close where the adjusted close beside them equals it",
    )


def _splits(frame: pl.DataFrame) -> list[tuple[dt.date, float]]:
    stated = frame.select("date", "splits").drop_nulls().filter(~pl.col("splits").is_in([0.0, 1.0]))
    return [(day, ratio) for day, ratio in stated.sort("date").iter_rows() if ratio > 0]


def _shown_splits(frame: pl.DataFrame) -> tuple[list[tuple[dt.date, float]], dict[str, str]]:
    """Return the splits of a column that the prices still show, and what to say of all.

    A split that the file lists and the prices do not show has been taken into account already.
    """
    if not _splits(frame) or "adj_close" in frame.columns:
        return [], {}
    rows = frame.drop_nulls(present(frame, PRICES)).sort("date")
    dates = rows["date"].to_list()
    open_T, close_T = opens(rows).to_numpy(), rows["close"].to_numpy()
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
