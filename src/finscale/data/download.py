"""Resumable downloads that fetch only new bars."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from finscale.data import calendar
from finscale.data.acceptance import Wishes, accept
from finscale.data.bars import Bars, real_moves
from finscale.data.manifest import ManifestEntry
from finscale.data.sources import SOURCES, fetch_bars
from finscale.data.store import DataStore

_OVERLAP = dt.timedelta(days=30)
_SAME = 1e-6


@dataclass(frozen=True)
class Download:
    """What a download did for one symbol."""

    entry: ManifestEntry
    action: Literal["fetched", "topped up", "fetched anew", "kept"]
    new_bars: int


def download(store: DataStore, symbol: str, *, source: str = "yahoo", **options: Any) -> Download:
    """Bring a symbol's bars up to date.

    A symbol without bars is fetched whole. One with bars from the same source gets the sessions
    that are missing at its end; if the overlap shows that older bars or their adjustment have
    changed since (a split, a dividend, a correction), the whole series is fetched anew.

    Parameters
    ----------
    store : DataStore
        Where the bars are registered.
    symbol : str
        Such as SPY.
    source : str
        Registered source; one without a ``start`` option is always fetched whole.
    **options
        Of the source.
    """
    if not store.has_bars(symbol):
        return _fetch_whole(store, symbol, source, options, "fetched")
    entry = store.bars_entry(symbol)
    old = store.bars(symbol)
    if old.source != source or not SOURCES[source].incremental:
        return _fetch_whole(store, symbol, source, options, "fetched anew")
    now = options.get("now") or dt.datetime.now(dt.UTC)
    if not _new_sessions(old, now):
        return Download(entry, "kept", 0)
    recent = fetch_bars(source, symbol, start=old.last_date - _OVERLAP, **options)
    joined = append(old, recent, now)
    if joined is None:
        return _fetch_whole(store, symbol, source, options, "fetched anew")
    if len(joined) == len(old):
        return Download(entry, "kept", 0)
    return Download(store.add_bars(joined), "topped up", len(joined) - len(old))


def append(old: Bars, recent: Bars, now: dt.datetime) -> Bars | None:
    """Return ``old`` followed by the later bars of ``recent``, validated as one series.

    None is returned where the two disagree about the overlap, in any price or volume or in the
    days that have a bar: then the older bars or their adjustment are out of date.
    """
    if not _agree(old, recent):
        return None
    later = recent.frame.filter(pl.col("date") > old.last_date)
    rows = pl.concat([old.frame, later]).with_columns(line=pl.lit(None, pl.Int64))
    checked = accept(
        old.symbol,
        rows.drop("symbol"),
        Wishes(
            old.adjustment,
            calendar=old.provenance["calendar"],
            real_moves=sorted(real_moves(old)),
            now=now,
        ),
        source=old.source,
        place=f"{old.symbol} topped up",
        provenance=old.provenance,
    )
    new = tuple(r for r in recent.repairs if r.date is not None and r.date > old.last_date)
    return replace(checked, repairs=(*old.repairs, *new), provenance=old.provenance)


def _agree(old: Bars, recent: Bars) -> bool:
    """Tell whether both have the same bars on the days that both should cover."""
    first = max(old.first_date, old.last_date - _OVERLAP)
    if old.columns != recent.columns:
        return False
    within = pl.col("date").is_between(first, old.last_date)
    before, now = old.frame.filter(within), recent.frame.filter(within)
    if not before["date"].equals(now["date"]):
        return False
    # a relative tolerance, so a volume of 0 equals only 0
    return all(
        ((now[name] - before[name]).abs() <= _SAME * before[name]).all()
        for name in (*old.columns, "adj_close")
    )


def _fetch_whole(
    store: DataStore,
    symbol: str,
    source: str,
    options: dict[str, Any],
    action: Literal["fetched", "fetched anew"],
) -> Download:
    before = store.bars_entry(symbol) if store.has_bars(symbol) else None
    entry = store.add_bars(fetch_bars(source, symbol, **options))
    if entry == before:
        return Download(entry, "kept", 0)
    return Download(entry, action, entry.rows - (before.rows if before else 0))


def _new_sessions(old: Bars, now: dt.datetime) -> bool:
    """Tell whether a session has ended since the last bar."""
    name = old.provenance.get("calendar", calendar.NONE)
    last = calendar.unfinished(name, now) - dt.timedelta(days=1)
    first = old.last_date + dt.timedelta(days=1)
    if name == calendar.NONE:
        return first <= last
    return first <= last and bool(calendar.sessions(name, first, last))
