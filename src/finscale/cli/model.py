"""``finscale model``: what a budget buys, before anything is trained."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from finscale.cli.options import AsJson, console, print_json

model_app = typer.Typer(help="Show architectures for parameter budgets.", no_args_is_help=True)


@model_app.command("show")
def show_model(
    budgets: Annotated[list[str], typer.Argument(help="Budgets: 2M 20M 200M 2B, or any number.")],
    features: Annotated[
        int, typer.Option(min=1, help="Input channels; tier a20 with OHLCV has 25.")
    ] = 25,
    context_length: Annotated[int, typer.Option(min=2, help="Bars that a window sees.")] = 80,
    shape: Annotated[str, typer.Option(help="wide, balanced or deep.")] = "wide",
    as_json: AsJson = False,
) -> None:
    """Show the sizes, counts and FLOPs that the solver finds for each budget."""
    from finscale.config import ModelConfig, format_count, validate
    from finscale.models import count_parameters, design, flops_per_sample, resolve_model

    rows: list[dict[str, Any]] = []
    for wanted in budgets:
        config = validate(ModelConfig, {"budget": wanted, "shape": shape}, place="the command line")
        network = resolve_model(config, num_features=features, context_length=context_length)
        # in closed form: a built model costs torch's imports
        model = design(network, num_features=features, context_length=context_length)
        counts = count_parameters(model)
        rows.append(
            {
                "budget": network.budget,
                "depth": network.depth,
                "width": network.width,
                "heads": network.heads,
                "ff_width": network.ff_width,
                "total": counts.total,
                "non_embedding": counts.non_embedding,
                "input_and_head": counts.input_and_head,
                "flops_per_sample": flops_per_sample(model),
            }
        )
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("budget", "parameters", "off", "depth", "width", "heads", "FLOP a sample"):
        table.add_column(name, justify="right")
    for row in rows:
        total = row["total"]
        table.add_row(
            format_count(row["budget"]),
            f"{total:,}",
            f"{total / row['budget'] - 1:+.1%}",
            str(row["depth"]),
            str(row["width"]),
            str(row["heads"]),
            format_count(row["flops_per_sample"]),
        )
    console().print(table)
