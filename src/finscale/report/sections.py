"""The report's sections: a question each, its answer, its figure and its tables."""

from __future__ import annotations

from finscale.config import DataConfig, StudyConfig
from finscale.config.redraws import redraw_of
from finscale.config.titles import title
from finscale.report.figures import figures
from finscale.report.numbers import number, percent
from finscale.report.parts import ReportSection
from finscale.report.table import Table
from finscale.report.tables import across, architectures, judged, provenance, runs, sizes
from finscale.report.top import cost, gained
from finscale.report.tune import slices
from finscale.study.axes import AXES
from finscale.study.families import family_title
from finscale.study.findings.findings import Findings

#: The one meaning of "×10", here and wherever finscale says it.
TENFOLD_RULE = (
    "×10 always means ten times the largest size measured, along the curve behind the verdict: "
    "the number is the same here, on the first screen and in the figure. finscale law fit and "
    "finscale plan ask the same of a law form that you choose, fitted to a table of runs; where "
    "theirs differs, the curve is not settled, and the verdict's is the one to quote."
)


def sections(findings: Findings, plan: str) -> list[ReportSection]:
    """Return every section, in order: figures first, then what they rest on."""
    drawn = figures(findings)
    found = findings.families
    behind = {
        "architectures": architectures.tables(found, findings.loss) if found else (),
        "scaling": (
            sizes.sizes(findings),
            *sizes.together(findings),
            *sizes.held(findings),
            sizes.baselines(findings),
            sizes.seeds(findings),
        ),
        "years": (sizes.groups(findings, "year"),),
        "economic": across.economic(findings),
        "regimes": (sizes.groups(findings, "volatility"),),
        "calibration": (judged.reliability(findings), judged.scores(findings)),
        "trading": judged.trading(findings),
        "tearsheet": judged.monthly(findings),
    }
    sections = []
    # a test of one year has no figure of years
    after = next((name for name in ("years", "skill", "scaling") if name in drawn), "")
    for name, figure in drawn.items():
        said = (*_whose(findings, name), figure.answer)
        if name == "architectures" and found is not None:
            said = (*said, *(f"Left out: {one.sentence}" for one in found.left_out))
        if name == "scaling" and findings.interaction is not None:
            together = findings.interaction
            said = (*said, together.sentence, together.law_sentence)
        if name == "scaling" and findings.surface is not None:
            said = (*said, *findings.surface.sentences)
        if name == "scaling" and findings.holdings is not None:
            said = (*said, findings.holdings.sentence)
        if name == "scaling" and findings.lead and findings.verdict is not None:
            # where architectures are compared, the sentence at the top is about all of them
            left_out = findings.verdict.statement.exclusions
            said = (*said, *(f"Left out: {one}." for one in left_out))
        parts = (figure.question, said, figure, behind.get(name, ()))
        sections.append(ReportSection(name, *parts, folded=name not in ("trading", "tearsheet")))
        if name == "scaling":
            sections.append(_what_next(findings))
        if name == "skill":
            sections.append(_reach(findings))
        if name == after and (section := across.across(findings)) is not None:
            sections.append(section)
    if findings.searched:
        sections.append(_tuning(findings))
    controls = judged.controls(findings)
    if controls is not None:
        sections.append(_controls(controls))
    return [s for s in sections if s.paragraphs or s.tables] + [
        _certificate(findings),
        _plan(findings, plan),
        _reproduce(findings),
        _runs(findings),
    ]


def _whose(findings: Findings, name: str) -> tuple[str, ...]:
    """Say, before the first figure of one of several architectures, whose it is."""
    if name != "scaling" or not findings.lead:
        return ()
    title = family_title(findings.study, findings.lead)
    why = "its best size has the least validation loss of all"
    if findings.families is None:
        why = f"nothing is compared yet: {findings.not_compared}"
    return (f"This and all that follows is about {title}: {why}.",)


def _what_next(findings: Findings) -> ReportSection:
    """Say what ×10 would bring and cost, and what would settle an open question."""
    verdict, question = findings.verdict, "What would ten times the size bring, and cost?"
    if verdict is None:
        return ReportSection("tenfold", question)
    brings = (
        "The curve turns inside the range, and says nothing of ten times the largest size"
        if findings.turns
        else "Carried on along the fitted curve, ten times the largest size would bring "
        + gained(findings, verdict.next_tenfold)
    )
    paragraphs = [
        f"{brings}; {cost(findings)}. Time is worked out from the seconds that the largest runs of "
        "this study took for each FLOP."
    ]
    if not findings.turns:
        paragraphs.append(TENFOLD_RULE)
    if not findings.asks_one_question:
        question, paragraphs = "What would settle it?", []
    if verdict.settles is not None:
        paragraphs.append(f"{verdict.settles}.")
    paragraphs += [
        f"At {AXES[second].words(size)}: {along.sentence}"
        for second in list(findings.study.axes)[1:]
        for size, along in findings.along.items()
    ]
    if verdict.up_to_best is not None:
        paragraphs.append(f"Up to the best size: {verdict.up_to_best.sentence}")
    return ReportSection("tenfold", question, tuple(paragraphs))


def _reach(findings: Findings) -> ReportSection:
    statement = (
        f"With {findings.num_days:,} test days, an effect smaller than its minimum detectable "
        "effect would most likely have gone unseen: that it was not seen does not say that it is "
        "not there."
    )
    question = "How small an effect would this study have noticed?"
    return ReportSection("reach", question, (statement,), tables=(sizes.reach(findings),))


def _tuning(findings: Findings) -> ReportSection:
    """Say what a search has tried and found; all of it on validation days."""
    figure = slices(findings.searched)
    said = tuple(f"{one.sentence}." for one in findings.searched)
    answer = () if figure is None else (figure.answer,)
    tried = sum(one.num_trials for one in findings.searched)
    counted = f"The deflated Sharpe ratio counts all {tried} settings; no test day chose any."
    question = "Which settings does each size want?"
    return ReportSection("tuning", question, (*answer, counted, *said), figure)


def _controls(table: Table) -> ReportSection:
    text = (
        "Controls are runs whose outcome is known: permuted labels must show no law, a planted "
        "signal must be found. An instrument that fails them proves nothing about real data."
    )
    question = "Does the instrument say what is true where the truth is known?"
    return ReportSection("controls", question, (text,), tables=(table,))


def _certificate(findings: Findings) -> ReportSection:
    certificate = findings.certificate
    return ReportSection(
        "certificate",
        "Could anything have seen the future?",
        (
            f"{certificate['verdict']}. Audited: {certificate['subject']}.",
            "Training windows whose label looks into a part that is held out are purged, and an "
            "embargo follows; the test days were read only to be scored.",
        ),
        tables=(
            provenance.certificate(findings),
            provenance.data(findings),
            provenance.windows(findings),
        ),
    )


def _plan(findings: Findings, plan: str) -> ReportSection:
    study, measure = findings.study, findings.measure
    axes = "; ".join(
        f"axis {axis} with sizes {', '.join(map(AXES[axis].words, sizes))}"
        for axis, sizes in study.axes.items()
    )
    if study.architectures:
        names = ", ".join(family_title(study, name) for name in study.families)
        axes = f"architectures {names}, each at every size; {axes}"
    registered = findings.registration.get("registered", "")
    when = f" on {registered[:10]}" if registered else ""
    amended = [
        f"Amended on {one['when'][:10]}: {'; '.join(one['changes'])}."
        for one in findings.registration.get("amendments", ())
    ]
    return ReportSection(
        "plan",
        "What was fixed before the first run?",
        (
            f"Pre-registered{when}: the outcome is {_outcome(findings)}; {axes}; seeds "
            f"{', '.join(map(str, study.seeds))}{_draws(study)}; baselines "
            f"{', '.join(map(title, study.baselines))}; smallest effect of interest "
            f"{measure.amount(number(study.sesoi))}; significance level "
            f"{percent(study.level)}. The hash of the whole study file is {study.hash()}.",
            *amended,
        ),
        code=(("The study file, every setting resolved", plan),),
    )


def _draws(study: StudyConfig) -> str:
    redraw = redraw_of(study)
    if redraw is None:
        return ""
    numbers = ", ".join(str(draw.number) for draw in study.run_draws)
    own = " (each with seeds of its own)" if redraw.own_seeds else ""
    return (
        f" in each of the {redraw.plural} {numbers}{own}, whose means are the replicates of a size"
    )


def _outcome(findings: Findings) -> str:
    """Return what the verdict is about, and what it takes from the study file."""
    measure, costs = findings.measure, findings.study.costs
    if not findings.outcome.trades:
        return f"the test {measure.title}"
    return (
        f"the yearly {measure.title} on test days (each way, in basis points: "
        f"{number(costs.commission)} commission, {number(costs.half_spread)} half-spread, "
        f"{number(costs.slippage)} slippage)"
    )


def _reproduce(findings: Findings) -> ReportSection:
    states = [place["git"] for place in findings.environments if place.get("git")]
    commands = [f"git checkout {states[-1]['commit']}"] if states else []
    command = f"finscale study run studies/{findings.study.name}/study.yaml"
    root = findings.study.experiment.data.root
    # the file says what the study is, not where its data lie
    if root != DataConfig().root and not root.is_absolute():
        command += f" --data-root {root}"
    commands.append(command)
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
    return ReportSection(
        "reproduce",
        "How can this be made again?",
        tuple(paragraphs),
        tables=(provenance.environment(findings),),
        code=(("In a terminal", "\n".join(commands)),),
    )


def _runs(findings: Findings) -> ReportSection:
    table = runs.runs(findings)
    text = f"{table.data.height} runs, each in runs/<run>/ with its predictions and weights."
    return ReportSection("runs", "Every run", (text,), tables=(table,))
