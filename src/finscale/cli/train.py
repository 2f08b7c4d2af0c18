"""``finscale train``: one run, from a recipe to a run folder and a table."""

from __future__ import annotations

import shlex
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
        str | None,
        typer.Option(
            help="Another symbol, once imported or downloaded: SPY. Where the file's dates do not "
            "fit its bars, they are split by shares of the history."
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Another question: threshold_1pct, direction …")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Bars that a label looks ahead.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training windows.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train the one model on so many devices of this machine; torchrun starts them on "
            "several machines. The run is the same, and so is its id.",
        ),
    ] = None,
    settings: Settings = None,
    runs: RunsFolder = RUNS,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train one model and score it on the sealed test windows.

    A run that was stopped goes on where it was; a run that is finished is shown, not repeated.
    """
    from finscale.cli.fitting import load_fitting
    from finscale.cli.together import joined, start_devices
    from finscale.data import DataStore
    from finscale.experiment import run_experiment
    from finscale.judging import scorecard
    from finscale.judging.decision import decide_run
    from finscale.runs import RunStore
    from finscale.training import ProgressBar

    changes = with_options(
        settings,
        budget=("model.budget", budget),
        symbol=("data.symbols", symbol),
        task=("task.name", task),
        horizon=("task.horizon", horizon),
        epochs=("training.epochs", epochs),
        seed=("seed", seed),
        devices=("training.devices", devices),
        data_root=("data.root", data_root),
    )
    experiment, note = load_fitting(config, changes)
    start_devices(experiment.training.devices)
    with joined(experiment.training.device) as ranks:
        follows = ranks is not None and not ranks.leads
        silent = quiet or as_json or follows
        terminal = console(quiet=silent)
        if note:
            say(note, terminal)
        run = run_experiment(
            experiment,
            runs=RunStore(runs),
            callbacks=[] if silent else [ProgressBar(terminal)],
            announce=lambda prepared: _announce(prepared, terminal, runs),
            ranks=ranks,
        )
    if follows:
        return
    card = scorecard(run, RunStore(runs), data=DataStore(experiment.data.root))
    decision = decide_run(card, run.config)
    if as_json:
        about = {"run": run.id, "folder": str(run.folder), "decision": list(decision)}
        print_json({**about, **card.to_dict()})
        return
    columns = (f"test, {card.num_days:,} days", "value   [95 % interval]")
    terminal.print(plain_table(columns, card.rows(), left=columns))
    for sentence in card.sentences():
        terminal.print(sentence)
    if line := card.beyond_line():
        say(line, terminal)
    if decision:
        say("decision  " + "\n          ".join(decision), terminal)
    short = run.id[:4]
    store = shlex.quote(run.place.rpartition("/")[0])
    where = f" --runs {store}" if "://" in run.place else ""
    next_verbs = f"finscale evaluate {short}{where} · finscale runs show {short}{where}"
    say(run.place if quiet else f"run       {run.place}   {next_verbs}")


def _announce(prepared: Prepared, terminal: Console, runs: Path) -> None:
    """Say what was decided, and where it came from, before anything is trained.

    One fold is judged alone here: its own test days must differ in outcome.
    """
    from finscale.experiment.announce import announcement
    from finscale.experiment.labels import label_fault
    from finscale.runs.begun import begun_at

    if fault := label_fault(prepared.dataset, prepared.split, [prepared.split]):
        raise fault
    for name, text in announcement(prepared):
        terminal.print(f"[bold]{name:<10}[/bold]{text}", soft_wrap=True)
    if where := begun_at(runs, prepared.run_id):
        terminal.print(f"[bold]{'goes on':<10}[/bold]{where}: it was stopped there", soft_wrap=True)
