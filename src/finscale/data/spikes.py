"""Highs and lows that no trade made: far from all else, in units of the series' own days.

A wrong tick of 1.5 times the price is no slip of the decimal point, and a volatile series may go as
far in earnest. So distances are measured in the usual range of a day around it, and heavy trade
explains them: the flash crash of 2010 took PG to two thirds of its price on 2.7 times its volume.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.bars import PRICES
from finscale.data.cells import OffScale, off_scale, times_in_words
from finscale.data.mending import Context, Mended, at, drop
from finscale.data.ticks import FEW_TICKS, tick_size
from finscale.errors import DataError

Floats = NDArray[np.float64]

#: No price nearer than this to another of its day, or to the closes beside it, is asked about.
_LEAST = 1.2
# Usual ranges of a day. Of the highs and lows in 19 US series 1962–2026, two are further than 1.2
# times from all else: CVX in 1987 and PG in 2010, 7 and 32 ranges away, on 3.8 and 2.7 times the
# usual volume. The VIX, which has no volume and whose publisher kept some odd highs, goes to 18.7.
_RANGES, _RANGES_WITHOUT_VOLUME = 6.0, 20.0
# Days before and after that tell a day's usual range, and days before that tell the volume.
_DAYS = 20
# So many times the usual volume explain a price, up to so many times away from the others.
_EXPLAINING_VOLUME, _MOST_EXPLAINED = 2.5, 2.0


def find_spikes(rows: pl.DataFrame) -> tuple[list[OffScale], list[OffScale]]:
    """Return prices of clean rows that lie many usual ranges from all others around them.

    The first list holds those on ordinary volume, the second those that heavy trade explains.
    """
    # a close alone has no other price of its day to be far from: it is a jump, or none
    if rows.height < 2 or "high" not in rows.columns:
        return [], []
    if not off_scale(rows, _LEAST):
        return [], []  # none is asked about that is nearer
    range_T = usual_ranges(rows)
    times_T = _volume_over_usual(rows)
    known = bool(np.isfinite(times_T).any())
    far_T = np.maximum(_LEAST, np.exp((_RANGES if known else _RANGES_WITHOUT_VOLUME) * range_T))
    found = off_scale(rows, far_T)
    # a day whose prices all lie elsewhere is a jump and the way back, which are looked at as such
    num_far = Counter(cell.row for cell in found)
    tick = tick_size(rows.select(PRICES).to_numpy().ravel())
    asked: list[OffScale] = []
    explained: list[OffScale] = []
    for cell in found:
        if num_far[cell.row] == len(PRICES):
            continue
        # from 3 to 4 where prices are whole numbers
        if abs(cell.value - cell.value / cell.times) <= (FEW_TICKS + 0.1) * tick:
            continue
        heavy = times_T[cell.row] >= _EXPLAINING_VOLUME
        near = abs(np.log(cell.times)) < np.log(_MOST_EXPLAINED)
        (explained if heavy and near else asked).append(cell)
    return asked, explained


def usual_ranges(rows: pl.DataFrame) -> Floats:
    """Return the median range of the 20 days before and after each day, as a log.

    A day's range is log(high / low), or the move from the close before where that is larger.
    """
    close_T = np.log(rows["close"].to_numpy())
    move_T = np.abs(np.diff(close_T, prepend=close_T[0]))
    range_T = np.maximum(np.log(rows["high"].to_numpy() / rows["low"].to_numpy()), move_T)
    beside = np.pad(range_T, _DAYS, constant_values=np.nan)
    window_TD = np.lib.stride_tricks.sliding_window_view(beside, 2 * _DAYS + 1)
    without_own = np.delete(window_TD, _DAYS, axis=1)
    # only windows at the ends have days that are not there, and a median that skips them is slow
    median_T = np.median(without_own, axis=1)
    at_end = np.isnan(median_T)
    median_T[at_end] = np.nanmedian(without_own[at_end], axis=1)
    return np.asarray(median_T, dtype=np.float64)


def refuse_spikes(rows: pl.DataFrame, context: Context) -> Mended:
    """Raise if a price cannot be of its day, or leave the row out as the user wishes.

    Raises
    ------
    DataError
        With the price, its day, how far it lies from the others, and the options.
    """
    spikes = [cell for cell in find_spikes(rows)[0] if rows["date"][cell.row] not in context.real]
    if not spikes:
        return rows, []
    by_row: dict[int, OffScale] = {}
    for spike in spikes:
        by_row.setdefault(spike.row, spike)
    if not context.leave_out:
        raise _refusal(rows, by_row, context)
    said = {rows["date"][row]: str(cell) for row, cell in by_row.items()}
    wrong = pl.int_range(pl.len()).is_in(sorted(by_row))
    return drop(rows, wrong, lambda row: f"{said[row['date']]}: row left out")


def spikes_in_words(rows: pl.DataFrame) -> str:
    """Say which far prices were kept because of their volume; nothing where there are none."""
    cells = find_spikes(rows)[1]
    if not cells:
        return ""
    some = "; ".join(f"{rows['date'][cell.row]} {cell}" for cell in cells[:3])
    more = f"; {len(cells) - 3:,} more" if len(cells) > 3 else ""
    return f"{some}{more} (kept as real: heavy trade explains it)"


def _volume_over_usual(rows: pl.DataFrame) -> Floats:
    """Return each day's volume over its median of the days before; NaN where there is none."""
    if "volume" not in rows.columns:
        return np.full(rows.height, np.nan)
    usual = pl.col("volume").shift(1).rolling_median(_DAYS, min_samples=5)
    # any trade is heavy where there usually is none
    seldom = pl.when((usual == 0) & (pl.col("volume") > 0)).then(pl.lit(float("inf")))
    times = rows.select(pl.when(usual > 0).then(pl.col("volume") / usual).otherwise(seldom))
    return times.to_series().cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _volume(rows: pl.DataFrame) -> str:
    known = "volume" in rows.columns and bool((rows["volume"] > 0).any())
    return "the volume does not explain it" if known else "no volume explains it"


def _refusal(rows: pl.DataFrame, by_row: dict[int, OffScale], context: Context) -> DataError:
    at_row, cell = next(iter(by_row.items()))
    row = rows.row(at_row, named=True)
    day, usual = row["date"], usual_ranges(rows)[at_row]
    ranges = abs(np.log(cell.times)) / usual if usual > 0 else np.inf
    away = f", {ranges:,.0f} times a usual day's range away" if ranges < 1e4 else ""
    more = f", and {len(by_row) - 1:,} more rows like it" if len(by_row) > 1 else ""
    return DataError(
        f"{context.place}: {cell.column} {cell.value:,g} on {at(row)} is "
        f"{times_in_words(cell.times)} the other prices of that day and the closes beside "
        f"it{away}, and {_volume(rows)}{more}. Nothing was imported.",
        hint=f"`--real-move {day}` if it was traded; else mend the file, `--drop {day}:{day}` to "
        "leave the day out, or --leave-out-bad-rows to leave out every such row",
    )
