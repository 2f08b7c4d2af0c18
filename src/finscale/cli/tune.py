"""``finscale tune``: a search for each size's settings, how far it is, and its report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from finscale.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Quiet,
    RunsFolder,
    Settings,
    console,
    count,
    plain_table,
    print_json,
    say,
)
from finscale.cli.study_file import STUDIES, StudiesFolder, Workers

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.study import Study
    from finscale.study.tune.found import FoundSettings
    from finscale.study.tune.tuner import SearchTuner


class _FileFirst(TyperGroup):
    """``finscale tune FILE`` is ``finscale tune run FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((word for word in args if not word.startswith("-")), "")
        if first and first not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


tune_app = typer.Typer(
    cls=_FileFirst,
    help="Search rate, decay, dropout, batch, epochs and shape at each size, by validation loss. "
    "finscale tune FILE is finscale tune run FILE.",
    epilog="In this order: finscale tune my_study.yaml --dry-run · finscale tune my_study.yaml "
    "--time 2h · finscale tune report my_study.yaml · finscale study run my_study.yaml",
    no_args_is_help=True,
)

TuneFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A study file; the name of a study or of a recipe: sp500_search, sp500_transfer; or "
        "a training's file with a budget, which is searched at that one size.",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Database that keeps the trials, such as postgresql://me@host/tune; a journal file "
        "in the study's folder when absent.",
    ),
]
Sampler = Literal["tpe", "gp", "cmaes", "grid", "random"]


@tune_app.command("run")
def tune_run(
    file: TuneFile,
    settings: Settings = None,
    trials: Annotated[int | None, typer.Option(min=2, help="Settings tried at each size.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="Stop after so long: 90s, 15min, 2h.")
    ] = None,
    flops: Annotated[
        float | None,
        typer.Option("--flops", parser=count, help="Stop after so many training FLOPs: 1e15."),
    ] = None,
    sampler: Annotated[Sampler | None, typer.Option(help="Who chooses what is tried.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will take, and compute nothing.")
    ] = False,
    workers: Workers = None,
    storage: Storage = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Search the settings of every size; a study of the file then trains with the best ones.

    Validation loss alone is read: the test days stay sealed. Stop it at any time: the same command
    goes on where it was.
    """
    from finscale.cli.stopping import READING, announced_stop
    from finscale.cli.tune_progress import TuneProgress
    from finscale.study import LocalExecutor
    from finscale.study.remaining import in_words
    from finscale.study.tune.coordinator import TuneBudget
    from finscale.study.tune.tune_plan import cost_dict, search_costs

    terminal = console(quiet=quiet or as_json)
    seconds = None if time is None else _seconds(time)
    if flops is not None and flops <= 0:
        raise typer.BadParameter("--flops 0: a count is asked for, such as 1e15")
    options: dict[str, object] = {"trials": trials, "sampler": sampler}
    study, tuner = _open(file, settings, options, storage, runs, studies, data_root)
    reading = console(quiet=quiet or as_json, stderr=True).status("reading the data")
    with announced_stop(READING, READING), reading:
        costs, together = search_costs(tuner, study.cells, workers=workers)
    terminal.print(f"[bold]{study.config.name}[/bold]  {tuner.describe()}", soft_wrap=True)
    if dry_run:
        total = sum(cost.flops for cost in costs)
        if as_json:
            sizes = [cost_dict(cost) for cost in costs]
            print_json({"sizes": sizes, "flops": total, "seconds": together, "dry_run": True})
            return
        cells = [
            (
                cost.label,
                f"{cost.trials}",
                f"{cost.tried}",
                f"{cost.runs}",
                f"{cost.flops:.1e}",
                in_words(cost.seconds),
            )
            for cost in costs
        ]
        heads = ("size", "trials", "tried", "runs left", "FLOP", "one worker")
        terminal.print(plain_table(heads, cells, left=("size",)))
        for cost in costs:
            say(f"varied  {cost.label}: {', '.join(cost.varied)}", terminal)
            if cost.left_out:
                say(f"held    {cost.label}: {', '.join(cost.left_out)}", terminal)
        say(
            f"about {in_words(together)} here and {total:.1e} FLOP, if no trial is stopped early "
            "and no range is widened",
            terminal,
        )
        return
    say(f"about {in_words(together)} here, less what is stopped early", terminal)
    budget = TuneBudget(seconds, flops)
    try:
        with announced_stop(), TuneProgress(costs, terminal) as progress:
            outcome = tuner.search(
                study.cells,
                LocalExecutor(workers),
                budget=budget,
                observe=progress,
                tell=progress.tell,
            )
    except KeyboardInterrupt:
        say(
            "stopped: every trial is kept; the same command goes on where it was",
            console(stderr=True),
        )
        raise typer.Exit(130) from None
    for label, reason in outcome.failed.items():
        say(f"failed: {label}: {reason.strip().splitlines()[0]}", console(stderr=True))
    if outcome.stopped_by:
        say(f"stopped: {outcome.stopped_by}; the same command goes on", terminal)
    _show(study, tuner, as_json=as_json, terminal=terminal, stopped_by=outcome.stopped_by)
    if outcome.failed:
        raise typer.Exit(1)


@tune_app.command("status")
def tune_status(
    file: TuneFile,
    settings: Settings = None,
    storage: Storage = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say how far the search at each size is, and the best that it has found."""
    study, tuner = _open(file, settings, {}, storage, runs, studies, data_root)
    _show(study, tuner, as_json=as_json, terminal=console(quiet=as_json), stopped_by="")


@tune_app.command("report")
def tune_report(
    file: TuneFile,
    settings: Settings = None,
    storage: Storage = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Write tune.html: which settings matter, where the best lie, every trial."""
    from finscale.report.tune import write_tune_report

    study, tuner = _open(file, settings, {}, storage, runs, studies, data_root)
    found = _found(study, tuner)
    path = write_tune_report(study.config, found, study.folder)
    if as_json:
        print_json({"report": str(path), "sizes": [one.to_dict() for one in found]})
        return
    terminal = console()
    for one in found:
        say(one.sentence, terminal)
    say(f"report    {path}", terminal)


def _open(
    file: Path,
    settings: list[str] | None,
    options: dict[str, object],
    storage: str | None,
    runs: Path,
    studies: Path,
    data_root: Path | None,
) -> tuple[Study, SearchTuner]:
    """Return the study of a file and its searches; a study without a search gets the default."""
    from finscale.cli.tune_file import searched_study

    study, tuner = searched_study(file, settings, options, runs, studies, data_root)
    if storage is not None:
        tuner.storage = storage
    return study, tuner


def _found(study: Study, tuner: SearchTuner, stopped_by: str = "") -> list[FoundSettings]:
    from finscale.errors import FinscaleError

    found = list(tuner.found(study.cells).values())
    if not found:
        raise FinscaleError(
            f"the search of {study.config.name} has no finished trial.",
            hint="the bound was too small for one: a larger --time or --flops"
            if stopped_by
            else "finscale tune FILE makes them",
        )
    return found


def _show(
    study: Study, tuner: SearchTuner, *, as_json: bool, terminal: Console, stopped_by: str
) -> None:
    from finscale.study.tune.storage import without_password

    found = _found(study, tuner, stopped_by)
    if as_json:
        content = {
            "study": study.config.name,
            "storage": without_password(str(tuner.storage)),
            "stopped_by": stopped_by,
            "sizes": [one.to_dict() for one in found],
        }
        print_json(content)
        return
    heads = ("size", "trials", "stopped", "default", "best", "gain", "state")
    cells = [
        (
            one.label,
            f"{one.num_trials}",
            f"{one.counts['stopped']}",
            _loss(one.default_loss),
            _loss(one.best_loss),
            _loss(one.gain),
            _state(one),
        )
        for one in found
    ]
    terminal.print(plain_table(heads, cells, left=("size", "state")))
    for one in found:
        say(f"best    {one.sentence}", terminal)
    say("losses are of validation days; test days were read by nothing here", terminal)
    say(f"trials  {_where(tuner)}", terminal)


def _where(tuner: SearchTuner) -> str:
    from finscale.study.tune.storage import without_password

    where = without_password(str(tuner.storage))
    return f"{where}  (optuna-dashboard {where} shows them)"


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.5f}"


def _state(one: FoundSettings) -> str:
    if one.transferred_from:
        return "transferred"
    if not one.is_done:
        return "not finished"
    return "interior" if one.interior else "at the edge"


def _seconds(text: str) -> float:
    """Return a duration as it is typed: ``90s``, ``15min``, ``2h``, ``1.5d``."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*(s|sec|m|min|h|d)?\s*", text)
    units = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, None: 60}
    try:
        seconds = float(found[1]) * units[found[2]] if found else 0.0
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise typer.BadParameter(f"--time {text}: a time is asked for, such as 90s, 15min or 2h")
    return seconds
