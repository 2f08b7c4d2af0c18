"""The sentence of each verdict and the reasons of an open one: numbers, units, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finscale.config.quantities import format_count
from finscale.evaluation.bootstrap import Metric
from finscale.scaling.decision import Decisions
from finscale.scaling.digits import decimals, fixed, number
from finscale.scaling.equivalence import difference_interval
from finscale.scaling.measure import negated
from finscale.scaling.settlement import Settlement

#: A misfit rarer than this is said.
_MISFIT = 0.01

#: Why nothing is decided where only mean losses were given.
NO_DAYS = (
    "without daily losses the luck of the test days, which runs of one size may share, is in no "
    "number"
)


def interval(metric: Metric, bounds: tuple[float, float] | None = None) -> str:
    """Return ``.310 [.250, .370]``; an end on a bound is written as open."""
    digits = decimals(metric)
    if digits is None:
        return number(metric.value)
    low, high = fixed(metric.low, digits), fixed(metric.high, digits)
    if bounds is not None:
        low = f"≤ {low}" if metric.low <= bounds[0] else low
        high = f"≥ {high}" if metric.high >= bounds[1] else high
    return f"{fixed(metric.value, digits)} [{low}, {high}]"


def _ends(metric: Metric) -> str:
    """Return ``[.250, .370]``."""
    return interval(metric).partition(" ")[2]


def size(value: float) -> str:
    """Return a size as people write it: ``47k``."""
    return format_count(value) if value >= 999.5 else f"{value:.3g}"


def p_text(p: float) -> str:
    """Return ``p = .031`` or ``p < .001``."""
    return "p < .001" if p < 0.001 else f"p = {number(float(f'{p:.2g}'))}"


def sentence(
    name: str, facts: Mapping[str, Any], why: tuple[str, ...], settles: Settlement | None
) -> str:
    """Return the sentence that a paper could quote, with what weakens it."""
    said = facts["statement"]
    text = _claim(name, facts, why, settles)
    if name in ("LAW", "INVERSE", "TURNS") and _below_sesoi(facts):
        kind = {"LAW": "A law", "INVERSE": "A worsening", "TURNS": "A best size"}[name]
        text += (
            f" {kind}, and below what was said to matter: sizes differ by less than "
            f"±{number(said.sesoi)}, the smallest effect of interest."
        )
    if facts["covariance"].num_days == 0 and not said.shared_days:
        text += " It was stated that runs of one size share no luck of the test days."
    if facts["fits"] < _MISFIT and name != "INDETERMINATE":
        text += f" No curve tried here describes the {said.measure.many} well"
        shape = facts["shape"]
        text += f" ({p_text(facts['fits'])}){f': {shape.words}' if shape else ''}."
    return text


def describing(text: str, shows: str) -> str:
    """Return the sentence of a study without daily losses: it describes, and decides nothing."""
    if shows == "INDETERMINATE":
        return f"{text} {NO_DAYS[0].upper()}{NO_DAYS[1:]}."
    return (
        f"INDETERMINATE beyond these test days: {NO_DAYS}. Of these days alone they show {text} "
        "Give losses by day, or state that runs share no such luck (--no-shared-days; "
        "shared_days=False)."
    )


def resting(sizes: Sequence[float], axis: str) -> str:
    """Return the sentence that names sizes on which a valley rests; nothing where there is none."""
    if not sizes:
        return ""
    names = " or ".join(map(size, sizes))
    return f" Without {names} {axis} no valley is seen: were they trained as well as the others?"


def _below_sesoi(facts: Mapping[str, Any]) -> bool:
    """Tell whether no difference between sizes reaches the smallest effect of interest."""
    gain, sesoi = facts["gain"], facts["statement"].sesoi
    # the interval that the sentence quotes has to lie within too
    inside = max(abs(gain.low), abs(gain.high)) < sesoi
    return bool(inside and (facts["alike"] or facts["best_size"] is None))


def _claim(
    name: str, facts: Mapping[str, Any], why: tuple[str, ...], settles: Settlement | None
) -> str:
    said, measure = facts["statement"], facts["statement"].measure
    title, better, worse = measure.title, measure.moves(better=True), measure.moves(better=False)
    first, last = size(said.sizes[0]), size(said.sizes[-1])
    span = f"from {first} to {last} {said.axis}"
    exponent = interval(facts["exponent"], facts["exponent_bounds"])
    change = measure.amount(interval(measure.change(facts["next_tenfold"])))
    tenfold = f"the next tenfold would change it by {change}"
    gain = measure.amount(interval(facts["gain"]))
    if name == "LAW":
        return (
            f"LAW: {title} {better} {span} as a power law with exponent {exponent}, by {gain} in "
            f"all; a constant is rejected ({p_text(facts['p_improves'])}), the largest size was "
            f"predicted to within {number(facts['held_out'][0])}, and {tenfold}."
        )
    if name == "INVERSE":
        lost = measure.amount(interval(negated(facts["gain"])))
        return (
            f"INVERSE: {title} {worse} {span}, by {lost} in all "
            f"(exponent {exponent}); a constant is rejected ({p_text(facts['p_worsens'])}), and "
            f"{tenfold}."
        )
    if name == "TURNS":
        best = facts["best_size"]
        extreme = "highest" if measure.higher_is_better else "least"
        return (
            f"TURNS: {title} {better} to a {extreme} value at {size(best.value)} "
            f"[{size(best.low)}, {size(best.high)}] {said.axis} and {worse} beyond; within {first} "
            f"to {last} this beats every monotone curve ({p_text(facts['p_turns'])})."
        )
    if name == "NO-LAW":
        return (
            f"NO-LAW: the {measure.gain} {span} is {gain}, and every size lies within "
            f"±{number(said.sesoi)} of every other, the smallest effect of interest stated before "
            f"(equivalence {p_text(facts['p_equivalent'])}; {_widest_interval(facts)})."
        )
    ending = f" {settles}." if settles else ""
    return f"INDETERMINATE: {'; '.join(why)}; the {measure.gain} {span} is {gain}.{ending}"


def reasons(facts: Mapping[str, Any], decisions: Decisions) -> tuple[str, ...]:
    """Return why a study that reached no other verdict did not."""
    said, shape = facts["statement"], facts["shape"]
    if decisions.fits_B[0] or shape.kind == "late":
        found = _why_no_law(facts, pinned=bool(decisions.pinned_B[0]))
    else:
        p = p_text(facts["fits"])
        found = [f"no curve tried here describes the {said.measure.many} ({p})", shape.words]
    gain, effect = facts["gain"], f"±{number(said.sesoi)}"
    apart, surely = _furthest_apart(facts)
    pairs = apart, facts["widest"].sizes
    ends, widest = (f"{size(one)} and {size(other)} {said.axis}" for one, other in pairs)
    if facts["alike"]:
        found.append(f"every size lies within {effect} of every other ({_widest_interval(facts)})")
    elif surely:
        found.append(f"{ends} differ by more than {effect[1:]}")
    elif max(abs(gain.low), abs(gain.high)) >= said.sesoi:
        found.append(f"a gain beyond {effect} is not excluded")
    else:
        found.append(f"a difference beyond {effect} between {widest} is not excluded")
    return tuple(found)


def _why_no_law(facts: Mapping[str, Any], *, pinned: bool) -> list[str]:
    said, shape = facts["statement"], facts["shape"]
    rises = facts["direction"] == "rising"
    improves = rises == said.measure.higher_is_better
    p = facts["p_improves"] if improves else facts["p_worsens"]
    if p >= said.level:
        return [
            "size may have no effect: neither a fall nor a rise is seen "
            f"({p_text(p)} for the likelier)"
        ]
    found = [f"{said.measure.title} {said.measure.moves(better=improves)} ({p_text(p)})"]
    if shape is not None:
        found.append(f"but {shape.words}")
    elif not pinned:
        exponent = interval(facts["exponent"], facts["exponent_bounds"])
        found.append(f"but its exponent cannot be pinned down ({exponent})")
    law, constant = facts["held_out"]
    if law >= constant:
        found.append(
            f"but the law missed the largest size by {number(law)}, a constant by "
            f"{number(constant)}"
        )
    return found


def _widest_interval(facts: Mapping[str, Any]) -> str:
    """Return the interval of the widest difference, and of the gain where the quoted one is wider.

    A gain is quoted with its 95 % interval, which may reach a little beyond ± the effect where the
    90 % interval, by which two one-sided tests at 5 % go, does not.
    """
    said, widest, gain = facts["statement"], facts["widest"], facts["gain"]
    level = f"{100 * widest.level:.3g} %"
    between = " and ".join(map(size, widest.sizes))
    text = f"the widest {level} interval of a difference, of {between}, is {_ends(widest.gain)}"
    if max(-gain.low, gain.high) < said.sesoi:
        return text
    if widest.sizes != (said.sizes[0], said.sizes[-1]):
        ends = difference_interval(facts["covariance"], 0, -1, widest.level)
        text += f", that of the gain {_ends(ends)}"
    return f"{text}; the gain is given with its {100 * (1 - said.level):.3g} % interval"


def _furthest_apart(facts: Mapping[str, Any]) -> tuple[tuple[float, float], bool]:
    """Return the two sizes whose means differ most, and whether surely by more than the SESOI."""
    from scipy.stats import t

    covariance, said = facts["covariance"], facts["statement"]
    mean_G = covariance.mean_G
    first, second = sorted((int(mean_G.argmin()), int(mean_G.argmax())))
    value, error, degrees = covariance.difference(first, second)
    half = error * float(t.ppf(1 - said.level / 2 / len(mean_G) ** 2, degrees))
    return (said.sizes[first], said.sizes[second]), abs(value) - half > said.sesoi
