"""The report as one HTML file: it loads nothing, so it works from disk and for years."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

import finscale
from finscale.report.interactive import specification
from finscale.report.palette import DARK, LIGHT
from finscale.report.parts import Page
from finscale.report.words import GLOSSARY, VERDICTS, explained, slug


def render_html(page: Page) -> str:
    """Return the page as HTML; whatever a config names stays text."""
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_asset("report.html.j2"))
    panels = {
        f"plot-{figure.name}-{index}": panel
        for figure in page.figures
        for index, panel in enumerate(specification(figure))
    }
    run_ids = {run for table in page.tables if table.name == "runs" for run in table.ids}
    return template.render(
        page=page,
        light=LIGHT,
        dark=DARK,
        css=Markup(_asset("report.css")),
        script=Markup(_asset("report.js")),
        plotly=Markup(get_plotlyjs()),
        specification=_json({"figures": panels, "palettes": {"light": LIGHT, "dark": DARK}}),
        explain=explained,
        interval_cell=_interval_cell,
        new_set=set,
        is_runs=lambda cell: bool(cell) and set(cell.split()) <= run_ids,
        glossary=dict(sorted(GLOSSARY.items(), key=lambda item: item[0].lower())),
        slug=slug,
        verdicts=VERDICTS,
        version=finscale.__version__,
    )


def _asset(name: str) -> str:
    return files("finscale.report").joinpath("assets", name).read_text(encoding="utf-8")


def _json(content: Any) -> Markup:
    """Return JSON that a script element may hold: no character of it can end the element."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    for character, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, escaped)
    return Markup(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _interval_cell(cell: str) -> Markup:
    """Render an interval in smaller type than its estimate."""
    estimate, bracket, rest = cell.partition(" [")
    if not bracket:
        return escape(cell)
    return Markup('{} <span class="i">[{}</span>').format(estimate, rest)
