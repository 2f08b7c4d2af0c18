"""The figure that the study is about: its outcome against size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from finscale.judging.decision import the
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
from finscale.report.figures.common import (
    amount,
    run_marks,
    seed_hover,
    size_axis,
    sized,
)
from finscale.report.figures.outcome import (
    baseline_rules,
    far_baselines,
    value_title,
    with_baselines,
)
from finscale.report.numbers import fixed, interval, percent
from finscale.report.palette import ramp
from finscale.study.axes import AXES
from finscale.study.findings.curve import REACH
from finscale.study.findings.findings import Findings


def scaling(findings: Findings) -> Figure:
    """Draw every seed, means, curve and band, baselines, the held-out size and the null."""
    curve = findings.curve
    reach = 1.0 if curve is None else curve.x[-1] / curve.size_G[-1]
    low, high = _limits(findings)
    # where no curve goes on to ×10 a name at the right end would hide the largest size
    rules = baseline_rules(findings, (low, high), at_lines=reach > 1.001)
    marks: list[Mark] = [*_fit(findings), *rules]
    marks += [*_seeds(findings), *_means(findings)]
    panel = FigurePanel(
        "",
        size_axis(findings, reach=reach),
        FigureAxis(value_title(findings), limits=(low, high)),
        tuple(marks),
        above=far_baselines(findings, above=high),
        below=far_baselines(findings, below=low),
    )
    return Figure(
        "scaling",
        f"Does a {AXES[findings.axis].larger_words()} {findings.outcome.does}?",
        _answer(findings),
        _caption(findings),
        (panel,),
        wide=True,
    )


def _answer(findings: Findings) -> str:
    verdict = findings.verdict
    if verdict is None:
        return f"No verdict yet: {findings.no_verdict}"
    sizes, mean_G, measure = verdict.statement.sizes, verdict.mean_G, findings.measure
    ends = (f"{fixed(mean_G[i], measure.digits)} at {sized(findings, sizes[i])}" for i in (0, -1))
    less = " less the base rate's" if findings.is_relative else ""
    return (
        f"Mean test {measure.title}{less} is {' and '.join(ends)}: a {measure.gain} of "
        f"{measure.amount(interval(verdict.gain))}.{worse_words(findings, sizes)}"
    )


def worse_words(findings: Findings, sizes: Sequence[float]) -> str:
    """Return which sizes are worse than the best plain model, as a sentence; empty where none."""
    worse = [size for size in sizes if findings.is_worse(size)]
    if not worse:
        return ""
    if len(worse) == len(sizes):
        return f" Every size is worse than {the(findings.claims.best_baseline)}."
    listed = ", ".join(sized(findings, size) for size in worse)
    return f" Worse than {the(findings.claims.best_baseline)}: {listed}."


def _caption(findings: Findings) -> str:
    text = "Each small dot is one seed. "
    if findings.verdict is None:
        return text
    level = percent(1 - findings.verdict.statement.level)
    held_out = "The largest size is hollow; the cross is what the curve fitted without it predicts."
    text += (
        f"Bars and band: {level} intervals of differences between sizes; what all sizes "
        "share, easy or hard test days, is left out because it cannot tell them apart. "
        f"{'' if findings.turns else held_out}"
    )
    if len(findings.study.axes) > 1:
        text += f" Curve, means and verdict: {findings.seeds.sort('level_size')['level'][-1]}."
    if findings.outcome.trades and findings.target.is_event:
        # its one forecast meets its own threshold
        text += " The base rate is long every day: it buys and holds."
    return text


def _limits(findings: Findings) -> tuple[float, float]:
    """Return a range round the runs that takes in baselines which do not flatten the curve."""
    values = findings.seeds["value"].to_list()
    curve = findings.curve
    if curve is not None:
        inside = curve.x <= curve.size_G[-1]
        values += [*curve.low[inside], *curve.high[inside], curve.null]
        values += [] if findings.turns else [curve.foretold]
        values += [*(curve.mean_G - curve.reach_G), *(curve.mean_G + curve.reach_G)]
    return with_baselines(findings, values)


def _fit(findings: Findings) -> list[Mark]:
    curve = findings.curve
    if curve is None:
        return []
    measured = curve.x <= curve.size_G[-1] * 1.0001
    beyond = curve.x >= curve.size_G[-1] * 0.9999
    x, low, high = (line.tolist() for line in (curve.x, curve.low, curve.high))
    marks: list[Mark] = [
        FigureBand("interval of the curve", x, low, high, "model"),
        Line("fitted curve", curve.x[measured].tolist(), curve.value[measured].tolist(), "model"),
    ]
    if beyond.sum() > 1:
        rest = curve.x[beyond].tolist(), curve.value[beyond].tolist()
        marks.append(Line("carried on to ×10", *rest, "model", dash="dash"))
        marks += _tenfold(findings)
    null = f"null: no effect of size {fixed(curve.null, findings.measure.digits)}"
    return [*marks, Rule(null, curve.null, "null", "dot")]


def _tenfold(findings: Findings) -> list[Mark]:
    """Draw what ten times the largest size would bring, with the interval of the first screen."""
    verdict, curve, measure = findings.verdict, findings.curve, findings.measure
    if verdict is None or curve is None or curve.x[-1] < REACH * curve.size_G[-1] * 0.999:
        return []
    change = measure.change(verdict.next_tenfold)
    # the dot stands on the carried-on curve, which ends where the change leads
    here = float(curve.value[-1]) - change.value
    says = (
        f"{sized(findings, float(curve.x[-1]))}, not run\n"
        f"×10 would bring {measure.amount(interval(verdict.next_tenfold, sign=True))}"
    )
    return [
        Points(
            "×10, with its interval",
            [float(curve.x[-1])],
            [here + change.value],
            "model",
            hover=[says],
            low=[here + change.low],
            high=[here + change.high],
            size=10,
            shape="diamond",
        )
    ]


def _seeds(findings: Findings) -> list[Mark]:
    parts = findings.seeds.sort("level_size").partition_by("level", maintain_order=True)
    if len(parts) == 1:
        return [_dots(findings, findings.seeds, "one seed", "model")]
    return [
        _dots(findings, part, f"one seed, {part['level'][0]}", ramp(index, len(parts)))
        for index, part in enumerate(parts)
    ]


def _dots(findings: Findings, rows: pl.DataFrame, name: str, role: str) -> Points:
    hover = partial(seed_hover, findings)
    return run_marks(Points, name, rows, "size", "value", role, hover, size=8, faint=True)


def _worse(findings: Findings, size: float) -> str:
    worse = findings.is_worse(size)
    return f"\nworse than {the(findings.claims.best_baseline)}" if worse else ""


def _means(findings: Findings) -> list[Mark]:
    curve = findings.curve
    if curve is None:
        return []
    size_G, mean_G, reach_G = curve.size_G, curve.mean_G, curve.reach_G
    measure = findings.measure
    hover = [
        f"{sized(findings, x)}, mean over seeds\n"
        f"test {measure.title} {fixed(mean, measure.digits)} ± {amount(measure, half)}"
        f"{_worse(findings, x)}"
        for x, mean, half in zip(size_G, mean_G, reach_G, strict=True)
    ]
    # a curve with a valley is not tested by a prediction: none of its sizes is held out
    worse_G = np.array([findings.is_worse(size) for size in size_G])
    shown_G = np.arange(len(size_G)) < len(size_G) - (0 if findings.turns else 1)
    worse = f", worse than {the(findings.claims.best_baseline)}"
    parts = [
        ("mean over seeds", shown_G & ~worse_G, "ink"),
        (f"mean over seeds{worse}", shown_G & worse_G, "bad"),
        ("largest size, held out", ~shown_G & ~worse_G, "ink"),
        (f"largest size, held out{worse}", ~shown_G & worse_G, "bad"),
    ]
    marks: list[Mark] = [
        Points(
            name,
            size_G[part_G].tolist(),
            mean_G[part_G].tolist(),
            role,
            hover=[hover[index] for index in np.flatnonzero(part_G)],
            low=(mean_G - reach_G)[part_G].tolist(),
            high=(mean_G + reach_G)[part_G].tolist(),
            size=11,
            hollow="held out" in name,
        )
        for name, part_G, role in parts
        if part_G.any()
    ]
    if findings.turns:
        return marks
    name, x = "predicted without it", [float(size_G[-1])]
    says = f"predicted {fixed(curve.foretold, measure.digits)}, "
    says += f"measured {amount(measure, mean_G[-1])}"
    cross = Points(name, x, [curve.foretold], "bad", hover=[says], shape="cross", size=10)
    return [*marks, cross]
