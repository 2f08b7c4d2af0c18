"""``finscale programme``: a grid of studies from one file, judged together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Quiet,
    RunsFolder,
    Settings,
    console,
    plain_table,
    print_json,
    say,
)
from finscale.cli.study_file import STUDIES, Amend, Quick, StudiesFolder, Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from finscale.study.programme import CellState, Programme
    from finscale.study.programme_results import CellResult
    from finscale.study.telling import Tell

programme_app = typer.Typer(
    help="Run a grid of studies from one file, or the recipe seed: tasks × timescales × assets × "
    "quality of data.",
    epilog="In this order: finscale programme plan seed · programme run seed · programme status "
    "seed · programme report seed",
    no_args_is_help=True,
)
File = Annotated[
    Path,
    typer.Argument(metavar="PROGRAMME", help="A programme's file, or the name of a recipe: seed."),
]
#: Dimensions of the grid, of which there are several.
_SEVERAL = {
    "task": "tasks",
    "timescale": "timescales",
    "row of assets": "rows of assets",
    "quality": "qualities",
}
#: Where each verb looks for a cell's place, and what the table of cells calls it.
_PLACE = ("task", "timescale", "assets", "quality")


@programme_app.command("plan")
def plan(
    file: File,
    settings: Settings = None,
    quick: Quick = False,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say what the programme takes before anything is spent: cells, runs, time; and what cannot be.

    Cells share runs: what several ask for is computed once.
    """
    from finscale.cli.stopping import READING, announced_stop
    from finscale.report.programme import told_together
    from finscale.study.remaining import SPEEDS, TimeLeft, in_words

    programme = _open(file, settings, quick, runs, studies, data_root)
    with announced_stop(READING, READING), _telling("planning", quiet=as_json) as tell:
        missing, refused = programme.missing(tell)
    seconds = TimeLeft(missing, remembered=studies / SPEEDS).seconds()
    facts = {
        "programme": programme.config.name,
        "hash": programme.config.hash(),
        "cells": len(programme.cells),
        "missing": len(missing),
        "seconds": seconds,
        "refused": refused,
        "absent": programme.config.absent(),
    }
    if as_json:
        print_json(facts)
        return
    _head(programme)
    about = f" · about {in_words(seconds)} here" if missing else ""
    say(f"runs       {len(missing)} to compute{about}")
    for line in told_together(programme, refused):
        say(f"refused    {line}")


@programme_app.command("run")
def run(
    file: File,
    settings: Settings = None,
    quick: Quick = False,
    amend: Amend = False,
    workers: Workers = None,
    reports: Annotated[
        bool, typer.Option("--reports/--no-reports", help="Write the report of every cell too.")
    ] = True,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute every run that is missing, judge the cells together, and write one report.

    Stop it at any time: the same command goes on where it was.
    """
    from finscale.cli.failed import failed_lines
    from finscale.cli.stopping import announced_stop
    from finscale.cli.study_progress import StudyProgress
    from finscale.study import LocalExecutor
    from finscale.study.remaining import SPEEDS, TimeLeft

    terminal = console(quiet=quiet or as_json)
    programme = _open(file, settings, quick, runs, studies, data_root)
    _head(programme, terminal)
    shown: list[StudyProgress] = []

    def started(wanted: Sequence[Any]) -> None:
        if shown:
            shown.pop().__exit__()
        say(f"{len(wanted)} runs to compute", terminal)
        left = TimeLeft(wanted, workers=workers, remembered=studies / SPEEDS)
        shown.append(StudyProgress(wanted, terminal, left))
        shown[-1].__enter__()

    try:
        with announced_stop():
            failed = programme.run(
                executor=LocalExecutor(workers),
                observe=lambda event: shown[-1](event) if shown else None,
                amend=amend,
                started=started,
            )
    except KeyboardInterrupt:
        say("stopped. The same command goes on where each run was.", console(stderr=True))
        raise typer.Exit(130) from None
    finally:
        if shown:
            shown[-1].left.remember()
            shown.pop().__exit__()
    for line in failed_lines(failed):
        say(line, console(stderr=True))
    _show(programme, terminal, as_json=as_json, reports=reports, quiet=quiet)
    if failed:
        raise typer.Exit(1)


@programme_app.command("status")
def status(
    file: File,
    settings: Settings = None,
    quick: Quick = False,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say how far each cell is: runs that are there, and why a cell cannot be."""
    from finscale.report.programme import told_together

    programme = _open(file, settings, quick, runs, studies, data_root)
    with _telling("looking at", quiet=as_json) as tell:
        states = programme.states(tell)
    if as_json:
        print_json([state.to_dict() for state in states])
        return
    _head(programme)
    rows = (_state_row(state) for state in states)
    columns = ("", *_PLACE, "runs", "there")
    console().print(plain_table(columns, rows, left=("", *_PLACE), whole=_PLACE))
    for line in told_together(
        programme, {one.cell.name: one.refused for one in states if one.refused}
    ):
        say(f"refused    {line}")
    done = sum(state.there == state.runs > 0 for state in states)
    say(f"{done} of {len(states)} cells are finished")


@programme_app.command("report")
def report(
    file: File,
    settings: Settings = None,
    quick: Quick = False,
    reports: Annotated[
        bool, typer.Option("--reports/--no-reports", help="Write the report of every cell too.")
    ] = True,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Judge the finished cells together and write the report with its heat map again."""
    programme = _open(file, settings, quick, runs, studies, data_root)
    _show(programme, console(quiet=as_json), as_json=as_json, reports=reports)


def _open(
    file: Path,
    settings: list[str] | None,
    quick: bool,
    runs: Path,
    studies: Path,
    data_root: Path | None,
) -> Programme:
    from finscale.runs import RunStore
    from finscale.study.programme import Programme

    where = {"studies": studies, "runs": RunStore(runs), "data_root": data_root}
    return Programme.from_file(file, settings or (), quick=quick, **where)


def _head(programme: Programme, terminal: Console | None = None) -> None:
    config = programme.config
    say(f"{config.name}  {config.question}", terminal)
    absent = config.absent()
    counts = {
        "task": len(config.tasks),
        "timescale": len(config.timescales),
        "row of assets": len(config.assets) - len(absent),
        "quality": len(config.quality),
    }
    counted = " × ".join(
        f"{count} {name if count == 1 else _SEVERAL[name]}" for name, count in counts.items()
    )
    say(f"cells      {counted} = {len(programme.cells)} · registered {config.hash()[:8]}", terminal)
    for row, why in absent.items():
        say(f"absent     row {row}: {why}", terminal)


def _state_row(state: CellState) -> list[str]:
    cell, done = state.cell, state.runs > 0 and state.there == state.runs
    mark = "✗" if state.refused else "✓" if done else "·"
    place = [cell.task, cell.timescale, cell.assets, cell.quality]
    return [mark, *place, str(state.runs or "–"), str(state.there or "–")]


@contextmanager
def _telling(what: str, *, quiet: bool) -> Iterator[Tell]:
    """Show which cell is at work: a line that changes, on the terminal alone."""
    with console(quiet=quiet, stderr=True).status(what) as shown:
        yield lambda name, done, total: shown.update(f"{what} {name} ({done} of {total})")


def _show(
    programme: Programme, terminal: Console, *, as_json: bool, reports: bool, quiet: bool = False
) -> None:
    from finscale.report.programme import headline, summary, write_programme

    with _telling("judging", quiet=as_json or quiet) as tell:
        results = programme.results(reports=reports, tell=tell)
    path = write_programme(programme, results)
    if as_json:
        print_json(
            {
                "programme": programme.config.name,
                "hash": programme.config.hash(),
                "headline": headline(results),
                "report": str(path),
                "cells": [one.to_dict() for one in results],
            }
        )
        return
    columns = (*_PLACE, "gain", "alone", "p", "together")
    rows = [_result_row(one) for one in results]
    # the verdict stays to the last; what all cells have in common goes first
    same = [name for name, *values in zip(columns, *rows, strict=True) if len(set(values)) == 1]
    drop = (*(name for name in _PLACE if name in same), "p", "alone", "gain")
    left = (*_PLACE, "alone", "together")
    terminal.print(plain_table(columns, rows, left=left, whole=_PLACE, drop=drop))
    for line in (headline(results), *summary(results, programme.config.level)):
        say(line, console() if quiet else terminal)
    say(f"report     {path}", terminal)


def _result_row(one: CellResult) -> list[str]:
    from finscale.report.numbers import fixed, probability

    place = [one.task, one.timescale, one.assets, one.quality]
    if not one.is_judged:
        return [*place, "–", "no verdict", "–", "–"]
    gain = fixed(one.gain, one.digits, sign=True)
    return [*place, gain, one.verdict, probability(one.p_together), one.together]
