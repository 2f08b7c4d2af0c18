"""Tables of what the chosen run is worth, and of the controls."""

from __future__ import annotations

import json
from dataclasses import asdict

import polars as pl

from finscale.config.titles import title
from finscale.files import null_for_nan
from finscale.report.numbers import percent
from finscale.report.table import Column, Table, count, estimate, make_table, text, value
from finscale.study.findings.findings import Findings


def reliability(findings: Findings) -> Table:
    """List forecast and frequency of each group of days."""
    columns = (
        count("decisions", "count"),
        value("forecast", "forecast", form=percent),
        value("happened", "frequency", form=percent),
        Column(
            "consistency band",
            lambda row: f"{percent(row['band_low'])} … {percent(row['band_high'])}",
        ),
    )
    heading = "Ten groups of days, from the lowest forecast to the highest"
    return Table("reliability", heading, findings.reliability, columns)


def scores(findings: Findings) -> Table:
    """List all scores of the chosen run."""
    rows = findings.evaluation.table("all").filter(pl.col("over") == "")
    together = ", folds together" if len(findings.chosen.runs) > 1 else ""

    def name(score: str) -> str:
        # a study's own AUC ranks days within folds
        return title(score) + together if score == "auc" else title(score)

    columns = (
        Column("score", lambda row: name(row["score"]), numeric=False),
        estimate("test value"),
    )
    kept = rows.select("score", "value", "low", "high")
    return Table("scores", "Every score of the chosen run", kept, columns)


def trading(findings: Findings) -> tuple[Table, ...]:
    """List the figures of each backtest; no table where nothing was traded."""
    trading = findings.trading
    if trading is None:
        return ()
    rows = []
    for name, measured in trading.measured.items():
        row = {key: item for key, item in vars(measured).items() if key != "sharpe"}
        rows.append({**row, "name": name, **asdict(measured.sharpe)})
    columns = (
        text("strategy", "name"),
        value("a year", "cagr", form=lambda v: percent(v, sign=True)),
        value("volatility", "volatility", form=percent),
        estimate("Sharpe ratio"),
        value("deflated Sharpe", "deflated", form=percent),
        value("drawdown", "max_drawdown", form=percent),
        value("turnover a year", "turnover"),
        value("break-even cost (basis points)", "break_even"),
    )
    return (make_table("trading", "After costs, over the test days", rows, columns),)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def monthly(findings: Findings) -> tuple[Table, ...]:
    """Return monthly returns as a heat map, a row a year; nothing where nothing was traded."""
    trading = findings.trading
    if trading is None:
        return ()
    found = trading.monthly()
    largest = max(float(found["value"].abs().max() or 0.0), 1e-12)  # type: ignore[arg-type]
    rows = []
    for (year,), part in found.group_by("year", maintain_order=True):
        row: dict[str, float | int | None] = dict.fromkeys(_MONTHS)
        row |= {_MONTHS[month - 1]: value for _, month, value in part.iter_rows()}
        whole = float((part["value"] + 1).product()) - 1
        rows.append({"year_label": str(year), **row, "year": whole})

    def month(name: str) -> Column:
        return Column(
            name,
            lambda row: "" if row[name] is None else percent(row[name], sign=True),
            tint=lambda row: None if row[name] is None else row[name] / largest,
        )

    columns = (
        text("year", "year_label"),
        *map(month, _MONTHS),
        value("whole year", "year", form=lambda v: "" if v is None else percent(v, sign=True)),
    )
    return (make_table("monthly", "Monthly returns, after costs", rows, columns),)


def controls(findings: Findings) -> Table | None:
    """List what each control had to show and what it showed."""
    if not findings.controls:
        return None
    rows = []
    for outcome in findings.controls:
        row = outcome.to_dict()
        facts = json.dumps(null_for_nan(row["facts"]), ensure_ascii=False, allow_nan=False)
        rows.append({**row, "facts": facts})
    words = {True: "✓ as expected", False: "✗ not as expected", None: "? not finished"}
    columns = (
        Column("control", lambda row: title(row["control"]), numeric=False),
        text("what was done", "label"),
        text("has to come out", "expected"),
        text("came out", "found"),
        Column("as expected?", lambda row: words[row["ok"]], numeric=False),
    )
    return make_table("controls", "Controls", rows, columns, prose=True)
