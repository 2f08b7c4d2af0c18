"""What acting on the predictions would have earned."""

from __future__ import annotations

from finscale.evaluation.bootstrap import Metric
from finscale.report.figure import Figure, FigureAxis, FigurePanel, Line
from finscale.report.figures.common import chosen_words
from finscale.report.numbers import interval, number, percent
from finscale.study.findings.findings import Findings
from finscale.study.findings.trading import BUY_AND_HOLD, MODEL

_ROLES = ("model", "other", "third", "null")
_DASHES = ("solid", "dash", "dot", "solid")


def trading(findings: Findings) -> Figure | None:
    """Draw the value of the chosen run, of the volatility baseline, and of two without a model."""
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
        f"After costs the chosen network earned {percent(model.cagr)} a year with a Sharpe ratio "
        f"of {interval(model.sharpe)}. Buy and hold's is {interval(hold.sharpe)}; the difference, "
        f"{interval(difference, sign=True)}, is {seen}."
    )
    caption = (
        f"Long while the forecast lies at or above the operating point, else in cash "
        f"({chosen_words(findings)}). Costs each way: {number(costs.commission)} commission, "
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
