"""`finscale law score`: every form fitted to the smaller sizes and scored on the larger ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finscale.cli.options import (
    Ahead,
    AsJson,
    Drop,
    Losses,
    OverSeeds,
    Quiet,
    Signed,
    between,
    each_once,
    print_json,
    say,
)
from finscale.cli.table_options import notes_of, reads_table


@reads_table
def score(
    table: Annotated[
        Path, typer.Argument(help="CSV, JSON, parquet or Excel: sizes, losses, perhaps seeds.")
    ],
    x: Annotated[
        list[str],
        typer.Option(
            "--x", callback=each_once, help="Column of sizes; twice for a surface: --x N --x D."
        ),
    ],
    y: Losses = "loss",
    form: Annotated[
        list[str] | None,
        typer.Option(
            callback=each_once, help="Forms to score; all that suit the table if none is named."
        ),
    ] = None,
    share: Annotated[
        list[float] | None,
        typer.Option(help="Share of the sizes to fit; may be repeated. By default .5, .65 and .8."),
    ] = None,
    level: Annotated[
        float, typer.Option(callback=between(0.5, 1), help="Coverage that is asked for.")
    ] = 0.95,
    loss: Annotated[
        str, typer.Option(help="huber, least_squares, gls; `auto`: gls where days are given.")
    ] = "auto",
    signed: Signed = False,
    horizon: Ahead = 1,
    drop: Drop = None,
    seeds: OverSeeds = "mean",
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    columns: dict[str, Any],
) -> None:
    """Fit every form to the smaller sizes and score it on the larger ones, at several cuts."""
    from finscale.scaling.axes import form_for
    from finscale.scaling.dropping import read_runs
    from finscale.scaling.extrapolation import SHARES, score_extrapolation

    read = read_runs(table, x=x, y=y, signed=signed, drop=drop or (), seeds=seeds, **columns)
    if len(read.axes) > 2 and not form:
        form_for("auto", read)  # refuses, and names the forms there are
    found = score_extrapolation(
        read,
        forms=form or None,
        shares=share or SHARES,
        loss=loss,
        signed=read.signed,
        horizon=horizon,
        level=level,
    )
    if as_json:
        print_json(found.to_dict() | {"notes": notes_of(read)})
        return
    notes = "".join(f"\nnote         {note}" for note in notes_of(read))
    say(found.sentence if quiet else found.summary() + notes)
