"""`finscale law`: fit a scaling law to any table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finscale.cli.options import (
    Ahead,
    AsJson,
    Drop,
    Held,
    Losses,
    OverSeeds,
    Quiet,
    Replicates,
    Signed,
    each_once,
    print_json,
    say,
)
from finscale.cli.table_options import reads_table
from finscale.errors import FinscaleError

#: Shown below the verbs: a question and the command that answers it.
_FIRST_STEPS = """\
A table has one row a run: sizes and a loss, perhaps seeds, days or folds.
What a column was taken for is said; sizes may be written 5k or 1.5B.

which form, which exponent, how sure
   law fit runs.csv --x params --compare
best split of parameters and data by a surface
   law fit runs.csv --x params --x tokens
loss of sizes not run: of the curve, and of one new run
   law predict runs.csv --x params --at 1B --at 7B --level .9
   law predict runs.csv --x params --x tokens --at params=1B,tokens=20B
fitted to the small sizes: how far off at the large ones, every form
   law score runs.csv --x params
best size ∝ compute^a, by parabolas at each compute
   law isoflop runs.csv --x params --compute flops --at 1e22
   law isoflop runs.csv --x params --x tokens --compute-formula 6ND
loss along the steps of runs, whose rows are no runs
   law curve steps.csv --along step --group run

All that read a table: --where COLUMN=VALUE reads some rows, --json is for
programs, -q prints one line, --help says the rest."""

law_app = typer.Typer(
    help="Fit scaling laws to any table: which form, how far it reaches, what may be claimed.",
    epilog=_FIRST_STEPS,
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@law_app.callback()
def _root() -> None:
    """Fit scaling laws to any table: which form, how far it reaches, what may be claimed."""


@law_app.command()
@reads_table
def fit(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON, parquet or Excel, exports of trackers: sizes, losses, perhaps seeds."
        ),
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
            help="Law form; `auto`: power with a floor unless rejected, two axes: hoffmann; for "
            "three it is named."
        ),
    ] = "auto",
    loss: Annotated[
        str,
        typer.Option(
            help="huber, least_squares, log_least_squares, gls; `auto`: gls where days or "
            "standard errors are given."
        ),
    ] = "auto",
    signed: Signed = False,
    holdout: Annotated[int, typer.Option(min=0, help="Largest sizes kept out and predicted.")] = 0,
    horizon: Ahead = 1,
    replicates: Replicates = 2000,
    drop: Drop = None,
    seeds: OverSeeds = "mean",
    compare: Annotated[
        bool, typer.Option("--compare", help="Rank every form, and three ways for a surface.")
    ] = False,
    fix: Held = None,
    by: Annotated[
        str | None,
        typer.Option(help="Column that tells several curves apart: fit each and compare them."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a figure: png, svg or pdf.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    columns: dict[str, Any],
) -> None:
    """Fit a law and print its parameters, their intervals and what is not identified."""
    from finscale.scaling.approaches import compare_approaches
    from finscale.scaling.dropping import read_runs
    from finscale.scaling.form_comparison import compare_forms
    from finscale.scaling.forms import FORMS
    from finscale.scaling.law import fit_law

    held = held_parameters(fix)
    if by is not None:
        from finscale.cli.law_curves import print_curves
        from finscale.scaling.curves import fit_curves

        if compare:
            raise FinscaleError(
                "--compare ranks forms for one curve, and --by fits several.",
                hint="compare them one by one: --where COLUMN=VALUE --compare",
            )
        curves = fit_curves(
            table,
            x,
            y,
            by=by,
            form=form,
            loss=loss,
            signed=signed,
            holdout=holdout,
            horizon=horizon,
            num_replicates=replicates,
            fix=held,
            drop=drop or (),
            seeds=seeds,
            **columns,
        )
        print_curves(curves, plot=plot, as_json=as_json, quiet=quiet)
        return
    read = read_runs(table, x=x, y=y, signed=signed, drop=drop or (), seeds=seeds, **columns)
    signed = read.signed
    law = fit_law(
        read,
        form=form,
        loss=loss,
        signed=signed,
        holdout=holdout,
        horizon=horizon,
        num_replicates=replicates,
        fix=held,
    )
    content: dict[str, Any] = {"law": law.to_dict()}
    texts = [law.summary()]
    if compare:
        # a form of three axes is compared if it was named
        forms = [*(n for n, f in FORMS.items() if len(f.axes) < 3), form]
        named = forms if len(read.axes) > 2 else None
        comparisons: dict[str, Any] = {
            "forms": compare_forms(read, forms=named, loss=loss, signed=signed, horizon=horizon)
        }
        if len(read.axes) == 2 and not signed:
            comparisons["approaches"] = compare_approaches(
                read, loss=loss, horizon=horizon, num_replicates=replicates
            )
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


def held_parameters(pairs: list[str] | None) -> dict[str, float | str]:
    """Return the parameters of ``--fix NAME=VALUE`` by name."""
    held: dict[str, float | str] = {}
    for pair in pairs or []:
        name, separator, value = pair.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise FinscaleError(
                f"--fix {pair}: write NAME=VALUE.", hint="such as --fix E=0 or --fix alpha=beta"
            )
        if name.strip() in held:
            raise FinscaleError(f"--fix {name.strip()} is given twice.", hint="give it once")
        held[name.strip()] = value.strip()
    return held
