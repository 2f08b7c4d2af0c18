"""The table of every run."""

from __future__ import annotations

from finscale.config.titles import title
from finscale.report.numbers import duration, fixed, flops
from finscale.report.table import Column, Row, Table, count, estimate, text
from finscale.study.axes import AXES
from finscale.study.families import family_title
from finscale.study.findings.findings import Findings


def runs(findings: Findings) -> Table:
    """List every run: what it was, what it scored, what it cost."""
    table, target = findings.runs, findings.target
    score, name, own = target.first, target.words.title, findings.loss.digits
    overs = [b.name for b in findings.baselines if f"skill_{b.name}" in table.columns]
    columns = [
        text("run", "run_id"),
        Column("model", lambda row: title(row["model"]), numeric=False),
        *([_architecture(findings)] if "family" in table.columns else []),
        *(_size_column(axis) for axis in findings.study.axes if axis != "parameters"),
        count("parameters", "parameters"),
        count("seed", "seed"),
        count("fold", "fold"),
        estimate(f"test {name}", score, prefix=f"{score}_", digits=max(target.digits, own)),
        Column("validation loss", lambda row: fixed(row["validation_loss"], own)),
    ]
    if "auc" in table.columns:
        columns.append(estimate("AUC", "auc", prefix="auc_"))
    if "r2_oos" in table.columns:
        columns.append(estimate("R²", "r2_oos", prefix="r2_oos_"))
    # rounding at a linear start is no gain to be told in ten digits
    columns += [
        estimate(
            f"skill over {title(o)}", f"skill_{o}", sign=True, prefix=f"skill_{o}_", digits=own
        )
        for o in overs
    ]
    if "collapsed" in table.columns:
        columns.append(Column("collapsed", _collapsed, numeric=False))
    columns += [
        count("epochs", "epochs"),
        Column(
            "computing", lambda row: flops(row["training_flops"]) if row["training_flops"] else "–"
        ),
        Column("time", lambda row: duration(row["seconds"])),
    ]
    return Table("runs", "One row a run, baselines first", table, tuple(columns), "run_id")


def _architecture(findings: Findings) -> Column:
    def cell(row: Row) -> str:
        return family_title(findings.study, row["family"]) if row["family"] else "–"

    return Column("architecture", cell, numeric=False)


def _size_column(axis: str) -> Column:
    def cell(row: Row) -> str:
        size = row[f"size_{axis}"]
        return "–" if size is None else AXES[axis].words(size)

    return Column(AXES[axis].title, cell)


def _collapsed(row: Row) -> str:
    if row["role"] == "baseline":
        return "–"
    return "✗ collapsed" if row["collapsed"] else "no"
