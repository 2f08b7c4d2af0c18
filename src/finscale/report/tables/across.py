"""Tables of what the chosen run tells of a day's symbols, and of every symbol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from finscale.config import format_count
from finscale.config.titles import title
from finscale.report.numbers import number
from finscale.report.parts import ReportSection
from finscale.report.table import Column, Table, count, estimate, make_table, text, value
from finscale.study.axes import AXES
from finscale.study.findings.findings import Findings
from finscale.study.priced import priced

_TITLES = {
    "rank_ic": "rank correlation with the returns that followed (rank IC)",
    "slope": "Fama–MacBeth slope: basis points over H a standard deviation of the forecast",
    "spread": "highest less lowest fifth, basis points a session",
}


def across(findings: Findings) -> ReportSection | None:
    """Return the section of a panel; None of one symbol."""
    found = findings.section
    if found.is_empty():
        return None
    ic = found.row(by_predicate=pl.col("score") == "rank_ic", named=True)
    said = (
        f"The mean rank IC of a day is {number(ic['value'], sign=True)} "
        f"(t {_t(ic)}; ICIR {number(ic['per_day'], sign=True)} a day), on {ic['days']:,} days: "
        + ("it is told from 0." if ic["low"] > 0 or ic["high"] < 0 else "it is not told from 0.")
    )
    counted = tuple(
        f"A day has {line['symbols']:,.0f} symbols, whose labels correlate by "
        f"{number(line['correlation'])}: they count for {line['effective']:,.1f} independent ones."
        for line in findings.effective.to_dicts()
    )
    symbols_L = findings.effective["symbols"].to_numpy()
    costs = None if findings.economic is None else findings.economic.costs
    worth = priced(findings.study, float(symbols_L.mean()), costs) if symbols_L.size else ""
    return ReportSection(
        "across",
        "Which symbols does it tell apart?",
        (said, *counted, *([worth] if worth else [])),
        tables=(_scores(findings), *_symbols(findings)),
        folded=True,
    )


def _t(line: Mapping[str, Any]) -> str:
    return number(line["t"], sign=True)


def _scores(findings: Findings) -> Table:
    rows = [
        {**row, "title": _TITLES.get(row["score"], _fifth(row["score"]))}
        for row in findings.section.to_dicts()
    ]
    columns = (
        text("", "title"),
        estimate("mean of a day", sign=True),
        value("t", "t"),
        value("p", "p_value"),
        value("mean over a day's deviation", "per_day"),
    )
    heading = "Across the section; t knows that neighbouring days share what labels span"
    return make_table("across", heading, rows, columns)


def _fifth(score: str) -> str:
    return f"fifth {score[-1]} of forecasts, basis points a session beyond the mean symbol"


def economic(findings: Findings) -> tuple[Table, ...]:
    """List what each size's strategy earned for its risk, against what it took to train."""
    if findings.economic is None:
        return ()
    columns = (
        text(AXES[findings.axis].title, "label"),
        Column("FLOPs of a training", lambda row: format_count(row["flops"])),
        estimate("yearly Sharpe ratio after costs", sign=True),
    )
    heading = "Sharpe ratio against compute, mean over the seeds of a size; intervals of days"
    return (make_table("economic", heading, findings.economic.table.to_dicts(), columns),)


def _symbols(findings: Findings) -> tuple[Table, ...]:
    if findings.symbols.is_empty():
        return ()
    over = title(findings.symbols_over)
    rows = findings.symbols.rename({"gain_low": "low", "gain_high": "high"})
    columns = (
        text("", "kind"),
        text("name", "name"),
        count("windows", "rows"),
        value("loss", "loss"),
        *((estimate(f"gain over {over}", "gain", sign=True), value("t", "t")) if over else ()),
    )
    return (Table("symbols", "By group and symbol", rows, columns),)
