"""Figures for the page: plotly's JSON, its colours left open until the reader's theme is known."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from finscale.report.figure import (
    Figure,
    FigureAxis,
    FigureBand,
    FigurePanel,
    Line,
    Points,
    Rule,
)

#: Heights of a wide figure's panel and of others, and room round them, in pixels.
_TALL, _HEIGHT = 400, 300
_SYMBOLS = {"cross": "x", "triangle": "triangle-up"}
#: Pixels of a letter at the right edge, and between it and the panel.
_LETTER, _BEFORE_LABEL = 7.4, 8
_MARGIN = {"l": 8, "r": 14, "t": 10, "b": 8, "pad": 2}


def specification(figure: Figure) -> list[dict[str, Any]]:
    """Return one plotly figure (data and layout) for each panel.

    Colours are written ``@role`` or ``@role/opacity``; the page's script puts the theme's in.
    """
    return [
        {
            # rules are shapes of the layout
            "data": [_trace(mark) for mark in panel.marks if not isinstance(mark, Rule)],
            "layout": _layout(panel, wide=figure.wide),
        }
        for panel in figure.panels
    ]


def _trace(mark: Points | Line | FigureBand) -> dict[str, Any]:
    if isinstance(mark, FigureBand):
        return _band(mark)
    return _points(mark) if isinstance(mark, Points) else _line(mark)


def _points(mark: Points) -> dict[str, Any]:
    color = f"@{mark.role}/0.55" if mark.faint else f"@{mark.role}"
    trace = _scatter(mark, "markers") | {
        "marker": {
            "size": mark.size,
            "symbol": _SYMBOLS.get(mark.shape, mark.shape),
            "color": "@paper" if mark.hollow else color,
            "line": {"color": color, "width": 2 if mark.hollow else 0},
        },
    }
    if mark.low:
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": _numbers([h - y for h, y in zip(mark.high, mark.y, strict=True)]),
            "arrayminus": _numbers([y - low for low, y in zip(mark.low, mark.y, strict=True)]),
            "color": color,
            "thickness": 1.6,
            "width": 4,
        }
    return trace


def _line(mark: Line) -> dict[str, Any]:
    color = f"@{mark.role}/0.45" if mark.faint else f"@{mark.role}"
    return _scatter(mark, "lines") | {
        "line": {"color": color, "width": mark.width, "dash": mark.dash},
        "connectgaps": False,
    }


def _scatter(mark: Points | Line, mode: str) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": mode,
        "name": html.escape(mark.name),
        "x": list(mark.x),
        "y": _numbers(mark.y),
    }
    if not mark.hover:
        return trace | {"hoverinfo": "skip"}
    text = [html.escape(line).replace("\n", "<br>") for line in mark.hover]
    trace |= {"text": text, "hovertemplate": "%{text}<extra></extra>"}
    return trace | ({"customdata": list(mark.runs)} if mark.runs else {})


def _band(mark: FigureBand) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": html.escape(mark.name),
        "x": [*mark.x, *reversed(mark.x)],
        "y": _numbers([*mark.high, *reversed(mark.low)]),
        "fill": "toself",
        "fillcolor": f"@{mark.role}/0.16",
        "line": {"width": 0, "color": f"@{mark.role}/0.16"},
        "hoverinfo": "skip",
    }


def _layout(panel: FigurePanel, *, wide: bool) -> dict[str, Any]:
    return {
        "height": _TALL if wide else _HEIGHT,
        "margin": _MARGIN | _label_room(panel),
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "@ink", "size": 13, "family": "system-ui, sans-serif"},
        "hoverlabel": {
            "bgcolor": "@panel",
            "bordercolor": "@line",
            "font": {"color": "@ink", "size": 13},
            "align": "left",
        },
        "xaxis": _axis(panel.x),
        "yaxis": _axis(panel.y) | {"nticks": 7},
        "shapes": [_shape(mark) for mark in panel.marks if isinstance(mark, Rule)],
        "annotations": [*_rule_names(panel), *_edges(panel), *_line_names(panel)],
    }


def _axis(axis: FigureAxis) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "type": axis.kind,
        "automargin": True,
        "gridcolor": "@line",
        "linecolor": "@line",
        "zeroline": False,
        "fixedrange": True,
        "exponentformat": "none",
        "separatethousands": True,
    }
    if axis.ticks:
        layout |= {
            "tickmode": "array",
            "tickvals": [value for value, _ in axis.ticks],
            "ticktext": [html.escape(label) for _, label in axis.ticks],
        }
    if axis.limits is not None:
        low, high = axis.limits
        is_log = axis.kind == "log"
        layout["range"] = [math.log10(low), math.log10(high)] if is_log else [low, high]
    if axis.form == "percent":
        layout["tickformat"] = ".0%"
    return layout


def _shape(mark: Rule) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": mark.y,
        "y1": mark.y,
        "layer": "below",
        "line": {"color": f"@{mark.role}", "width": 1.6, "dash": mark.dash},
    }


def _rule_names(panel: FigurePanel) -> list[dict[str, Any]]:
    """Name rules at their right end."""
    return [
        {
            "xref": "paper",
            "x": 1,
            "y": mark.label_y,
            "xanchor": "right",
            "yanchor": "middle",
            "showarrow": False,
            "text": html.escape(mark.label),
            "font": {"color": f"@{mark.role}", "size": 12},
            "bgcolor": "@paper/0.75",
            "borderpad": 0,
        }
        for mark in panel.marks
        if isinstance(mark, Rule) and mark.label
    ]


def _edges(panel: FigurePanel) -> list[dict[str, Any]]:
    """Name what lies beyond the panel at its edge."""
    notes = [(1.0, "top", "↑ ", panel.above), (0.0, "bottom", "↓ ", panel.below)]
    return [
        {
            "xref": "paper",
            "yref": "paper",
            "x": 1,
            "y": y,
            "xanchor": "right",
            "yanchor": anchor,
            "align": "right",
            "showarrow": False,
            "text": "<br>".join(arrow + html.escape(name) for name in names),
            "font": {"color": "@quiet", "size": 12},
            "bgcolor": "@paper",
        }
        for y, anchor, arrow, names in notes
        if names
    ]


def _label_room(panel: FigurePanel) -> dict[str, float]:
    """Return the margin that the names at the right edge take."""
    lines = [line for label in panel.labels for line in label.text.split("\n")]
    return {"r": _BEFORE_LABEL + round(_LETTER * max(map(len, lines)))} if lines else {}


def _line_names(panel: FigurePanel) -> list[dict[str, Any]]:
    """Name lines to the right of the panel, in their colours."""
    return [
        {
            "xref": "paper",
            "yref": "y",
            "x": 1,
            "y": label.y,
            "xanchor": "left",
            "yanchor": "middle",
            "xshift": _BEFORE_LABEL / 2,
            "align": "left",
            "showarrow": False,
            "text": html.escape(label.text).replace("\n", "<br>"),
            "font": {"color": f"@{label.role}", "size": 12},
        }
        for label in panel.labels
    ]


def _numbers(values: Sequence[float]) -> list[float | None]:
    """Return plain numbers; JSON has no NaN, and null breaks a line as NaN does."""
    return [float(value) if math.isfinite(value) else None for value in values]
