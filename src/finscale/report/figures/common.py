"""What several figures share: the size axis, hover texts, roles of baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import polars as pl

from finscale.report.figure import FigureAxis, Line, Points
from finscale.report.numbers import fixed
from finscale.report.palette import BASELINE_ROLES
from finscale.scaling.measure import Measure
from finscale.study.axes import AXES
from finscale.study.findings.findings import Findings

M = TypeVar("M", Points, Line)

#: Names that are more than their words.
_TITLES = {
    "auc": "AUC",
    "brier": "Brier score",
    "patchtst": "PatchTST",
    "prediction_max": "highest prediction",
    "prediction_min": "lowest prediction",
    "r2_oos": "R² out of sample",
    "rmse": "RMSE",
}
#: More labels than this crowd a narrow screen.
_MOST_TICKS = 7


def size_axis(findings: Findings, *, reach: float = 1.0) -> FigureAxis:
    """Return the axis of sizes, named ticks at the sizes that were run and at ten times the last.

    Parameters
    ----------
    reach : float
        How far beyond the largest size the axis goes.
    """
    sizes = sorted(findings.seeds["size"].unique().to_list())
    shown = sizes[:: -(-len(sizes) // _MOST_TICKS)] if len(sizes) > _MOST_TICKS else sizes
    # the unit stands in the title: "10 bars ahead" would crowd a narrow panel
    ticks = [(value, findings.words(value).split()[0]) for value in shown]
    last = sizes[-1] * reach
    if reach > 1:
        ticks.append((last, f"×{reach:.0f}"))
    pad = (last / sizes[0]) ** 0.06 if last > sizes[0] else 1.5
    return FigureAxis(
        _axis_title(findings.axis),
        kind="log",
        ticks=tuple(ticks),
        limits=(sizes[0] / pad, last * pad),
    )


def _axis_title(axis: str) -> str:
    if axis == "rows":
        return "years of history"
    title, unit = AXES[axis].title, AXES[axis].unit
    return title if title == unit else f"{title} ({unit})"


def sized(findings: Findings, size: float) -> str:
    """Return a size with its noun: ``5k parameters``, ``10 years``."""
    return AXES[findings.axis].sized(findings.words(size))


def seed_hover(findings: Findings, row: Mapping[str, Any]) -> str:
    """Return what a run's dot says."""
    return (
        f"{sized(findings, row['size'])}, seed {row['seed']}\n"
        f"test {findings.measure.title} {amount(findings.measure, row['value'])}\n"
        f"validation loss {amount(findings.loss, row['validation_loss'])}\n"
        f"run {row['run_id']} (click for its row)"
    )


def amount(measure: Measure, value: float) -> str:
    """Return a value with the digits and the unit of its measure."""
    return measure.amount(fixed(value, measure.digits))


def heading(measure: Measure, part: str = "test") -> str:
    """Return the title of a column or an axis: ``test loss (nats)``, ``test AUC``."""
    unit = f" ({measure.unit})" if measure.unit else ""
    return f"{part} {measure.title}{unit}"


def run_marks(
    kind: type[M],
    name: str,
    rows: pl.DataFrame,
    x: str,
    y: str,
    role: str,
    hover: Callable[[dict[str, Any]], str],
    **style: Any,
) -> M:
    """Return a line or dots through columns ``x`` and ``y``; a click leads to ``run_id``."""
    return kind(
        name,
        rows[x].to_list(),
        rows[y].to_list(),
        role,
        hover=[hover(row) for row in rows.iter_rows(named=True)],
        runs=rows["run_id"].to_list(),
        **style,
    )


def baseline_roles(findings: Findings) -> dict[str, str]:
    """Return baseline → colour role."""
    count = len(BASELINE_ROLES)
    return {b.name: BASELINE_ROLES[i % count] for i, b in enumerate(findings.baselines)}


def title(name: str) -> str:
    """Return a name as people write it: ``base_rate`` as ``base rate``."""
    return _TITLES.get(name) or name.replace("_", " ")


def padded(low: float, high: float, share: float = 0.08) -> tuple[float, float]:
    """Return limits with some air on both sides."""
    air = share * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air


def apart(values: Sequence[float], limits: tuple[float, float], gap: float) -> list[float]:
    """Return the middles of labels for values on an axis: at least ``gap`` apart, within limits.

    Each lies as near its value as those below it let it, and all move down where the topmost would
    leave the panel.

    Examples
    --------
    >>> apart([0.0, 0.1, 5.0], (0.0, 5.0), 1.0)
    [0.5, 1.5, 4.5]
    """
    low, high = limits
    order = sorted(range(len(values)), key=values.__getitem__)
    middles = [0.0] * len(values)
    floor = low + gap / 2
    for place in order:
        # just above its line
        middles[place] = max(values[place] + gap / 2, floor)
        floor = middles[place] + gap
    ceiling = high - gap / 2
    for place in reversed(order):
        middles[place] = min(middles[place], ceiling)
        ceiling = middles[place] - gap
    return middles


def chosen_words(findings: Findings) -> str:
    """Return which run single-run figures show, in words."""
    chosen = findings.chosen
    return f"{sized(findings, chosen.sizes[findings.axis])}, seed {chosen.seed}"
