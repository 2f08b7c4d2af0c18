"""``finscale runs``: what has been trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from finscale.errors import FinscaleError, did_you_mean

if TYPE_CHECKING:
    from finscale.runs import Run

STUDIES = Path("studies")
#: Order → the row's entry.
_SORTED_BY = {
    "finished": "finished",
    "study": "studies",
    "model": "model",
    "size": "parameters",
    "seed": "seed",
    "fold": "fold",
    "control": "control",
    "test": "test_loss",
    "validation": "validation_loss",
    "seconds": "seconds",
}
RunOrder = Literal[
    "finished", "study", "model", "size", "seed", "fold", "control", "test", "validation", "seconds"
]

runs_app = typer.Typer(help="List, show, compare and clear finished runs.", no_args_is_help=True)

RunId = Annotated[str, typer.Argument(help="The first digits of a run's id, or its folder.")]


@runs_app.command("list")
def list_runs(
    runs: RunsFolder = RUNS,
    last: Annotated[
        int, typer.Option(min=0, help="How many of the newest to show; 0 shows all.")
    ] = 50,
    study: Annotated[str | None, typer.Option(help="Runs of this study alone.")] = None,
    size: Annotated[
        str | None, typer.Option(help="Runs of this many parameters, give or take 5 %: 2M.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Runs of this seed.")] = None,
    fold: Annotated[int | None, typer.Option(help="Runs of this fold.")] = None,
    architecture: Annotated[
        str | None, typer.Option(help="Runs of this architecture or baseline: gru, logistic.")
    ] = None,
    control: Annotated[
        bool | None,
        typer.Option("--control/--no-controls", help="Control runs alone, or none of them."),
    ] = None,
    sort: Annotated[RunOrder, typer.Option(help="What they are ordered by, rising.")] = "finished",
    descending: Annotated[bool, typer.Option("--descending", help="Falling.")] = False,
    studies: Annotated[Path, typer.Option(help="Folder that holds the studies.")] = STUDIES,
    as_json: AsJson = False,
) -> None:
    """List finished runs, the newest last; --json lists all of them.

    Controls are marked: their labels are not the market's. A test loss that is not known yet is
    read from the run's predictions; that is recorded, as every reading of a test part is.
    """
    from finscale.config import parse_count
    from finscale.runs import RunStore
    from finscale.runs.garbage import studies_of_runs
    from finscale.runs.index import summaries

    store = RunStore(runs)
    every = summaries(store, test_loss=_test_loss)
    owners = studies_of_runs(studies)
    for row in every:
        row["studies"] = owners.get(row["id"], [])
    if study is not None and not any(study in row["studies"] for row in every):
        raise FinscaleError(
            f"no run in {store.place} belongs to a study {study} of {studies}.",
            hint=did_you_mean(study, {name for names in owners.values() for name in names})
            if owners
            else "finscale study list",
        )
    count = None if size is None else parse_count(size)
    rows = [
        row
        for row in every
        if (study is None or study in row["studies"])
        and (count is None or abs((row["parameters"] or 0) / count - 1) <= _TOLERANCE)
        and (seed is None or row["seed"] == seed)
        and (fold is None or row["fold"] == fold)
        and (architecture is None or row["model"] == architecture)
        and (control is None or control == (row["control"] != "none"))
    ]
    rows.sort(key=_order(sort), reverse=descending)
    if as_json:
        print_json(rows)
        return
    if not rows:
        words = "none of the runs in {} is of that kind" if every else "no runs in {}"
        say(f"{words.format(store.place)}; `finscale train` makes one")
        return
    shown = rows[-last:] if last else rows
    if len(shown) < len(rows):
        console().print(f"… {len(rows) - len(shown):,} more before these: --last 0 shows them")
    cells = [dict(zip(_COLUMNS, _cells(row), strict=True)) for row in shown]
    # what all have in common is said once
    common = {
        name: cells[0][name]
        for name in ("study", "data", "task")
        if len(cells) > 1 and len({one[name] for one in cells}) == 1
    }
    if common:
        say(" · ".join(f"{name} {value}" for name, value in common.items()))
    columns = [name for name in _COLUMNS if name not in common]
    console().print(
        plain_table(
            columns,
            ([one[name] for name in columns] for one in cells),
            left=("run", "study", "model", "control", "data", "task"),
            whole=columns,
            padding=(0, 1, 0, 0),
            drop=("seconds", "data", "validation", "task", "fold", "seed", "study", "size"),
        )
    )


def _test_loss(run: Run) -> float | None:
    # most are known: what reads predictions is loaded for those that are not
    from finscale.judging.gather import test_loss

    return test_loss(run)


_COLUMNS = (
    *("run", "study", "model", "size", "seed", "fold", "control", "test", "validation"),
    *("data", "task", "seconds"),
)
#: Two counts within this share of one another are one size.
_TOLERANCE = 0.05


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from finscale.config import format_count

    names = row["studies"]
    return (
        row["id"],
        f"{names[0]} +{len(names) - 1}" if len(names) > 1 else "".join(names) or "–",
        row["model"],
        format_count(row["parameters"]) if row["parameters"] else "–",
        str(row["seed"]),
        str(row["fold"]),
        "–" if row["control"] == "none" else row["control"],
        _loss(row["test_loss"]),
        _loss(row["validation_loss"]),
        f"{row['symbols']} {row['tier']}",
        f"{row['task']} H={row['horizon']}",
        f"{row['seconds']:.1f}",
    )


def _loss(value: float | None) -> str:
    # squares of returns are too small for four decimals
    return "–" if value is None else f"{value:.4f}" if abs(value) >= 0.01 else f"{value:.3g}"


def _order(sort: RunOrder) -> Callable[[dict[str, Any]], Any]:
    """Return the key of an order; what a run does not have comes last."""
    name = _SORTED_BY[sort]

    def key(row: dict[str, Any]) -> Any:
        value = row[name]
        return (value is None or value == [], value)

    return key


@runs_app.command("show")
def show_run(
    run: RunId,
    runs: RunsFolder = RUNS,
    studies: Annotated[Path, typer.Option(help="Folder that holds the studies.")] = STUDIES,
    as_json: AsJson = False,
) -> None:
    """Show one run: scores first, then config, data, counts, training, environment."""
    from finscale.config import format_count
    from finscale.judging.gather import model_name, predictions_of
    from finscale.judging.scoring import card_rows, test_scores
    from finscale.judging.shown import known_skills
    from finscale.runs import RunStore
    from finscale.runs.garbage import studies_of_runs

    found = RunStore(runs).find(run)
    own = predictions_of([found])
    scores, skills = test_scores(own), known_skills(found, RunStore(runs))
    owners = studies_of_runs(studies).get(found.id, [])
    if as_json:
        print_json(
            {
                **found.info,
                "studies": owners,
                "scores": {name: asdict(metric) for name, metric in scores.items()},
                "skills": {name: asdict(metric) for name, metric in skills.items()},
            }
        )
        return
    import yaml

    info, config, terminal = found.info, found.config, console()
    terminal.print(f"[bold]{found.place}[/bold]")
    if config.task.control != "none":
        say(f"control   {_CONTROL_WORDS[config.task.control]}", terminal)
    total = info["parameters"].get("total")
    of = f" · {format_count(total)} parameters" if total else ""
    place = f"seed {config.seed} · fold {config.split.fold}"
    say(f"model     {model_name(config)}{of} · {place}", terminal)
    if owners:
        say(f"study     {', '.join(owners)}", terminal)
    columns = (f"test, {own.test['date'].n_unique():,} days", "value   [95 % interval]")
    terminal.print(plain_table(columns, card_rows(own.target, scores, skills), left=columns))
    best = info.get("training", {}).get("best_validation_loss")
    if best is not None:
        told = info["training"]
        words = f"validation loss {_loss(best)} at epoch {told['best_epoch']}; {told['stopped']}"
        say(words, terminal)
    text = yaml.safe_dump(info, sort_keys=False, allow_unicode=True, width=96)
    terminal.print()
    say(text, terminal)


_CONTROL_WORDS = {
    "permuted": "labels are shuffled: nothing is to be found here",
    "planted": "labels are drawn from a known signal, not the market's",
}


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
    for one in (store.find(first), store.find(second)):
        if one.config.task.control != "none":
            say(f"{one.id} is a control: {_CONTROL_WORDS[one.config.task.control]}", terminal)
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
