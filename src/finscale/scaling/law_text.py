"""A law in words: the summary's table and the one line of `repr`."""

from __future__ import annotations

import textwrap

import numpy as np

from finscale.config.quantities import format_count
from finscale.scaling.intervals import Interval
from finscale.scaling.law_numbers import LawNumbers
from finscale.scaling.outliers import outlying_ways, outlying_words
from finscale.scaling.sentences import p_text

_WIDTH = 100
#: Why two figures for the same tenfold may differ.
VERDICTS_DIFFER = (
    "as `finscale plan` says; a verdict's figure may differ: its curve may level off below zero, "
    "and it weighs sizes by the errors of days and seeds"
)
_LABEL = 12


def number(value: float) -> str:
    """Return a number as people read it: ``0.3651``, ``477.8``, ``2.1e+06``, ``–`` if unknown."""
    return "–" if np.isnan(value) else f"{value:.4g}"


def interval(ends: Interval | None) -> str:
    """Return ``[.31, .42]`` in as many digits as its ends need to differ.

    An end that does not close is ``open``, an absent interval a dash.
    """
    if ends is None or np.isnan(ends).any():
        return "–"
    for digits in range(3, 10):
        low, high = ("open" if np.isinf(end) else f"{end:.{digits}g}" for end in ends)
        width = ends[1] - ends[0]
        if not np.isfinite(width) or abs(float(high) - float(low) - width) <= 0.1 * width:
            break
    return f"[{low}, {high}]"


def one_line(law: LawNumbers) -> str:
    """Return the law's `repr`."""
    kept_n = ~law.heldout_n
    shape = f"{np.count_nonzero(kept_n)} sizes, {law.table.seeds_n[kept_n].sum()} runs"
    if not law.identified:
        return f"Law({law.form.name}, NOT IDENTIFIED: {law.reason}; {shape})"
    told = [
        f"{name} = {number(law[name].value)} {interval(law[name].interval)}"
        for name in law.form.names
        if name not in law.fit.unidentified
    ]
    untold = [f"{name} not identified" for name in law.fit.unidentified]
    tested = law.fit.lack_of_fit
    misfit = f"; MISFIT {p_text(tested.p_value)}" if tested and tested.rejected else ""
    return f"Law({law.form.name}: {', '.join(told + untold)}; {shape}{misfit})"


def summary(law: LawNumbers) -> str:
    """Return what was fitted to what, estimates with intervals, diagnostics and warnings."""
    lines = [*_row(law.form.name, law.form.equation), *_facts(law), ""]
    if law.identified:
        blocks = f", blocks of {law.block_length:.1f} days on average" if law.block_length else ""
        drawn = f"{len(law.replicates_Rp):,} replicates of {law.scheme}{blocks}"
        lines += [*_estimates(law), "", *_tenfold(law), *_row("bootstrap", drawn)]
    else:
        lines += _row("result", f"NOT IDENTIFIED: {law.reason}")
        lines += _still_told(law)
    lines += [*_lack_of_fit(law), *_diagnostics(law)]
    shown, ends = law.table.measure.shown, law.table.measure.shown_ends
    for held in law.heldout if law.identified else []:
        inside = "inside" if held.low <= held.observed <= held.high else "outside"
        lines += _row(
            "held out",
            f"at {_size(held.x_d)} the law says {number(shown(held.predicted))} "
            f"{interval(ends(held.low, held.high))}, measured {number(shown(held.observed))}: "
            f"{inside}",
        )
    untold = law.fit.unidentified.items() if law.identified else ()
    remarks = [("not told", f"{name}: {why}") for name, why in untold]
    remarks += [("beware", flag) for flag in law.fit.flags]
    if apart := law.outlying:
        remarks.append(("apart", f"{outlying_words(apart)} They count; {outlying_ways(apart)}."))
    remarks += [("note", note) for note in law.table.notes]
    return "\n".join([*lines, *(line for remark in remarks for line in _row(*remark))])


def _row(label: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, _WIDTH - _LABEL - 1) or [""]
    return [
        f"{label if i == 0 else '':<{_LABEL}} {line}".rstrip() for i, line in enumerate(wrapped)
    ]


def _size(x_d: np.ndarray) -> str:
    return " × ".join(format_count(float(value)) for value in x_d)


def _facts(law: LawNumbers) -> list[str]:
    from finscale.scaling.problem import LOSSES

    kept = law.table.rows(~law.heldout_n)
    spans = ", ".join(
        f"{axis} {format_count(float(column.min()))} … {format_count(float(column.max()))}"
        for axis, column in zip(kept.axes, kept.x_nd.T, strict=True)
    )
    seeds = sorted(set(kept.seeds_n.tolist()))
    each = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]}–{seeds[-1]}"
    cells = kept.losses_nST.shape[-1]
    unit = "days" if kept.has_days else "folds"
    days = f" · {cells:,} {unit}" if cells > 1 else ""
    loss = law.fit.problem.loss
    over = ", medians over them" if kept.seeds == "median" else ""
    noun = "seed" if each == "1" else "seeds"
    points = f"{kept.num_sizes} sizes × {each} {noun}{over}{days} · {spans}"
    chosen = _row("form", law.chosen) if law.chosen else []
    return [
        *chosen,
        *_row("points", points),
        *_row("fitted", f"{_fitted(law)} by {loss}: {LOSSES[loss]}"),
    ]


def _fitted(law: LawNumbers) -> str:
    """Return what L stands for: the loss, or what an outcome falls short of its best by."""
    measure = law.table.measure
    return f"L = {measure.fitted}" if measure.higher_is_better else measure.label


def _estimates(law: LawNumbers) -> list[str]:
    """Return every number with its three intervals, the kind that is quoted first."""
    kinds = ["percentile", "bca", "profile"]
    quoted = "profile" if any(e.default == "profile" for e in law.estimates.values()) else kinds[0]
    kinds.sort(key=lambda kind: kind != quoted)
    names = [kind.replace("bca", "BCa") for kind in kinds]
    first, second, third = f"{law.level:.0%} {names[0]}", *names[1:]
    head = f"{'':<{_LABEL}} {'estimate':>10}   {first:<20} {second:<20} {third}"
    return [head] + [
        f"{e.name:<{_LABEL}} {number(e.value):>10}   "
        + " ".join(f"{interval(getattr(e, kind)):<20}" for kind in kinds).rstrip()
        for e in law.estimates.values()
    ]


def _still_told(law: LawNumbers) -> list[str]:
    """Return the intervals of a law that is not identified, where they exclude anything."""
    told = [
        f"{e.name} {interval(e.interval)}"
        for e in law.estimates.values()
        if np.isfinite(e.interval).any() and e.name not in {p.name for p in law.form.linear}
    ]
    return _row("still told", f"at {law.level:.0%}: {' · '.join(told)}") if told else []


def _tenfold(law: LawNumbers) -> list[str]:
    """Return the gain of the next tenfold along each axis, and what other figures rest on."""
    lines = []
    for name, estimate in law.estimates.items():
        if not name.startswith("gain_x10") or np.isnan(estimate.value):
            continue
        axis = next((i for i, a in enumerate(law.form.axes) if name == f"gain_x10_{a}"), 0)
        top = float(law.fit.problem.x_nd[:, axis].max())
        measure, better = law.table.measure, estimate.value >= 0
        ends = estimate.interval if better else (-estimate.high, -estimate.low)
        amount = measure.amount(f"{number(abs(estimate.value))} {interval(ends)}")
        lines += _row(
            "×10",
            f"from {format_count(top)} to {format_count(10 * top)} {law.table.axes[axis]} the "
            f"{measure.title} {measure.moves(better=better)} by {amount} under {law.form.name}, "
            + (VERDICTS_DIFFER if len(law.form.axes) == 1 else "as `finscale plan` says"),
        )
    return lines


def _lack_of_fit(law: LawNumbers) -> list[str]:
    tested = law.fit.lack_of_fit
    if tested is None:
        if np.isnan(law.fit.objective):
            return []
        return _row("lack of fit", "not tested: nothing but the curve tells the size of the error")
    first, second = (number(each) for each in tested.degrees)
    test = f"F({first}, {second}) = {number(tested.statistic)}, {p_text(tested.p_value)}"
    found = "REJECTED" if tested.rejected else "none seen"
    return _row("lack of fit", f"{found}: {test}, against {tested.against}")


def _diagnostics(law: LawNumbers) -> list[str]:
    found = law.fit.diagnostics
    if np.isnan(found.leverage_n).all():
        return []
    top = int(np.argmax(found.leverage_n))
    parts = [
        "converged" if found.converged else "NOT CONVERGED",
        f"at bound: {', '.join(found.at_bound) or 'none'}",
        f"open profile: {', '.join(found.open_profile) or 'none'}",
        f"condition {found.condition_number:.3g}",
        f"largest leverage {found.leverage_n[top]:.2f} at {_size(law.fit.problem.x_nd[top])}",
    ]
    return _row("diagnostics", " · ".join(parts))
