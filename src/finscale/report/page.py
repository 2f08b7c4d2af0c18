"""The report as a page: what stands at the top, then a section for each question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finscale.report import tables
from finscale.report.figure import Figure
from finscale.report.figures import figures
from finscale.report.figures.common import sized, title
from finscale.report.numbers import duration, flops, interval, number, percent
from finscale.report.table import Table
from finscale.study.axes import AXES

if TYPE_CHECKING:
    from finscale.study.findings import Findings

#: What each verdict means to someone with ten seconds.
IN_PLAIN_WORDS = {
    "LAW": "Size pays, and by how much can be foretold.",
    "TURNS": "Size pays up to a point, and hurts beyond it.",
    "INVERSE": "Size hurts: the larger, the worse.",
    "NO-LAW": "Size makes no difference worth having.",
    "INDETERMINATE": "This study cannot tell whether size pays.",
    "": "The study is not finished.",
}
#: Colour role of each verdict.
TONES = {"LAW": "good", "TURNS": "warn", "INVERSE": "bad", "NO-LAW": "null"}


@dataclass(frozen=True)
class Key:
    """A number that matters, in the first screen."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Section:
    """One question, its answer, its figure and its tables.

    Parameters
    ----------
    name : str
        Of its anchor.
    title : str
        The question, or what the section holds.
    paragraphs : tuple of str
        The answer first.
    figure : Figure, optional
    tables : tuple of Table
    folded : bool
        Whether tables wait behind a line that opens them.
    code : tuple of (str, str)
        (what it is, text): commands, the study file.
    """

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    figure: Figure | None = None
    tables: tuple[Table, ...] = ()
    folded: bool = True
    code: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Page:
    """Everything that a reader sees, in order."""

    study: str
    hash: str
    question: str
    setting: str
    verdict: str
    tone: str
    plain: str
    sentence: str
    keys: tuple[Key, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def figures(self) -> list[Figure]:
        """All figures, in order."""
        return [section.figure for section in self.sections if section.figure is not None]

    @property
    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [table for section in self.sections for table in section.tables]


def make_page(findings: Findings, plan: str) -> Page:
    """Lay out a report.

    Parameters
    ----------
    findings : Findings
        What is shown.
    plan : str
        The resolved study file, as it was fixed before the first run.
    """
    verdict = findings.verdict
    name = verdict.name if verdict else ""
    return Page(
        study=findings.study.name,
        hash=findings.study.hash(),
        question=findings.study.question or f"What does more {AXES[findings.axis].title} bring?",
        setting=_setting(findings),
        verdict=name or "NO VERDICT",
        tone=TONES.get(name, "null"),
        plain=IN_PLAIN_WORDS[name],
        sentence=_capital(
            verdict.sentence.removeprefix(f"{name}: ") if verdict else findings.no_verdict
        ),
        keys=tuple(_keys(findings)),
        warnings=tuple(_warnings(findings)),
        sections=tuple(_sections(findings, plan)),
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _setting(findings: Findings) -> str:
    experiment = findings.study.experiment
    symbols = experiment.data.symbols
    shown = ", ".join(symbols[:4]) + (f" and {len(symbols) - 4} more" if len(symbols) > 4 else "")
    return (
        f"{shown} · {task_words(findings)} · {experiment.data.tier} features · "
        f"{experiment.data.timescale} · {findings.num_days:,} test days, {findings.first} to "
        f"{findings.last}"
    )


def task_words(findings: Findings) -> str:
    """Return what is forecast, in words."""
    task = findings.study.experiment.task
    ahead = "the next bar" if task.horizon == 1 else f"the next {task.horizon} bars"
    if task.name == "regression":
        return f"return over {ahead}"
    if task.name == "direction":
        return f"whether {ahead} close{'s' if task.horizon == 1 else ''} higher"
    share = task.name.removeprefix("threshold_").removesuffix("pct")
    return f"whether the {task.touch} of {ahead} reaches +{share} %"


def _keys(findings: Findings) -> list[Key]:
    verdict, unit = findings.verdict, findings.unit
    keys = []
    if verdict is not None:
        sizes = verdict.statement.sizes
        first, last = findings.words(sizes[0]), sized(findings, sizes[-1])
        versus = ", against the base rate" if findings.is_relative else ""
        keys.append(
            Key(
                f"Loss saved from {first} to {last}{versus}",
                f"{interval(verdict.gain, sign=True)} {unit}",
                f"smallest effect of interest, stated before: ±{number(verdict.statement.sesoi)}",
            )
        )
        if verdict.best_size is not None:
            best = verdict.best_size
            value, low, high = map(findings.words, (best.value, best.low, best.high))
            keys.append(Key("Best size", f"{value} [{low}, {high}]", AXES[findings.axis].measured))
        if not findings.is_relative:
            keys.append(
                Key(
                    f"What ×10 {AXES[findings.axis].title} would bring",
                    f"{interval(verdict.next_tenfold, sign=True)} {unit}",
                    _cost(findings),
                )
            )
    for over in ("volatility", "base_rate"):
        metric = findings.skill(over)
        if metric is not None:
            seen = "seen" if metric.low > 0 else "worse" if metric.high < 0 else "none seen"
            chosen = sized(findings, findings.chosen.sizes[findings.axis])
            note = f"{seen}; at {chosen}, the size with the least validation loss"
            keys.append(
                Key(f"Skill over {title(over)}", f"{interval(metric, sign=True)} {unit}", note)
            )
    if findings.controls:
        passed = sum(outcome.ok is True for outcome in findings.controls)
        value = f"{passed} of {len(findings.controls)} as expected"
        keys.append(Key("Controls", value, "runs whose outcome is known"))
    clean = findings.certificate["clean"]
    keys.append(
        Key(
            "Leakage",
            "no leak found" if clean else "leak found",
            findings.certificate["verdict"],
        )
    )
    return keys


def _cost(findings: Findings) -> str:
    cost = findings.cost
    if cost is None:
        return "cost unknown: no run recorded its computing"
    low, high = duration(cost.seconds.low), duration(cost.seconds.high)
    return (
        f"cost: {duration(cost.total_seconds)} on the machine of this study for {cost.num_runs} "
        f"runs ({duration(cost.seconds.value)} [{low}, {high}] and {flops(cost.flops)} each)"
    )


def _warnings(findings: Findings) -> list[str]:
    said = []
    if findings.missing:
        names = ", ".join(findings.missing[:5])
        more = f" and {len(findings.missing) - 5} more" if len(findings.missing) > 5 else ""
        verb = "run is" if len(findings.missing) == 1 else "runs are"
        said.append(f"{len(findings.missing)} planned {verb} missing: {names}{more}.")
    if findings.failures:
        reasons = [f"{f['label']} ({f['error']})" for f in findings.failures.values()]
        noun = "run" if len(reasons) == 1 else "runs"
        said.append(f"{len(reasons)} {noun} failed: {'; '.join(reasons[:3])}.")
    if not findings.certificate["clean"]:
        said.append("The audit found a leak: read the certificate before any number on this page.")
    if any(outcome.ok is False for outcome in findings.controls):
        said.append("A control did not come out as it should: the verdict is not to be trusted.")
    return said


def _sections(findings: Findings, plan: str) -> list[Section]:
    drawn = figures(findings)
    behind = {
        "scaling": (tables.sizes(findings), tables.baselines(findings), tables.seeds(findings)),
        "years": (tables.groups(findings, "year"),),
        "regimes": (tables.groups(findings, "volatility"),),
        "calibration": (tables.reliability(findings), tables.scores(findings)),
        "trading": tuple(t for t in (tables.trading(findings),) if t is not None),
    }
    sections = []
    for name, figure in drawn.items():
        folded = name != "trading"
        sections.append(
            Section(name, figure.question, (figure.answer,), figure, behind.get(name, ()), folded)
        )
        if name == "scaling":
            sections.append(_what_next(findings))
        if name == "skill":
            sections.append(_reach(findings))
    controls = tables.controls(findings)
    if controls is not None:
        sections.append(_controls(controls))
    return [s for s in sections if s.paragraphs or s.tables] + [
        _certificate(findings),
        _plan(findings, plan),
        _reproduce(findings),
        _runs(findings),
    ]


def _what_next(findings: Findings) -> Section:
    """Say what ×10 would bring and cost, and what would settle an open question."""
    verdict, question = findings.verdict, "What would ten times the size bring, and cost?"
    if verdict is None:
        return Section("tenfold", question)
    paragraphs = [
        f"Carried on along the fitted curve, ten times the largest size would save "
        f"{interval(verdict.next_tenfold, sign=True)} {findings.unit} per decision; "
        f"{_cost(findings)}. "
        "Time is worked out from the seconds that the largest runs of this study took for each "
        "FLOP."
    ]
    if findings.is_relative:
        question, paragraphs = "What would settle it?", []
    if verdict.settles is not None:
        paragraphs.append(f"What would settle the question: {verdict.settles}.")
    paragraphs += [
        f"At {AXES[second].words(size)}: {along.sentence}"
        for second in list(findings.study.axes)[1:]
        for size, along in findings.along.items()
    ]
    if verdict.up_to_best is not None:
        paragraphs.append(f"Up to the best size: {verdict.up_to_best.sentence}")
    return Section("tenfold", question, tuple(paragraphs))


def _reach(findings: Findings) -> Section:
    statement = (
        f"With {findings.num_days:,} test days, an effect smaller than its minimum detectable "
        "effect would most likely have gone unseen: that it was not seen does not say that it is "
        "not there."
    )
    table = tables.reach(findings)
    return Section(
        "reach",
        "How small an effect would this study have noticed?",
        (statement,),
        tables=(table,),
        folded=False,
    )


def _controls(table: Table) -> Section:
    text = (
        "Controls are runs whose outcome is known: permuted labels must show no law, a planted "
        "signal must be found. An instrument that fails them proves nothing about real data."
    )
    return Section(
        "controls",
        "Does the instrument say what is true where the truth is known?",
        (text,),
        tables=(table,),
        folded=False,
    )


def _certificate(findings: Findings) -> Section:
    certificate = findings.certificate
    return Section(
        "certificate",
        "Could anything have seen the future?",
        (
            f"{certificate['verdict']}. Audited: {certificate['subject']}.",
            "Training windows whose label looks into a part that is held out are purged, and an "
            "embargo follows; the test days were read only to be scored.",
        ),
        tables=(tables.certificate(findings), tables.data(findings), tables.windows(findings)),
        folded=False,
    )


def _plan(findings: Findings, plan: str) -> Section:
    study = findings.study
    axes = "; ".join(
        f"axis {axis} with sizes {', '.join(map(AXES[axis].words, sizes))}"
        for axis, sizes in study.axes.items()
    )
    registered = findings.registration.get("registered", "")
    when = f" on {registered[:10]}" if registered else ""
    amended = [
        f"Amended on {one['when'][:10]}: {'; '.join(one['changes'])}."
        for one in findings.registration.get("amendments", ())
    ]
    return Section(
        "plan",
        "What was fixed before the first run?",
        (
            f"Pre-registered{when}: {axes}; seeds "
            f"{', '.join(map(str, study.seeds))}; baselines "
            f"{', '.join(map(title, study.baselines))}; smallest effect of interest "
            f"{number(study.sesoi)} {findings.unit}; significance level "
            f"{percent(study.level)}. The hash of the whole study file is {study.hash()}.",
            *amended,
        ),
        code=(("The study file, every setting resolved", plan),),
    )


def _reproduce(findings: Findings) -> Section:
    states = [place["git"] for place in findings.environments if place.get("git")]
    commands = [f"git checkout {states[-1]['commit']}"] if states else []
    commands.append(f"finscale study run studies/{findings.study.name}/study.yaml")
    paragraphs = [
        "The same file, data and versions give the same bits on a CPU. Runs that are there already "
        "are not computed again."
    ]
    if len(findings.environments) > 1:
        paragraphs.append(
            f"The runs were made in {len(findings.environments)} states of the code or machine; "
            "the command names the last."
        )
    if any(state["dirty"] for state in states):
        paragraphs.append("Some runs were made by code with changes that no commit holds.")
    return Section(
        "reproduce",
        "How can this be made again?",
        tuple(paragraphs),
        tables=(tables.environment(findings),),
        folded=False,
        code=(("In a terminal", "\n".join(commands)),),
    )


def _runs(findings: Findings) -> Section:
    table = tables.runs(findings)
    return Section(
        "runs",
        "Every run",
        (f"{table.data.height} runs, each in runs/<run>/ with its predictions and weights.",),
        tables=(table,),
        folded=False,
    )
