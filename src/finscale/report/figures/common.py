"""What several figures share: the size axis, hover texts, roles of baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import polars as pl

from finscale.report.figure import FigureAxis, Line, Points
from finscale.report.numbers import fixed
from finscale.report.palette import BASELINE_ROLES
from finscale.scaling.measure import Measure
from finscale.study.axes import AXES
from finscale.study.findings.findings import Findings

M = TypeVar("M", Points, Line)

#: More labels than this crowd a narrow screen.
_MOST_TICKS = 7
#: Room beside an axis' first and last size, as a share of its length; and behind ×10, where the
#: names of baselines stand.
_AIR, _NAMES = 0.06, 0.18


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
    ticks = [(value, _tick(findings.words(value))) for value in shown]
    last = sizes[-1] * reach
    if reach > 1:
        ticks.append((last, f"×{reach:.0f}"))
    return FigureAxis(
        axis_title(findings.axis),
        kind="log",
        ticks=tuple(ticks),
        limits=padded_ratio(sizes[0], last, after=_NAMES if reach > 1 else _AIR),
    )


def _tick(words: str) -> str:
    """Return a size without its noun: ``10``, ``5 %``."""
    number, _, rest = words.partition(" ")
    return f"{number} %" if rest.startswith("%") else number


def padded_ratio(low: float, high: float, *, after: float = _AIR) -> tuple[float, float]:
    """Return limits of a logarithmic axis with some air on both sides, ``after`` on the right."""
    if high <= low:
        return low / 1.5, high * 1.5
    return low / (high / low) ** _AIR, high * (high / low) ** after


def axis_title(axis: str) -> str:
    """Return the title of an axis of sizes."""
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
        f"{_runs_words(row['run_ids'])}"
    )


def _runs_words(run_ids: str) -> str:
    """Return what a click on a dot leads to: a run, or those of every fold."""
    runs = run_ids.split()
    if len(runs) == 1:
        return f"run {runs[0]} (click for its row)"
    return f"mean of {len(runs)} folds (click for their rows)"


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
    """Return a line or dots through columns ``x`` and ``y``.

    A click leads to the run of ``run_id``, or to all of ``run_ids`` where a row stands for several.
    """
    return kind(
        name,
        rows[x].to_list(),
        rows[y].to_list(),
        role,
        hover=[hover(row) for row in rows.iter_rows(named=True)],
        runs=rows["run_ids" if "run_ids" in rows.columns else "run_id"].to_list(),
        **style,
    )


def baseline_roles(findings: Findings) -> dict[str, str]:
    """Return baseline → colour role."""
    count = len(BASELINE_ROLES)
    return {b.name: BASELINE_ROLES[i % count] for i, b in enumerate(findings.baselines)}


def padded(low: float, high: float, share: float = 0.08) -> tuple[float, float]:
    """Return limits with some air on both sides."""
    air = share * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air


def chosen_words(findings: Findings) -> str:
    """Return which run single-run figures show, in words."""
    chosen = findings.chosen
    return f"{sized(findings, chosen.sizes[findings.axis])}, seed {chosen.seed}"
