"""Is it size, or the architecture? A comparison in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from finscale.evaluation.bootstrap import Metric
from finscale.scaling.digits import fixed
from finscale.scaling.measure import negated
from finscale.scaling.sentences import interval
from finscale.study.family_results import FamilyComparison, FamilyDifference, FamilyResult

#: Verdicts by which more size brings more, up to a point at least.
_PAYS = ("LAW", "TURNS")
#: Architectures of which a sentence can tell each one's gain.
_MOST_TOLD = 5


def answer(found: FamilyComparison) -> str:
    """Return in a short sentence whether size matters, the architecture, both or neither."""
    differ = any(one.is_seen for one in found.at_best)
    pays = [one.title for one in found.families if one.verdict_name in _PAYS]
    hurts = [one.title for one in found.families if one.verdict_name == "INVERSE"]
    settled = all(one.verdict_name in (*_PAYS, "INVERSE", "NO-LAW") for one in found.families)
    if pays:
        size = "size pays" if len(pays) == len(found.families) else f"size pays for {_listed(pays)}"
    elif hurts:
        size = f"size hurts {_listed(hurts)}"
    elif settled:
        size = "size makes no difference worth having"
    else:
        size = "whether size pays is not settled"
    if differ:
        which = "The architecture matters"
    elif _are_equal(found.at_best, found.sesoi):
        which = "The architecture makes no difference worth having"
    else:
        which = "No architecture is seen to be better than another"
    return f"{which}; {size}."


def sentence(found: FamilyComparison) -> str:
    """Return which architecture is best at its best size, by how much, and what size brings it."""
    lead, measure = found[found.lead], found.measure
    value = measure.amount(fixed(lead.best.value.value, measure.digits))
    parts = [f"{lead.title} at {lead.best.label} has the least validation loss; its test "]
    parts[0] += f"{measure.title} is {value}."
    against = [lead_first(one, lead.title) for one in found.at_best]
    seen = [_margin(one, found) for one in against if one is not None and one.is_seen]
    unseen = [_margin(one, found) for one in against if one is not None and not one.is_seen]
    if seen:
        parts.append(f"At best sizes it is {'; '.join(seen)}.")
    if unseen:
        parts.append(f"Not told apart from it: {'; '.join(unseen)}.")
    many, confidence = len(found.differences), f"{100 * (1 - found.level):.3g} % confidence"
    held = f"All {many} intervals of differences hold" if many > 1 else "The interval holds"
    parts.append(f"{held} {'together ' if many > 1 else ''}with {confidence}.")
    if not found.seeds_count:
        parts.append("They leave out the luck of seeds: one seed tells nothing of it.")
    return " ".join([*parts, _within(found)])


def _within(found: FamilyComparison) -> str:
    """Return what size brings each architecture; what is the same for all is said once.

    Of many architectures the verdicts alone are said: a table has the gains.
    """
    if len(found.families) > _MOST_TOLD:
        by_verdict: dict[str, list[str]] = {}
        for one in found.families:
            by_verdict.setdefault(one.verdict_name, []).append(one.title)
        verdicts = (f"{name} for {_listed(titles)}" for name, titles in by_verdict.items())
        return f"Size: {'; '.join(verdicts)}."
    spans = [_span(one) for one in found.families]
    one_span = len(set(spans)) == 1
    said = [
        f"{one.title} {_gain(one, found)}{'' if one_span else f' {span}'}"
        for one, span in zip(found.families, spans, strict=True)
    ]
    start = f"Size, {spans[0]}:" if one_span else "Size:"
    return f"{start} {'; '.join(said)}."


def _gain(one: FamilyResult, found: FamilyComparison) -> str:
    if one.verdict is None:
        return f"has no verdict ({one.no_verdict.rstrip('.')})"
    gain = one.verdict.gain
    brought = "gains" if gain.value >= 0 else "loses"
    amount = _amount(gain if gain.value >= 0 else negated(gain), found)
    return f"{brought} {amount} ({one.verdict.name})"


def _amount(gain: Metric, found: FamilyComparison) -> str:
    measure = found.measure
    return f"{interval(gain)} {measure.unit or f'in {measure.title}'}"


def _span(one: FamilyResult) -> str:
    # of a second axis, the verdict is about the largest size
    sizes = [size for size in one.sizes if size.at == one.sizes[-1].at]
    return f"from {sizes[0].words} to {sizes[-1].label}"


def _margin(one: FamilyDifference, found: FamilyComparison) -> str:
    """Return by how much the first is better than the second, or worse."""
    better = one.gain.value >= 0 if not one.is_seen else one.gain.low > 0
    gain = one.gain if better else negated(one.gain)
    amount = _amount(gain, found)
    other = f"{one.second} ({one.second_size})"
    if one.is_seen:
        return f"{amount} {'better' if better else 'worse'} than {other}"
    return f"{other}, {amount} {'behind' if better else 'ahead'}"


def lead_first(one: FamilyDifference, title: str) -> FamilyDifference | None:
    """Return a difference seen from one architecture; None where it has no part in it."""
    if one.first == title:
        return one
    if one.second != title:
        return None
    return FamilyDifference(
        one.at,
        one.second,
        one.second_size,
        one.first,
        one.first_size,
        negated(one.gain),
        one.p_value,
    )


def _are_equal(differences: Sequence[FamilyDifference], sesoi: float) -> bool:
    """Tell whether every difference surely lies within ± the smallest effect of interest."""
    return all(-sesoi < one.gain.low and one.gain.high < sesoi for one in differences)


def _listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"
