"""Single prices out of scale: pence among pounds, a slipped decimal point, a high of 100 times.

A price belongs to its surroundings if a chain of prices leads from the closes of the day before
and the day after to it, each less than five times the one before it. Prices fall that far in a day
and stay there (the day after is near then); they do not go there and back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.data.bars import PRICES, Repair, present
from finscale.data.mending import Context, Mended, at
from finscale.data.ticks import coarse_tick, few_ticks
from finscale.errors import DataError

#: Links of the chain. On 20 US series and the VIX of 1962–2026 the furthest real price (PG in the
#: flash crash of 2010) needs 1.5; two typing errors of the VIX's publisher need 3.3 and 5.3.
_FAR = 5.0
#: From here on a price is worth a notice.
_UNUSUAL = 2.5
# A price brought back to scale lies this near to the prices around it; a whole row, whose four
# prices agree on the unit, this near to the closes beside it.
_NEAR, _NEAR_ROW = 1.1, 1.25
# Decimal points slip by up to three places, and units differ by as much; what is further out of
# scale (0.01 where a vendor has no price) is no price at all.
_MOST_PLACES = 3
# More rows than this share do not slip: the file mixes two units.
_MOST_SLIPS = 0.02
_FEW_ROWS = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OffScale:
    """A price far from those around it."""

    row: int
    """Position among the rows."""
    column: str
    value: float
    times: float
    """The price over the median of those around it."""
    mended: float | None
    """The price divided by a power of ten, where that brings it back among the others."""

    def __str__(self) -> str:
        return f"{self.column} {self.value:,g} is {times_in_words(self.times)} the prices around it"


def off_scale(rows: pl.DataFrame, far: float | Floats = _FAR) -> list[OffScale]:
    """Return the prices that no chain links with the closes before and after.

    ``rows`` are in date order with positive ``open``, ``high``, ``low`` and ``close``, or closes
    alone; ``far`` is how many times two prices of one link differ at most, for all rows or for
    each.
    """
    prices = present(rows, PRICES)
    price_TP = rows.select(prices).to_numpy()
    if len(price_TP) < 2:
        return []
    close_T = price_TP[:, -1]
    nothing = [np.nan]
    around_TN = np.column_stack([np.r_[nothing, close_T[:-1]], np.r_[close_T[1:], nothing]])
    odd = _not_near(price_TP, around_TN, far)
    if not odd.size:
        return []
    price_TP, around_TN = price_TP[odd], around_TN[odd]
    far = np.broadcast_to(np.asarray(far, dtype=np.float64), len(close_T))[odd]
    member_TM = np.column_stack([around_TN, price_TP])
    linked_TM = np.isfinite(member_TM)
    linked_TM[:, 2:] = False
    tick = coarse_tick(close_T)
    link_T1 = np.log(np.broadcast_to(np.asarray(far, dtype=np.float64), len(price_TP)))[:, None]
    for _ in prices:  # a chain has at most four links
        for column in range(2, 2 + len(prices)):
            one_T1 = member_TM[:, [column]]
            near_TM = np.abs(np.log(one_T1 / member_TM)) < link_T1
            near_TM |= few_ticks(one_T1, member_TM, tick)
            linked_TM[:, column] |= (near_TM & linked_TM).any(axis=1)
    # a whole row without a day on both sides may as well be the first or last at another level
    linked_TM[~np.isfinite(around_TN).all(axis=1) & ~linked_TM[:, 2:].any(axis=1), 2:] = True
    found = []
    for row, column in np.argwhere(~linked_TM[:, 2:]).tolist():
        near = member_TM[row][linked_TM[row]]
        value = float(price_TP[row, column])
        times = value / float(np.median(near))
        places = round(np.log10(times))
        mended = value / 10.0**places
        margin = _NEAR if linked_TM[row, 2:].any() else _NEAR_ROW
        fits = (
            near.min() / margin < mended < near.max() * margin and 0 < abs(places) <= _MOST_PLACES
        )
        # division by a power of ten adds no digits
        found.append(
            OffScale(
                int(odd[row]),
                prices[column],
                value,
                times,
                float(f"{mended:.12g}") if fits else None,
            )
        )
    return found


def _not_near(price_TP: Floats, around_TN: Floats, far: float | Floats) -> NDArray[np.intp]:
    """Return the rows of which not every price is one link from a close beside it.

    All others are linked, and of most series those are nearly all.
    """
    link_T1 = np.log(np.broadcast_to(np.asarray(far, dtype=np.float64), len(price_TP)))[:, None]
    price_TP, around_TN = np.log(price_TP), np.log(around_TN)
    near_TP = np.abs(price_TP - around_TN[:, :1]) < link_T1
    near_TP |= np.abs(price_TP - around_TN[:, 1:]) < link_T1
    return np.flatnonzero(~near_TP.all(axis=1))


def mend_cells(rows: pl.DataFrame, context: Context) -> Mended:
    """Bring prices that are a power of ten out of scale back; refuse others out of scale.

    An open outside the day's range is left to the rule of ranges, which moves it to the edge.
    """
    found = [cell for cell in off_scale(rows) if rows["date"][cell.row] not in context.real]
    if "open" in rows.columns:
        outside = (rows["open"] > rows["high"]) | (rows["open"] < rows["low"])
        found = [c for c in found if c.mended or c.column != "open" or not outside[c.row]]
    slipped = {cell.row for cell in found}
    lost = {cell.row for cell in found if cell.mended is None}
    if len(slipped) > max(_FEW_ROWS, _MOST_SLIPS * rows.height):
        lost = slipped
    if lost and not context.leave_out:
        raise _refusal(rows, found, lost, context)
    repairs = []
    for cell in found:
        line, day = rows["line"][cell.row], rows["date"][cell.row]
        done = "row left out" if cell.row in lost else f"taken as {cell.mended:,g}"
        repairs.append(Repair(line, day, f"{cell}: {done}"))
    slips = [cell for cell in found if cell.row not in lost]
    rows = _with(rows, slips)
    if lost:
        rows = rows.filter(~pl.int_range(pl.len()).is_in(sorted(lost)))
    return rows, repairs


def unusual_prices(rows: pl.DataFrame) -> str:
    """Say which prices are strange and were kept; nothing where there are none."""
    cells = off_scale(rows, _UNUSUAL)
    some = "; ".join(f"{rows['date'][cell.row]} {cell}" for cell in cells[:3])
    return some + (f"; {len(cells) - 3:,} more" if len(cells) > 3 else "")


def _with(rows: pl.DataFrame, cells: list[OffScale]) -> pl.DataFrame:
    for column in PRICES:
        mine = {cell.row: cell.mended for cell in cells if cell.column == column}
        if mine:
            values: list[Any] = rows[column].to_list()
            for row, value in mine.items():
                values[row] = value
            rows = rows.with_columns(pl.Series(column, values, dtype=pl.Float64))
    num_prices = len(present(rows, PRICES))
    counts = Counter(cell.row for cell in cells)
    whole = [row for row, count in counts.items() if count == num_prices]
    if "adj_close" in rows.columns and whole:
        adjusted = rows["adj_close"].to_list()
        for row in whole:  # the adjusted close of a whole row in another unit is in that unit too
            before = adjusted[row - 1] if row else adjusted[row + 1]
            times = 10.0 ** round(np.log10(adjusted[row] / before))
            adjusted[row] = float(f"{adjusted[row] / times:.12g}")
        rows = rows.with_columns(pl.Series("adj_close", adjusted, dtype=pl.Float64))
    return rows


def _refusal(
    rows: pl.DataFrame, found: list[OffScale], lost: set[int], context: Context
) -> DataError:
    cell = next(cell for cell in found if cell.row in lost)
    row = rows.row(cell.row, named=True)
    day = row["date"]
    more = f", and {len(lost) - 1:,} more rows like it" if len(lost) > 1 else ""
    mixed = ": two units in one file" if cell.mended and len(lost) > 1 else ""
    return DataError(
        f"{context.place}: {cell.column} {cell.value:,g} on {at(row)} is "
        f"{times_in_words(cell.times)} the prices of that day and of those beside "
        f"it{more}{mixed}. Nothing was imported.",
        hint=f"mend the file, `--drop {day}:{day}` to leave the day out, --leave-out-bad-rows to "
        f"leave out every such row, or `--real-move {day}` if it was traded",
    )


def times_in_words(times: float) -> str:
    """Return how many times the prices around it a price is: ``1.5 times``, ``1/1.67 of``."""
    return f"{times:,.3g} times" if times > 1 else f"1/{1 / times:,.3g} of"
