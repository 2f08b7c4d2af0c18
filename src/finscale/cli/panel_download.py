"""``finscale data download`` of a source that comes as one archive, or whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from finscale.cli.options import console, progress_bar
from finscale.errors import ConfigError

if TYPE_CHECKING:
    from finscale.data.sources import Source
    from finscale.data.store import DataStore

_TOGETHER = 50


def symbols_of(source: Source) -> list[str]:
    """Return every symbol of a source.

    Raises
    ------
    ConfigError
        If that is not a fixed list.
    """
    if not source.symbols:
        raise ConfigError(
            f"the source {source.name} has no list of symbols: which ones?",
            hint=f"finscale data download SPY DIA --source {source.name}",
        )
    return list(source.symbols)


def download_panel(
    source: Source, symbols: Sequence[str] | None, store: DataStore, *, quiet: bool
) -> None:
    """Fetch the archive, register the bars of its symbols, and write its universe.

    Stopped and started again, the archive goes on where it was broken off, and bars that are there
    are left alone.
    """
    from rich.progress import DownloadColumn, MofNCompleteColumn

    from finscale.data.bars import normal_symbol
    from finscale.files import atomic_path

    terminal = console(quiet=quiet)
    assert source.panel is not None
    hidden = not terminal.is_terminal
    with progress_bar(terminal, DownloadColumn(), disable=hidden) as progress:
        task = progress.add_task(source.name, total=None)
        panel = source.panel(
            store.root / "archives",
            told=lambda done, total: progress.update(task, completed=done, total=total or None),
        )
    wanted = [normal_symbol(symbol) for symbol in symbols or panel.symbols]
    before, rows = len(store.raw.entries()), 0
    with progress_bar(terminal, MofNCompleteColumn(), disable=hidden) as progress:
        task = progress.add_task(source.name, total=len(wanted))
        for first in range(0, len(wanted), _TOGETHER):
            lot = [panel.bars(symbol) for symbol in wanted[first : first + _TOGETHER]]
            rows += sum(entry.rows for entry in store.add_all_bars(lot))
            progress.advance(task, len(lot))
    path = store.root / "universes" / f"{source.name}.yaml"
    with atomic_path(path) as temporary:
        # JSON is YAML
        temporary.write_text(json.dumps(panel.universe, indent=0, ensure_ascii=False) + "\n")
    new = len(store.raw.entries()) - before
    terminal.print(
        f"{source.name}      {len(wanted):,} symbols ({new:,} new) · {rows:,} bars · universe "
        f"{source.name} in {path}"
    )
    if panel.universe.get("survivors"):
        terminal.print(
            "careful    all members are known to have lived to the end: returns are those of "
            "survivors"
        )
