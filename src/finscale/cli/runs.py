"""``finscale runs``: what has been trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    RunsFolder,
    console,
    plain_table,
    print_json,
    say,
)

runs_app = typer.Typer(help="List, show, compare and clear finished runs.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="The first digits of a run's id, or its folder.")]


@runs_app.command("list")
def list_runs(
    runs: RunsFolder = RUNS,
    last: Annotated[
        int, typer.Option(min=0, help="How many of the newest to show; 0 shows all.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """List finished runs, the newest last; ``--json`` lists all of them."""
    from finscale.config import format_count
    from finscale.runs import RunStore
    from finscale.runs.index import summaries

    rows = summaries(RunStore(runs))
    if as_json:
        print_json(rows)
        return
    if not rows:
        console().print(f"no runs in {runs}; `finscale train` makes one")
        return
    columns = ("run", "model", "parameters", "data", "task", "seed", "validation", "seconds")
    shown = rows[-last:] if last else rows
    cells = (
        (
            row["id"],
            row["model"],
            format_count(row["parameters"]) if row["parameters"] else "–",
            f"{row['symbols']} {row['tier']}",
            f"{row['task']} H={row['horizon']}",
            str(row["seed"]),
            "–" if row["validation_loss"] is None else f"{row['validation_loss']:.4f}",
            f"{row['seconds']:.1f}",
        )
        for row in shown
    )
    if len(shown) < len(rows):
        console().print(f"… {len(rows) - len(shown):,} older runs: --last 0 shows them")
    # with one space between them, 100 columns hold every name in full
    left = ("run", "model", "data", "task")
    console().print(plain_table(columns, cells, left=left, whole=("run",), padding=(0, 1, 0, 0)))


@runs_app.command("show")
def show_run(run: RunId, runs: RunsFolder = RUNS, as_json: AsJson = False) -> None:
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


@runs_app.command("compare")
def compare(first: RunId, second: RunId, runs: RunsFolder = RUNS, as_json: AsJson = False) -> None:
    """Say in what two runs differ: settings, scores, and the loss paired by decision day."""
    from finscale.runs import RunStore
    from finscale.study.study_diff import compare_runs

    store = RunStore(runs)
    found = compare_runs(store.find(first), store.find(second))
    if as_json:
        print_json(found)
        return
    terminal = console()
    terminal.print(f"{'':<22}{found['runs'][0]:>18}{found['runs'][1]:>18}")
    for name, (own, other) in found["scores"].items():
        terminal.print(f"{name.replace('_', ' '):<22}{own:>18.4f}{other:>18.4f}")
    terminal.print("settings" if found["settings"] else "the settings are the same")
    for change in found["settings"]:
        say(f"  {change}")
    gain = found["gain"]
    if gain is None:
        terminal.print("They judge different windows: their losses are not paired.")
    else:
        say(
            "The second saves {value:+.4f} [{low:+.4f}, {high:+.4f}] of test loss, "
            "paired by decision day.".format(**gain)
        )


@runs_app.command("gc")
def gc(
    runs: RunsFolder = RUNS,
    older_than: Annotated[
        float | None, typer.Option(help="Also runs finished more than so many days ago.")
    ] = None,
    unused_by_studies: Annotated[
        bool, typer.Option("--unused-by-studies", help="Also runs that no study names.")
    ] = False,
    studies: Annotated[Path, typer.Option(help="Folder that holds the studies.")] = Path("studies"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what dead processes left unfinished, damaged folders, and old runs if asked for.

    An unfinished run would go on where it was: removing it gives that up, and nothing else.
    """
    from finscale.runs import RunStore
    from finscale.runs.garbage import find_garbage, used_by_studies

    used = used_by_studies(studies) if unused_by_studies else None
    found = find_garbage(RunStore(runs), older_than=older_than, used=used)
    rows = [{"folder": str(g.folder), "reason": g.reason, "bytes": g.size} for g in found]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            say(f"{row['folder']}  {row['reason']}  {int(str(row['bytes'])) / 1e6:.1f} MB")
    if not found:
        console(quiet=as_json).print("nothing to remove")
        return
    if not yes and not typer.confirm(f"Remove {len(found)} folders?", err=True):
        raise typer.Exit(1)
    for garbage in found:
        garbage.remove()
