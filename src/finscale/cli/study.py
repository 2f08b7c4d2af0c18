"""``finscale study``: a grid of runs, its table and its figure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    ClusterAddress,
    DataRoot,
    ExecutorName,
    Quiet,
    RunsFolder,
    Settings,
    console,
    plain_table,
    print_json,
    say,
)
from finscale.cli.study_file import (
    STUDIES,
    Amend,
    Quick,
    StudiesFolder,
    StudyFile,
    Workers,
    open_study,
)
from finscale.files import null_for_nan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from finscale.study import Planned, Study
    from finscale.study.findings.findings import Findings
    from finscale.study.telling import Tell

#: Begun runs that are told one by one.
_SHOWN = 4

study_app = typer.Typer(
    help="Run a scaling study from one file, or a recipe such as sp500_parameters.",
    epilog="In this order: finscale study new my_study · study plan my_study.yaml · study run "
    "my_study.yaml · study status my_study · study report my_study",
    no_args_is_help=True,
)


@study_app.command("run")
def run_study(
    config: StudyFile,
    settings: Settings = None,
    quick: Quick = False,
    amend: Amend = False,
    workers: Workers = None,
    executor: ExecutorName = "local",
    address: ClusterAddress = "",
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute every run of the study that is missing, then show what size brings.

    Stop it at any time: the same command goes on where it was, on another executor too.
    """
    from finscale.cli.failed import failed_lines
    from finscale.cli.stopping import READING, announced_stop
    from finscale.cli.study_progress import StudyProgress
    from finscale.study import make_executor
    from finscale.study.planned import split_cautions
    from finscale.study.remaining import SPEEDS, in_words, time_left
    from finscale.study.roster import roster

    terminal = console(quiet=quiet or as_json)
    engine = make_executor(executor, workers=workers, address=address)
    study = open_study(config, settings, runs, studies, data_root, quick=quick)
    study.registration.register(amend=amend)
    reading = console(quiet=quiet or as_json, stderr=True).status("reading the data")
    with announced_stop(READING, READING), reading:
        missing = study.missing()
        # remembered, so that `study status` beside it takes no time
        root = study.config.experiment.data.root
        roster(study.config, study.folder, root, lambda: study)
    terminal.print(f"[bold]{study.config.name}[/bold]  {study.config.question}", soft_wrap=True)
    left = time_left(missing, engine, remembered=studies / SPEEDS)
    where = "here" if executor == "local" else f"on {executor}"
    about = f" · about {in_words(left.seconds())} {where}" if missing else ""
    hashed = study.config.hash()[:8]
    say(f"{_counted(len(missing))} to compute{about} · registered {hashed}", terminal)
    for caution in split_cautions(study.plan):
        say(f"caution: {caution}", terminal)
    for line in _begun(study, missing):
        say(line, terminal)
    try:
        with announced_stop(), StudyProgress(missing, terminal, left) as progress:
            failures = study.run(executor=engine, observe=progress)
    except KeyboardInterrupt:
        study.tracking.finish("killed")
        done = len(study.runs.among(planned.run_id for planned in missing))
        words = f"stopped: {_counted(done)} finished, {len(missing) - done} are left"
        at = _begun(study, missing)
        for line in (f"{words}. The same command goes on where each run was.", *at):
            say(line, console(stderr=True))
        raise typer.Exit(130) from None
    finally:
        left.remember()
        roster(study.config, study.folder, root, lambda: study)
    for line in failed_lines(failures):
        say(line, console(stderr=True))
    if failures:
        say(f"tracebacks: {study.failures.path}", console(stderr=True))
    if any(not planned.cell.is_baseline for planned, _ in study.completed()):
        with _stopped_report(study):
            _show(study, as_json=as_json, terminal=terminal)
            if quiet and not as_json:
                say(_conclusion(study))
    study.tracking.finish("failed" if failures else "finished")
    if failures:
        raise typer.Exit(1)


def _begun(study: Study, missing: Sequence[Planned]) -> list[str]:
    """Say where the runs go on that were stopped before their end."""
    from finscale.runs.begun import begun_at

    found = [(one, begun_at(study.runs.folder, one.run_id)) for one in missing]
    begun = [f"goes on    {one.cell.label}: {where}" for one, where in found if where]
    more = len(begun) - _SHOWN
    return begun if more <= 1 else [*begun[:_SHOWN], f"           and {more} more"]


def _counted(runs: int) -> str:
    return f"{runs} run" if runs == 1 else f"{runs} runs"


@study_app.command("report")
def report(
    config: StudyFile,
    settings: Settings = None,
    quick: Quick = False,
    paper: Annotated[
        bool,
        typer.Option(
            "--paper", help="Also figures as PDF, a methods text and BibTeX, in paper/ beside it."
        ),
    ] = False,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Make the table, the figures and the report again from the finished runs."""
    study = open_study(config, settings, runs, studies, data_root, quick=quick)
    with _stopped_report(study):
        _show(study, as_json=as_json, terminal=console(quiet=as_json), paper=paper)


@contextmanager
def _stopped_report(study: Study) -> Iterator[None]:
    """Answer Ctrl-C at once while a report is made; say what is kept and where it goes on."""
    from finscale.cli.stopping import WRITING, announced_stop

    try:
        with announced_stop(WRITING, WRITING):
            yield
    except KeyboardInterrupt:
        terminal, again = console(stderr=True), f"finscale study report {study.config.name}"
        say(f"stopped while the report was written; every run is kept: {again} makes it", terminal)
        raise typer.Exit(130) from None


def _show(study: Study, *, as_json: bool, terminal: Console, paper: bool = False) -> None:
    from finscale.report.decision import decide, situation
    from finscale.report.write import write_findings
    from finscale.study.findings import find
    from finscale.study.results import BEYOND

    with _report_progress(terminal, quiet=as_json) as tell:
        table = study.results(tell)
        findings = find(study, tell)
        report = write_findings(findings, study.folder, paper=paper, tell=tell)
    decision = decide(situation(findings))
    controls = findings.controls
    if as_json:
        beyond, together = study.beyond_linear(), findings.interaction
        content = {
            "study": study.config.name,
            "hash": study.config.hash(),
            "verdict": _conclusion(study),
            "decision": list(decision),
            "beyond_linear": beyond.to_dict() if beyond else None,
            **({"interaction": together.to_dict()} if together else {}),
            "surface": null_for_nan(findings.surface.to_dict()) if findings.surface else None,
            "economic": findings.economic.to_dict() if findings.economic else None,
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
    # what a study is about stays longest: the loss, and what size adds to the linear model
    others = [name for name in rows[0] if name.startswith("vs ")]
    drop = ("collapsed", "over runs", *others)
    terminal.print(
        plain_table(rows[0], cells, left=("model",), whole=whole, padding=(0, 1, 0, 0), drop=drop)
    )
    marks = {True: "✓", False: "✗", None: "·"}
    figures = (study.folder / "figures" / f"{name}.png" for name in ("architectures", "scaling"))
    figure = next(path for path in figures if path.is_file())
    for line in (
        *(f"tuned     {sentence}" for sentence in study.tuner.sentences(study.cells)),
        _conclusion(study),
        *_outcomes(study),
        *_together(findings),
        *(f"surface   {said}" for said in (findings.surface.sentences if findings.surface else ())),
        *([f"earns     {findings.economic.sentence}"] if findings.economic else []),
        *(f"control   {one.label}: {one.found} {marks[one.ok]}" for one in controls),
        f"table     {study.folder / 'results.parquet'}",
        f"figure    {figure}",
        f"report    {report}",
        *([f"paper     {report.parent / 'paper'}"] if paper else []),
        "decision  " + "\n          ".join(decision),
    ):
        say(line, terminal)


@contextmanager
def _report_progress(terminal: Console, *, quiet: bool) -> Iterator[Tell]:
    """Show what of the report is being made: a line that changes, or in a log one a minute."""
    from finscale.cli.study_progress import LINE_SECONDS

    def words(what: str, done: int, total: int) -> str:
        count = f" ({done} of {total})" if total else ""
        return f"writing the report: {what}{count}"

    if terminal.is_terminal and not quiet:
        with terminal.status("writing the report") as status:
            yield lambda *told: status.update(words(*told))
        return
    terminal.print("writing the report")
    last = time.monotonic()

    def tell(*told: Any) -> None:
        nonlocal last
        if time.monotonic() - last > LINE_SECONDS:
            last = time.monotonic()
            terminal.print(words(*told))

    yield tell


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


def _together(findings: Findings) -> list[str]:
    """Return how the two axes of a study act on one another: a table and two sentences."""
    from finscale.scaling.digits import fixed

    found = findings.interaction
    if found is None:
        return []
    digits = found.measure.digits
    cells = ([row[0], *(fixed(x, digits) for x in row[1:])] for row in found.table.iter_rows())
    lines = [found.table.columns, *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ("  ".join(map(str.rjust, line, widths)) for line in lines)
    return [f"together  {line}" for line in (*table, found.sentence, found.law_sentence)]


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
