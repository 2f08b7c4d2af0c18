"""Figures for paper and for Markdown: PNG and SVG by matplotlib, the same marks as on the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.files import atomic_path
from finscale.report.figure import (
    Figure,
    FigureAxis,
    FigureBand,
    FigurePanel,
    Line,
    Mark,
    Points,
    Rule,
)
from finscale.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_DASHES: dict[str, Any] = {"solid": "-", "dash": "--", "dot": ":"}
_SHAPES = {"circle": "o", "diamond": "D", "square": "s", "triangle": "^", "cross": "X"}
#: Inches of a figure's width, of each panel's height, and dots an inch.
_WIDTH, _HEIGHT, _DPI = 7.2, 3.5, 150
_PANEL_WIDTH = 3.8


#: Of each format, what keeps the same figure the same file.
_METADATA: dict[str, dict[str, None] | None] = {
    "svg": {"Date": None},
    "png": None,
    "pdf": {"CreationDate": None},
}


def save(figure: Figure, folder: Path, formats: Sequence[str] = ("svg", "png")) -> Path:
    """Write ``<name>.png`` and ``<name>.svg`` atomically and return the last one written.

    The same figure gives the same files: no date, no random ids.
    """
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": figure.name, "svg.fonttype": "none"}):
        canvas = drawn(figure)
        for suffix in formats:
            with atomic_path(folder / f"{figure.name}.{suffix}") as path:
                canvas.savefig(path, format=suffix, metadata=_METADATA[suffix])
    return folder / f"{figure.name}.{formats[-1]}"


def drawn(figure: Figure) -> Canvas:
    """Return the figure by matplotlib, its panels side by side."""
    from matplotlib.figure import Figure as Canvas

    count = len(figure.panels)
    columns = min(count, 3)
    rows = -(-count // columns)
    width = max(_WIDTH, _PANEL_WIDTH * columns)
    canvas = Canvas(figsize=(width, _HEIGHT * rows + 0.9), dpi=_DPI, layout="constrained")
    grid = canvas.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, figure.panels, strict=False):
        _draw(axes, panel)
    for axes in grid[count:]:
        axes.set_axis_off()
    canvas.suptitle(_text(figure.question), fontsize=11, x=0.01, ha="left")
    _legend(canvas, figure)
    return canvas


def _draw(axes: Axes, panel: FigurePanel) -> None:
    _scale(axes, panel.x, "x")
    _scale(axes, panel.y, "y")
    for mark in panel.marks:
        _mark(axes, mark)
    axes.margins(x=0.06)
    for axis, name in ((panel.x, "x"), (panel.y, "y")):
        if axis.limits is not None:
            getattr(axes, f"set_{name}lim")(*axis.limits)
    axes.set_xlabel(_text(panel.x.title), fontsize=9)
    axes.set_ylabel(_text(panel.y.title), fontsize=9)
    if panel.title:
        axes.set_title(_text(panel.title), fontsize=9.5, loc="left")
    axes.tick_params(labelsize=8.5, color=LIGHT["line"])
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for side, names, arrow in (("top", panel.above, "↑ "), ("bottom", panel.below, "↓ ")):
        if names:
            axes.text(
                1.0,
                1.0 if side == "top" else 0.0,
                _text("\n".join(arrow + name for name in names)),
                transform=axes.transAxes,
                ha="right",
                va=side,
                fontsize=8,
                color=LIGHT["quiet"],
            )
    for label in panel.labels:
        axes.annotate(
            _text(label.text),
            xy=(1.0, label.y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=8,
            color=LIGHT[label.role],
            annotation_clip=False,
        )


def _scale(axes: Axes, axis: FigureAxis, name: str) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator, PercentFormatter

    own = getattr(axes, f"{name}axis")
    if axis.kind == "log":
        getattr(axes, f"set_{name}scale")("log")
        own.set_minor_formatter(NullFormatter())
    if axis.ticks:
        values, labels = zip(*axis.ticks, strict=True)
        getattr(axes, f"set_{name}ticks")(values, [_text(label) for label in labels])
        own.set_minor_locator(NullLocator())
    if axis.form == "percent":
        own.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _mark(axes: Axes, mark: Mark) -> None:
    color = LIGHT[mark.role]
    if isinstance(mark, Rule):
        axes.axhline(mark.y, color=color, linestyle=_DASHES[mark.dash], linewidth=1.2, zorder=1)
        if mark.label:
            _label(axes, mark, color)
    elif isinstance(mark, FigureBand):
        axes.fill_between(mark.x, mark.low, mark.high, color=color, alpha=0.15, linewidth=0)
    elif isinstance(mark, Line):
        axes.plot(
            _dates(mark.x),
            mark.y,
            color=color,
            linestyle=_DASHES[mark.dash],
            linewidth=0.75 * mark.width,
            alpha=0.45 if mark.faint else 1.0,
            zorder=2,
        )
    else:
        _points(axes, mark, color)


def _label(axes: Axes, mark: Rule, color: str) -> None:
    axes.text(
        1.0,
        mark.label_y,
        _text(mark.label),
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="center",
        fontsize=8,
        color=color,
        bbox={"facecolor": LIGHT["paper"], "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
    )


def _points(axes: Axes, mark: Points, color: str) -> None:
    if mark.low:
        axes.vlines(mark.x, mark.low, mark.high, color=color, linewidth=1.2, zorder=3)
    edge, size = 1.3 if mark.hollow else 0, 0.65 * mark.size
    axes.plot(mark.x, mark.y, markersize=size, markeredgewidth=edge, zorder=4, **_marker(mark))


def _marker(mark: Points) -> dict[str, Any]:
    color = LIGHT[mark.role]
    return {
        "linestyle": "",
        "marker": _SHAPES[mark.shape],
        "markerfacecolor": LIGHT["paper"] if mark.hollow else color,
        "markeredgecolor": color,
        "alpha": 0.5 if mark.faint else 1.0,
    }


def _dates(x: Any) -> Any:
    """Return ISO dates as dates; numbers and category names as they are."""
    import numpy as np

    first = next(iter(x), 0)
    if isinstance(first, str) and len(first) == 10 and first[4] == "-":
        return np.array(list(x), dtype="datetime64[D]")
    return x


def _legend(canvas: Any, figure: Figure) -> None:
    handles = [_handle(mark) for mark in figure.legend()]
    if handles:
        canvas.legend(
            handles=handles,
            loc="outside lower left",
            ncols=min(3, len(handles)),
            frameon=False,
            fontsize=8.5,
        )


def _handle(mark: Mark) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    color, label = LIGHT[mark.role], _text(mark.name)
    if isinstance(mark, FigureBand):
        return Patch(color=color, alpha=0.2, linewidth=0, label=label)
    if isinstance(mark, Points):
        return Line2D([], [], label=label, **_marker(mark))
    return Line2D([], [], color=color, linestyle=_DASHES[mark.dash], label=label)


def _text(text: str) -> str:
    """Return text that matplotlib takes as it is: a dollar sign is no formula."""
    return text.replace("$", r"\$")
