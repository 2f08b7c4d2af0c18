"""Learning curves in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finscale.scaling.isoflop_text import row
from finscale.scaling.law_text import interval, number

if TYPE_CHECKING:
    from finscale.scaling.learning_curve import LearningCurves


#: What every learning curve needs to be read with.
CAVEAT = (
    "rows of one run are one training, not many: a run's interval redraws its errors as correlated "
    "as they are, and holds for this run; over runs, runs are counted. A point on the way is no "
    "finished run, whose learning rate has come down"
)


def summary(found: LearningCurves) -> str:
    """Return what ``LearningCurves.summary`` says."""
    form, level = found.curves[0].fit.form, f"{found.level:.0%}"
    name, num = form.exponent, len(found.curves)
    of = "1 run" if num == 1 else f"{num} runs"
    lines = [
        *row("law", f"{form.name}: {form.equation}, x = {found.along}"),
        *row("fitted", f"{found.loss} along {found.along} of {of}"),
        "",
        f"{'run':<22} {'rows':>9} {name:>9}   {level + ' of this run':<20} {'floor':>9}   "
        "errors correlate",
    ]
    for one in found.curves:
        label = one.name if len(one.name) <= 22 else one.name[:21] + "…"
        if not one.fit.identified:
            lines.append(f"{label:<22} {one.num_rows:>9,} {'–':>9}   {one.fit.reason}"[:100])
            continue
        params = one.fit.params
        floor = number(params[form.floor]) if form.floor else "–"
        own = one.errors
        errors = f"{own.correlation:.2f}, worth {own.num_effective:.0f} rows" if own else "–"
        lines.append(
            f"{label:<22} {one.num_rows:>9,} {number(one.exponent):>9}   "
            f"{interval(one.intervals.get(name)):<20} {floor:>9}   {errors}"
        )
    lines.append("")
    if len(found.curves) > 1:
        told = f"{name} {number(found.mean)} {interval(found.interval)}, by Student's t"
        lines += row("over runs", told)
    lines += row("beware", CAVEAT)
    return "\n".join([*lines, *(line for note in found.notes for line in row("note", note))])
