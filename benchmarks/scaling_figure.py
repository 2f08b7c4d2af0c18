"""Draw what ``scaling.py`` has measured: one panel an axis, costs on log axes.

python benchmarks/scaling_figure.py RESULTS.json docs/figures/cost.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from finscale.report.palette import LIGHT

INK, QUIET, LINE = LIGHT["ink"], LIGHT["quiet"], LIGHT["line"]
COLORS = [LIGHT[role] for role in ("model", "other", "third", "fourth", "bad", "null")]
#: What the size of an axis is called, and what its panel answers.
TITLES = {
    "rows": "Rows: does a longer history cost more than its length?",
    "features": "Features: do wider windows cost more than their width?",
    "assets": "Assets: does a larger panel cost more than its size?",
    "parameters": "Parameters: does a larger model cost more than its FLOPs?",
}


def draw(results: dict[str, Any], path: str) -> None:
    """Write the figure; each curve names its slope, and a grey line shows what linear is."""
    style = {"font.size": 8.5, "axes.edgecolor": LINE, "text.color": INK, "axes.labelcolor": INK,
             "xtick.color": QUIET, "ytick.color": QUIET, "axes.spines.top": False,
             "axes.spines.right": False}  # fmt: skip
    with mpl.rc_context(style):
        columns = 2
        lines = -(-len(results) // columns)
        figure = Figure(figsize=(12.6, 3.2 * lines), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).flat
        # the results first: zip takes a panel before it finds that there is nothing left to draw
        for (axis, measured), panel in zip(results.items(), panels, strict=False):
            _panel(panel, axis, measured)
        for panel in list(panels):
            panel.set_axis_off()
        figure.savefig(path, dpi=150, metadata={"Software": None})


def _panel(panel: Any, axis: str, measured: dict[str, Any]) -> None:
    panel.set_title(TITLES[axis], loc="left", fontsize=9, color=INK)
    largest = 0.0
    curves = {name: s for name, s in measured["slopes"].items() if not name.endswith("MB")}
    for color, (name, slope) in zip(COLORS, curves.items(), strict=False):
        points = {int(size): s[name] for size, s in measured["points"].items() if name in s}
        label = f"{name} ({'fixed cost' if slope is None else f'slope {slope:.2f}'})"
        panel.loglog(list(points), list(points.values()), "o-", color=color, lw=1.5, ms=4,
                     label=label)  # fmt: skip
        largest = max(largest, *points.values())
    sizes = sorted(int(size) for size in measured["points"])
    guide = [largest * size / sizes[-1] for size in sizes]
    panel.loglog(sizes, guide, ":", color=QUIET, lw=1, label="linear")
    panel.set_xlabel(axis)
    panel.set_ylabel("CPU seconds")
    panel.grid(color=LINE, lw=0.4, alpha=0.6)
    panel.legend(frameon=False, fontsize=7.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text())["axes"], sys.argv[2])
