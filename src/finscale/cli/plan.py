"""`finscale plan`: what a budget buys, and the price of the next tenfold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finscale.cli.options import (
    AsJson,
    Drop,
    Losses,
    OverSeeds,
    Quiet,
    Replicates,
    Signed,
    between,
    console,
    count,
    each_once,
    print_json,
    say,
)
from finscale.cli.table_options import notes_of, reads_table
from finscale.errors import FinscaleError


@reads_table
def plan(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON, parquet or Excel, exports of trackers: sizes, losses, perhaps days."
        ),
    ],
    x: Annotated[
        list[str] | None,
        typer.Option(
            "--x", callback=each_once, help="Parameters, then samples where varied: --x N --x D."
        ),
    ] = None,
    y: Losses = "loss",
    form: Annotated[
        str, typer.Option(help="Law form, as for `law fit`; for three axes it is named.")
    ] = "auto",
    hours: Annotated[float | None, typer.Option(help="Budget of time.")] = None,
    money: Annotated[float | None, typer.Option(help="Budget of money; needs --price.")] = None,
    price: Annotated[float, typer.Option(min=0, help="Price of an hour of the machine.")] = 0.0,
    flops: Annotated[
        float | None,
        typer.Option(
            callback=between(0),
            help="Operations a second that training reaches; measured here if absent.",
        ),
    ] = None,
    cost: Annotated[
        float,
        typer.Option(
            callback=between(0), help="Operations per parameter and sample; 6 × patches a window."
        ),
    ] = 6.0,
    samples: Annotated[
        float | None,
        typer.Option(
            parser=count,
            metavar="NUMBER",
            callback=between(0),
            help="Samples a training sees, where --x is parameters alone: 60000 or 60k.",
        ),
    ] = None,
    max_samples: Annotated[
        float | None,
        typer.Option(
            parser=count, metavar="NUMBER", callback=between(0), help="Most samples there are."
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=FILE", help="Another axis' table: features=features.csv."),
    ] = None,
    test_days: Annotated[
        int | None,
        typer.Option(min=1, help="Days of your test set; those of the table if absent."),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(callback=between(0), help="Standard error of two models' difference on it."),
    ] = None,
    signed: Signed = False,
    replicates: Replicates = 1000,
    drop: Drop = None,
    seeds: OverSeeds = "mean",
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    columns: dict[str, Any],
) -> None:
    """Plan a budget: the best size, what ten times more would bring, whether you could see it."""
    from finscale.scaling.cost import UTILIZATION, CostModel, measure_flops
    from finscale.scaling.dropping import read_runs
    from finscale.scaling.law import fit_law
    from finscale.scaling.plan import plan as make_plan

    axes = tuple(x or ["parameters"])
    settled: dict[str, Any] = {"drop": drop or (), "seeds": seeds}
    read = read_runs(table, x=axes, y=y, signed=signed, **settled, **columns)
    law = fit_law(read, form=form, num_replicates=replicates)
    others = {}
    for pair in also or []:
        axis, separator, file = pair.partition("=")
        if not separator:
            raise FinscaleError(f"--also {pair}: write COLUMN=FILE, such as features=features.csv.")
        # its columns are its own; what --y is, is the same
        same = {name: columns[name] for name in ("higher_is_better", "best", "unit")}
        beside = read_runs(Path(file), x=axis, y=y, signed=signed, **same)
        others[axis] = fit_law(beside, num_replicates=replicates)
    measured = flops is None
    speed = measure_flops() if flops is None else flops
    found = make_plan(
        law,
        CostModel(speed, price, cost),
        hours=hours,
        money=money,
        num_samples=samples,
        max_samples=max_samples,
        also=others,
        test_days=test_days,
        noise=noise,
    )
    notes = notes_of(law.table, *(other.table for other in others.values()))
    if as_json:
        print_json({**found.to_dict(), "notes": notes})
        return
    terminal = console()
    if not quiet:
        source = f"measured here at {UTILIZATION:.0%} of a matrix product" if measured else "given"
        terminal.print(f"law       {law!r}")
        terminal.print(f"speed     {speed:.3g} FLOP/s ({source})")
    terminal.print(found.summary())
    if not quiet:
        for note in notes:
            say(f"note      {note}", terminal)
