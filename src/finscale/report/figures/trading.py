"""What acting on the predictions would have earned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from finscale.evaluation.bootstrap import Metric
from finscale.report.figure import Figure, FigureAxis, FigurePanel, Line
from finscale.report.figures.common import sized
from finscale.report.numbers import interval, number, percent
from finscale.study.axes import AXES
from finscale.study.findings.findings import Findings
from finscale.study.findings.trading import BUY_AND_HOLD, MODEL, ROLLING

_ROLES = ("model", "other", "third", "null")
_DASHES = ("solid", "dash", "dot", "solid")


def trading(findings: Findings) -> Figure | None:
    """Draw the value of the seeds' mean, of the volatility baseline, and of two without a model."""
    trading = findings.trading
    if trading is None:
        return None
    lines = []
    parts = trading.equity().partition_by("strategy", maintain_order=True)
    for index, rows in enumerate(parts):
        label = rows["strategy"][0]
        rows = rows.gather_every(max(1, rows.height // 500))
        lines.append(
            Line(
                label,
                [str(date) for date in rows["date"]],
                rows["equity"].to_list(),
                _ROLES[index % len(_ROLES)],
                dash=_DASHES[index % len(_DASHES)],  # type: ignore[arg-type]
                width=2.4 if index == 0 else 1.8,
                hover=[
                    f"{label}\n{date}: {percent(value - 1, sign=True)}"
                    for date, value in rows.select("date", "equity").iter_rows()
                ],
            )
        )
    model, hold = trading.measured[MODEL], trading.measured[BUY_AND_HOLD]
    difference = Metric(*trading.over_hold[MODEL])
    costs = trading.costs
    seen = "not seen" if difference.low <= 0 <= difference.high else "seen"
    answer = (
        f"After costs the {MODEL} earned {percent(model.cagr)} a year with a Sharpe ratio "
        f"of {interval(model.sharpe)}. Buy and hold's is {interval(hold.sharpe)}; the difference, "
        f"{interval(difference, sign=True)}, is {seen}."
    )
    caption = (
        f"Long while the forecast lies at or above the operating point, else in cash "
        f"({seeds_words(findings)}). Costs each way: {number(costs.commission)} commission, "
        f"{number(costs.half_spread)} half-spread, {number(costs.slippage)} slippage, in basis "
        "points; no borrowing; cash earns nothing. A study of forecasts is no advice to trade."
    )
    panel = FigurePanel(
        "",
        FigureAxis("", kind="date"),
        FigureAxis("value of 1 invested at the start of the test"),
        tuple(lines),
    )
    question = "Would acting on it have paid, after costs?"
    return Figure("trading", question, answer, caption, (panel,), wide=True)


def seeds_words(findings: Findings) -> str:
    """Return whose forecasts are followed, in words."""
    size = sized(findings, findings.chosen.sizes[findings.axis])
    count = findings.seeds.filter(pl.col("label") == _label(findings))["seed"].n_unique()
    return f"{size}, the mean of {count} seeds" if count > 1 else f"{size}, one seed"


def _label(findings: Findings) -> str:
    return AXES[findings.axis].words(findings.chosen.budget[findings.axis])


def tearsheet(findings: Findings) -> Figure | None:
    """Draw drawdowns, the rolling Sharpe ratio and exposure, beside buy and hold."""
    trading = findings.trading
    if trading is None:
        return None
    courses = {
        name: trading.course(name) for name in (MODEL, BUY_AND_HOLD) if name in trading.results
    }
    panels = (
        _course(courses, "drawdown", "drawdown: fall from the highest value so far"),
        _course(courses, "sharpe", f"Sharpe ratio of the last {ROLLING} sessions, a year"),
        _course(courses, "exposure", "share of equity invested"),
    )
    own, hold = (trading.measured[name] for name in (MODEL, BUY_AND_HOLD))
    invested = float(trading.results[MODEL].exposure.mean())
    answer = (
        f"The deepest drawdown was {percent(own.max_drawdown)}, of buy and hold "
        f"{percent(hold.max_drawdown)}; on average {percent(invested)} of equity was invested."
    )
    caption = (
        f"Of {seeds_words(findings)}, after the same costs. The monthly returns are in the table "
        "below, darker for larger gains and losses."
    )
    question = "How rough was the way there?"
    return Figure("tearsheet", question, answer, caption, panels)


def _course(courses: Mapping[str, pl.DataFrame], column: str, title: str) -> FigurePanel:
    lines = []
    for index, (name, course) in enumerate(courses.items()):
        rows = course.select("date", column).drop_nulls()
        rows = rows.gather_every(max(1, rows.height // 500))
        shown = (lambda v: number(v)) if column == "sharpe" else percent
        lines.append(
            Line(
                name,
                [str(date) for date in rows["date"]],
                rows[column].to_list(),
                ("model", "null")[index],
                width=1.8,
                hover=[f"{name}\n{date}: {shown(value)}" for date, value in rows.iter_rows()],
            )
        )
    form: Literal["plain", "percent"] = "plain" if column == "sharpe" else "percent"
    return FigurePanel("", FigureAxis("", kind="date"), FigureAxis(title, form=form), tuple(lines))
