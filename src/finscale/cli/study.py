"""``finscale study``: a grid of runs, its table and its figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    ConfigFile,
    DataRoot,
    Quiet,
    RunsFolder,
    Settings,
    console,
    print_json,
)

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.study import Study

study_app = typer.Typer(help="Run a scaling study from one file.", no_args_is_help=True)

StudiesFolder = Annotated[Path, typer.Option("--studies", help="Folder that holds the studies.")]
STUDIES = Path("studies")


@study_app.command("run")
def run_study(
    config: ConfigFile,
    settings: Settings = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; as many as fit when absent.")
    ] = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute every run of the study that is missing, then show what size brings.

    Stop it at any time: the same command goes on where it was.
    """
    from finscale.cli.study_progress import StudyProgress
    from finscale.study import LocalExecutor

    terminal = console(quiet=quiet or as_json)
    study = _open(config, settings, runs, studies, data_root)
    planned, missing = len(study.plan), len(study.missing())
    terminal.print(f"[bold]{study.config.name}[/bold]  {study.config.question}", soft_wrap=True)
    terminal.print(f"{planned} runs, {planned - missing} there already", soft_wrap=True)
    with StudyProgress(study.missing(), terminal) as progress:
        failures = study.run(executor=LocalExecutor(workers), observe=progress)
    _show(study, as_json=as_json, terminal=terminal)
    for label, reason in failures.items():
        console(stderr=True).print(f"failed: {label}: {reason}", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)


@study_app.command("status")
def status(
    config: ConfigFile,
    settings: Settings = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say which runs of the study are there and which are missing."""
    study = _open(config, settings, runs, studies, data_root)
    missing = {planned.run_id for planned in study.missing()}
    rows = [
        {"run": p.run_id, "label": p.cell.label, "done": p.run_id not in missing}
        for p in study.plan
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        console().print(f"{'✓' if row['done'] else '·'} {row['run']}  {row['label']}")


@study_app.command("report")
def report(
    config: ConfigFile,
    settings: Settings = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Make the table and the figure again from the finished runs."""
    study = _open(config, settings, runs, studies, data_root)
    _show(study, as_json=as_json, terminal=console(quiet=as_json))


def _open(
    config: Path, settings: list[str] | None, runs: Path, studies: Path, data_root: Path | None
) -> Study:
    from finscale.runs import RunStore
    from finscale.study import Study

    changes = list(settings or [])
    changes += [f"experiment.data.root={data_root}"] if data_root else []
    return Study.from_file(config, changes, studies=studies, runs=RunStore(runs))


def _show(study: Study, *, as_json: bool, terminal: Console) -> None:
    from finscale.report import draw_loss_by_size

    table = study.results()
    figure = draw_loss_by_size(table, study.config, study.folder / "figures")
    if as_json:
        print_json(
            {"study": study.config.name, "hash": study.config.hash(), "runs": table.to_dicts()}
        )
        return
    _print_summary(study.summary(), terminal)
    terminal.print(_conclusion(study), markup=False)
    terminal.print(f"table     {study.folder / 'results.parquet'}", soft_wrap=True)
    terminal.print(f"figure    {figure}", soft_wrap=True)


def _conclusion(study: Study) -> str:
    from finscale.errors import FinscaleError

    try:
        return str(study.verdict().sentence)
    except FinscaleError as error:
        return f"No verdict: {error.message}"


def _print_summary(rows: list[dict[str, Any]], terminal: Console) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "model" else "right")
    for row in rows:
        table.add_row(*row.values())
    terminal.print(table)
