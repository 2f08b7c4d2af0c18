"""The report's tables, from a study's findings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import polars as pl

from finscale.evaluation.bootstrap import Metric
from finscale.report.figures.common import DIGITS, title
from finscale.report.numbers import duration, fixed, flops, interval, number, percent
from finscale.report.table import Column, Row, Table, count, estimate, text, value
from finscale.study.axes import AXES

if TYPE_CHECKING:
    from finscale.study.findings import Findings

#: Sentences of one kind that are written out.
_SHOWN = 2


def _table(
    name: str,
    heading: str,
    rows: Iterable[Mapping[str, Any]],
    columns: tuple[Column, ...],
    *,
    prose: bool = False,
) -> Table:
    return Table(
        name, heading, pl.DataFrame(list(rows), infer_schema_length=None), columns, prose=prose
    )


def sizes(findings: Findings) -> Table:
    """List loss and skill of each size."""
    axis, overs = findings.axis, [b.name for b in findings.baselines]
    means = findings.seeds.group_by("size", maintain_order=True).agg(
        pl.col("label").first(),
        pl.len().alias("seeds"),
        pl.col("loss").mean(),
        pl.col("loss").min().alias("best_seed"),
        pl.col("loss").max().alias("worst_seed"),
    )
    for over in overs:
        skill = (
            findings.skills.filter(pl.col("over") == over)
            .group_by(axis)
            .agg(pl.col("value", "low", "high").mean())
        )
        names = {name: f"{over}_{name}" for name in ("value", "low", "high")}
        means = means.join(skill.rename({axis: "size", **names}), on="size", how="left")
    columns = (
        Column(AXES[axis].title, lambda row: findings.words(row["size"])),
        count("seeds", "seeds"),
        Column(
            f"test loss ({findings.unit}), seeds from best to worst",
            lambda row: interval(
                Metric(row["loss"], row["best_seed"], row["worst_seed"]), digits=DIGITS
            ),
        ),
        *(_skill_column(over) for over in overs),
    )
    return Table("sizes", "Every size", means.sort("size"), columns)


def seeds(findings: Findings) -> Table:
    """List every dot of the scaling figure, each with a link to its run."""
    columns = (
        text(AXES[findings.axis].title, "label"),
        *([text("at", "level")] if len(findings.study.axes) > 1 else []),
        count("seed", "seed"),
        Column(f"test loss ({findings.unit})", lambda row: fixed(row["loss"], DIGITS)),
        Column("validation loss", lambda row: fixed(row["validation_loss"], DIGITS)),
        text("run", "run_id"),
    )
    return Table("seeds", "Every seed", findings.seeds, columns)


def _skill_column(over: str) -> Column:
    return estimate(f"skill over {title(over)}", f"{over}_value", sign=True, prefix=f"{over}_")


def baselines(findings: Findings) -> Table:
    """List the loss of each baseline."""
    rows = [{"baseline": b.name, "run_id": b.run_id, **asdict(b.loss)} for b in findings.baselines]
    columns = (
        Column("baseline", lambda row: title(row["baseline"]), numeric=False),
        estimate(f"test loss ({findings.unit})", digits=DIGITS),
        text("run", "run_id"),
    )
    return _table("baselines", "Models without scale, on the same days", rows, columns)


def reach(findings: Findings) -> Table:
    """Hold what the study could have seen, beside what it measured."""
    rows = [
        {
            "effect": r.what,
            "smallest": r.smallest,
            "unit": r.unit,
            "null": r.null,
            **asdict(r.measured),
        }
        for r in findings.reaches
    ]
    columns = (
        text("effect", "effect"),
        Column("minimum detectable effect", lambda row: _with_unit(number(row["smallest"]), row)),
        Column(
            "measured",
            lambda row: _with_unit(interval(Metric(row["value"], row["low"], row["high"])), row),
        ),
        Column("seen?", lambda row: _seen(row), numeric=False),
    )
    return _table("reach", "What this study could have seen, and what it saw", rows, columns)


def _with_unit(number_text: str, row: Row) -> str:
    return f"{number_text} {row['unit']}".rstrip()


def _seen(row: Row) -> str:
    if row["low"] > row["null"]:
        return "yes"
    return "no: it is worse" if row["high"] < row["null"] else "no"


def groups(findings: Findings, group: str) -> Table:
    """List skill by year or by volatility tercile."""
    heading = "year" if group == "year" else "volatility"
    rows = findings.groups.filter(pl.col("group") == group).drop("group")
    columns = (
        text(heading, "label"),
        Column("over", lambda row: title(row["over"]), numeric=False),
        count("days", "days"),
        estimate(f"skill ({findings.unit})", sign=True),
    )
    return Table(f"skill_by_{heading}", f"Skill by {heading}", rows, columns)


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
    columns = (
        Column("score", lambda row: title(row["score"]), numeric=False),
        estimate("test value"),
    )
    kept = rows.select("score", "value", "low", "high")
    return Table("scores", "Every score of the chosen run", kept, columns)


def trading(findings: Findings) -> Table | None:
    """List the figures of each backtest."""
    trading = findings.trading
    if trading is None:
        return None
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
    return _table("trading", "After costs, over the test days", rows, columns)


def controls(findings: Findings) -> Table | None:
    """List what each control had to show and what it showed."""
    if not findings.controls:
        return None
    rows = [outcome.to_dict() for outcome in findings.controls]
    words = {True: "✓ as expected", False: "✗ not as expected", None: "? not finished"}
    columns = (
        Column("control", lambda row: title(row["control"]), numeric=False),
        text("what was done", "label"),
        text("has to come out", "expected"),
        text("came out", "found"),
        Column("outcome", lambda row: words[row["ok"]], numeric=False),
    )
    plain = [{**row, "facts": json.dumps(row["facts"], ensure_ascii=False)} for row in rows]
    return _table("controls", "Controls", plain, columns, prose=True)


def certificate(findings: Findings) -> Table:
    """List the leakage audit, check by check."""
    marks = {"proven": "✓ proven", "finding": "✗ finding", "unproven": "? not provable here"}
    rows = [
        {
            "check": check["check"],
            "status": check["status"],
            "statement": check["statement"],
            "findings": "; ".join([*check["findings"], *_few(check["unproven"])]),
        }
        for check in findings.certificate["checks"]
    ]
    columns = (
        text("check", "check"),
        Column("outcome", lambda row: marks[row["status"]], numeric=False),
        Column(
            "what was done and found",
            lambda row: row["statement"] + (f" — {row['findings']}" if row["findings"] else ""),
            numeric=False,
        ),
    )
    return _table("certificate", "Leakage certificate", rows, columns, prose=True)


def _few(sentences: list[str]) -> list[str]:
    """Return the first of many alike, and how many more there are; findings are never cut."""
    more = len(sentences) - _SHOWN
    return sentences if more <= 1 else [*sentences[:_SHOWN], f"and {more} more"]


def data(findings: Findings) -> Table:
    """List the registered datasets behind the runs."""
    rows = [
        {key: item for key, item in entry.items() if key not in ("parents", "path", "kind")}
        for entry in findings.data
    ]
    columns = (
        Column("dataset", lambda row: f"{row['id']} {row['version']}", numeric=False),
        count("rows", "rows"),
        Column("from … to", lambda row: f"{row['first_date']} … {row['last_date']}", numeric=False),
        text("adjustment", "adjustment"),
        text("source", "source"),
        Column("SHA-256", lambda row: f"{row['sha256'][:16]}…", numeric=False),
    )
    return _table("data", "Datasets", rows, columns)


def windows(findings: Findings) -> Table:
    """List the windows of each part and fold."""
    rows = [
        {
            **{key: item for key, item in row.items() if not key.endswith("_days")},
            "validation_first": row["validation_days"][0],
            "validation_last": row["validation_days"][1],
            "test_first": row["test_days"][0],
            "test_last": row["test_days"][1],
        }
        for row in findings.windows
    ]
    columns = (
        count("fold", "fold"),
        count("training windows", "train"),
        count("purged", "purged"),
        count("embargo (days)", "embargoed"),
        Column(
            "validation windows",
            lambda row: (
                f"{row['validation']:,}: {row['validation_first']} … {row['validation_last']}"
            ),
        ),
        Column(
            "test windows",
            lambda row: f"{row['test']:,}: {row['test_first']} … {row['test_last']}",
        ),
    )
    return _table("windows", "What was trained on, chosen on and tested on", rows, columns)


def environment(findings: Findings) -> Table:
    """List versions and platform of the runs, a row for each place where some were made."""
    rows = [
        {
            "platform": place["platform"],
            "commit": place.get("git", {}).get("commit"),
            "changed": place.get("git", {}).get("dirty"),
            **place["versions"],
        }
        for place in findings.environments
    ]
    versions = [key for key in rows[0] if key not in ("platform", "commit", "changed")]
    columns = (
        text("platform", "platform"),
        Column(
            "code",
            lambda row: (
                (row["commit"] or "unknown")[:10]
                + (" with uncommitted changes" if row["changed"] else "")
            ),
            numeric=False,
        ),
        Column(
            "versions",
            lambda row: ", ".join(f"{name} {row[name]}" for name in versions),
            numeric=False,
        ),
    )
    return _table("environment", "Where the runs took place", rows, columns, prose=True)


def runs(findings: Findings) -> Table:
    """List every run: what it was, what it scored, what it cost."""
    table = findings.runs
    score = "log_loss" if "log_loss" in table.columns else "rmse"
    unit = "nats" if score == "log_loss" else "return"
    overs = [b.name for b in findings.baselines if f"skill_{b.name}" in table.columns]
    columns = [
        text("run", "run_id"),
        Column("model", lambda row: title(row["model"]), numeric=False),
        *(_size_column(axis) for axis in findings.study.axes if axis != "parameters"),
        count("parameters", "parameters"),
        count("seed", "seed"),
        count("fold", "fold"),
        estimate(f"test {title(score)} ({unit})", score, prefix=f"{score}_", digits=DIGITS),
        Column("validation loss", lambda row: fixed(row["validation_loss"], DIGITS)),
    ]
    if "auc" in table.columns:
        columns.append(estimate("AUC", "auc", prefix="auc_"))
    columns += [
        estimate(f"skill over {title(o)}", f"skill_{o}", sign=True, prefix=f"skill_{o}_")
        for o in overs
    ]
    if "collapsed" in table.columns:
        columns.append(Column("collapsed", lambda row: _collapsed(row), numeric=False))
    columns += [
        count("epochs", "epochs"),
        Column(
            "computing", lambda row: flops(row["training_flops"]) if row["training_flops"] else "–"
        ),
        Column("time", lambda row: duration(row["seconds"])),
    ]
    return Table("runs", "Every run", table, tuple(columns), "run_id")


def _size_column(axis: str) -> Column:
    def cell(row: Row) -> str:
        size = row[f"size_{axis}"]
        return "–" if size is None else AXES[axis].words(size)

    return Column(AXES[axis].title, cell)


def _collapsed(row: Row) -> str:
    if row["role"] == "baseline":
        return "–"
    return "✗ collapsed" if row["collapsed"] else "no"


def csv(table: Table) -> str:
    """Return the raw values; nested ones as JSON."""
    nested = [
        name for name, kind in table.data.schema.items() if isinstance(kind, pl.List | pl.Struct)
    ]
    flat = table.data.with_columns(
        pl.col(name).map_elements(
            lambda item: json.dumps(item.to_list() if isinstance(item, pl.Series) else item),
            return_dtype=pl.String,
        )
        for name in nested
    )
    return flat.write_csv()
