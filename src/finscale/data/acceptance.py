"""Turn a source's rows into checked bars: drop, repair and adjust, and list every change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from finscale.data import calendar
from finscale.data.adjustment import SplitTerms, rounding_in_words, settle
from finscale.data.bars import (
    ADJUSTMENTS,
    CLOSES_ALONE,
    CLOSES_AND_VOLUME,
    PRICES,
    Adjustment,
    Bars,
    Repair,
    conform,
    present,
)
from finscale.data.cadence import check_declared, refuse_slow_bars
from finscale.data.cells import unusual_prices
from finscale.data.jumps import jumps_in_words
from finscale.data.losses import left_out_in_words, num_left_out, stale_in_words
from finscale.data.mending import Context
from finscale.data.misdated import refuse_misdated
from finscale.data.repairs import mend
from finscale.data.spikes import spikes_in_words
from finscale.data.ticks import ticks_in_words
from finscale.errors import DataError, did_you_mean

_LISTED = 5


@dataclass(frozen=True)
class Wishes:
    """What the user says about a source's rows; the options of ``finscale data import``."""

    adjustment: Adjustment | None = None
    """What has been done to open, high, low and close, where the rows do not tell."""
    splits: Sequence[SplitTerms] = ()
    """Splits that raw prices do not account for: first date at the new price, new shares for one
    old."""
    drop: Sequence[tuple[dt.date, dt.date]] = ()
    """Ranges of dates to leave out, both ends included."""
    real_moves: Sequence[dt.date] = ()
    """Jumps by a split's ratio that did happen in the market."""
    calendar: str = calendar.DEFAULT
    """Exchange calendar; bars on other days are left out. ``none`` accepts every day."""
    cadence: str | None = None
    """``daily`` says that bars which look weekly or monthly are sessions of their own."""
    leave_out_bad_rows: bool = False
    """Leave out rows that cannot be used, however many, and list them; else that is refused."""
    fill_from_close: bool = False
    """Take the close where open, high or low has no value."""
    ask_calendar: bool = False
    """Refuse bars that another exchange's calendar fits clearly better; set where the user named no
    calendar."""
    strict: bool = False
    """Refuse rows that need a repair instead of repairing them."""
    said_by: str = "the user"
    """Who says what has been done to the prices, for the summary: the user, or a column."""
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    """The present, with a zone: a session that is not over has no bar yet."""

    def __post_init__(self) -> None:
        if self.adjustment is not None and self.adjustment not in ADJUSTMENTS:
            raise DataError(
                f"{self.adjustment!r} is not an adjustment.",
                hint=did_you_mean(self.adjustment, ADJUSTMENTS),
            )
        calendar.check_calendar(self.calendar)
        check_declared(self.cadence)


def accept(
    symbol: str,
    rows: pl.DataFrame,
    wishes: Wishes,
    *,
    source: str,
    place: str,
    provenance: dict[str, str],
    repairs: Sequence[Repair] = (),
    last_line: int | None = None,
) -> Bars:
    """Return bars made from a source's rows, or raise with one sentence.

    ``rows`` are as :func:`finscale.data.repairs.mend` takes them; ``dividends`` may be among the
    columns. ``place`` is the file or address for messages; ``repairs`` are those that the source
    has made itself; ``last_line`` is the file's last, which may be cut off. How adjustment and
    calendar were decided is added to ``provenance``.

    Raises
    ------
    DataError
        If the rows cannot be trusted, or ``strict`` is set and something had to be repaired.
    """
    provenance = {**provenance, "calendar": wishes.calendar}
    for first, last in wishes.drop:
        inside = pl.col("date").is_between(first, last)
        count = rows.filter(inside).height
        if not count:
            raise DataError(f"{place} has no bars from {first} to {last} to drop.")
        provenance[f"dropped {first} – {last}"] = f"{count} bars, as the user wished"
        rows = rows.filter(~inside)
    refuse_misdated(rows, place=place)
    if wishes.cadence is None:
        refuse_slow_bars(rows["date"], what=place)
    else:
        provenance["cadence"] = "daily, as the user says"
    if not rows["date"].is_sorted():
        provenance["order"] = "newest first" if rows["date"].is_sorted(descending=True) else "mixed"
    num_rows = rows.height + num_left_out(repairs)
    rows, mended = mend(rows, _context(place, wishes, last_line))
    found = (*repairs, *mended)
    if wishes.strict and found:
        raise DataError(_strictly(found, place), hint="leave --strict away to repair and list them")
    columns = present(rows, (*PRICES, "volume"))
    if "high" not in columns:
        provenance["columns"] = CLOSES_AND_VOLUME if "volume" in columns else CLOSES_ALONE
    elif "volume" not in columns:
        provenance["volume"] = "none: 0 throughout"
    settled = settle(
        rows,
        place=place,
        declared=wishes.adjustment,
        splits=wishes.splits,
        real_moves=wishes.real_moves,
    )
    if wishes.real_moves:
        provenance["real moves"] = ", ".join(str(day) for day in wishes.real_moves)
    who = f"declared by {wishes.said_by}"
    said = {name: note.replace("declared by the user", who) for name, note in settled.notes.items()}
    notes = {
        **said,
        "left out": left_out_in_words(found, num_rows),
        "unusual": unusual_prices(settled.rows),
        "far prices": spikes_in_words(settled.rows),
        **jumps_in_words(settled.rows, "adj_close"),
        "tick": ticks_in_words(settled.rows["close"].to_numpy()),
        "rounding": rounding_in_words(settled.rows),
        "no trading": stale_in_words(settled.rows),
    }
    return Bars(
        symbol=symbol,
        frame=conform(symbol, settled.rows),
        adjustment=settled.adjustment,
        source=source,
        repairs=found,
        provenance={**provenance, **{name: note for name, note in notes.items() if note}},
        splits=settled.splits,
    )


def _context(place: str, wishes: Wishes, last_line: int | None) -> Context:
    return Context(
        place,
        wishes.calendar,
        wishes.now,
        real=wishes.real_moves,
        leave_out=wishes.leave_out_bad_rows,
        fill_from_close=wishes.fill_from_close,
        last_line=last_line,
        ask_calendar=wishes.ask_calendar,
    )


def wishes_from(options: dict[str, Any], source: str) -> Wishes:
    """Return wishes from a source's keyword options; an unknown option raises."""
    known = Wishes.__dataclass_fields__
    for name in options:
        if name not in known:
            raise DataError(
                f"the {source} source takes no option {name!r}.", hint=did_you_mean(name, known)
            )
    return Wishes(**{"ask_calendar": "calendar" not in options, **options})


def _strictly(repairs: Sequence[Repair], place: str) -> str:
    shown = "".join(f"\n       {repair}" for repair in repairs[:_LISTED])
    more = f"\n       … {len(repairs) - _LISTED:,} more" if len(repairs) > _LISTED else ""
    rows = "1 row needs" if len(repairs) == 1 else f"{len(repairs):,} rows need"
    return f"{place}: {rows} repair, and --strict was given. Nothing was imported.{shown}{more}"
