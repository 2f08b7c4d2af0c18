"""The controls in one figure: verdicts on the left, coverage of intervals on the right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finscale.controls.suite import OUTCOMES, ControlResult, ControlsReport
from finscale.files import atomic_path, figure_format

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette: told apart by readers who see fewer colours
_COLOURS = {
    "LAW": "#0072B2",
    "TURNS": "#CC79A7",
    "INVERSE": "#D55E00",
    "NO-LAW": "#009E73",
    "INDETERMINATE": "#BBBBBB",
    "refused": "#555555",
}
_INTERVALS = {"covers exponent": "o", "covers gain": "s", "covers tenfold": "^"}


def draw_figure(report: ControlsReport, path: Path) -> None:
    """Write the figure: verdicts of every control, and the coverage of 95 % intervals."""
    from matplotlib.figure import Figure

    judged = [r for r in report.results if any(check.measure in OUTCOMES for check in r.checks)]
    covered = [result for result in report.results if result.truth is not None]
    height = 1.2 + 0.34 * max(len(judged), len(covered), 3)
    figure = Figure(figsize=(10, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _verdicts(left, judged)
    _coverage(right, covered)
    figure.suptitle(f"{report.num_replicates} worlds of known truth each", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=figure_format(path), dpi=150)


def _verdicts(axes: Axes, results: list[ControlResult]) -> None:
    rows = range(len(results))
    left = [0.0] * len(results)
    for name in OUTCOMES:
        share = [100 * result.rates[name] for result in results]
        colour = _COLOURS.get(name, "#E69F00")
        axes.barh(rows, share, left=left, color=colour, label=name, height=0.7)
        left = [start + width for start, width in zip(left, share, strict=True)]
    axes.set_yticks(rows, [result.name for result in results], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("verdicts, % of worlds")
    axes.legend(fontsize=7, ncols=5, loc="lower center", bbox_to_anchor=(0.4, 1.0), frameon=False)


def _coverage(axes: Axes, results: list[ControlResult]) -> None:
    axes.axvspan(90, 98, color="#009E73", alpha=0.15, label="accepted")
    axes.axvline(95, color="#009E73", linewidth=0.8)
    for name, marker in _INTERVALS.items():
        share = [100 * result.rates[name] for result in results]
        label = name.removeprefix("covers ")
        axes.plot(share, range(len(results)), marker, color="black", label=label, fillstyle="none")
    axes.set_yticks(range(len(results)), [result.name for result in results], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(80, 100)
    axes.set_xlabel("95 % intervals that hold the truth, %")
    axes.legend(fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0), frameon=False)
