"""``finscale data import`` of many symbols: a panel in one file, or a folder of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from finscale.cli.options import console, plain_table, print_json, progress_bar, say
from finscale.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finscale.data.panel_import import PanelImport

#: Options that say something of one file's layout; a panel's is found, or it is refused.
_SINGLE = (
    *("splits", "drop", "real_moves", "sheet", "member", "session_of"),
    *("columns", "format", "where", "ticker", "decimal", "keep"),
)
#: Symbols and reasons that are listed; all of them are in the JSON.
_SHOWN = 12
#: Symbols of one reason that are named.
_NAMED = 3


def import_many(
    path: Path,
    symbol_from: str | None,
    options: dict[str, Any],
    root: Path,
    *,
    universe: str | None = None,
    as_json: bool,
) -> None:
    """Import every symbol of a file or a folder; one that cannot be trusted is left out alone.

    Raises
    ------
    DataError
        If no symbol could be imported.
    """
    from rich.progress import MofNCompleteColumn

    from finscale.cli.stopping import IMPORTING, announced_stop
    from finscale.config.universes import read_universe
    from finscale.data.panel_import import import_folder, import_panel
    from finscale.data.store import DataStore

    read = import_folder if path.is_dir() else import_panel
    _check(path, symbol_from, options)
    wanted = {
        n: v for n, v in options.items() if n != "file" and n not in _SINGLE and v is not None
    }
    if universe is not None:
        wanted["universe"] = read_universe(universe, root)
    terminal = console(stderr=True)
    bar = progress_bar(terminal, MofNCompleteColumn(), disable=not terminal.is_terminal)
    with announced_stop(IMPORTING, IMPORTING), bar as progress:
        task = progress.add_task("import", total=None)

        def told(done: int, total: int, symbol: str) -> None:
            progress.update(task, completed=done, total=total, description=f"{symbol:<10}")

        made = read(path, DataStore(root), told=told, **wanted)
    if as_json:
        print_json(made.as_dict())
    else:
        _print(made)
    if not made.entries:
        symbol, error = next(iter(made.refused.items()))
        raise DataError(
            f"none of {len(made.refused):,} symbols was imported; {symbol}: {error.message}",
            hint=error.hint,
        )
    if made.refused and not as_json:
        raise typer.Exit(1)


def _check(path: Path, symbol_from: str | None, options: dict[str, Any]) -> None:
    if symbol_from not in (None, "name"):
        raise ConfigError(
            f"--symbol-from {symbol_from} is not known.", hint="--symbol-from name: the file's name"
        )
    if path.is_dir() and symbol_from is None:
        raise ConfigError(
            f"{path} is a folder: whose bars does each file hold?",
            hint="--symbol-from name takes each file's name as its symbol",
        )
    if symbol_from is not None and path.is_file():
        raise ConfigError(
            f"--symbol-from is for folders, and {path} is a file.",
            hint=f"--symbol {path.stem.upper()} says whose bars it holds",
        )
    if not path.exists():
        raise DataError(f"{path} does not exist.")
    single = [name for name in _SINGLE if options.get(name)]
    if single:
        flag = {"splits": "split", "real_moves": "real-move"}.get(single[0], single[0])
        raise ConfigError(
            f"--{flag.replace('_', '-')} is about one symbol's bars, and no --symbol is given.",
            hint="--symbol NAME says whose bars these are",
        )


def _print(made: PanelImport) -> None:
    """Print counts, one table of all repairs, and what was refused."""
    imported, new = made.entries, len(made.new)
    for name, note in made.notes.items():
        say(f"{name:<11}{note}")
    if imported:
        rows = sum(entry.rows for entry in imported.values())
        first = min(entry.first_date for entry in imported.values())
        last = max(entry.last_date for entry in imported.values())
        unchanged = f", {len(imported) - new:,} unchanged" if new < len(imported) else ""
        say(
            f"imported   {_count(len(imported), 'symbol')} ({new:,} new{unchanged}) · "
            f"{rows:,} bars · {first} – {last}"
        )
    reasons = made.reasons()
    if reasons:
        total = sum(rows for _, _, rows in reasons)
        say(f"repairs    {_count(total, 'row')} of {_count(len(made.repairs), 'symbol')}")
        table = [(kind, f"{symbols:,}", f"{rows:,}") for kind, symbols, rows in reasons[:_SHOWN]]
        console().print(plain_table(("what", "symbols", "rows"), table, left={"what"}))
        if len(reasons) > _SHOWN:
            say(f"           … {len(reasons) - _SHOWN:,} kinds more; --json has every row")
    elif imported:
        say("repairs    none")
    if made.refused:
        count = f"{len(made.refused):,} symbol{'s' * (len(made.refused) != 1)}"
        say(f"refused    {count}" + ("; the others are imported" if imported else ""))
        refusals = made.refusals()
        # with none imported and one reason for all, the error that ends the command says it
        told = refusals if imported or len(refusals) > 1 else []
        for symbols, error in told[:_SHOWN]:
            hint = f" ({error.hint})" if error.hint else ""
            say(f"           {_named(symbols)}: {error.message}{hint}")
        if len(told) > _SHOWN:
            left = sum(len(symbols) for symbols, _ in told[_SHOWN:])
            say(f"           … {left:,} symbols more; --json has all")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _named(symbols: Sequence[str]) -> str:
    """Name the symbols that share a reason: of many the first, and how many there are."""
    if len(symbols) <= _NAMED:
        return ", ".join(symbols)
    return f"{', '.join(symbols[:_NAMED])} and {len(symbols) - _NAMED:,} others, such as"
