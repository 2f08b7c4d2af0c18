"""`finscale law curve`: the loss along the steps of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finscale.cli.options import (
    AsJson,
    Losses,
    Quiet,
    Replicates,
    Signed,
    between,
    print_json,
    say,
)


def curve(
    table: Annotated[
        Path, typer.Argument(help="CSV, JSON, parquet or Excel: one row a run and step.")
    ],
    along: Annotated[str, typer.Option(help="Column of steps or tokens.")] = "step",
    group: Annotated[
        str | None, typer.Option(help="Column of runs; without it all rows are of one run.")
    ] = None,
    y: Losses = "loss",
    form: Annotated[str, typer.Option(help="Law form of one axis.")] = "power_floor",
    skip: Annotated[
        str | None, typer.Option(help="Leave out the steps up to here (the warm-up): 2k.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Read these rows alone; != for all but these. May be repeated.",
        ),
    ] = None,
    signed: Signed = False,
    higher_is_better: Annotated[
        bool | None,
        typer.Option(
            "--higher-is-better/--lower-is-better",
            help="Which way --y improves; a loss unless its name says otherwise.",
        ),
    ] = None,
    best: Annotated[
        float | None, typer.Option(help="Highest value that --y can have: 1 of an AUC.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Of --y; nats or bits by its name.")] = None,
    level: Annotated[
        float, typer.Option(callback=between(0.5, 1), help="Coverage of the intervals.")
    ] = 0.95,
    replicates: Replicates = 500,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit the loss along the steps of each run; rows of one run are not taken for runs."""
    from finscale.errors import FinscaleError, did_you_mean
    from finscale.scaling.forms import FORMS
    from finscale.scaling.law_text import interval, number
    from finscale.scaling.learning_curve import fit_learning_curves
    from finscale.scaling.sizes import parse_size

    if form not in FORMS:
        raise FinscaleError(f"there is no form {form!r}.", hint=did_you_mean(form, FORMS))
    found = fit_learning_curves(
        table,
        along,
        y,
        group=group,
        form=form,
        skip=parse_size(skip) if skip else 0.0,
        where=where or (),
        signed=signed,
        higher_is_better=higher_is_better,
        best=best,
        unit=unit,
        num_replicates=replicates,
        level=level,
    )
    if as_json:
        print_json(found.to_dict())
    elif quiet:
        name = found.curves[0].fit.form.exponent
        ends = found.interval if len(found.curves) > 1 else found.curves[0].intervals.get(name)
        say(f"{name} {number(found.mean)} {interval(ends)}, {len(found.curves)} runs")
    else:
        say(found.summary())
