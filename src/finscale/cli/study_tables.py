"""``finscale study new | plan | diff | export``: before a study runs, and after."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    RunsFolder,
    Settings,
    console,
    plain_table,
    print_json,
    say,
)
from finscale.cli.study_file import STUDIES, Quick, StudiesFolder, StudyFile, open_study
from finscale.cli.study_status import study_app
from finscale.errors import did_you_mean

#: This module adds its verbs to ``study_app``: import the complete app from here.
__all__ = ["study_app"]

#: Choices that a question lists.
_SHOWN = 24

if TYPE_CHECKING:
    from finscale.study.planning import SizePlan, StudyPlan


@study_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The study's name: spy_parameters.")],
    axis: Annotated[
        str | None,
        typer.Option(
            help="What grows: parameters, compute, rows, assets, data, tier, quality, "
            "context_length or horizon."
        ),
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(help="Symbols, separated by commas: SPY,QQQ.")
    ] = None,
    universe: Annotated[
        str | None,
        typer.Option(
            help="Members of a universe, compared with one another: us20, or a file (finscale "
            "universe list)."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="direction, threshold_0.5pct, threshold_1pct, threshold_2pct, threshold_3pct, "
            "threshold_5pct or regression; of a universe outperform, top_fifth, rank, residual too."
        ),
    ] = None,
    sizes: Annotated[str, typer.Option(help="Sizes along the axis: 5k,17k,55k,180k.")] = "",
    horizon: Annotated[int, typer.Option(min=1, help="Bars ahead that the label looks at.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each size and fold.")] = 5,
    folds: Annotated[
        int | None,
        typer.Option(min=1, help="Test blocks, one after the other; 3 where the history allows."),
    ] = None,
    budget: Annotated[str, typer.Option(help="Parameters, where another axis grows.")] = "50k",
    outcome: Annotated[
        str, typer.Option(help="What the verdict is about: loss, auc, r2, sharpe or ic.")
    ] = "loss",
    sesoi: Annotated[
        float | None,
        typer.Option(help="Smallest effect of interest, in the outcome's unit; its own if absent."),
    ] = None,
    question: Annotated[str, typer.Option(help="For the top of the report.")] = "",
    controls: Annotated[bool, typer.Option(help="Shuffled labels and a planted signal.")] = True,
    source: Annotated[
        str | None,
        typer.Option(help="Of bars that are not there yet: bundled, synthetic:garch …"),
    ] = None,
    data_root: DataRoot = None,
    out: Annotated[Path | None, typer.Option(help="The file; NAME.yaml when absent.")] = None,
) -> None:
    """Write a commented study file from flags, or from the answers to three questions.

    The split is one that fits the bars. What cannot end in a verdict (two sizes, one seed, too
    short a history) is refused at once.
    """
    from finscale.config.names import TASK_NAMES
    from finscale.config.universes import symbols_in_words
    from finscale.data import SOURCES, DataStore
    from finscale.study.axes import AXES
    from finscale.study.new import Answers, write_study

    if universe is None:
        there = DataStore(data_root or "data").symbols()
        shipped = [symbol for one in SOURCES.values() for symbol in one.symbols]
        known = dict.fromkeys([*there, *shipped])
        named = _ask(symbols, "symbols", "SP500", known).split(",")
    else:
        named = symbols.split(",") if symbols else []
    usual = "threshold_1pct" if universe is None else "outperform"
    name = name.removesuffix(".yaml").removesuffix(".yml")
    answers = Answers(
        name=name,
        question=question,
        symbols=named,
        universe=universe,
        task=_ask(task, "task", usual, TASK_NAMES.built_in, closed=True),
        axis=_ask(axis, "what grows", "parameters", AXES, closed=True),
        sizes=sizes,
        horizon=horizon,
        seeds=seeds,
        folds=folds,
        budget=budget,
        outcome=outcome,
        sesoi=sesoi,
        controls=controls,
        source=source,
        data_root=data_root,
    )
    path = out or Path(f"{name}.yaml")
    with console(stderr=True).status("looking at the data"):
        draft = write_study(answers, path)
    study = draft.study
    (grows, along), *_ = study.axes.items()
    asked = ", ".join(map(AXES[grows].words, along))
    data = f"{answers.task} on {symbols_in_words(study.experiment.data)}"
    folded = f"{study.num_folds} fold{'s' if study.num_folds > 1 else ''}"
    say(f"grows     {grows}: {asked}")
    say(f"asks      {data}, {len(study.seeds)} seeds, {folded}, {outcome}")
    say(f"data      {draft.origin.words}")
    say(f"split     {draft.split.words}")
    for caution in draft.cautions:
        say(f"caution   {caution}")
    say(f"{path}   next: finscale study plan {path}")


def _ask(
    given: str | None, words: str, default: str, known: Iterable[str], *, closed: bool = False
) -> str:
    """Return what was given, or the answer to a question that lists the choices.

    Where nobody can be asked it is the default; what a study asks is said in any case.
    """
    if given is not None or not sys.stdin.isatty():
        return given or default
    listed = list(known)
    shown = ", ".join(listed[:_SHOWN]) + (" …" if len(listed) > _SHOWN else "")
    while True:
        answer = str(typer.prompt(f"{words} ({shown})", default=default)).strip()
        if not closed or answer in listed:
            return answer
        say(did_you_mean(answer, listed))


@study_app.command("plan")
def plan(
    config: StudyFile,
    settings: Settings = None,
    quick: Quick = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time.")] = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say what the study takes and what it could find, before anything is spent.

    Each size takes real steps for a second or two, so its time is measured on this machine. Where
    the study's device is not here, the plan says all but the time.
    """
    from finscale.study.planned import split_cautions
    from finscale.study.planning import plan_study

    study = open_study(config, settings, runs, studies, data_root, quick=quick)
    with console(quiet=as_json, stderr=True).status("reading the data") as status:
        found = plan_study(
            study, workers=workers, tell=lambda step: status.update(f"measuring {step}")
        )
    if as_json:
        print_json(found.to_dict())
    else:
        _print_plan(found)
        for caution in split_cautions(study.plan):
            say(f"caution: {caution}")


def _print_plan(found: StudyPlan) -> None:
    from finscale.config import format_count
    from finscale.study.remaining import in_words

    columns = ("size", "runs", "there", "each", "threads", "memory", "FLOP", "sees a gain of*")
    rows = (
        (
            size.label,
            str(size.runs),
            str(size.there),
            "–" if size.seconds is None else in_words(size.seconds),
            "" if size.threads is None else str(size.threads),
            f"{size.memory / 2**30:.1f} GB",
            format_count(size.flops) if size.flops else "–",
            _short(size.sees) if size.sees else "",
        )
        for size in found.sizes
    )
    console().print(plain_table(columns, rows, left=("size",)))
    time = "time not said: the device is not here"
    if found.seconds is not None:
        time = f"at most {in_words(found.seconds)} on this machine "
        time += f"({found.workers} workers, no run stopping early)"
    for one in found.families.values():
        hours = (
            "" if one.seconds is None else f" · {in_words(one.seconds * one.runs)} of one worker"
        )
        say(f"{one.label}  {_runs(one)}{hours} · {one.flops:.2g} FLOP")
    for sentence in found.left_out:
        say(f"left out  {sentence}")
    disk = f"{found.disk / 1e6:.0f} MB of disk"
    say(f"total  {found.runs} runs · {time} · {found.flops:.2g} FLOP · {disk}")
    say(f"tuning  {found.tuning}")
    if found.aligned:
        say(f"days    {found.aligned}")
    say("\n".join(_power_lines(found)))


def _runs(size: SizePlan) -> str:
    there = f", {size.there} there" if size.there else ""
    return f"{size.runs} {'run' if size.runs == 1 else 'runs'}{there}"


def _power_lines(found: StudyPlan) -> list[str]:
    power, panel = found.power, [f"       {one}" for one in (found.panel, found.priced) if one]
    if power is None:
        return [f"power  not said: {found.why_no_power}", *panel]
    gain = f"{power.unit} a decision" if power.unit else f"in {power.outcome}"
    law = (
        f"and its power law established from {_short(power.smallest_law)}"
        if math.isfinite(power.smallest_law)
        else "and of none its power law established"
    )
    lines = [
        f"*  {gain} over the smallest size, 80 % power, {power.num_days:,} test days; "
        f"assumed: {power.assumed}",
        f"power  a gain of {_short(power.smallest_fall)} over the whole range would be seen, {law}",
        *panel,
    ]
    if power.smallest_fall <= power.sesoi:
        return [*lines, f"       your SESOI of {power.sesoi:g} lies within what it sees"]
    ways = []
    if power.days_for_sesoi:
        ways.append(f"about {power.days_for_sesoi:,} test days (add symbols or folds)")
    if power.seeds_for_sesoi:
        ways.append(f"{power.seeds_for_sesoi} seeds")
    way = " or ".join(ways) or "more days and more seeds than 256 times as many"
    return [*lines, f"       your SESOI is {power.sesoi:g}; to see it: {way}"]


def _short(value: float) -> str:
    from finscale.scaling.digits import number

    return number(float(f"{value:.2g}"))


@study_app.command("diff")
def diff(
    first: Annotated[str, typer.Argument(help="A study's name, or its folder.")],
    second: Annotated[str, typer.Argument(help="Another's.")],
    studies: StudiesFolder = STUDIES,
    as_json: AsJson = False,
) -> None:
    """Say in what two studies differ: what was asked, and what came out."""
    from finscale.study.study_diff import StudyRecord, compare

    folders = (Path(name) if Path(name).is_dir() else studies / name for name in (first, second))
    records = [StudyRecord.read(folder) for folder in folders]
    found = compare(*records)
    if as_json:
        print_json(found.to_dict())
        return
    for record, sentence in zip(records, found.verdicts, strict=True):
        say(f"{record.name} {record.hash[:8]}  {sentence}")
    say("settings" if found.settings else "the settings are the same")
    for change in found.settings:
        say(f"  {change}")
    if found.losses:
        say(f"{found.what}, mean of each model")
    for row in found.losses:
        say(f"  {row['model']:<32} {row['first']:.4f} → {row['second']:.4f}  {row['change']:+.4f}")


@study_app.command("export")
def export(
    config: StudyFile,
    settings: Settings = None,
    quick: Quick = False,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    file_format: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="Of the tables.")
    ] = "csv",
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
) -> None:
    """Write tidy tables: one row per run, and one per run and test day."""
    from finscale.study.export import export_study

    study = open_study(config, settings, runs, studies, data_root, quick=quick)
    for path in export_study(study, out, format=file_format):
        say(str(path))
