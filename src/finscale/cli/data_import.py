"""``finscale data import``: bars from a file."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from finscale.cli.data_summary import (
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
from finscale.cli.options import AsJson, console, print_json
from finscale.cli.panel_import import import_many
from finscale.errors import ConfigError, DataError

if TYPE_CHECKING:
    from finscale.data.bars import Bars

T = TypeVar("T")


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="A file of daily bars: CSV, JSON, parquet, Arrow, Excel; or a folder of them."
        ),
    ],
    symbol: Annotated[
        str | None,
        typer.Option(
            "--symbol",
            help="Its symbol; chooses among several in the file. Without it a panel is read: every "
            "symbol of one long table, or of a table with a column of closes a symbol.",
        ),
    ] = None,
    symbol_from: Annotated[
        str | None,
        typer.Option(
            "--symbol-from", metavar="name", help="Of a folder: each file's name is its symbol."
        ),
    ] = None,
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
            help="A split that raw prices do not account for, new shares for one old: "
            "2014-06-09:7, or 2023-03-15:4:3. May be repeated.",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="FROM:TO", help="Leave these dates out. May be repeated."),
    ] = None,
    real_move: RealMoves = None,
    leave_out_bad_rows: LeaveOutBadRows = False,
    fill_from_close: FillFromClose = False,
    calendar: CalendarName = None,
    universe: Annotated[
        str | None,
        typer.Option(
            "--universe",
            help="Of a panel or a folder: import this universe's members alone, each held to the "
            "calendar that the universe has for it.",
        ),
    ] = None,
    date_format: Annotated[
        str | None,
        typer.Option(
            "--date-format",
            help="Form of the dates, such as %d/%m/%Y; of numbers: excel, s, ms, matlab …",
        ),
    ] = None,
    century: Annotated[
        int | None,
        typer.Option(
            "--century",
            help="Century of the earliest two-digit year: 1900 reads 62 as 1962.",
        ),
    ] = None,
    session_of: Annotated[
        str | None,
        typer.Option(
            "--session-of",
            help="Which end of a session time stamps mark: open or close.",
        ),
    ] = None,
    cadence: Annotated[
        str | None,
        typer.Option(
            "--cadence",
            help="daily: bars that look weekly or monthly are days of their own.",
        ),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="The sheet of a workbook that holds the bars.")
    ] = None,
    member: Annotated[
        str | None, typer.Option("--member", help="The file to read in a zip or tar archive.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="FIELD=NAME,…",
            help="Columns by name or number: open=PX_OPEN,close=PX_LAST; adj_close= reads none. "
            "May be repeated.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Whose file it is: alphavantage, binance, bloomberg, crsp, investing, kraken, "
            "lean, mt4, mt5, polygon, quandl, stooq or tradingview.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Read only the rows with this value: BOARDID=TQBR. May be repeated.",
        ),
    ] = None,
    ticker: Annotated[
        str | None,
        typer.Option("--ticker", help="The file's own name for the symbol, where it has another."),
    ] = None,
    decimal: Annotated[
        str | None,
        typer.Option(
            "--decimal",
            help="The decimal mark where no number tells: point, or comma (41.431 is 41431).",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="NAME,…",
            help="Further columns of numbers to keep with the bars as series: sentiment,oi. "
            "May be repeated.",
        ),
    ] = None,
    strict: Strict = False,
    data_root: Root = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Import daily bars: a symbol's from a file, or those of a whole panel or folder.

    Every repair is listed; what cannot be trusted is refused, and nothing of that symbol is
    imported. Bars may be closes alone, or closes and volume.
    """
    options: dict[str, Any] = {
        "file": file,
        "adjustment": adjustment,
        "splits": [_pair(text, "--split", "2014-06-09:7", _ratio) for text in split or ()],
        "drop": [_pair(text, "--drop", "2026-06-03:2026-06-10", read_date) for text in drop or ()],
        "real_moves": [read_date(text) for text in real_move or ()],
        "date_format": date_format,
        "sheet": sheet,
        "member": member,
        "century": century,
        "session_of": session_of,
        "cadence": cadence,
        **{"columns": columns, "format": format, "where": where, "ticker": ticker},
        **{"decimal": decimal, "keep": keep},
        "leave_out_bad_rows": leave_out_bad_rows,
        "fill_from_close": fill_from_close,
        "strict": strict,
        **({"calendar": calendar} if calendar else {}),
    }
    if symbol is None:
        import_many(file, symbol_from, options, data_root, universe=universe, as_json=as_json)
        return
    if universe is not None:
        raise ConfigError(
            "--universe chooses among the symbols of a panel, and --symbol names one.",
            hint="give one of the two; --calendar NAME holds the bars of one symbol to it",
        )
    if symbol_from is not None:
        raise ConfigError("--symbol and --symbol-from were given.", hint="give one of the two")
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
    print_summary(summary, store.raw.folder)
    state = "written" if entry.key not in known else "unchanged"
    line(state, f"{store.raw.folder / entry.path} · {entry.key}")


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


def _ratio(text: str) -> float:
    """Return new shares for one old, written 7, 1.25, 5:4 or 5/4."""
    new, _, old = text.replace("/", ":").partition(":")
    ratio = float(new) / float(old or 1)
    if not 0 < ratio < float("inf"):
        raise ValueError(text)
    return ratio


def _pair(text: str, option: str, example: str, second: Callable[[str], T]) -> tuple[dt.date, T]:
    first, colon, rest = text.partition(":")
    try:
        if not colon:
            raise ValueError(text)
        return read_date(first), second(rest)
    except (ValueError, ZeroDivisionError, DataError):
        raise DataError(
            f"{option} {text} cannot be read.", hint=f"such as {option} {example}"
        ) from None
