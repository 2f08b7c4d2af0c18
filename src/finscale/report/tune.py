"""The report of a search: which settings matter, where the best lie, every trial.

``tune.html`` is one file that loads nothing; its figures lie beside it as SVG and PNG. Only losses
of validation days are in it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finscale.files import atomic_path
from finscale.report.figure import Figure, FigureAxis, FigurePanel, Line, Mark, Points, Rule
from finscale.report.palette import LIGHT, ramp
from finscale.study.tune.found import FoundSettings
from finscale.study.tune.importance import importances

if TYPE_CHECKING:
    from finscale.config import StudyConfig

#: Settings that are drawn on a linear axis; rates and sizes are ratios.
_LINEAR = {"dropout"}
#: Fewest complete trials of which a contour is drawn.
_FEWEST = 6
#: So many values of a setting are named on its axis.
_FEW = 8
_TITLES = {"learning_rate": "learning rate", "decay": "weight decay", "batch": "batch size"}


def write_tune_report(study: StudyConfig, found: Sequence[FoundSettings], folder: Path) -> Path:
    """Write ``tune/tune.html`` in a study's folder and return its path."""
    from markupsafe import Markup, escape

    parts = [
        f"<h1>{escape(study.name)}: the search</h1>",
        f"<p>{escape(study.question)}</p>" if study.question else "",
        "<p>All losses are of validation days; no test day was read to choose anything. "
        f"{sum(one.num_trials for one in found)} settings were tried; a test of many models has "
        "to count them.</p>",
        _summary(found),
    ]
    for one in found:
        parts.append(f"<h2>{escape(one.label)}</h2><p>{escape(one.sentence)}</p>")
        for title, picture in _pictures(one):
            alt = escape(f"{title}, {one.label}")
            parts.append(f'<figure><img alt="{alt}" src="{_inline(picture)}"></figure>')
        parts.append(_trials(one))
    body = "\n".join(str(part) for part in parts)
    path = folder / "tune" / "tune.html"
    with atomic_path(path) as target:
        target.write_text(Markup(_PAGE).format(name=study.name, body=Markup(body)), "utf-8")
    return path


def slices(found: Sequence[FoundSettings]) -> Figure | None:
    """Return validation loss against each setting, a panel each, for a study's report."""
    known = [one for one in found if one.trials]
    names = list(dict.fromkeys(n for one in known for t in one.trials for n in t["settings"]))
    if not names:
        return None
    several = len({one.label for one in known}) > 1
    panels = []
    for name in names:
        marks: list[Mark] = []
        for place, one in enumerate(known):
            rows = [t for t in one.trials if t["state"] == "complete" and name in t["settings"]]
            if not rows:
                continue
            # sizes differ in level: what matters is how much worse a setting is than the best
            best = min(float(t["validation_loss"]) for t in rows)
            marks.append(
                Points(
                    one.label if name == names[0] and several else "",
                    [float(t["settings"][name]) for t in rows],
                    [float(t["validation_loss"]) - best for t in rows],
                    ramp(place, len(known)),
                    hover=[f"{one.label}, trial {t['number']}" for t in rows],
                )
            )
        if marks:
            axis = _axis(name, known)
            panels.append(FigurePanel("", axis, FigureAxis("loss above the best"), tuple(marks)))
    gains = [one.gain for one in known if one.gain is not None]
    tried = sum(one.num_trials for one in known)
    answer = f"{tried} settings were tried on validation days"
    if gains:
        answer += f"; against the defaults they saved {min(gains):.5f} to {max(gains):.5f}"
    return Figure(
        "tuning",
        "Which settings does each size want?",
        f"{answer}.",
        "A dot is a setting that was trained to its end: its validation loss above the best of its "
        "size. Darker dots are larger networks. Trials that were stopped early are left out here, "
        "and counted among those tried.",
        tuple(panels),
    )


def _axis(name: str, found: Sequence[FoundSettings]) -> FigureAxis:
    """Return the axis of a setting, its values named where they are few and whole."""
    rows = [trial["settings"] for one in found for trial in one.trials]
    values = sorted({float(row[name]) for row in rows if name in row})
    few = len(values) <= _FEW and all(value.is_integer() for value in values)
    ticks = tuple((value, f"{value:g}") for value in values) if few else ()
    return FigureAxis(_title(name), kind="linear" if name in _LINEAR else "log", ticks=ticks)


def _pictures(one: FoundSettings) -> list[tuple[str, Any]]:
    """Return the figures of one size as matplotlib's, each with its title."""
    from finscale.report.static import drawn

    complete = [trial for trial in one.trials if trial["state"] == "complete"]
    figures: list[tuple[str, Any]] = []
    weights = importances(complete)
    if weights:
        figures.append(("importance", drawn(_importance(weights))))
    alone = slices([one])
    if alone is not None and complete:
        figures.append(("slice", drawn(alone)))
    figures += [("history", drawn(_history(one)))] if complete else []
    contour = _contour(complete, list(weights)) if weights else None
    if contour is not None:
        figures.append(("contour", contour))
    return figures


def _importance(weights: dict[str, float]) -> Figure:
    names = sorted(weights, key=lambda name: weights[name])
    marks: list[Mark] = []
    for place, name in enumerate(names):
        line = ([0.0, weights[name]], [float(place)] * 2)
        marks.append(Line("", *line, "accent", width=8))
    marks.append(
        Points("", [weights[n] for n in names], list(map(float, range(len(names)))), "accent")
    )
    ticks = tuple((float(place), _title(name)) for place, name in enumerate(names))
    panel = FigurePanel(
        "",
        FigureAxis("share of the variance of the loss", limits=(0.0, 1.0), form="percent"),
        FigureAxis("", ticks=ticks, limits=(-0.7, len(names) - 0.3)),
        tuple(marks),
    )
    return Figure("importance", "Which settings matter?", "", "", (panel,))


def _history(one: FoundSettings) -> Figure:
    complete = [t for t in one.trials if t["state"] == "complete"]
    numbers = [float(t["number"]) for t in complete]
    losses = [float(t["validation_loss"]) for t in complete]
    stopped = [t for t in one.trials if t["state"] == "stopped"]
    marks: list[Mark] = [
        Line("best so far", numbers, np.minimum.accumulate(losses).tolist(), "accent"),
        Points("trained to the end", numbers, losses, "model"),
        Points(
            "stopped early",
            [float(t["number"]) for t in stopped],
            [float(t["validation_loss"]) for t in stopped],
            "null",
            hollow=True,
        ),
    ]
    if one.default_loss is not None:
        marks.append(Rule("default", one.default_loss, "other"))
    panel = FigurePanel("", FigureAxis("trial"), FigureAxis("validation loss"), tuple(marks))
    return Figure("history", "How did the search go?", "", "", (panel,))


def _contour(complete: Sequence[Any], names: list[str]) -> Any:
    """Return the loss over the two settings that matter most, as a contour; None of too few."""
    from matplotlib.figure import Figure as Canvas
    from scipy.spatial import QhullError

    pair = [name for name in names if len({t["settings"][name] for t in complete}) > 2][:2]
    if len(complete) < _FEWEST or len(pair) < 2:
        return None
    x, y = (np.array([float(t["settings"][name]) for t in complete]) for name in pair)
    loss = np.array([float(t["validation_loss"]) for t in complete])
    canvas = Canvas(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = canvas.subplots()
    scaled = [v if n in _LINEAR else np.log(v) for n, v in zip(pair, (x, y), strict=True)]
    try:
        filled = axes.tricontourf(scaled[0], scaled[1], loss, levels=10, cmap="Blues_r")
    except (QhullError, RuntimeError, ValueError):
        return None  # all on one line: there is no plane to draw
    axes.scatter(scaled[0], scaled[1], s=18, color=LIGHT["ink"])
    best = int(loss.argmin())
    axes.scatter(scaled[0][best], scaled[1][best], s=120, marker="*", color=LIGHT["bad"])
    for name, ticks, setter in zip(pair, (x, y), ("x", "y"), strict=True):
        places = np.unique(np.quantile(ticks, [0, 0.25, 0.5, 0.75, 1]))
        shown = places if name in _LINEAR else np.log(places)
        getattr(axes, f"set_{setter}ticks")(shown, [f"{value:.2g}" for value in places])
        getattr(axes, f"set_{setter}label")(_title(name), fontsize=9)
    canvas.colorbar(filled, label="validation loss")
    canvas.suptitle("Where does the best lie?", fontsize=11, x=0.01, ha="left")
    return canvas


def _inline(canvas: Any) -> str:
    """Return a picture as a data URL."""
    stream = io.BytesIO()
    canvas.savefig(stream, format="png")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def _summary(found: Sequence[FoundSettings]) -> Any:
    heads = ("size", "trials", "stopped early", "default loss", "best loss", "gain", "interior")
    rows = [
        (
            one.label,
            one.num_trials,
            one.counts["stopped"],
            _number(one.default_loss),
            _number(one.best_loss),
            _number(one.gain),
            "transferred" if one.transferred_from else "yes" if one.interior else "no",
        )
        for one in found
    ]
    return _table(heads, rows)


def _trials(one: FoundSettings) -> Any:
    if not one.trials:
        return ""
    names = list(dict.fromkeys(name for trial in one.trials for name in trial["settings"]))
    heads = ("trial", "why", "state", "validation loss", "epochs", *map(_title, names), "run")
    rows = [
        (
            trial["number"],
            trial["forced"] or "sampler",
            trial["state"] + (f": {trial['reason']}" if trial["reason"] else ""),
            _number(trial["validation_loss"]),
            f"{trial['epochs_run']} of {trial['epochs']}",
            *(f"{trial['settings'].get(name, float('nan')):.3g}" for name in names),
            (trial["runs"] or ("",))[0][:8],
        )
        for trial in one.trials
    ]
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    from markupsafe import Markup, escape

    head = Markup("").join(Markup("<th>{}</th>").format(escape(name)) for name in heads)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row)
        )
        for row in rows
    )
    return Markup("<div class=t><table><tr>{}</tr>{}</table></div>").format(head, body)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5f}"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}: the search</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1b1f24}}table{{border-collapse:collapse;font-size:.85rem}}td,th{{padding:.2rem .6rem;
text-align:right;border-bottom:1px solid #d5dae0;white-space:nowrap}}.t{{overflow-x:auto}}
img{{max-width:100%}}figure{{margin:1rem 0}}h2{{margin-top:2.5rem}}</style></head>
<body>
{body}
</body></html>
"""
