"""`finscale law isoflop`: the best size at each compute, and how it grows."""

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
    Replicates,
    Signed,
    between,
    each_once,
    print_json,
    say,
)
from finscale.cli.table_options import reads_table


@reads_table
def isoflop(
    table: Annotated[
        Path, typer.Argument(help="CSV, JSON, parquet or Excel: sizes, compute or data, losses.")
    ],
    x: Annotated[
        list[str],
        typer.Option(
            "--x", callback=each_once, help="Columns of N and D; or N alone beside --compute."
        ),
    ],
    y: Losses = "loss",
    compute: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of training compute.")
    ] = None,
    formula: Annotated[
        str | None,
        typer.Option(
            "--compute-formula",
            metavar="kND",
            help="Compute where no column has it: 6ND (the default), 2ND, ND …",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Runs within so many % of one compute form a level.")
    ] = 10.0,
    window: Annotated[
        float,
        typer.Option(
            callback=between(1, infinite=True),
            help="The parabola sees sizes within this factor of the best; inf: all, and biased.",
        ),
    ] = 4.0,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", help="A compute to split into N and D, 1e22; may be repeated."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Beside it the envelope and the surface.")
    ] = False,
    level: Annotated[
        float, typer.Option(callback=between(0.5, 1), help="Coverage of the intervals.")
    ] = 0.95,
    loss: Annotated[
        str,
        typer.Option(help="huber, log_least_squares, gls; `auto`: least_squares, as published."),
    ] = "auto",
    signed: Signed = False,
    horizon: Ahead = 1,
    replicates: Replicates = 1000,
    drop: Drop = None,
    seeds: OverSeeds = "mean",
    plot: Annotated[Path | None, typer.Option(help="Write a figure: png, svg or pdf.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    columns: dict[str, Any],
) -> None:
    """Find the best size at each compute and the power of compute by which it grows."""
    from finscale.errors import FinscaleError
    from finscale.scaling.approaches import compare_approaches
    from finscale.scaling.dropping import read_runs
    from finscale.scaling.isoflop import fit_isoflop
    from finscale.scaling.sizes import parse_size

    axes = [*x, compute] if compute and compute not in x else x
    read = read_runs(table, x=axes, y=y, signed=signed, drop=drop or (), seeds=seeds, **columns)
    if compare and read.signed:
        raise FinscaleError(
            "the three approaches need positive losses.", hint="leave out --compare or --signed"
        )
    settings: dict[str, Any] = {
        "compute": compute,
        "formula": formula,
        "tolerance": tolerance,
        "window": window,
        "loss": loss,
        "horizon": horizon,
        "num_replicates": replicates,
        "level": level,
    }
    computes = [parse_size(text) for text in at or ()]
    found = fit_isoflop(read, **settings)
    content: dict[str, Any] = {"isoflop": found.to_dict()}
    texts = [found.summary()]
    if computes:
        content["at"] = found.splits(computes)
        texts.append(found.splits_text(computes))
    if compare:
        # one output, one loss: what `auto` came to is used in all three
        three = compare_approaches(read, **(settings | {"loss": found.loss}))
        content["approaches"] = three.to_dict()
        texts.append(three.summary())
    if plot is not None:
        found.save_plot(plot)
        content["figure"] = str(plot)
        texts.append(f"figure       {plot}")
    if as_json:
        print_json(content)
    else:
        say(found.sentence if quiet else "\n\n".join(texts))
