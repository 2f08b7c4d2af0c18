"""Options of every verb that reads a table of results: which column is what, which rows count."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from finscale.scaling.table import LawTable

_PANEL = "How the table is read"


def _options(
    seed: Annotated[
        str | None,
        typer.Option(
            help="Column of independent runs; `rows`: the rows of one size.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    day: Annotated[
        str | None, typer.Option(help="Column of decision days.", rich_help_panel=_PANEL)
    ] = None,
    fold: Annotated[
        str | None,
        typer.Option(
            help="Column of folds, or of data sets that every size meets.", rich_help_panel=_PANEL
        ),
    ] = None,
    average: Annotated[
        list[str] | None,
        typer.Option(
            help="Column to average over first; `rows`: any rows of one run and day. May be "
            "repeated.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that tells nothing of what a row is. May be repeated.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Read these rows alone; != for all but these. May be repeated.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Read the last row of each run by this column: --last step.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    drop_duplicates: Annotated[
        bool | None,
        typer.Option(
            "--drop-duplicates/--keep-duplicates",
            help="Read one of rows or runs that stand there twice, or all; refused if neither.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Column that names the run a row is a checkpoint of: runs are redrawn, not rows.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Column of how much a row counts.", rich_help_panel=_PANEL),
    ] = None,
    stderr: Annotated[
        str | None,
        typer.Option(help="Column of the losses' standard errors.", rich_help_panel=_PANEL),
    ] = None,
    higher_is_better: Annotated[
        bool | None,
        typer.Option(
            "--higher-is-better/--lower-is-better",
            help="Which way --y improves; a loss unless its name says otherwise.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    best: Annotated[
        float | None,
        typer.Option(help="Highest value that --y can have: 1 of an AUC.", rich_help_panel=_PANEL),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="Of --y; nats or bits where its name says so, else none.", rich_help_panel=_PANEL
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(help="The sheet of a workbook.", rich_help_panel=_PANEL),
    ] = None,
    member: Annotated[
        str | None,
        typer.Option(help="The file in a zip or tar archive.", rich_help_panel=_PANEL),
    ] = None,
) -> None:
    """Hold the options' signatures."""


def reads_table(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of reading a table in the place of its parameter ``columns``.

    The verb receives them as one mapping, for ``read_table(path, x=…, y=…, **columns)``.
    """
    own = inspect.signature(verb, eval_str=True)
    shared = inspect.signature(_options, eval_str=True).parameters

    @functools.wraps(verb)
    def call(**given: Any) -> None:
        columns = {name: given.pop(name) for name in shared}
        columns |= {name: columns[name] or () for name in ("average", "ignore", "where")}
        verb(**given, columns=columns)

    parameters = [p for name, p in own.parameters.items() if name != "columns"]
    kept = [p.replace(kind=p.KEYWORD_ONLY) for p in (*parameters, *shared.values())]
    call.__signature__ = own.replace(parameters=kept)  # type: ignore[attr-defined]
    return call


def notes_of(*tables: LawTable) -> list[str]:
    """Return what was decided on reading, once each."""
    return list(dict.fromkeys(note for table in tables for note in table.notes))
