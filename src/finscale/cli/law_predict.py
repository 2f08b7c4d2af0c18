"""`finscale law predict`: the loss at sizes that were not run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    between,
    each_once,
    print_json,
    say,
)
from finscale.cli.table_options import reads_table

if TYPE_CHECKING:
    from finscale.scaling.law_numbers import LawNumbers


@reads_table
def predict(
    table: Annotated[
        Path, typer.Argument(help="CSV, JSON, parquet or Excel: sizes, losses, perhaps seeds.")
    ],
    x: Annotated[
        list[str],
        typer.Option(
            "--x", callback=each_once, help="Column of sizes; twice for a surface: --x N --x D."
        ),
    ],
    at: Annotated[
        list[str],
        typer.Option(
            "--at", help="Size to predict: 1e9, 2M; of a surface N=1e9,D=20B. May be repeated."
        ),
    ],
    y: Losses = "loss",
    level: Annotated[
        float, typer.Option(callback=between(0.5, 1), help="Coverage of both intervals.")
    ] = 0.95,
    form: Annotated[str, typer.Option(help="Law form, as in `finscale law fit`.")] = "auto",
    loss: Annotated[
        str, typer.Option(help="huber, least_squares, gls; `auto`: gls where days are given.")
    ] = "auto",
    signed: Signed = False,
    holdout: Annotated[int, typer.Option(min=0, help="Largest sizes kept out of the fit.")] = 0,
    horizon: Ahead = 1,
    replicates: Replicates = 2000,
    drop: Drop = None,
    seeds: OverSeeds = "mean",
    fix: Held = None,
    by: Annotated[
        str | None,
        typer.Option(help="Column that tells several curves apart: predict each."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    *,
    columns: dict[str, Any],
) -> None:
    """Predict the loss at other sizes, with intervals of the curve and of one new run."""
    from finscale.cli.law import held_parameters
    from finscale.errors import FinscaleError
    from finscale.scaling.dropping import read_runs
    from finscale.scaling.law import fit_law
    from finscale.scaling.prediction import as_outcome
    from finscale.scaling.prediction_text import predictions_dict, predictions_text
    from finscale.scaling.sizes import parse_sizes

    settings: dict[str, Any] = {
        "form": form,
        "loss": loss,
        "holdout": holdout,
        "horizon": horizon,
        "num_replicates": replicates,
        "level": level,
        "fix": held_parameters(fix),
    }
    columns = {**columns, "drop": drop or (), "seeds": seeds}
    if by is not None:
        from finscale.scaling.curves import fit_curves

        laws = fit_curves(table, x, y, by=by, signed=signed, **settings, **columns).laws
    else:
        read = read_runs(table, x=x, y=y, signed=signed, **columns)
        parse_sizes(at, read.axes, _letters(read.axes))
        laws = {"": fit_law(read, signed=read.signed, **settings)}
    contents, texts = {}, []
    for name, law in laws.items():
        letters = dict(zip(law.form.axes, law.table.axes, strict=True))
        x_md = parse_sizes(at, law.table.axes, letters)
        if not law.identified:
            where = f"{table}, {by} {name}," if name else f"{table}"
            raise FinscaleError(
                f"{where} tells no {law.form.name}, so nothing can be predicted: {law.reason}.",
                hint=_way_out(law),
            )
        told = law.predict(x_md)
        predictions = predictions_dict(law, x_md, told, level)
        contents[name] = {"predictions": predictions, "law": law.to_dict()}
        head = f"{name}: " if name else ""
        shown = as_outcome(told, law.table.measure).mean
        short = "\n".join(f"{head}{value:.6g}" for value in shown)
        long = predictions_text(law, x_md, told, level)
        texts.append(short if quiet else f"{by} {name}\n{long}" if name else long)
    if as_json:
        print_json({"by": by, "curves": contents} if by is not None else contents[""])
    else:
        say(("\n" if quiet else "\n\n").join(texts))


def _letters(axes: tuple[str, ...]) -> dict[str, str]:
    """Return what N, D and U may stand for before the form is known, so that typos fail early."""
    return dict(zip(("N", "D", "U") if len(axes) > 1 else ("x",), axes, strict=False))


def _way_out(law: LawNumbers) -> str:
    """Return what would make a prediction possible."""
    from finscale.scaling.judge import LEAST_SIZES

    if int((~law.heldout_n).sum()) < LEAST_SIZES:
        return f"measure at least {LEAST_SIZES} sizes: no form that moves with size is told by less"
    return "`finscale law fit … --compare` ranks other forms; name one with --form"
