"""An IsoFLOP analysis as a figure: the valleys of the levels, and the best sizes over compute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.config.quantities import format_count
from finscale.scaling.law_plot import CURVE, INK, save_figure
from finscale.scaling.law_text import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from finscale.scaling.isoflop_result import IsoFlop, IsoLevel

#: The best sizes are carried on to so many times the largest compute.
_BEYOND = 10.0


def save(found: IsoFlop, path: Path) -> None:
    """Write the figure to a file whose ending names the format: png, svg or pdf."""
    save_figure(lambda *both: plot(found, *both), path, panels=2, size=(10.5, 4.4))


def plot(found: IsoFlop, valleys: Axes, growth: Axes) -> None:
    """Draw the outcome over size at each compute, and the best size over compute with its line."""
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0.0, 0.85, max(len(found.levels), 1)))
    for level, shade in zip(found.levels, shades, strict=False):
        _valley(found, level, valleys, shade)
        ends = np.abs(np.array(level.interval) - level.size)[:, None]
        bars: dict[str, Any] = {"yerr": ends} if np.isfinite(ends).all() else {}
        growth.errorbar(
            level.compute, level.size, fmt="o", color=shade, ms=6, capsize=2, zorder=3, **bars
        )
    if np.isfinite(found.exponent):
        _line(found, growth)
    _dress(found, valleys, growth)


def _valley(found: IsoFlop, level: IsoLevel, ax: Axes, shade: Any) -> None:
    rows, inside = np.array(level.rows), np.array(level.inside)
    shown = found.table.measure.shown
    size_m, loss_m = found.table.x_nd[rows, 0], shown(found.table.y_n[rows])
    ax.plot(size_m[inside], loss_m[inside], "o", color=shade, ms=4.5, zorder=3)
    # sizes that the window leaves out say where to look and no more
    ax.plot(size_m[~inside], loss_m[~inside], "o", mfc="none", mec=shade, ms=4.5, zorder=3)
    log_m, fitted_m = np.log(size_m)[inside], shown(np.array(level.fitted))[inside]
    parabola = np.polyfit(log_m - np.log(level.size), fitted_m, 2)
    seen = np.linspace(log_m.min(), log_m.max(), 80)
    label = f"{level.compute:.2g}".replace("e+", "e")
    height = np.polyval(parabola, seen - np.log(level.size))
    ax.plot(np.exp(seen), height, color=shade, lw=1.6, zorder=2, label=label)
    ax.plot(level.size, shown(level.loss), "x", color=INK, ms=7, mew=1.6, zorder=4)


def _line(found: IsoFlop, ax: Axes) -> None:
    computes = np.array([level.compute for level in found.levels])
    c_m = np.geomspace(computes.min(), computes.max() * _BEYOND, 120)
    size_m, low_m, high_m = found.optimum(c_m)
    inside = c_m <= computes.max()
    label = f"best size ∝ compute^{number(found.exponent)}"
    if np.isfinite(found.interval).all():
        label += f" {interval(found.interval)}"
        ax.fill_between(c_m, low_m, high_m, color=CURVE, alpha=0.14, lw=0, zorder=1)
    ax.plot(c_m[inside], size_m[inside], color=CURVE, lw=2, zorder=2, label=label)
    ax.plot(c_m[~inside], size_m[~inside], color=CURVE, lw=1.6, ls=(0, (4, 2)), zorder=2)


def _dress(found: IsoFlop, valleys: Axes, growth: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    size = found.table.axes[0]
    valleys.set(xscale="log", xlabel=size, ylabel=found.table.measure.label)
    outcome = f"{found.table.measure.title} at each compute"
    valleys.set_title(f"{outcome}; × is the best size", fontsize=9, loc="left")
    growth.set(xscale="log", yscale="log", xlabel="compute", ylabel=f"best {size}")
    growth.set_title("best size, carried on to ten times the compute", fontsize=9, loc="left")
    for axis in (valleys.xaxis, growth.yaxis):
        low, high = axis.get_view_interval()
        few = high / low < 1_000  # so few powers of ten want labels between them
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=9))
        axis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
        axis.set_minor_formatter(NullFormatter())
    for ax, title in ((valleys, "compute"), (growth, None)):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, which="major", color="#d9dbe0", lw=0.6, zorder=0)
        ax.set_axisbelow(True)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(frameon=False, fontsize=8, title=title, title_fontsize=8)
