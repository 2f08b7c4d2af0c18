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
    plain_table,
    print_json,
    say,
    with_options,
)
from finscale.files import null_for_nan

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.study import Planned, Study

study_app = typer.Typer(help="Run a scaling study from one file.", no_args_is_help=True)

StudiesFolder = Annotated[
    Path, typer.Option("--studies", file_okay=False, help="Folder that holds the studies.")
]
Quick = Annotated[bool, typer.Option("--quick", help="The file's `quick` rehearsal.")]
STUDIES = Path("studies")


@study_app.command("run")
def run_study(
    config: ConfigFile,
    settings: Settings = None,
    quick: Quick = False,
    amend: Annotated[
        bool, typer.Option("--amend", help="Go on although the file has changed; recorded.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; as many as fit when absent.")
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
    from finscale.study.planned import split_cautions

    terminal = console(quiet=quiet or as_json)
    study = open_study(config, settings, runs, studies, data_root, quick=quick)
    study.registration.register(amend=amend)
    with console(quiet=quiet or as_json, stderr=True).status("reading the data"):
        missing = study.missing()
    terminal.print(f"[bold]{study.config.name}[/bold]  {study.config.question}", soft_wrap=True)
    say(f"{_counted(len(missing))} to compute · registered {study.config.hash()[:8]}", terminal)
    for caution in split_cautions(study.plan):
        say(f"caution: {caution}", terminal)
    try:
        with StudyProgress(missing, terminal) as progress:
            failures = study.run(executor=LocalExecutor(workers), observe=progress)
    except KeyboardInterrupt:
        left = sum(planned.run_id not in study.runs for planned in missing)
        words = f"stopped: {_counted(len(missing) - left)} finished, {left} are left"
        say(f"{words}. The same command goes on where each run was.", console(stderr=True))
        raise typer.Exit(130) from None
    for label, reason in failures.items():
        first = reason.strip().splitlines()[0]
        say(f"failed: {label}: {first}", console(stderr=True))
    if failures:
        say(f"tracebacks: {study.failures.path}", console(stderr=True))
    if any(not planned.cell.is_baseline for planned, _ in study.completed()):
        _show(study, as_json=as_json, terminal=terminal)
        if quiet and not as_json:
            say(_conclusion(study))
    if failures:
        raise typer.Exit(1)


def _counted(runs: int) -> str:
    return f"{runs} run" if runs == 1 else f"{runs} runs"


@study_app.command("status")
def status(
    config: ConfigFile,
    settings: Settings = None,
    quick: Quick = False,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Say which runs of the study are there, which are missing and which failed."""
    study = open_study(config, settings, runs, studies, data_root, quick=quick)
    failed = study.failures.read()
    rows = [
        {
            "run": planned.run_id,
            "label": label,
            **({"family": planned.cell.family} if study.config.architectures else {}),
            "done": done,
            "failed": "" if done else failed.get(planned.run_id, {}).get("error", ""),
        }
        for label, planned, done in _everything(study)
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        mark = "✓" if row["done"] else "✗" if row["failed"] else "·"
        console().print(f"{mark} {row['run']}  {row['label']}", markup=False)
        if row["failed"]:
            console().print(f"  {row['failed'].strip().splitlines()[0]}", markup=False)
    for one in study.left_out:
        say(f"left out  {one.sentence}")
    for family in study.config.families:
        own = [bool(row["done"]) for row in rows if row["family"] == family]
        say(f"{family}: {sum(own)} of {len(own)} runs are there")
    done = sum(bool(row["done"]) for row in rows)
    console().print(f"{done} of {len(rows)} runs are there")
    for change in study.registration.changes():
        say(f"changed since it was registered: {change}")


def _everything(study: Study) -> list[tuple[str, Planned, bool]]:
    """Return every run of the grid and the controls, its name and whether it is there."""
    named = [(planned.cell.label, planned) for planned in study.plan]
    named += [
        (f"{kind} {planned.cell.label}", planned)
        for kind, control in study.controls.items()
        for planned in control.plan
    ]
    waiting = [(planned.cell.label, planned, False) for planned in study.tuner.missing(study.cells)]
    return waiting + [(name, one, study.runs.is_whole(one.run_id)) for name, one in named]


@study_app.command("report")
def report(
    config: ConfigFile,
    settings: Settings = None,
    quick: Quick = False,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Make the table and the figure again from the finished runs."""
    study = open_study(config, settings, runs, studies, data_root, quick=quick)
    _show(study, as_json=as_json, terminal=console(quiet=as_json))


def open_study(
    config: Path,
    settings: list[str] | None,
    runs: Path,
    studies: Path,
    data_root: Path | None,
    *,
    quick: bool = False,
) -> Study:
    """Return the study of a file with the command line's changes applied."""
    from finscale.runs import RunStore
    from finscale.study import Study

    changes = with_options(settings, data_root=("experiment.data.root", data_root))
    return Study.from_file(config, changes, quick=quick, studies=studies, runs=RunStore(runs))


def _show(study: Study, *, as_json: bool, terminal: Console) -> None:
    from finscale.report.decision import decide, situation
    from finscale.report.write import write_findings
    from finscale.study import control_outcomes
    from finscale.study.findings import find
    from finscale.study.results import BEYOND

    table = study.results()
    terminal.print("writing the report")
    findings = find(study)
    report = write_findings(findings, study.folder)
    decision = decide(situation(findings))
    controls = control_outcomes(study)
    if as_json:
        beyond = study.beyond_linear()
        content = {
            "study": study.config.name,
            "hash": study.config.hash(),
            "verdict": _conclusion(study),
            "decision": list(decision),
            "beyond_linear": beyond.to_dict() if beyond else None,
            "report": str(report),
            "controls": [outcome.to_dict() for outcome in controls],
            "runs": table.to_dicts(),
        }
        print_json({**content, **_compared(study)})
        return
    rows = study.summary()
    cells = (row.values() for row in rows)
    unbroken = ("model", "over runs", BEYOND)
    whole = [name for name in rows[0] if name.startswith(unbroken)]
    terminal.print(plain_table(rows[0], cells, left=("model",), whole=whole, padding=(0, 1, 0, 0)))
    marks = {True: "✓", False: "✗", None: "·"}
    figures = (study.folder / "figures" / f"{name}.png" for name in ("architectures", "scaling"))
    figure = next(path for path in figures if path.is_file())
    for line in (
        *(f"tuned     {sentence}" for sentence in study.tuner.sentences(study.cells)),
        _conclusion(study),
        *_outcomes(study),
        *(f"control   {one.label}: {one.found} {marks[one.ok]}" for one in controls),
        f"table     {study.folder / 'results.parquet'}",
        f"figure    {figure}",
        f"report    {report}",
        "decision  " + "\n          ".join(decision),
    ):
        say(line, terminal)


def _compared(study: Study) -> dict[str, Any]:
    """Return the architectures that are compared, for JSON; nothing where there is one."""
    from finscale.errors import FinscaleError

    if not study.config.architectures:
        return {}
    try:
        return {"architectures": null_for_nan(study.compare().to_dict())}
    except FinscaleError as error:
        return {"architectures": None, "not_compared": error.message}


def _conclusion(study: Study) -> str:
    from finscale.errors import FinscaleError

    try:
        if study.config.architectures:
            from finscale.study.family_words import answer, sentence

            found = study.compare()
            return f"{answer(found)} {sentence(found)}"
        return str(study.verdict().sentence)
    except FinscaleError as error:
        return f"No verdict: {error.message}"


def _outcomes(study: Study) -> list[str]:
    """Return the outcome of each size in one line; a loss is in the table already."""
    from finscale.errors import FinscaleError
    from finscale.scaling.digits import fixed
    from finscale.scaling.sentences import size

    if study.config.outcome == "loss" or study.config.architectures:
        return []
    try:
        verdict = study.verdict()
    except FinscaleError:
        return []
    said = verdict.statement
    values = " · ".join(
        f"{size(x)} {fixed(value, said.measure.digits)}"
        for x, value in zip(said.sizes, verdict.mean_G, strict=True)
    )
    return [f"outcome   {said.measure.title} by {said.axis}: {values}"]
