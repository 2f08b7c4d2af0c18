"""A law as a figure: every seed a dot, means, curve and band, held-out sizes hollow."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.config.quantities import format_count
from finscale.files import atomic_path, figure_format
from finscale.scaling.forms.base import Array
from finscale.scaling.law_numbers import LawNumbers
from finscale.scaling.law_text import interval, number
from finscale.scaling.prediction import as_outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1b1b1f"
CURVE = "#2457a6"
DOT = "#7a7f87"
FLOOR = "#b3541e"


def plot(law: LawNumbers, ax: Axes | None = None) -> Axes:
    """Draw a law; one axis as the outcome over size, a surface over N·D.

    Without ``ax`` a new figure of 7 by 4.4 inches is made.
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(7.0, 4.4), layout="constrained")[1]
    (_curve if len(law.table.axes) == 1 else _surface)(law, ax)
    dress(law, ax, law.table.y_n)
    return ax


def save(law: LawNumbers, path: Path) -> None:
    """Write the figure to a file whose ending names the format: png, svg or pdf."""
    save_figure(lambda ax: plot(law, ax), path)


def save_figure(
    draw: Callable[..., object],
    path: Path,
    *,
    panels: int = 1,
    size: tuple[float, float] = (7.0, 4.4),
) -> None:
    """Write what is drawn on one or several pairs of axes to a file: png, svg or pdf."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Without dates and random ids, equal laws give equal files.
    dated: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    suffix = figure_format(path)
    figure = Figure(figsize=size, layout="constrained")
    draw(*figure.subplots(1, panels, squeeze=False)[0])
    with atomic_path(path) as temporary, rc_context({"svg.hashsalt": "finscale"}):
        figure.savefig(temporary, format=suffix, dpi=130, metadata=dated[suffix])


def _curve(law: LawNumbers, ax: Axes) -> None:
    table, out, shown = law.table, law.heldout_n, law.table.measure.shown
    size_n = table.x_nd[:, 0]
    for seed in range(table.runs_nS.shape[1]):
        ax.plot(size_n, shown(table.runs_nS[:, seed]), ".", color=DOT, alpha=0.45, ms=5, zorder=2)
    mean_n = shown(table.y_n)
    ax.plot(size_n[~out], mean_n[~out], "o", color=INK, ms=6, zorder=4, label="mean over seeds")
    if out.any():
        hollow: dict[str, Any] = {
            "mfc": "white",
            "mec": INK,
            "mew": 1.4,
            "ms": 7,
            "label": "held out",
        }
        ax.plot(size_n[out], mean_n[out], "o", zorder=4, **hollow)
    if not law.identified:
        return
    x_m = np.geomspace(size_n.min(), size_n.max() * 10, 240)
    mean, low, high = as_outcome(law.predict(x_m), table.measure)
    fitted, label, name = x_m <= size_n[~out].max(), law.form.equation, law.form.exponent
    if name:
        if table.measure.higher_is_better:
            label += f",  L = {table.measure.fitted}"
        label += f",  {name} = {number(law[name].value)} {interval(law[name].interval)}"
    ax.fill_between(x_m, low, high, color=CURVE, alpha=0.14, lw=0, zorder=1)
    ax.plot(x_m[fitted], mean[fitted], color=CURVE, lw=2, zorder=3, label=label)
    ax.plot(x_m[~fitted], mean[~fitted], color=CURVE, lw=1.6, ls=(0, (4, 2)), zorder=3)
    floor = law.params.get(law.form.floor, np.nan)
    if np.isfinite(floor) and law.form.trend == "falling":
        floor, name = float(shown(floor)), "ceiling" if table.measure.higher_is_better else "floor"
        ax.axhline(floor, color=FLOOR, lw=1, ls=":", zorder=1)
        above: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points"}
        at = (size_n.min(), floor)
        ax.annotate(f"{name} {number(floor)}", at, **above, color=FLOOR, fontsize=8)


def _surface(law: LawNumbers, ax: Axes) -> None:
    table = law.table
    volume_n = table.x_nd[:, 0] * table.x_nd[:, 1]
    kept, mean_n = ~law.heldout_n, table.measure.shown(table.y_n)
    shade: dict[str, Any] = {"c": np.log10(table.x_nd[kept, 0]), "cmap": "viridis"}
    dots = ax.scatter(volume_n[kept], mean_n[kept], **shade, s=16, zorder=3)
    hollow: dict[str, Any] = {"facecolors": "white", "edgecolors": INK}
    ax.scatter(volume_n[~kept], mean_n[~kept], **hollow, s=26, zorder=3)
    bar = ax.figure.colorbar(dots, ax=ax, pad=0.01)
    bar.set_label(f"log10 {table.axes[0]}")
    bar.outline.set_visible(False)
    if law.identified and law.form.name == "hoffmann":
        volume_m = np.geomspace(volume_n.min(), volume_n.max() * 10, 200)
        mean, low, high = as_outcome(law.predict(frontier(law, volume_m)), table.measure)
        ax.fill_between(volume_m, low, high, color=CURVE, alpha=0.16, lw=0, zorder=1)
        label = f"best split of {table.axes[0]} and {table.axes[1]}"
        if "a" in law.estimates:
            power = f"{number(law['a'].value)} {interval(law['a'].interval)}"
            label = f"best split: {table.axes[0]} ∝ compute^{power}"
        ax.plot(volume_m, mean, color=CURVE, lw=2, zorder=2, label=label)


def frontier(law: LawNumbers, volume_m: Array) -> Array:
    r"""Return the sizes ``[m, 2]`` of least loss for each product N·D.

    :math:`N = (\alpha A / \beta B)^{1/(\alpha+\beta)} (ND)^{\beta/(\alpha+\beta)}` (Hoffmann et al.
    2022, equation 4).
    """
    p = {name: float(value) for name, value in law.form.named(law.fit.theta_p).items()}
    total = p["alpha"] + p["beta"]
    scale = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / total)
    size_m = scale * volume_m ** (p["beta"] / total)
    return np.stack([size_m, volume_m / size_m], axis=-1)


def dress(law: LawNumbers, ax: Axes, y_n: Array) -> None:
    """Give axes their scales, labels and legend; ``y_n`` are all losses drawn on them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes = law.table.axes
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(numticks=12))
    if len(axes) == 1:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    # Powers of ten are no use as ticks for losses that differ in the third decimal.
    if y_n.min() > 0 and not law.table.measure.higher_is_better:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_minor_locator(LogLocator(numticks=1))
    ax.set_xlabel(axes[0] if len(axes) == 1 else f"{axes[0]} × {axes[1]}")
    ax.set_ylabel(law.table.measure.label)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, which="major", color="#d9dbe0", lw=0.6, zorder=0)
    ax.set_axisbelow(True)
    if not law.identified:
        reason = textwrap.fill("not identified: " + law.reason, 80)
        ax.set_title(reason, fontsize=9, loc="left", color=FLOOR)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=8.5, loc="upper right")
