"""``finscale data``: bring bars in, list them, look at them."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from finscale.cli.options import AsJson, Quiet, console, plain_table, print_json, progress_bar, say
from finscale.errors import DataError, FinscaleError

if TYPE_CHECKING:
    from finscale.data.bars import Bars
    from finscale.data.summary import Summary

T = TypeVar("T")

data_app = typer.Typer(help="Bring bars in, list them, look at them.", no_args_is_help=True)

_SHOWN = 10
_LABEL = 11

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


@data_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A text file of daily bars, in any usual layout.")],
    symbol: Annotated[
        str, typer.Option("--symbol", help="Its symbol; chooses among several in the file.")
    ],
    adjustment: Annotated[
        str | None,
        typer.Option(
            "--adjustment",
            help="What has been done to the prices, where the file does not tell: "
            "raw, split or split+dividend.",
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="DATE:RATIO",
            help="A split that raw prices do not account for: 2014-06-09:7. May be repeated.",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="FROM:TO", help="Leave these dates out. May be repeated."),
    ] = None,
    real_move: Annotated[
        list[str] | None,
        typer.Option(
            "--real-move",
            metavar="DATE",
            help="A jump by a split's ratio that did happen in the market. May be repeated.",
        ),
    ] = None,
    calendar: CalendarName = None,
    date_format: Annotated[
        str | None,
        typer.Option("--date-format", help="Form of the dates, such as %d/%m/%Y."),
    ] = None,
    strict: Strict = False,
    data_root: Root = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Import a symbol's daily bars from a text file.

    Every repair is listed; what cannot be trusted is refused, and nothing is imported.
    """
    options: dict[str, Any] = {
        "file": file,
        "adjustment": adjustment,
        "splits": [_pair(text, "--split", "2014-06-09:7", float) for text in split or ()],
        "drop": [_pair(text, "--drop", "2026-06-03:2026-06-10", _date) for text in drop or ()],
        "real_moves": [_date(text) for text in real_move or ()],
        "date_format": date_format,
        "strict": strict,
        **({"calendar": calendar} if calendar else {}),
    }
    from finscale.data.store import DataStore
    from finscale.data.summary import summarise

    bars = _fetch_or_ask("csv", symbol, options)
    store = DataStore(data_root)
    known = {entry.key for entry in store.raw.entries()}
    entry = store.add_bars(bars)
    summary = summarise(bars, entry)
    if as_json:
        print_json({**summary.as_dict(), "new": entry.key not in known})
        return
    _print_summary(summary, store.raw.folder)
    state = "written" if entry.key not in known else "unchanged"
    _line(state, f"{store.raw.folder / entry.path} · {entry.key}")


@data_app.command("download")
def download_symbols(
    symbols: Annotated[list[str], typer.Argument(help="Such as SPY DIA QQQ.")],
    source: Annotated[str, typer.Option("--source", help="yahoo, bundled, …")] = "yahoo",
    calendar: CalendarName = None,
    strict: Strict = False,
    data_root: Root = Path("data"),
    quiet: Quiet = False,
) -> None:
    """Download daily bars, or bring those that are there up to date.

    Symbols are registered one by one: stopped and started again, the command goes on with the rest.
    """
    from rich.progress import MofNCompleteColumn

    from finscale.data.download import download
    from finscale.data.sources import SOURCES
    from finscale.data.sources.base import SourceUnavailableError
    from finscale.data.store import DataStore

    store = DataStore(data_root)
    options: dict[str, Any] = {} if SOURCES[source].symbols else {"strict": strict}
    if calendar:
        options["calendar"] = calendar
    failed: list[FinscaleError] = []
    terminal = console(quiet=quiet)
    with progress_bar(terminal, MofNCompleteColumn(), disable=not terminal.is_terminal) as progress:
        task = progress.add_task("download", total=len(symbols))
        for symbol in symbols:
            progress.update(task, description=f"{symbol:<10}")
            try:
                done = download(store, symbol, source=source, **options)
            except SourceUnavailableError:
                raise
            except FinscaleError as error:
                failed.append(error)
            else:
                entry = done.entry
                bars = f"{entry.rows:,} bars · {entry.first_date} – {entry.last_date}"
                new = f" (+{done.new_bars:,})" if done.action != "kept" and done.new_bars else ""
                terminal.print(f"{entry.symbol:<{_LABEL}}{done.action} · {bars}{new} · {entry.key}")
            progress.advance(task)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        listed = "\n       ".join(str(error) for error in failed)
        raise DataError(
            f"{len(failed)} of {len(symbols)} symbols were not downloaded:\n       {listed}"
        )


@data_app.command("list")
def list_data(data_root: Root = Path("data"), as_json: AsJson = False) -> None:
    """List every registered version of bars, features and datasets."""
    from finscale.data.store import DataStore

    store = DataStore(data_root)
    entries = [*store.raw.entries(), *store.processed.entries()]
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    if not entries:
        console().print(
            f"{data_root} holds no data yet. Bring some in: finscale data download SP500 "
            "--source bundled"
        )
        return
    columns = ("id", "version", "rows", "from", "to", "adjustment", "source", "md5")
    rows = (
        (
            entry.id,
            entry.version,
            f"{entry.rows:,}",
            str(entry.first_date),
            str(entry.last_date),
            entry.adjustment,
            entry.source,
            entry.md5[:8],
        )
        for entry in entries
    )
    console().print(plain_table(columns, rows, left={*columns} - {"rows"}, whole=columns))


@data_app.command("show")
def show(
    symbol: Annotated[str, typer.Argument(help="A registered symbol, such as SPY.")],
    version: Annotated[
        str | None, typer.Option("--version", help="Such as v1; the newest when absent.")
    ] = None,
    data_root: Root = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show a symbol's bars: range, gaps, adjustment, repairs, digests and a price chart."""
    from finscale.cli.chart import line_chart
    from finscale.data.store import DataStore
    from finscale.data.summary import summarise

    store = DataStore(data_root)
    bars = store.bars(symbol, version)
    entry = store.bars_entry(symbol, version)
    summary = summarise(bars, entry)
    if as_json:
        print_json(summary.as_dict())
        return
    _print_summary(summary, store.raw.folder)
    _line(
        "stored", f"{store.raw.folder / entry.path} · {entry.key} · {entry.created:%Y-%m-%d %H:%M}"
    )
    _line("md5", f"{entry.md5} ✓ manifest")
    _line("sha256", entry.sha256)
    close = bars.adjusted()["close"].to_list()
    chart = line_chart(
        close, width=80, height=10, first=str(bars.first_date), last=str(bars.last_date)
    )
    console().print("\n" + "\n".join(chart), highlight=False)
    console().print(f"close, {bars.adjusted_to}, logarithmic")


def _fetch_or_ask(source: str, symbol: str, options: dict[str, Any]) -> Bars:
    """Fetch; where only the user can know the adjustment and somebody is there, ask."""
    from finscale.data.adjustment import AdjustmentNeededError
    from finscale.data.bars import ADJUSTMENTS
    from finscale.data.sources import fetch_bars

    try:
        return fetch_bars(source, symbol, **options)
    except AdjustmentNeededError as error:
        if not sys.stdin.isatty():
            raise
        from rich.prompt import Prompt

        console().print(error.message)
        answer = Prompt.ask("What has been done to them?", choices=list(ADJUSTMENTS))
        return fetch_bars(source, symbol, **{**options, "adjustment": answer})


def _print_summary(summary: Summary, folder: Path) -> None:
    bars = summary.bars
    how = bars.provenance.get("adjustment") or bars.provenance.get("about", "")
    _line(bars.symbol, f"{len(bars):,} bars · {bars.first_date} – {bars.last_date} · {bars.source}")
    _line("adjustment", f"{bars.adjustment}{f' ({how})' if how else ''}")
    if bars.adjusted_to != bars.adjustment:
        _line("", f"one factor, adj close / close, makes them {bars.adjusted_to}")
    if summary.gaps:
        _line("gaps", f"{summary.num_missing:,} of {summary.sessions:,} sessions have no bar")
        _some(summary.gaps)
    else:
        against = "" if summary.calendar == "none" else f" against {summary.calendar}"
        _line("gaps", f"none{against}")
    if bars.repairs:
        _line("repairs", f"{len(bars.repairs):,}")
        _some(bars.repairs)
    else:
        _line("repairs", "none")
    for name, value in bars.provenance.items():
        if name not in ("adjustment", "calendar", "adj_close", "file sha256") and value != how:
            _line(name, value)


def _some(things: Iterable[object]) -> None:
    things = list(things)
    for thing in things[:_SHOWN]:
        _line("", str(thing))
    if len(things) > _SHOWN:
        _line("", f"… {len(things) - _SHOWN:,} more; `finscale data show SYMBOL --json` has all")


def _line(label: str, text: str) -> None:
    say(f"{label:<{_LABEL}}{text}")


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is not a date.", hint="write it as 2026-06-03") from None


def _pair(text: str, option: str, example: str, second: Callable[[str], T]) -> tuple[dt.date, T]:
    first, colon, rest = text.partition(":")
    try:
        if not colon:
            raise ValueError(text)
        return _date(first), second(rest)
    except (ValueError, DataError):
        raise DataError(
            f"{option} {text} cannot be read.", hint=f"such as {option} {example}"
        ) from None
