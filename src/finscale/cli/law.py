"""`finscale law`: fit a scaling law to any table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finscale.cli.options import (
    Ahead,
    AsJson,
    Losses,
    Quiet,
    Replicates,
    Signed,
    each_once,
    print_json,
    say,
)

law_app = typer.Typer(
    help="Fit scaling laws to any table, and ask what a study could see.", no_args_is_help=True
)


@law_app.callback()
def _root() -> None:
    """Fit scaling laws to any table, and ask what a study could see."""


@law_app.command()
def fit(
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
        str,
        typer.Option(
            help="Law form; `auto`: power with a floor unless rejected; two axes: hoffmann."
        ),
    ] = "auto",
    loss: Annotated[
        str, typer.Option(help="huber, least_squares, gls; `auto`: gls where days are given.")
    ] = "auto",
    seed: Annotated[str, typer.Option(help="Column that tells seeds apart.")] = "seed",
    fold: Annotated[str, typer.Option(help="Column of folds.")] = "fold",
    day: Annotated[str, typer.Option(help="Column of decision days.")] = "day",
    signed: Signed = False,
    holdout: Annotated[int, typer.Option(min=0, help="Largest sizes kept out and predicted.")] = 0,
    horizon: Ahead = 1,
    replicates: Replicates = 2000,
    compare: Annotated[
        bool, typer.Option("--compare", help="Rank every form, and three ways for a surface.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a figure: png, svg or pdf.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a law and print its parameters, their intervals and what is not identified."""
    from finscale.scaling.approaches import compare_approaches
    from finscale.scaling.form_comparison import compare_forms
    from finscale.scaling.law import fit_law
    from finscale.scaling.table import read_table

    read = read_table(table, x=x, y=y, signed=signed, seed=seed, fold=fold, day=day)
    law = fit_law(
        read,
        form=form,
        loss=loss,
        signed=signed,
        holdout=holdout,
        horizon=horizon,
        num_replicates=replicates,
    )
    content: dict[str, Any] = {"law": law.to_dict()}
    texts = [law.summary()]
    if compare:
        comparisons: dict[str, Any] = {
            "forms": compare_forms(read, loss=loss, signed=signed, horizon=horizon)
        }
        if len(read.axes) == 2 and not signed:
            comparisons["approaches"] = compare_approaches(read, num_replicates=replicates)
        content |= {name: found.to_dict() for name, found in comparisons.items()}
        texts += [found.summary() for found in comparisons.values()]
    if plot is not None:
        from finscale.scaling.law_plot import save

        save(law, plot)
        content["figure"] = str(plot)
        texts[-1] += f"\nfigure       {plot}"
    if as_json:
        print_json(content)
    else:
        say(repr(law) if quiet else "\n\n".join(texts))
