"""The sentence of each verdict and the reasons of an open one: numbers, units, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finscale.config.quantities import format_count
from finscale.evaluation.bootstrap import Metric
from finscale.scaling.digits import decimals, fixed, number
from finscale.scaling.measure import negated
from finscale.scaling.settlement import Settlement

#: A misfit rarer than this is said.
_MISFIT = 0.01


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
    text = _claim(name, facts, why, settles)
    if facts["covariance"].num_days == 0:
        text += " The luck of the test days is not included: no daily losses were given."
    if facts["fits"] < _MISFIT:
        many = facts["statement"].measure.many
        text += f" No curve tried here describes the {many} well ({p_text(facts['fits'])})."
    return text


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
            f"NO-LAW: the {measure.gain} {span} is {gain}, inside the ±{number(said.sesoi)} stated "
            f"as the smallest effect of interest (equivalence {p_text(facts['p_equivalent'])})."
        )
    ending = f" {settles}." if settles else ""
    return f"INDETERMINATE: {'; '.join(why)}; the {measure.gain} {span} is {gain}.{ending}"


def reasons(facts: Mapping[str, Any], *, pinned: bool) -> tuple[str, ...]:
    """Return why a study that reached no other verdict did not."""
    said = facts["statement"]
    rises = facts["direction"] == "rising"
    improves = rises == said.measure.higher_is_better
    p = facts["p_improves"] if improves else facts["p_worsens"]
    found = []
    if p >= said.level:
        found.append(
            "size may have no effect: neither a fall nor a rise is seen "
            f"({p_text(p)} for the likelier)"
        )
    else:
        found.append(f"{said.measure.title} {said.measure.moves(better=improves)} ({p_text(p)})")
        if not pinned:
            exponent = interval(facts["exponent"], facts["exponent_bounds"])
            found.append(f"but its exponent cannot be pinned down ({exponent})")
        law, constant = facts["held_out"]
        if law >= constant:
            found.append(
                f"but the law missed the largest size by {number(law)}, a constant by "
                f"{number(constant)}"
            )
    gain = facts["gain"]
    if max(abs(gain.low), abs(gain.high)) >= said.sesoi:
        found.append(f"a gain beyond ±{number(said.sesoi)} is not excluded")
    return tuple(found)
