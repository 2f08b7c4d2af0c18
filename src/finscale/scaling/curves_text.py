"""Several curves in words: a table of laws and one of differences."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from finscale.config.quantities import format_count
from finscale.scaling.law_text import interval, number
from finscale.scaling.sentences import p_text

if TYPE_CHECKING:
    from finscale.scaling.curves import CurveDifference, Curves
    from finscale.scaling.law import Law
    from finscale.scaling.measure import Measure

_WIDTH = 100


def summary(curves: Curves) -> str:
    """Return the laws of all curves and what tells them apart, 100 columns wide."""
    first = next(iter(curves.laws.values()))
    place = " × ".join(format_count(size) for size in curves.at)
    head = [f"{first.form.name}  {first.form.equation}, a curve for each {curves.by}"]
    lines = [*textwrap.wrap(head[0], _WIDTH), "", *_laws(curves, place)]
    measure = first.table.measure
    if curves.differences:
        paired = ", paired by day" if curves.is_paired else ""
        told = f"differences{paired}; all {len(curves.differences)} hold at {curves.level:.0%}"
        rows = [
            [f"{each.first} − {each.second}", _quantity(each.quantity, place, measure),
             *_difference(each, measure), p_text(each.p_value)]
            for each in curves.differences
        ]  # fmt: skip
        lines += ["", *_columns([[told, "", "difference", "interval", "adjusted p"], *rows])]
        lines += ["", *textwrap.wrap(_sentence(curves), _WIDTH)]
    lines += [line for note in curves.notes for line in _note("note", note)]
    for name, law in curves.laws.items():
        lines += [line for flag in law.fit.flags for line in _note("beware", f"{name}: {flag}")]
    return "\n".join(lines)


def _quantity(name: str, place: str, measure: Measure) -> str:
    return f"{measure.title} at {place}" if name == "offset" else name


def _difference(each: CurveDifference, measure: Measure) -> tuple[str, str]:
    """Return a difference and its interval; of outcomes where offsets are of losses."""
    value, low, high = each.value, each.low, each.high
    if each.quantity == "offset" and measure.higher_is_better:
        value, low, high = -value, -high, -low
    return number(value), interval((low, high))


def _laws(curves: Curves, place: str) -> list[str]:
    first = next(iter(curves.laws.values()))
    form, measure = first.form, first.table.measure
    names = [*form.exponents, *([form.floor] if form.floor else [])]
    rows = [["", "sizes", *names, *([f"{measure.title} at {place}"] if place else [])]]
    for name, law in curves.laws.items():
        row = [name, f"{np.count_nonzero(~law.heldout_n)}"]
        if not law.identified:
            rows.append([*row, "NOT IDENTIFIED"])
            continue
        row += [_estimate(law, each) for each in names]
        if curves.at:
            mean, low, high = (float(part[0]) for part in law.predict([curves.at]))
            ends = measure.shown_ends(low, high)
            row.append(f"{number(measure.shown(mean))} {interval(ends)}")
        rows.append(row)
    return _columns(rows)


def _estimate(law: Law, name: str) -> str:
    if name in law.fit.unidentified:
        return "–"
    return f"{number(law[name].value)} {interval(law[name].interval)}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows with their cells under one another; the head of a table may be wide."""
    num = max(map(len, rows))
    full = [[*row, *[""] * (num - len(row))] for row in rows]
    wide = [max(len(row[i]) for row in full[1:]) for i in range(num)]
    wide[1:] = [max(own, len(cell)) for own, cell in zip(wide[1:], full[0][1:], strict=True)]
    body = ["  ".join(f"{c:<{w}}" for c, w in zip(row, wide, strict=True)) for row in full[1:]]
    head = ["  ".join(f"{c:<{w}}" for c, w in zip(full[0], wide, strict=True)).rstrip()]
    if len(full[0][0]) > wide[0]:
        rest = "  ".join(f"{c:<{w}}" for c, w in zip(["", *full[0][1:]], wide, strict=True))
        head = [full[0][0], rest.rstrip()]
    return [*head, *(line.rstrip() for line in body)]


def _sentence(curves: Curves) -> str:
    found = [each for each in curves.differences if each.p_value < 1 - curves.level]
    place = " × ".join(format_count(size) for size in curves.at)
    measure = next(iter(curves.laws.values())).table.measure
    better = "higher" if measure.higher_is_better else "lower"
    if not found:
        return "No two curves can be told apart."
    parts = []
    for each in found:
        low, high = (each.first, each.second) if each.value < 0 else (each.second, each.first)
        if each.quantity == "offset":
            parts.append(f"{measure.title} of {low} is {better} than that of {high} at {place}")
        else:
            parts.append(f"{each.quantity} of {high} is higher than that of {low}")
    return f"{'; '.join(parts)}."


def _note(label: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, _WIDTH - 13) or [""]
    return [f"{label if i == 0 else '':<12} {line}".rstrip() for i, line in enumerate(wrapped)]
