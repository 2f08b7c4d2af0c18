"""``finscale audit``: what was proven about leaks, how, and what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Quiet,
    RunsFolder,
    Settings,
    console,
    print_json,
    say,
)

if TYPE_CHECKING:
    from finscale.audit import Certificate
    from finscale.config import ExperimentConfig
    from finscale.data import DataStore, FinancialDataset


def audit(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|CONFIG",
            help="A registered dataset (SP500.dataset.a20, or SP500), or a YAML file of an "
            "experiment or a study.",
        ),
    ],
    settings: Settings = None,
    task: Annotated[str, typer.Option(help="For a dataset: the label to audit.")] = (
        "threshold_1pct"
    ),
    horizon: Annotated[
        int, typer.Option(min=1, help="For a dataset: bars that the label counts.")
    ] = 1,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run one check. May be repeated.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 also where something could not be proven.")
    ] = False,
    runs: RunsFolder = RUNS,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Look for leaks and print a certificate; exit 1 on a finding.

    A dataset is audited with its first 60 % of days as train and the next 20 % as validation; a
    config with its own task and split, every fold.
    """
    from finscale.audit import audit as examine
    from finscale.data import DataStore
    from finscale.runs import RunStore

    path = Path(subject)
    audited: ExperimentConfig | FinancialDataset
    if path.suffix in (".yaml", ".yml"):
        audited, note = _experiment(path, settings or [], data_root)
        store = DataStore(data_root or audited.data.root)
        if note:
            say(note, console(quiet=quiet or as_json))
    else:
        store = DataStore(data_root or "data")
        audited = _registered(store, subject, task, horizon)

    with console(quiet=quiet or as_json, stderr=True).status("gathering the evidence") as status:
        certificate = examine(
            audited,
            data=store,
            runs=RunStore(runs),
            only=only or None,
            progress=lambda check: status.update(check.question),
        )
    if as_json:
        print_json(certificate.to_dict())
    else:
        _print(certificate, quiet=quiet)
    if not certificate.clean or (strict and not certificate.complete):
        raise typer.Exit(1)


def _experiment(
    path: Path, settings: list[str], data_root: Path | None
) -> tuple[ExperimentConfig, str]:
    """Read an experiment, its split fitted as ``train`` does; of a study, what its runs share."""
    from finscale.cli.fitting import load_fitting
    from finscale.config import StudyConfig, load_config
    from finscale.data import DataStore

    if path.is_file() and "\naxes:" in f"\n{path.read_text(encoding='utf-8')}":
        return load_config(StudyConfig, path, settings).experiment, ""
    return load_fitting(path, settings, DataStore(data_root) if data_root else None)


def _registered(store: DataStore, name: str, task: str, horizon: int) -> FinancialDataset:
    """Return the windows of a registered dataset; a bare symbol means its daily a20."""
    from finscale.config import DataConfig, TaskConfig, validate
    from finscale.data import FinancialDataset
    from finscale.data.store import dataset_id

    id, _, version = name.partition("@")
    if ".dataset." not in id:
        id = dataset_id(id, "a20", "daily")
    frame, entry = store.frame(id, version or None)
    return FinancialDataset.from_frames(
        [frame],
        context_length=DataConfig().context_length,
        task=validate(TaskConfig, {"name": task, "horizon": horizon}, place="--task"),
        entries=[entry],
    )


def _print(certificate: Certificate, *, quiet: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from finscale.audit.certificate import MARKS

    styles = {"proven": "green", "finding": "bold red", "unproven": "yellow"}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for outcome in certificate.outcomes:
        style = styles[outcome.status]
        mark = f"[{style}]{MARKS[outcome.status]}[/{style}]"
        text = [escape(outcome.statement)]
        text += [f"[bold red]✗[/bold red] {escape(finding)}" for finding in outcome.findings]
        text += [f"[yellow]?[/yellow] {escape(gap)}" for gap in outcome.unproven]
        if outcome.status != "proven":
            text.append(f"[dim]→ {escape(outcome.mend)}[/dim]")
        table.add_row(mark, outcome.check, "\n".join(text))
    if not quiet:
        console().print(f"[bold]{escape(certificate.subject)}[/bold]", table, sep="\n")
    console().print(certificate.verdict(), style="bold red" if not certificate.clean else "bold")
