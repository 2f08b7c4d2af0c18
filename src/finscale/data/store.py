"""The data folder: raw bars and processed frames, each with its manifest."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack

import polars as pl

from finscale.data.bars import Bars, file_name, normal_symbol, read_bars, write_bars
from finscale.data.manifest import (
    Addition,
    FileFacts,
    Kind,
    ManifestEntry,
    ManifestStore,
    Mismatch,
)
from finscale.data.parquet import EncodedFrame, encode_frame
from finscale.errors import DataError, listed, nearest


class FrameFacts(TypedDict):
    """Facts about a frame that is added; ``id`` to ``timescale`` as in ``ManifestEntry``."""

    id: str
    kind: Kind
    symbol: str
    tier: str
    timescale: str
    parents: Sequence[ManifestEntry]
    """What the frame was made from, at least one."""
    declared: NotRequired[str]
    """Digest of the tier's declarations."""
    series: NotRequired[tuple[str, ...]]
    """Series whose features are in it."""
    adjustment: NotRequired[str]
    """What has been done to the frame's prices (``Bars.adjusted_to`` where they come from
    ``Bars.adjusted``); that of the first parent when absent."""


class DataStore:
    """Bars in ``root/raw``, features and datasets in ``root/processed``; all reads are verified.

    Parameters
    ----------
    root : Path or str
        The data folder; created when first written to.
    """

    def __init__(self, root: Path | str = "data") -> None:
        self.root = Path(root)
        self.raw = ManifestStore(self.root / "raw")
        self.processed = ManifestStore(self.root / "processed")

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that have bars, in the order in which they came."""
        return tuple(dict.fromkeys(e.symbol for e in self.raw.entries() if e.kind == "bars"))

    def has_bars(self, symbol: str) -> bool:
        """Tell whether bars of ``symbol`` are registered."""
        return self.raw.has(bars_id(symbol))

    def add_bars(self, bars: Bars) -> ManifestEntry:
        """Register bars; bars equal to the newest version's return that version.

        Bars that differ only in where they were read from are equal.
        """
        return self.add_all_bars([bars])[0]

    def add_all_bars(self, all_bars: Sequence[Bars]) -> list[ManifestEntry]:
        """Register bars of several symbols as :meth:`add_bars` does, all of them in one go."""
        known = [self._unchanged(bars) for bars in all_bars]
        changed = [bars for bars, entry in zip(all_bars, known, strict=True) if entry is None]
        additions = [_addition_of(bars) for bars in changed]
        added = iter(self.raw.register_all(additions) if additions else ())
        return [entry if entry is not None else next(added) for entry in known]

    def _unchanged(self, bars: Bars) -> ManifestEntry | None:
        """Return the newest version of a symbol's bars if it is equal."""
        if not self.has_bars(bars.symbol):
            return None
        newest = self.raw.get(bars_id(bars.symbol))
        intact = self.raw.is_intact(newest)
        return newest if intact and self.bars(bars.symbol).same_content(bars) else None

    def bars_entry(self, symbol: str, version: str | None = None) -> ManifestEntry:
        """Return the manifest entry of a symbol's bars.

        Raises
        ------
        DataError
            If there are none; the hint says how to get some.
        """
        symbol = normal_symbol(symbol)
        if not self.has_bars(symbol):
            hint = _ways_to_bars(symbol, self.symbols())
            raise DataError(f"{self.raw.folder} has no bars of {symbol}.", hint=hint)
        return self.raw.get(bars_id(symbol), version)

    def bars(self, symbol: str, version: str | None = None) -> Bars:
        """Return a symbol's bars, the newest unless a version is named; the digest is verified."""
        entry = self.bars_entry(symbol, version)
        return read_bars(self.raw.content(entry), str(self.raw.folder / entry.path))

    def add_frame(self, frame: pl.DataFrame, **about: Unpack[FrameFacts]) -> ManifestEntry:
        """Register a frame made from registered parents, as parquet under ``processed/vN``.

        It has a ``date`` column in order; the same frame gives the same bytes.
        """
        if frame.is_empty():
            raise DataError(f"{about['id']} would have no rows.")
        return self.add_encoded([(encode_frame(frame), about)])[0]

    def add_encoded(self, frames: Sequence[tuple[EncodedFrame, FrameFacts]]) -> list[ManifestEntry]:
        """Register encoded frames as :meth:`add_frame` does, all of them in one go."""
        return self.processed.register_all([_addition(*frame) for frame in frames])

    def frame(self, id: str, version: str | None = None) -> tuple[pl.DataFrame, ManifestEntry]:
        """Return a processed frame and its entry; the digest is verified."""
        entry = self.processed.get(id, version)
        return pl.read_parquet(io.BytesIO(self.processed.content(entry))), entry

    def verify(self) -> list[Mismatch]:
        """Return every missing, changed or unregistered file and every broken parentage."""
        found = [*self.raw.verify(), *self.processed.verify()]
        processed = self.processed.entries()
        registered = {entry.key: entry.sha256 for entry in (*self.raw.entries(), *processed)}
        for entry in processed:
            for key, sha256 in entry.parents.items():
                problem = f"was made from another content of {key}"
                if key not in registered:
                    problem = f"was made from {key}, which is not registered"
                if registered.get(key) != sha256:
                    found.append(Mismatch(self.processed.folder / entry.path, entry.key, problem))
        return found


def _ways_to_bars(symbol: str, known: Sequence[str]) -> str:
    """Return how to get a symbol's bars: the nearest name that is here or ships along first."""
    from finscale.data.sources import SOURCES

    if symbol.endswith((".YAML", ".YML", ".CSV", ".PARQUET", ".XLSX", ".JSON")):
        return f"a symbol is asked for, and {symbol.lower()} looks like a file; here: " + (
            listed(known) or "none yet"
        )
    shipped = {name: source for source in SOURCES.values() for name in source.symbols}
    ways = []
    near = nearest(symbol, [*known, *shipped])
    if near is not None and near != symbol:
        ways.append(f"Did you mean {near}?")
        if near not in known:
            verb = f"finscale data download {near} --source {shipped[near].name}"
            ways[0] = f"Did you mean {near} ({verb})?"
    elif known:
        ways.append(f"Here: {listed(known)}.")
    bundled = f" --source {shipped[symbol].name}" if symbol in shipped else ""
    word = shlex.quote(symbol)
    ways.append(
        f"finscale data download {word}{bundled} fetches it, finscale data import FILE --symbol "
        f"{word} reads a file"
    )
    return " ".join(ways)


def bars_id(symbol: str) -> str:
    """Return the manifest id of a symbol's bars."""
    return f"{normal_symbol(symbol)}.OHLCV.daily"


def dataset_id(
    symbol: str,
    tier: str,
    timescale: str,
    kind: Kind = "dataset",
    *,
    series: Sequence[str] = (),
) -> str:
    """Return the manifest id of a symbol's dataset (or features) at a tier and timescale.

    Examples
    --------
    >>> dataset_id("spy", "a20", "weekly", series=["VIXCLS"])
    'SPY.dataset.a20.weekly+VIXCLS'
    """
    suffix = "" if timescale == "daily" else f".{timescale}"
    beside = "".join(f"+{name}" for name in series)
    return f"{normal_symbol(symbol)}.{kind}.{tier}{suffix}{beside}"


def _addition(encoded: EncodedFrame, about: FrameFacts) -> Addition:
    first = about["parents"][0]
    scale = "" if about["timescale"] == "daily" else f"_{about['timescale']}"
    beside = "".join(f"+{name}" for name in about.get("series", ()))
    name = f"{file_name(about['symbol'])}_{about['kind']}_{about['tier']}{scale}{beside}.parquet"
    facts = {
        "adjustment": first.adjustment,
        **about,
        "rows": encoded.rows,
        "first_date": encoded.first_date,
        "last_date": encoded.last_date,
        # a report says of each series whether its values are those of their day
        "source": " + ".join(
            [first.source]
            + [f"{one.symbol} {one.adjustment}" for one in about["parents"] if one.kind == "series"]
        ),
        "parents": {parent.key: parent.sha256 for parent in about["parents"]},
    }
    return Addition(
        FileFacts.model_validate(facts),
        path=lambda version: f"{version}/{name}",
        write=lambda path: path.write_bytes(encoded.content),
        digests=encoded.digests,
    )


def _addition_of(bars: Bars) -> Addition:
    facts = FileFacts(
        id=bars_id(bars.symbol),
        kind="bars",
        symbol=bars.symbol,
        timescale="daily",
        rows=len(bars),
        first_date=bars.first_date,
        last_date=bars.last_date,
        adjustment=bars.adjustment,
        source=bars.source,
    )
    return Addition(
        facts,
        # the first version lies beside the manifest, later ones below
        path=lambda version: f"{version}/{file_name(bars.symbol)}.parquet".removeprefix("v1/"),
        write=lambda path: write_bars(bars, path),
    )
