"""The predictions: calibration, precision and recall, spread and collapse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from finscale.evaluation.scores import COLLAPSE_RATIO
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
from finscale.report.figures.common import chosen_words, padded, run_marks, size_axis, sized
from finscale.report.numbers import interval, number, percent
from finscale.study.findings.findings import Findings


def calibration(findings: Findings) -> Figure | None:
    """Draw the reliability diagram of the chosen run."""
    bins, error = findings.reliability, findings.calibration
    if error is None or bins.height < 2:
        return None
    forecast, low, high = (bins[name].to_list() for name in ("forecast", "band_low", "band_high"))
    top = float(
        bins.select(pl.max_horizontal(pl.col("forecast", "frequency", "band_high").max())).item()
    )
    limits = padded(0.0, top, 0.05)

    def hover(row: dict[str, Any]) -> str:
        return (
            f"forecast {percent(row['forecast'])}, happened {percent(row['frequency'])}\n"
            f"{row['count']:,} decisions; calibrated: {percent(row['band_low'])} to "
            f"{percent(row['band_high'])}"
        )

    name = "a tenth of the test days"
    rows = bins.with_columns(run_id=pl.lit(findings.chosen.runs[0]))
    marks = (
        FigureBand("consistency band", forecast, low, high, "null"),
        Line("calibrated", [0.0, limits[1]], [0.0, limits[1]], "null", dash="dot", width=1.5),
        run_marks(Points, name, rows, "forecast", "frequency", "model", hover, size=10),
    )
    panel = FigurePanel(
        "",
        FigureAxis("forecast probability", form="percent", limits=limits),
        FigureAxis("how often it happened", form="percent", limits=limits),
        marks,
    )
    outside = bins.filter(
        (pl.col("frequency") < pl.col("band_low")) | (pl.col("frequency") > pl.col("band_high"))
    ).height
    answer = (
        f"{outside} of {bins.height} groups of days lie outside the consistency band; the "
        f"calibration error is {interval(error.error)}, where a calibrated model with as many days "
        f"shows {number(error.expected)} by chance (p = {number(error.p_value)})."
    )
    return Figure(
        "calibration",
        "When the network says 30 %, does it happen 30 % of the time?",
        answer,
        f"The run with {chosen_words(findings)}: least validation loss, median seed. A point "
        "outside the band is a surprise; on the diagonal, forecasts can be taken at their word.",
        (panel,),
    )


def precision_recall(findings: Findings) -> Figure | None:
    """Draw precision against recall, with the operating point that validation chose."""
    sweep = findings.sweep
    if sweep.height < 2 or not findings.evaluation.thresholds or findings.base_rate is None:
        return None
    precision, recall, flagged = map(findings.evaluation.metric, ("precision", "recall", "flagged"))
    threshold = _each_fold(findings.evaluation.thresholds)
    run, rate = findings.chosen.runs[0], findings.base_rate.value
    kept = sweep.gather_every(max(1, sweep.height // 300)).with_columns(run_id=pl.lit(run))

    def hover(row: dict[str, Any]) -> str:
        return (
            f"alarm from {percent(row['threshold'])} on\nright {percent(row['precision'])} of "
            f"{percent(row['flagged'])} of days\nfinds {percent(row['recall'])} of events"
        )

    marks = (
        Rule(f"alarm every day {percent(rate)}", rate, "null", "dot"),
        run_marks(Line, "every threshold", kept, "recall", "precision", "model", hover),
        Points(
            "operating point, chosen on validation",
            [recall.value],
            [precision.value],
            "bad",
            hover=[
                f"alarm from {threshold} on\nprecision {interval(precision)}\n"
                f"recall {interval(recall)}"
            ],
            runs=[run],
            low=[precision.low],
            high=[precision.high],
            shape="diamond",
            size=12,
        ),
    )
    answer = (
        f"At the operating point (alarm from {threshold} on; chosen on validation days so that "
        f"half of the events there are caught) precision is {interval(precision)} and recall "
        f"{interval(recall)}, with alarms on {percent(flagged.value)} of the days; the event "
        f"happens on {percent(rate)}."
    )
    panel = FigurePanel(
        "",
        FigureAxis("recall: events that an alarm preceded", form="percent", limits=(0.0, 1.02)),
        FigureAxis("precision: alarms that were right", form="percent", limits=(0.0, 1.02)),
        marks,
    )
    return Figure(
        "precision_recall",
        "How many alarms are right, and how many events do they catch?",
        answer,
        f"The run with {chosen_words(findings)}. The curve is drawn on test days and nothing is "
        "chosen from it; fewer than ten alarms are left out as luck.",
        (panel,),
    )


def _each_fold(thresholds: Mapping[int, float]) -> str:
    """Return the operating points in words: every fold has its own."""
    *first, last = (percent(p) for p in thresholds.values())
    return f"{', '.join(first)} and {last}, by fold," if first else last


def spread(findings: Findings) -> Figure | None:
    """Draw spread and range of every run's predictions, collapsed runs marked."""
    if "spread" not in findings.runs.columns or findings.base_rate is None:
        return None
    runs = findings.own_runs.filter(pl.col("role") == "network").join(
        findings.learning.select("run_id", "size").unique(), on="run_id", maintain_order="left"
    )
    rate = findings.base_rate.value
    limit = COLLAPSE_RATIO * math.sqrt(rate * (1 - rate))
    collapsed = runs.filter(pl.col("collapsed"))
    parts = (
        ("one run", runs.filter(~pl.col("collapsed")), "model"),
        ("collapsed run", collapsed, "bad"),
    )

    def hover(row: dict[str, Any]) -> str:
        return (
            f"{sized(findings, row['size'])}, seed {row['seed']}\n"
            f"predictions {percent(row['prediction_min'])} to {percent(row['prediction_max'])}, "
            f"spread {percent(row['spread'])}\nrun {row['run_id']} (click for its row)"
        )

    spreads: list[Mark] = [Rule("below this a run has collapsed", limit, "bad", "dot")]
    ranges: list[Mark] = [Rule(f"base rate {percent(rate)}", rate, "null", "dot")]
    for name, rows, role in parts:
        if rows.is_empty():
            continue
        for marks, column, label, shape in (
            (spreads, "spread", name, "circle"),
            (ranges, "prediction_min", "lowest prediction", "circle"),
            (ranges, "prediction_max", "highest prediction", "diamond"),
        ):
            style = {"shape": shape, "faint": True}
            marks.append(run_marks(Points, label, rows, "size", column, role, hover, **style))
    x, top = size_axis(findings), max(limit, *runs["spread"])
    deviation = FigureAxis("spread of predictions", form="percent", limits=padded(0.0, top))
    probability = FigureAxis("predicted probability", form="percent", limits=(-0.02, 1.02))
    panels = (
        FigurePanel("standard deviation", x, deviation, tuple(spreads)),
        FigurePanel("lowest and highest", x, probability, tuple(ranges)),
    )
    answer = (
        f"{collapsed.height} of {runs.height} runs collapsed."
        if collapsed.height
        else f"None of the {runs.height} runs collapsed."
    )
    return Figure(
        "spread",
        "Do the predictions vary, or do they repeat the base rate?",
        answer,
        "A network that has found nothing predicts the base rate every day and still looks decent "
        "by its loss; its spread gives it away.",
        panels,
    )
