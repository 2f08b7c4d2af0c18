"""The report's first screen: the setting, the numbers that matter, what went wrong."""

from __future__ import annotations

from finscale.config.baselines import LINEAR_BASELINE
from finscale.config.titles import title
from finscale.config.universes import read_universe, symbols_in_words
from finscale.data.targets import task_title
from finscale.errors import ConfigError
from finscale.evaluation.bootstrap import Metric
from finscale.judging.claims import Standing
from finscale.judging.decision import the
from finscale.report.figures.common import sized
from finscale.report.numbers import duration, fixed, flops, interval, number
from finscale.report.parts import Key
from finscale.study.axes import AXES
from finscale.study.families import family_title
from finscale.study.family_words import lead_first
from finscale.study.findings.findings import Findings


def setting(findings: Findings) -> str:
    """Return what was forecast, of what, from what and when, in a line."""
    experiment = findings.study.experiment
    symbols = experiment.data.symbols
    shown = ", ".join(symbols[:4]) + (f" and {len(symbols) - 4} more" if len(symbols) > 4 else "")
    if experiment.data.universe:
        shown = symbols_in_words(experiment.data)
    return (
        f"{shown} · {task_title(experiment.task)} · {experiment.data.tier} features · "
        f"{experiment.data.timescale} · {findings.num_days:,} test days, {findings.first} to "
        f"{findings.last}"
    )


def gained(findings: Findings, gain: Metric) -> str:
    """Return an improvement of the outcome in words: ``+.0123 [.0046, .0201] nats``."""
    measure, text = findings.measure, interval(gain, sign=True)
    return f"{text} {measure.unit or f'in {measure.title}'}"


def capital(words: str) -> str:
    """Return words that start a sentence; AUC stays AUC."""
    return words[:1].upper() + words[1:]


def keys(findings: Findings) -> list[Key]:
    """Return the numbers that matter: gain, ×10, beyond a line, skill, controls, leakage."""
    verdict, unit = findings.verdict, findings.loss.unit
    keys = _best_architecture(findings)
    whose = f"{family_title(findings.study, findings.lead)}: " if findings.lead else ""
    if verdict is not None:
        sizes = verdict.statement.sizes
        first, last = findings.words(sizes[0]), sized(findings, sizes[-1])
        measure = findings.measure
        versus = ", against the base rate" if findings.is_relative else ""
        keys.append(
            Key(
                f"{whose}{capital(measure.gained)} from {first} to {last}{versus}",
                measure.amount(interval(verdict.gain, sign=True)),
                f"smallest effect of interest, stated before: ±{number(verdict.statement.sesoi)}; "
                f"minimum detectable effect: {number(findings.reaches[0].smallest)}",
            )
        )
        if verdict.best_size is not None:
            best = verdict.best_size
            value, low, high = map(findings.words, (best.value, best.low, best.high))
            keys.append(
                Key(f"{whose}Best size", f"{value} [{low}, {high}]", AXES[findings.axis].measured)
            )
        if findings.asks_one_question:
            keys.append(
                Key(
                    f"{whose}What ×10 {AXES[findings.axis].title} would bring",
                    "not known: the curve turns before it"
                    if findings.turns
                    else gained(findings, verdict.next_tenfold),
                    cost(findings),
                )
            )
    if findings.beyond_chosen is not None:
        value, note = _beyond(findings, findings.beyond_chosen)
        keys.append(Key(f"{whose}{capital('beyond the linear model')}", value, note))
    for over in ("volatility", "base_rate"):
        metric = findings.skill(over)
        if metric is not None:
            value = f"{interval(metric, sign=True)} {unit}"
            if over in findings.claims.failed:
                value = f"not said: {the(over)} failed"
            note = _at_chosen(findings, findings.claims.standing(over), over)
            keys.append(Key(f"{whose}Skill over {title(over)}", value, note))
    if findings.controls:
        passed = sum(outcome.ok is True for outcome in findings.controls)
        value = f"{passed} of {len(findings.controls)} as expected"
        keys.append(Key("Controls", value, "runs whose outcome is known"))
    if findings.holdings is not None:
        small, large = findings.holdings.tiers[0], findings.holdings.tiers[-1]
        keys.append(
            Key(
                f"Effective features of {small.tier} and {large.tier}",
                f"{small.effective:.1f} and {large.effective:.1f}",
                f"of {small.num_features:,} and {large.num_features:,}: participation ratio of "
                "their correlations, on training rows",
            )
        )
    clean = findings.certificate["clean"]
    keys.append(
        Key(
            "Leakage",
            "no leak found" if clean else "leak found",
            findings.certificate["verdict"],
        )
    )
    return keys


def _beyond(findings: Findings, gain: Metric) -> tuple[str, str]:
    """Return what the chosen size gains on the linear model, and what that means."""
    linear = the(LINEAR_BASELINE)
    if findings.beyond is not None and findings.beyond.failed:
        return f"not said: {linear} failed", f"{findings.beyond.failed}."
    standing: Standing = "seen" if gain.low > 0 else "worse" if gain.high < 0 else "none"
    if findings.measure.title == "loss" and standing == "seen" and not findings.claims.is_founded:
        standing = "unfounded"
    seen = _at_chosen(findings, standing, LINEAR_BASELINE)
    return gained(findings, gain), f"{seen}; its interval holds for all sizes at once"


def _at_chosen(findings: Findings, standing: Standing, over: str) -> str:
    words = {
        "seen": "seen",
        "worse": f"worse than {the(over)}",
        "none": "none seen",
        "failed": "this baseline loses to the base rate: it is no yardstick",
        "unfounded": "no skill over the base rate is seen, so none is claimed here",
        "moved": "none: the base rate moved, and days are not ranked",
    }
    chosen = sized(findings, findings.chosen.sizes[findings.axis])
    return f"{words[standing]}; at {chosen}, the size with the least validation loss"


def _best_architecture(findings: Findings) -> list[Key]:
    """Return which of several architectures is best at its best size, and how far ahead it is."""
    found = findings.families
    if found is None:
        return []
    lead, measure = found[found.lead], found.measure
    note = f"test {measure.title} {measure.amount(fixed(lead.best.value.value, measure.digits))}"
    keys = [Key("Least validation loss", f"{lead.title} at {lead.best.label}", note)]
    ahead = [lead_first(one, lead.title) for one in found.at_best]
    known = [one for one in ahead if one is not None]
    if known:
        nearest = min(known, key=lambda one: one.gain.value)
        value = measure.amount(interval(nearest.gain, sign=True))
        note = f"at best sizes; it holds together with all {len(found.differences)} differences"
        keys.append(Key(f"{lead.title} against {nearest.second}", value, note))
    return keys


def cost(findings: Findings) -> str:
    """Return what ten times the largest size would cost."""
    cost = findings.cost
    if cost is None:
        return "cost unknown: no run recorded its computing"
    low, high = duration(cost.seconds.low), duration(cost.seconds.high)
    return (
        f"cost: {duration(cost.total_seconds)} on the machine of this study for {cost.num_runs} "
        f"runs ({duration(cost.seconds.value)} [{low}, {high}] and {flops(cost.flops)} each)"
    )


def _survivorship(findings: Findings) -> str:
    """Return what is known of members of the universe that failed; empty where nothing is."""
    data = findings.study.experiment.data
    if not data.universe:
        return ""
    try:
        universe = read_universe(data.universe, data.root)
    except ConfigError:
        return ""  # the runs keep their own list of members
    said = universe.survivorship()
    return f"Universe {universe.name}: {said}." if said else ""


def warnings(findings: Findings) -> list[str]:
    """Return what a reader must know before any number: runs missing, leaks, failed controls."""
    said = []
    if survivorship := _survivorship(findings):
        said.append(survivorship)
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
