"""``finscale train``: one run, from a recipe to a run folder and a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    plain_table,
    print_json,
    say,
    with_options,
)

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.experiment.preparation import Prepared


def train(
    config: ConfigFile,
    budget: Annotated[
        str | None, typer.Option(help="Parameter count to meet: 250k, 2M, 20M or any number.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Another symbol, once imported or downloaded: SPY.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    settings: Settings = None,
    runs: RunsFolder = RUNS,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train one model and score it on the sealed test windows.

    A run that was stopped goes on where it was; a run that is finished is shown, not repeated.
    """
    from finscale.config import ExperimentConfig, load_config
    from finscale.data import DataStore
    from finscale.experiment import run_experiment
    from finscale.judging import scorecard
    from finscale.runs import RunStore
    from finscale.training import ProgressBar

    changes = with_options(
        settings,
        budget=("model.budget", budget),
        symbol=("data.symbols", symbol),
        seed=("seed", seed),
        data_root=("data.root", data_root),
    )
    experiment = load_config(ExperimentConfig, config, changes)
    silent = quiet or as_json
    terminal = console(quiet=silent)
    run = run_experiment(
        experiment,
        runs=RunStore(runs),
        callbacks=[] if silent else [ProgressBar(terminal)],
        announce=lambda prepared: _announce(prepared, terminal, runs),
    )
    card = scorecard(run, RunStore(runs), data=DataStore(experiment.data.root))
    if as_json:
        print_json({"run": run.id, "folder": str(run.folder), **card.to_dict()})
        return
    columns = (f"test, {card.num_days:,} days", "value   [95 % interval]")
    terminal.print(plain_table(columns, card.rows(), left=columns))
    for sentence in card.sentences():
        terminal.print(sentence)
    if line := card.beyond_line():
        say(line, terminal)
    short = run.id[:4]
    next_verbs = f"finscale evaluate {short} · finscale runs show {short}"
    say(str(run.folder) if quiet else f"run       {run.folder}   {next_verbs}")


def _announce(prepared: Prepared, terminal: Console, runs: Path) -> None:
    """Say what was decided, and where it came from, before anything is trained."""
    from finscale.experiment.announce import announcement
    from finscale.runs.begun import begun_at

    for name, text in announcement(prepared):
        terminal.print(f"[bold]{name:<10}[/bold]{text}", soft_wrap=True)
    if where := begun_at(runs, prepared.run_id):
        terminal.print(f"[bold]{'goes on':<10}[/bold]{where}: it was stopped there", soft_wrap=True)
