"""Options and lines that the verbs of ``finscale data`` share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli.options import say
from finscale.errors import DataError

if TYPE_CHECKING:
    from finscale.data.summary import Summary

_SHOWN = 10
LABEL = 11

Root = Annotated[
    Path,
    typer.Option("--data-root", file_okay=False, help="Folder that holds raw/ and processed/."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse rows that need a repair instead of repairing them.")
]
CalendarName = Annotated[
    str | None,
    typer.Option(
        "--calendar", help="Exchange calendar: XNYS, XLON …, or none to accept every day."
    ),
]
RealMoves = Annotated[
    list[str] | None,
    typer.Option(
        "--real-move",
        metavar="DATE",
        help="A day whose jump by a split's ratio, or strange price, did happen in the market. "
        "May be repeated.",
    ),
]
LeaveOutBadRows = Annotated[
    bool,
    typer.Option(
        "--leave-out-bad-rows",
        help="Leave out rows whose prices are missing or impossible, however many, and list them.",
    ),
]
FillFromClose = Annotated[
    bool,
    typer.Option(
        "--fill-from-close",
        help="Take the close where open, high or low is 0 or missing: index levels, funds.",
    ),
]


def print_summary(summary: Summary, folder: Path) -> None:
    """Print what is known of bars: range, adjustment, gaps, repairs and where they come from."""
    bars = summary.bars
    how = bars.provenance.get("adjustment") or bars.provenance.get("about", "")
    line(bars.symbol, f"{len(bars):,} bars · {bars.first_date} – {bars.last_date} · {bars.source}")
    line("adjustment", f"{bars.adjustment}{f' ({how})' if how else ''}")
    if bars.adjusted_to != bars.adjustment:
        line("", f"one factor, adj close / close, makes them {bars.adjusted_to}")
    if summary.gaps:
        line("gaps", f"{summary.num_missing:,} of {summary.sessions:,} sessions have no bar")
        _some(summary.gaps)
    else:
        against = "" if summary.calendar == "none" else f" against {summary.calendar}"
        line("gaps", f"none{against}")
    if bars.repairs:
        line("repairs", f"{len(bars.repairs):,}")
        _some(bars.repairs)
    else:
        line("repairs", "none")
    for name, value in bars.provenance.items():
        if name not in ("adjustment", "calendar", "adj_close", "file sha256") and value != how:
            line(name, value)


def read_date(text: str) -> dt.date:
    """Return a date that a person has given; raise with the form if it is none."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is not a date.", hint="write it as 2026-06-03") from None


def _some(things: Iterable[object]) -> None:
    things = list(things)
    for thing in things[:_SHOWN]:
        line("", str(thing))
    if len(things) > _SHOWN:
        line("", f"… {len(things) - _SHOWN:,} more; `finscale data show SYMBOL --json` has all")


def line(label: str, text: str) -> None:
    """Print a label and its text, one under the other with those before."""
    say(f"{label:<{LABEL}}{text}")
