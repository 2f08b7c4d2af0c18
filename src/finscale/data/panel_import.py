"""Bring a panel in: each symbol is checked by itself, and refuses itself alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from finscale.config.universes import Universe
from finscale.data.acceptance import Wishes, accept, wishes_from
from finscale.data.bars import Bars, Repair, normal_symbol
from finscale.data.losses import grouped
from finscale.data.manifest import ManifestEntry
from finscale.data.panel_table import PanelTable, date_wishes, read_panel
from finscale.data.sources import fetch_bars
from finscale.data.store import DataStore
from finscale.errors import DataError, FinscaleError

#: Symbols that are registered together: stopped, the next call goes on after the last such lot.
_TOGETHER = 50
#: So many symbols are named, and more are counted.
_FEW = 6
#: Rows of which one price throughout cannot be believed.
_MONTH = 20
_SUFFIX = re.compile(r"(\.(csv|tsv|txt|parquet|feather|arrow|json|xlsx?|gz|zip))+$", re.IGNORECASE)

#: Told how many symbols are done, of how many, and which one is next.
Told = Callable[[int, int, str], None]


@dataclass
class PanelImport:
    """What became of each symbol of a panel."""

    notes: dict[str, str] = field(default_factory=dict)
    """How the table was read."""
    entries: dict[str, ManifestEntry] = field(default_factory=dict)
    """Symbol → its registered bars."""
    new: set[str] = field(default_factory=set)
    """Symbols whose bars are new."""
    repairs: dict[str, tuple[Repair, ...]] = field(default_factory=dict)
    """Symbol → what was changed; of those that have any."""
    refused: dict[str, FinscaleError] = field(default_factory=dict)
    """Symbol → why it was not imported."""

    def reasons(self) -> list[tuple[str, int, int]]:
        """Return each kind of repair with how many symbols and rows had it, the frequent first."""
        symbols: dict[str, set[str]] = defaultdict(set)
        rows: dict[str, int] = defaultdict(int)
        for symbol, repairs in self.repairs.items():
            for repair in repairs:
                kind = grouped([repair])
                symbols[kind].add(symbol)
                rows[kind] += 1
        order = sorted(rows, key=lambda kind: (-rows[kind], kind))
        return [(kind, len(symbols[kind]), rows[kind]) for kind in order]

    def refusals(self) -> list[tuple[tuple[str, ...], FinscaleError]]:
        """Return the symbols that share a reason, with the first one's error, the many first.

        Reasons are shared that differ by the symbol's name and by numbers alone.
        """
        alike: dict[str, list[str]] = defaultdict(list)
        for symbol, error in self.refused.items():
            name = rf"(?<!\w){re.escape(symbol)}(?!\w)"
            message = re.sub(name, "SYMBOL", error.message)
            alike[re.sub(r"\d+", "0", message)].append(symbol)
        shared = sorted(alike.values(), key=len, reverse=True)
        return [(tuple(symbols), self.refused[symbols[0]]) for symbols in shared]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            "read": self.notes,
            "imported": [
                {**entry.model_dump(mode="json"), "new": symbol in self.new}
                for symbol, entry in self.entries.items()
            ],
            "repairs": [
                {"symbol": symbol, "row": r.row, "date": r.date and str(r.date), "reason": r.reason}
                for symbol, repairs in self.repairs.items()
                for r in repairs
            ],
            "refused": [
                {"symbol": symbol, "error": error.message, "hint": error.hint}
                for symbol, error in self.refused.items()
            ],
        }


def import_panel(
    path: Path,
    store: DataStore,
    *,
    told: Told = lambda *done: None,
    universe: Universe | None = None,
    **options: Any,
) -> PanelImport:
    """Check and register every symbol of a file.

    Parameters
    ----------
    path : Path
        As :func:`finscale.data.panel_table.read_panel` takes it.
    store : DataStore
        Where bars are registered.
    told : callable, optional
        Told how far it is.
    universe : Universe, optional
        Whose members are imported, and no other symbol; each is held to the calendar that the
        universe has for it, or where that has none to the one of ``options``.
    **options
        ``date_format``, ``century`` and the fields of :class:`finscale.data.acceptance.Wishes`.

    Raises
    ------
    DataError
        If the file is no panel. What is wrong with one symbol is in ``refused``.
    """
    wishes, dates = _wishes(options)
    panel = read_panel(path, dates)
    parts = panel.rows.partition_by("symbol", maintain_order=True)
    found = dict(zip(panel.symbols, parts, strict=True))
    made = PanelImport(panel.notes)
    wanted = _members(found, universe, made, path)
    calendars = {} if universe is None else universe.calendars
    checked = (
        (symbol, _attempt(partial(_checked, symbol, found[symbol], panel, wishes, calendars)))
        for symbol in wanted
    )
    return _registered(made, checked, len(wanted), store, told)


def import_folder(
    folder: Path,
    store: DataStore,
    *,
    told: Told = lambda *done: None,
    universe: Universe | None = None,
    **options: Any,
) -> PanelImport:
    """Check and register the bars of every file of a folder; the file's name is the symbol.

    A plain table is read at once; any other the way that ``finscale data import`` reads one file.
    ``universe`` is taken as :func:`import_panel` takes it.

    Raises
    ------
    DataError
        If the folder holds no file. What is wrong with one file is in ``refused``.
    """
    wishes, dates = _wishes(options)
    files = {f: symbol for f in sorted(folder.iterdir()) if (symbol := symbol_of(f)) is not None}
    if not files:
        raise DataError(f"{folder} holds no file of bars.", hint="CSV, parquet, Arrow, JSON, Excel")

    shared = {s: [f.name for f in files if files[f] == s] for s in files.values()}
    for symbol, names in shared.items():
        if len(names) > 1:
            raise DataError(
                f"{folder} has several files of {symbol}: {', '.join(names)}.",
                hint="leave one of them in the folder",
            )

    made = PanelImport({"panel": f"{len(files):,} files of {folder}, one a symbol"})
    wanted = {s: f for f, s in files.items()}
    wanted = {s: wanted[s] for s in _members(wanted, universe, made, folder)}
    calendars = {} if universe is None else universe.calendars

    def one(file: Path, symbol: str) -> Bars:
        symbol = normal_symbol(symbol)
        try:
            panel = read_panel(file, dates, symbol=symbol)
            if panel.rows["bad"].null_count() < panel.rows.height:
                raise DataError("")
        except DataError:
            # not plain: the reader of single files knows every layout
            own = {"calendar": calendars[symbol]} if symbol in calendars else {}
            return fetch_bars("csv", symbol, file=file, **{**options, **own})
        return _checked(symbol, panel.rows, panel, wishes, calendars)

    checked = ((symbol, _attempt(partial(one, file, symbol))) for symbol, file in wanted.items())
    left = [f.name for f in sorted(folder.iterdir()) if f not in files and f.name[0] != "."]
    if left:
        more = f" … {len(left) - 4:,} more" if len(left) > 4 else ""
        made.notes["not read"] = ", ".join(left[:4]) + more
    return _registered(made, checked, len(wanted), store, told)


def symbol_of(file: Path) -> str | None:
    """Return the symbol that a file's name says; None for what is no file of bars.

    Examples
    --------
    >>> symbol_of(Path("brk.b.csv.gz")), symbol_of(Path(".DS_Store"))
    ('BRK.B', None)
    """
    name = _SUFFIX.sub("", file.name)
    if file.is_dir() or file.name.startswith(".") or name == file.name:
        return None
    return name.upper()


def _wishes(options: dict[str, Any]) -> tuple[Wishes, Any]:
    own = {name: options[name] for name in options if name not in ("date_format", "century")}
    wishes = wishes_from(own, "csv")
    dates = date_wishes(
        options.get("date_format"), options.get("century"), wishes.calendar, wishes.now
    )
    return wishes, dates


def _attempt(make: Callable[[], Bars]) -> Bars | FinscaleError:
    try:
        return make()
    except FinscaleError as error:
        return error


def _members(
    found: Iterable[str], universe: Universe | None, made: PanelImport, place: Path
) -> list[str]:
    """Return the symbols to import, and note who is left out and who is missing."""
    found = list(found)
    if universe is None:
        return found
    members = set(universe.symbols)
    wanted = [symbol for symbol in found if normal_symbol(symbol) in members]
    if not wanted:
        raise DataError(
            f"{place} has no member of universe {universe.name}.",
            hint=f"it has {_named(found)}; the universe {_named(members)}",
        )
    left = [symbol for symbol in found if symbol not in wanted]
    if left:
        made.notes["no member"] = f"{_named(left)}: not imported"
    missing = members.difference(map(normal_symbol, wanted))
    if missing:
        made.notes["missing"] = f"{_named(missing)}: members without bars here"
    return wanted


def _named(symbols: Iterable[str]) -> str:
    """Return few symbols by name, and the number of many."""
    names = sorted(symbols)
    return ", ".join(names) if len(names) <= _FEW else f"{len(names):,} symbols"


def _checked(
    symbol: str,
    part: pl.DataFrame,
    panel: PanelTable,
    wishes: Wishes,
    calendars: dict[str, str],
) -> Bars:
    symbol, place = normal_symbol(symbol), f"{symbol} in {panel.place}"
    if symbol in calendars:
        wishes = replace(wishes, calendar=calendars[symbol], ask_calendar=False)
    bad = part.filter(pl.col("bad").is_not_null())
    if bad.height:
        line, cell = bad["line"][0], bad["bad"][0]
        raise DataError(
            f"{place} row {line}: {cell} is not a number.",
            hint="finscale data import FILE --symbol NAME reads numbers written in other ways",
        )
    rows = part.drop("symbol", "bad")
    if rows.height >= _MONTH and rows["close"].n_unique() == 1:
        raise DataError(
            f"{place}: all {rows.height:,} closes are {rows['close'][0]:g}, which is no price.",
            hint="leave the column out of the file if it holds something else",
        )
    # a field that another symbol has and this one does not is absent here
    others = [name for name in rows.columns if name not in ("line", "date", "close")]
    absent = [name for name in others if rows[name].null_count() == rows.height]
    provenance = {"file": panel.place, **panel.notes}
    return accept(
        symbol,
        rows.drop(absent),
        wishes,
        source="csv",
        place=place,
        provenance=provenance,
        last_line=-1,  # which symbol's row is the file's last says nothing
    )


def _registered(
    made: PanelImport,
    checked: Iterable[tuple[str, Bars | FinscaleError]],
    total: int,
    store: DataStore,
    told: Told,
) -> PanelImport:
    for lot in _lots(checked, total, told):
        good = [bars for _, bars in lot if isinstance(bars, Bars)]
        known = {entry.key for entry in store.raw.entries()}
        for bars, entry in zip(good, store.add_all_bars(good), strict=True):
            made.entries[bars.symbol] = entry
            if entry.key not in known:
                made.new.add(bars.symbol)
            if bars.repairs:
                made.repairs[bars.symbol] = bars.repairs
        made.refused |= {s: bars for s, bars in lot if isinstance(bars, FinscaleError)}
    return made


def _lots(
    checked: Iterable[tuple[str, Bars | FinscaleError]], total: int, told: Told
) -> Iterator[list[tuple[str, Bars | FinscaleError]]]:
    lot: list[tuple[str, Bars | FinscaleError]] = []
    for number, (symbol, bars) in enumerate(checked, 1):
        lot.append((symbol, bars))
        told(number, total, symbol)
        if len(lot) == _TOGETHER:
            yield lot
            lot = []
    if lot:
        yield lot
