"""Predictions of a law in words and in JSON."""

from __future__ import annotations

from typing import Any

from finscale.files import null_for_nan
from finscale.scaling.forms.base import Array
from finscale.scaling.isoflop_text import count, row
from finscale.scaling.law_numbers import LawNumbers
from finscale.scaling.law_text import interval, number
from finscale.scaling.prediction import Prediction, as_outcome


def predictions_text(law: LawNumbers, x_md: Array, told: Prediction, level: float) -> str:
    """Return the outcome at each size with both intervals, and how far each is extrapolated."""
    kept, measure = law.table.rows(~law.heldout_n), law.table.measure
    told = as_outcome(told, measure)
    fitted = f"L = {measure.fitted}" if measure.higher_is_better else measure.label
    spans = ", ".join(
        f"{axis} {count(float(column.min()))} … {count(float(column.max()))}"
        for axis, column in zip(kept.axes, kept.x_nd.T, strict=True)
    )
    lines = [
        *row("law", f"{law.form.name}: {law.form.equation}"),
        *row("fitted", f"{fitted} by {law.fit.problem.loss} to {spans}"),
        "",
    ]
    names = [point_name(law, x_d) for x_d in x_md]
    width = max(12, *map(len, names))
    curve, run = f"{level:.0%} of the curve", f"{level:.0%} of a new run"
    lines.append(f"{'at':<{width}} {measure.title[:12]:>12}   {curve:<22} {run:<22} extrapolated")
    for i, name in enumerate(names):
        far = max(told.beyond_md[i])
        below = min(x_md[i] / kept.x_nd.min(axis=0))
        by = f"{far:.3g} ×" if far > 1 else f"1/{1 / below:.3g} ×" if below < 1 else "no"
        lines.append(
            f"{name:<{width}} {number(told.mean[i]):>12}   "
            f"{interval((told.low[i], told.high[i])):<22} "
            f"{interval((told.run_low[i], told.run_high[i])):<22} {by}"
        )
    lines += ["", *row("a new run", f"another seed, trained and tested alike; noise: {told.noise}")]
    farthest = float(told.beyond_md.max())
    if farthest > 1:
        much = ", which no interval covers: it holds if the same law goes on"
        if farthest > 10:
            much = f", more than ten times{much}"
        lines += row("beware", f"{farthest:.3g} × the largest size fitted{much}")
    lines += [line for flag in law.fit.flags for line in row("beware", flag)]
    lines += [line for note in law.table.notes for line in row("note", note)]
    return "\n".join(lines)


def predictions_dict(
    law: LawNumbers, x_md: Array, told: Prediction, level: float
) -> list[dict[str, Any]]:
    """Return one mapping of plain values for each size, in terms of the outcome: its own values."""
    measure = law.table.measure
    told = as_outcome(told, measure)
    smallest = law.table.rows(~law.heldout_n).x_nd.min(axis=0)
    found = []
    for i, x_d in enumerate(x_md):
        one = {
            "measure": measure.title,
            "unit": measure.unit,
            "at": dict(zip(law.table.axes, x_d.tolist(), strict=True)),
            "mean": float(told.mean[i]),
            "curve": [float(told.low[i]), float(told.high[i])],
            "new_run": [float(told.run_low[i]), float(told.run_high[i])],
            "level": level,
            "times_the_largest": dict(zip(law.table.axes, told.beyond_md[i].tolist(), strict=True)),
            "extrapolated": bool((told.beyond_md[i] > 1).any() or (x_d < smallest).any()),
            "noise": told.noise,
        }
        found.append({key: null_for_nan(value) for key, value in one.items()})
    return found


def point_name(law: LawNumbers, x_d: Array) -> str:
    """Return a size in words: ``1B``, or ``N=1B, D=20B`` where there are several axes."""
    if len(x_d) == 1:
        return count(float(x_d[0]))
    named = zip(law.table.axes, x_d, strict=True)
    return ", ".join(f"{axis}={count(float(value))}" for axis, value in named)
