"""Repair the rows of a source, rule by rule, and list every change."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl

from finscale.data import calendar
from finscale.data.bars import PRICES, Repair, present
from finscale.data.calendar_fit import check_foreign_days
from finscale.data.cells import mend_cells
from finscale.data.cut_off import drop_cut_off
from finscale.data.fill import fill_from_close
from finscale.data.losses import UNFINISHED, empty_hint, refuse_losses
from finscale.data.mending import Context, Mended, at, listed
from finscale.data.mending import drop as _drop
from finscale.data.signs import refuse_negative
from finscale.data.spikes import refuse_spikes
from finscale.errors import DataError

#: Share of rows that may contradict themselves. With more, the columns must be wrong, not the rows.
_MOST_CONTRADICTIONS = 0.5
_FEW_ROWS = 20

# A close this far outside low … high (log units) contradicts them: neither is to be believed.
_FAR_OUTSIDE = 0.25


def mend(rows: pl.DataFrame, context: Context) -> Mended:
    """Apply every rule of :data:`RULES` in order; refuse if that leaves too many rows out.

    ``rows`` have ``line`` (Int64, null where the source has none), ``date``, ``close``, ``open``,
    ``high`` and ``low`` or none of the three, and where the source has them ``adj_close`` and
    ``volume``; the columns in the file's order, so that a last line that is cut off is seen.
    Returned are the rows that remain, in date order, each date once, all prices positive, ``low`` ≤
    ``open`` and ``close`` ≤ ``high``; and the list of what was changed.

    Raises
    ------
    DataError
        If only the user can decide what is right, or no row remains.
    """
    rows = rows.sort("date", maintain_order=True)
    rows, repairs = drop_cut_off(rows, context)
    given = rows
    for rule in RULES:
        rows, made = rule(rows, context)
        repairs += made
        if rows.is_empty():
            reason = f": {made[-1]}" if made else ""
            raise DataError(
                f"{context.place} has no bar that can be used{reason}.", hint=empty_hint(given)
            )
    refuse_losses(given, rows, repairs, context)
    return rows, sorted(repairs, key=lambda r: (r.row is None, r.row or 0, r.date or dt.date.min))


def _drop_missing(rows: pl.DataFrame, context: Context) -> Mended:
    prices = [column for column in (*PRICES, "adj_close") if column in rows.columns]
    usable = pl.all_horizontal(pl.col(prices).is_finite().fill_null(False))

    def reason(row: dict[str, Any]) -> str:
        missing = [name for name in prices if _is_missing(row[name])]
        return f"no {'prices' if missing == prices else ', '.join(missing)}: row left out"

    return _drop(rows, ~usable, reason)


def _drop_not_positive(rows: pl.DataFrame, context: Context) -> Mended:
    prices = [column for column in (*PRICES, "adj_close") if column in rows.columns]

    def reason(row: dict[str, Any]) -> str:
        name = next(name for name in prices if row[name] <= 0)
        return f"{name} is {row[name]:g}: row left out"

    return _drop(rows, pl.any_horizontal(pl.col(prices) <= 0), reason)


def _mend_volume(rows: pl.DataFrame, context: Context) -> Mended:
    if "volume" not in rows.columns:
        return rows, []
    wrong = ~pl.col("volume").is_finite().fill_null(False) | (pl.col("volume") < 0)
    repairs = listed(
        rows,
        wrong,
        lambda r: (
            "no volume: set to 0"
            if _is_missing(r["volume"])
            else f"volume is {r['volume']:g}: set to 0"
        ),
    )
    return rows.with_columns(pl.when(wrong).then(0.0).otherwise("volume").alias("volume")), repairs


def _drop_duplicates(rows: pl.DataFrame, context: Context) -> Mended:
    repeated = rows.filter(pl.col("date").is_duplicated())
    if repeated.is_empty():
        return rows, []
    if repeated.height > max(_FEW_ROWS, rows.height // 2):
        day = repeated["date"][0]
        count = rows.filter(pl.col("date") == day).height
        raise DataError(
            f"{context.place} has {count} rows for {day} and more than one for most days.",
            hint="finscale reads daily bars of one symbol: resample intraday bars first, or, where "
            "rows of a day differ by a session or a kind, --where COLUMN=VALUE keeps one",
        )
    kept = [rows.filter(~pl.col("date").is_duplicated())]
    repairs = []
    for _, group in repeated.group_by("date", maintain_order=True):
        best, why = _best_of(rows, group, context)
        kept.append(group[best])
        repairs += [
            Repair(line, day, f"the date appears {group.height} times, {why}: this row left out")
            for index, (line, day) in enumerate(group.select("line", "date").iter_rows())
            if index != best
        ]
    return pl.concat(kept).sort("date"), repairs


def _best_of(rows: pl.DataFrame, group: pl.DataFrame, context: Context) -> tuple[int, str]:
    """Return which of the rows of one date to keep, and why."""
    values = [column for column in group.columns if column not in ("line", "date")]
    if group.select(values).n_unique() == 1:
        return 0, "with equal values"
    day = group["date"][0]
    if group.select(present(group, PRICES)).n_unique() > 1:
        closes = " and ".join(f"{close:g}" for close in group["close"])
        lines = ", ".join(str(line) for line in group["line"])
        raise DataError(
            f"{context.place} has different prices for {day} (rows {lines}: closes {closes}).",
            hint=f"delete the wrong row, or `--drop {day}:{day}` to leave the day out",
        )
    before = rows.filter(pl.col("date") < day)
    if "adj_close" in rows.columns and not before.is_empty():
        usual = before["adj_close"][-1] / before["close"][-1]
        distance = (group["adj_close"] / group["close"] / usual).log().abs()
        if distance.min() != distance.max():
            best = distance.arg_min()
            assert best is not None
            return best, "and the row kept is adjusted like the day before"
    return 0, "with equal prices (the first row is kept)"


def _drop_unfinished(rows: pl.DataFrame, context: Context) -> Mended:
    cut = calendar.unfinished(context.calendar, context.now)
    # east of the exchange it may already be tomorrow
    horizon = context.now.date() + dt.timedelta(days=1)
    future = rows.filter(pl.col("date") > max(cut, horizon))
    if not future.is_empty():
        line, day = future["line"][0], future["date"][0]
        row = f" (row {line})" if line is not None else ""
        raise DataError(
            f"{context.place} has a bar dated {day}, in the future{row}.",
            hint="if day and month are mixed up, name the order: --date-format %d/%m/%Y",
        )
    reason = f"{UNFINISHED}: partial bar left out"
    return _drop(rows, pl.col("date") >= cut, lambda row: reason)


def _drop_foreign_days(rows: pl.DataFrame, context: Context) -> Mended:
    if context.calendar == calendar.NONE:
        return rows, []
    known = calendar.sessions(context.calendar, rows["date"][0], rows["date"][-1])
    foreign = ~pl.col("date").is_in(pl.Series(known, dtype=pl.Date).implode())
    days = rows.filter(foreign)
    if days.is_empty():
        return rows, []
    other = check_foreign_days(
        rows, days, context.calendar, place=context.place, ask=context.ask_calendar
    )
    reason = f"no session of {context.calendar} on this {{day}}: row left out{other}"
    return _drop(rows, foreign, lambda row: reason.format(day=f"{row['date']:%A}"))


def _mend_ranges(rows: pl.DataFrame, context: Context) -> Mended:
    """Widen the range to hold the close, and pull the open into the range."""
    if "high" not in rows.columns:
        return rows, []
    crossed = pl.col("high") < pl.col("low")
    outside = {
        column: (pl.col(column) > pl.col("high")) | (pl.col(column) < pl.col("low"))
        for column in ("open", "close")
    }
    wrong = rows.filter(crossed | outside["open"] | outside["close"])
    if wrong.height > max(_MOST_CONTRADICTIONS * rows.height, _FEW_ROWS):
        raise DataError(
            f"{context.place}: open or close lies outside low … high in {wrong.height:,} of "
            f"{rows.height:,} rows.",
            hint="are the columns named rightly? open, high, low and close are read by name",
        )
    rows, repairs = _drop(
        rows, crossed, lambda r: f"high {r['high']:g} is below low {r['low']:g}: row left out"
    )
    rows, contradicted = _leave_contradicted(rows, context)
    repairs += contradicted
    repairs += listed(
        rows,
        outside["close"],
        lambda r: f"close {r['close']:g} is outside {_range(r)}: range widened to hold it",
    )
    rows = rows.with_columns(
        pl.max_horizontal("high", "close").alias("high"),
        pl.min_horizontal("low", "close").alias("low"),
    )
    repairs += listed(
        rows,
        outside["open"],
        lambda r: f"open {r['open']:g} is outside {_range(r)}: moved to its edge",
    )
    return rows.with_columns(pl.col("open").clip(pl.col("low"), pl.col("high"))), repairs


def _leave_contradicted(rows: pl.DataFrame, context: Context) -> Mended:
    """Refuse a close far outside the range of its day, or leave the row out as the user wishes."""
    outside = pl.max_horizontal(
        (pl.col("close") / pl.col("high")).log(), (pl.col("low") / pl.col("close")).log()
    )
    wrong = (outside > _FAR_OUTSIDE) & ~pl.col("date").is_in(
        pl.Series(list(context.real), dtype=pl.Date).implode()
    )
    rest, repairs = _drop(
        rows, wrong, lambda r: f"close {r['close']:g} is far outside {_range(r)}: row left out"
    )
    if repairs and not context.leave_out:
        row = rows.filter(wrong).row(0, named=True)
        day, more = row["date"], f", and {len(repairs) - 1:,} more rows like it"
        raise DataError(
            f"{context.place}: close {row['close']:g} on {at(row)} lies far outside {_range(row)} "
            f"of that day{more * (len(repairs) > 1)}. Nothing was imported.",
            hint=f"mend the file, `--drop {day}:{day}` to leave the day out, --leave-out-bad-rows "
            f"to leave out every such row, or `--real-move {day}` if the close is right",
        )
    return rest, repairs


#: The rules in the order in which they apply; each returns the rows that remain and what it did.
RULES = (
    fill_from_close,
    refuse_negative,
    _drop_missing,
    _drop_not_positive,
    _drop_unfinished,
    _drop_duplicates,
    _drop_foreign_days,
    _mend_volume,
    mend_cells,
    _mend_ranges,
    refuse_spikes,
)


def _is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _range(row: dict[str, Any]) -> str:
    return f"low {row['low']:g} … high {row['high']:g}"
