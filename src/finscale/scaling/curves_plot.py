"""Several curves in one figure: means, curve and band of each in its own colour and mark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finscale.scaling.law_plot import dress, save_figure
from finscale.scaling.law_text import interval, number
from finscale.scaling.prediction import as_outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from finscale.scaling.curves import Curves
    from finscale.scaling.law import Law

_COLORS = ("#0b5cad", "#c04800", "#1a7f4b", "#8a3ab9", "#906060", "#59626d")
_MARKS = "osD^vP"


def save(curves: Curves, path: Path) -> None:
    """Write the figure to a file whose ending names the format: png, svg or pdf."""
    save_figure(lambda ax: plot(curves, ax), path)


def plot(curves: Curves, ax: Axes) -> None:
    """Draw all curves; of surfaces the outcome over the product of the first two axes."""
    for at, (name, law) in enumerate(curves.laws.items()):
        _curve(name, law, ax, at)
    first = next(iter(curves.laws.values()))
    dress(first, ax, np.concatenate([law.table.y_n for law in curves.laws.values()]))
    if curves.at:
        ax.axvline(float(np.prod(curves.at[:2])), color="#a4adb8", lw=0.8, ls=":", zorder=0)
    ax.set_title(f"by {curves.by}", fontsize=9, loc="left")


def _curve(name: str, law: Law, ax: Axes, at: int) -> None:
    color = _COLORS[at % len(_COLORS)]
    mark = _MARKS[(at + at // len(_COLORS)) % len(_MARKS)]
    table, kept = law.table, ~law.heldout_n
    place_n = np.prod(table.x_nd[:, :2], axis=1)
    label = name
    if not law.identified:
        label += ": not identified"
    elif law.form.exponent:
        estimate = law[law.form.exponent]
        label += f": {estimate.name} = {number(estimate.value)} {interval(estimate.interval)}"
    mean_n = table.measure.shown(table.y_n)
    ax.plot(place_n[kept], mean_n[kept], mark, color=color, ms=5, zorder=4, label=label)
    ax.plot(place_n[~kept], mean_n[~kept], mark, mfc="white", mec=color, ms=6, zorder=4)
    if not law.identified or len(table.axes) > 1:
        return
    x_m = np.geomspace(place_n.min(), place_n.max() * 3, 200)
    mean, low, high = as_outcome(law.predict(x_m), table.measure)
    inside = x_m <= place_n[kept].max()
    ax.fill_between(x_m, low, high, color=color, alpha=0.13, lw=0, zorder=1)
    ax.plot(x_m[inside], mean[inside], color=color, lw=1.8, zorder=3)
    ax.plot(x_m[~inside], mean[~inside], color=color, lw=1.4, ls=(0, (4, 2)), zorder=3)
