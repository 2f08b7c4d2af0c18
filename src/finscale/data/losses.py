"""How many rows of a source were left out, why, and when that is too many to go on."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Sequence

import polars as pl

from finscale.data import calendar
from finscale.data.bars import PRICES, Repair, present
from finscale.data.mending import Context
from finscale.errors import DataError

#: Share of the bars that may be lost without asking, and how many always may.
# A year has up to ten holidays, 3.8 % of its weekdays, which some files keep as empty rows.
_MOST_LOST = 0.04
_FEW_ROWS = 3
#: How the reasons of repairs end that leave a row out, and begin where its session is not over.
LEFT_OUT, UNFINISHED = "left out", "the session is not over"


def refuse_losses(
    before: pl.DataFrame, kept: pl.DataFrame, repairs: Sequence[Repair], context: Context
) -> None:
    """Raise if more than a few per cent of the bars, or the newest ones, were left out.

    Days without a session, sessions that are not over, and a row without any price at the end
    (a vendor's row for today) are no loss.

    Raises
    ------
    DataError
        With the count, the reasons and the options; not if the user has said ``leave_out``.
    """
    lost = _lost_days(before, kept, context)
    newest = [day for day in lost if day > kept["date"][-1]]
    if len(newest) == 1 and newest[0] in _empty_days(before):
        newest = []
    num_days = before["date"].n_unique()
    if context.leave_out or not (newest or len(lost) > max(_FEW_ROWS, _MOST_LOST * num_days)):
        return
    why = grouped([r for r in repairs if r.date in set(lost)])
    if newest and len(lost) <= max(_FEW_ROWS, _MOST_LOST * num_days):
        since = f", from {newest[0]}" if len(newest) > 1 else f", of {newest[0]},"
        bars = f"the newest {len(newest):,} bars" if len(newest) > 1 else "the newest bar"
        said = f"{bars}{since} cannot be used"
    else:
        at_end = f", the newest {len(newest):,} among them" if newest else ""
        said = f"{len(lost):,} of {num_days:,} bars cannot be used{at_end}"
    raise DataError(
        f"{context.place}: {said} ({why}). Nothing was imported.", hint=_hint(before, lost, kept)
    )


def empty_hint(rows: pl.DataFrame) -> str:
    """Return what to do where no row at all can be used."""
    return _hint(rows, rows["date"].to_list(), None)


def num_left_out(repairs: Sequence[Repair]) -> int:
    """Return how many rows repairs have left out."""
    return sum(repair.reason.endswith(LEFT_OUT) for repair in repairs)


def left_out_in_words(repairs: Sequence[Repair], num_rows: int) -> str:
    """Say how many rows of a source were left out, and why; nothing where none was.

    Examples
    --------
    >>> left_out_in_words([Repair(3, None, "open is 0: row left out")], 20)
    '1 of 20 rows: open is 0'
    """
    gone = [repair for repair in repairs if repair.reason.endswith(LEFT_OUT)]
    return f"{len(gone):,} of {num_rows:,} rows: {grouped(gone)}" if gone else ""


def stale_in_words(rows: pl.DataFrame) -> str:
    """Say how many bars repeat the close before without any trade; nothing where none does."""
    if "volume" not in rows.columns or not (rows["volume"] > 0).any():
        return ""
    prices = present(rows, PRICES)
    still = pl.all_horizontal(pl.col(price) == pl.col("close").shift(1) for price in prices)
    count = rows.select((still & (pl.col("volume") == 0)).sum()).item()
    if not count:
        return ""
    bars = "1 bar of volume 0 repeats" if count == 1 else f"{count:,} bars of volume 0 repeat"
    return f"{bars} the close before, as in a halt"


def grouped(repairs: Collection[Repair]) -> str:
    """Return the reasons of repairs, the frequent ones first, with their counts."""
    counts = Counter(_kind(repair.reason) for repair in repairs)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{kind} ({count:,})" for kind, count in counts.most_common())


def _kind(reason: str) -> str:
    """Return a reason without its own numbers and days."""
    kind = reason.rpartition(": ")[0] or reason
    kind = re.sub(r" on this \w+$", "", kind)
    kind = re.sub(r"-(?:\d[\d,]*)(?:\.\d+)?(?:e[-+]?\d+)?", "below 0", kind)
    kind = re.sub(r"\b(?!0\b)\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", "…", kind)
    return re.sub(r" … times, ", " several times, ", kind)


def _lost_days(before: pl.DataFrame, kept: pl.DataFrame, context: Context) -> list[dt.date]:
    gone = before.filter(~pl.col("date").is_in(kept["date"].implode()))
    gone = gone.filter(pl.col("date") < calendar.unfinished(context.calendar, context.now))
    days = set(gone["date"])
    if not days:
        return []
    if context.calendar != calendar.NONE:
        days &= set(calendar.sessions(context.calendar, min(days), max(days)))
    else:
        days -= {day for day in _empty_days(gone) if day.weekday() >= 5}
    return sorted(days)


def _empty_days(rows: pl.DataFrame) -> set[dt.date]:
    """Return the days whose rows hold no price at all."""
    return set(rows["date"]) - set(
        rows.filter(pl.any_horizontal(_has(present(rows, PRICES))))["date"]
    )


def _has(columns: Sequence[str]) -> list[pl.Expr]:
    return [(pl.col(c).is_finite() & (pl.col(c) > 0)).fill_null(False) for c in columns]


def _hint(rows: pl.DataFrame, lost: Collection[dt.date], kept: pl.DataFrame | None) -> str:
    """Return the options that fit what is missing."""
    mine = rows.filter(pl.col("date").is_in(pl.Series(sorted(lost)).implode()))
    closes = mine.select(_has(["close"])[0].mean()).item()
    ranges = present(mine, ("open", "high", "low"))
    others = mine.select(pl.all_horizontal(_has(ranges)).mean()).item() if ranges else closes
    ways = []
    if closes > 0.9 and others < 0.1:
        ways.append("--fill-from-close takes the close where open, high or low has no value")
    if closes > 0.9 and others > 0.9 and "adj_close" in rows.columns:
        ways.append(
            "fetch the whole file again, --fill-from-close takes the close where the adjusted "
            "close beside the gap equals it"
        )
    if kept is not None:
        ways.append(f"--leave-out-bad-rows imports the other {kept.height:,}")
    return ", or ".join(ways)
