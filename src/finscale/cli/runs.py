"""``finscale runs``: what has been trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import RUNS, AsJson, RunsFolder, console, print_json

if TYPE_CHECKING:
    from finscale.runs import Run

runs_app = typer.Typer(help="List and show finished runs.", no_args_is_help=True)


def _row(run: Run) -> dict[str, Any]:
    info, config = run.info, run.config
    training = info.get("training", {})
    return {
        "id": run.id,
        "model": getattr(config.model, "name", config.model.kind),
        "parameters": info["parameters"].get("total"),
        "symbols": " ".join(config.data.symbols),
        "tier": config.data.tier,
        "task": config.task.name,
        "horizon": config.task.horizon,
        "seed": config.seed,
        "validation_loss": training.get("best_validation_loss"),
        "seconds": info["seconds"],
        "finished": info["finished"],
    }


@runs_app.command("list")
def list_runs(runs: RunsFolder = RUNS, as_json: AsJson = False) -> None:
    """List every finished run, the newest last."""
    from finscale.config import format_count
    from finscale.runs import RunStore

    rows = sorted((_row(run) for run in RunStore(runs)), key=lambda row: row["finished"])
    if as_json:
        print_json(rows)
        return
    if not rows:
        console().print(f"no runs in {runs}; `finscale train` makes one")
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("run", "model", "parameters", "data", "task", "seed", "validation", "seconds"):
        table.add_column(name, justify="right" if name in ("parameters", "seed") else "left")
    for row in rows:
        loss = row["validation_loss"]
        table.add_row(
            row["id"],
            row["model"],
            format_count(row["parameters"]) if row["parameters"] else "–",
            f"{row['symbols']} {row['tier']}",
            f"{row['task']} H={row['horizon']}",
            str(row["seed"]),
            "–" if loss is None else f"{loss:.4f}",
            f"{row['seconds']:.1f}",
        )
    console().print(table)


@runs_app.command("show")
def show_run(
    run: Annotated[str, typer.Argument(help="The first digits of a run's id, or its folder.")],
    runs: RunsFolder = RUNS,
    as_json: AsJson = False,
) -> None:
    """Show one run: config, data, counts, training, environment."""
    from finscale.runs import RunStore

    found = RunStore(runs).find(run)
    if as_json:
        print_json(found.info)
        return
    import yaml
    from rich.markup import escape

    text = yaml.safe_dump(found.info, sort_keys=False, allow_unicode=True, width=96)
    console().print(f"[bold]{found.folder}[/bold]\n{escape(text)}")
