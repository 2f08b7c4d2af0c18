"""``finscale data``: bring bars in, list them, look at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.data_import import import_file
from finscale.cli.data_summary import (
    LABEL,
    CalendarName,
    FillFromClose,
    LeaveOutBadRows,
    RealMoves,
    Root,
    Strict,
    line,
    print_summary,
    read_date,
)
from finscale.cli.options import (
    AsJson,
    Quiet,
    console,
    plain_table,
    print_json,
    progress_bar,
    say,
)
from finscale.errors import DataError, FinscaleError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finscale.data.manifest import ManifestEntry

#: Symbols whose data are listed version by version; of more, how many have what.
_LISTED = 12

data_app = typer.Typer(help="Bring bars in, list them, look at them.", no_args_is_help=True)
data_app.command("import")(import_file)


@data_app.command("download")
def download_symbols(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(help="Such as SPY DIA QQQ; without any, all that the source has."),
    ] = None,
    source: Annotated[str, typer.Option("--source", help="yahoo, bundled, …")] = "yahoo",
    calendar: CalendarName = None,
    real_move: RealMoves = None,
    leave_out_bad_rows: LeaveOutBadRows = False,
    fill_from_close: FillFromClose = False,
    strict: Strict = False,
    data_root: Root = Path("data"),
    quiet: Quiet = False,
) -> None:
    """Download daily bars, or bring those that are there up to date.

    Symbols are registered one by one: stopped and started again, the command goes on with the rest.
    """
    from rich.progress import MofNCompleteColumn

    from finscale.cli.panel_download import download_panel, symbols_of
    from finscale.data.download import download
    from finscale.data.sources import SOURCES
    from finscale.data.sources.base import SourceUnavailableError
    from finscale.data.store import DataStore

    store = DataStore(data_root)
    if SOURCES[source].panel is not None:
        download_panel(SOURCES[source], symbols, store, quiet=quiet)
        return
    symbols = symbols or symbols_of(SOURCES[source])
    options: dict[str, Any] = {} if SOURCES[source].symbols else {"strict": strict}
    if calendar:
        options["calendar"] = calendar
    if real_move:
        options["real_moves"] = [read_date(day) for day in real_move]
    if leave_out_bad_rows:
        options["leave_out_bad_rows"] = True
    if fill_from_close:
        options["fill_from_close"] = True
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
                terminal.print(f"{entry.symbol:<{LABEL}}{done.action} · {bars}{new} · {entry.key}")
            progress.advance(task)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        listed = "\n       ".join(str(error) for error in failed)
        raise DataError(
            f"{len(failed)} of {len(symbols)} symbols were not downloaded:\n       {listed}"
        )


@data_app.command("list")
def list_data(
    symbol: Annotated[
        str | None, typer.Argument(help="One symbol's alone; of many symbols counts are listed.")
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="A line for every version of every symbol.")
    ] = False,
    data_root: Root = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List the registered versions of bars, features and datasets; of many symbols, how many."""
    # the manifests alone: the store would load polars
    from finscale.data.manifest import ManifestStore

    stores = (ManifestStore(data_root / folder) for folder in ("raw", "processed"))
    entries = [entry for store in stores for entry in store.entries()]
    if symbol is not None:
        known = {entry.symbol for entry in entries}
        entries = [entry for entry in entries if entry.symbol == symbol.upper()]
        if not entries:
            raise DataError(
                f"{data_root} holds nothing of {symbol}.", hint=did_you_mean(symbol.upper(), known)
            )
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    if not each and len({entry.symbol for entry in entries}) > _LISTED:
        _print_counts(entries)
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


def _print_counts(entries: Sequence[ManifestEntry]) -> None:
    """Print a line for each kind of data of many symbols, with how many have it."""
    kinds: dict[tuple[str, ...], list[ManifestEntry]] = {}
    for entry in entries:
        kind = entry.id.removeprefix(f"{entry.symbol}.")
        kinds.setdefault((kind, entry.version, entry.adjustment, entry.source), []).append(entry)
    columns = ("what", "version", "symbols", "rows", "from", "to", "adjustment", "source")
    rows = []
    for (kind, version, adjustment, source), alike in kinds.items():
        rows.append(
            (
                kind,
                version,
                f"{len(alike):,}",
                f"{sum(entry.rows for entry in alike):,}",
                str(min(entry.first_date for entry in alike)),
                str(max(entry.last_date for entry in alike)),
                adjustment,
                source,
            )
        )
    left = {*columns} - {"symbols", "rows"}
    console().print(plain_table(columns, rows, left=left, whole=columns))
    first = entries[0].symbol
    say(f"finscale data list {first} lists one symbol's, --each every one's")


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
    print_summary(summary, store.raw.folder)
    line(
        "stored", f"{store.raw.folder / entry.path} · {entry.key} · {entry.created:%Y-%m-%d %H:%M}"
    )
    line("md5", f"{entry.md5} ✓ manifest")
    line("sha256", entry.sha256)
    close = bars.adjusted()["close"].to_list()
    # prices stand at its left, in at most 8 columns
    width = max(30, min(80, console().width - 10))
    chart = line_chart(
        close, width=width, height=10, first=str(bars.first_date), last=str(bars.last_date)
    )
    console().print("\n" + "\n".join(chart), highlight=False)
    console().print(f"close, {bars.adjusted_to}, logarithmic")
