"""What computing earns: the Sharpe ratio after costs of a panel's sizes against their compute."""

from __future__ import annotations

import numpy as np

from finscale.report.figure import Figure, FigureAxis, FigureBand, FigurePanel, Line, Points, Rule
from finscale.report.figures.common import padded_ratio
from finscale.report.numbers import flops, number, percent
from finscale.study.findings.findings import Findings


def economic(findings: Findings) -> Figure | None:
    """Draw each size's Sharpe ratio against its training compute, and the slope."""
    found = findings.economic
    if found is None:
        return None
    table = found.table
    x_G, y_G = table["flops"].to_numpy(), table["value"].to_numpy()
    tens_G = np.log10(x_G / 10 ** np.log10(x_G).mean())
    fitted, low, high = (
        y_G.mean() + slope * tens_G
        for slope in (found.slope.value, found.slope.low, found.slope.high)
    )
    hover = [
        f"{label}\n{flops(x)} a training\nyearly Sharpe ratio after costs {number(y, sign=True)}"
        for label, x, y in zip(table["label"], x_G, y_G, strict=True)
    ]
    where = x_G.tolist()
    marks = (
        FigureBand(
            "slopes within the interval",
            where,
            np.minimum(low, high).tolist(),
            np.maximum(low, high).tolist(),
            "model",
        ),
        Rule("earns nothing", 0.0, "null", "dot"),
        Line("slope", where, fitted.tolist(), "model"),
        Points(
            "mean over seeds",
            where,
            y_G.tolist(),
            "ink",
            hover,
            low=table["low"].to_list(),
            high=table["high"].to_list(),
        ),
    )
    x = FigureAxis("FLOPs of a training", kind="log", limits=padded_ratio(where[0], where[-1]))
    panel = FigurePanel("", x, FigureAxis("yearly Sharpe ratio after costs"), marks)
    return Figure(
        "economic",
        "Does more compute earn more?",
        found.sentence,
        f"Bars: {percent(1 - findings.study.level)} intervals, luck of days, which all sizes "
        "share. The slope's interval leaves that out.",
        (panel,),
    )
