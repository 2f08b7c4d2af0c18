"""Learning curves: whether training converged or overfitted."""

from __future__ import annotations

from typing import Any

import polars as pl

from finscale.report.figure import Figure, FigureAxis, FigurePanel, Line, Mark, Points
from finscale.report.figures.common import amount, heading, padded, run_marks, sized
from finscale.report.palette import ramp
from finscale.study.findings.findings import Findings


def learning(findings: Findings) -> Figure | None:
    """Draw training and validation loss of every run, by epoch."""
    rows = findings.learning
    if rows.is_empty():
        return None
    sizes = sorted(rows["size"].unique().to_list())
    several = rows["fold"].n_unique() > 1
    if several:
        # folds have other days and so other levels, which differ by more than any curve bends
        rows = rows.with_columns(
            above_fold=pl.col("validation_loss") - pl.col("validation_loss").mean().over("fold")
        )
    panels = (
        _panel(findings, rows, sizes, "train_loss", "training"),
        _panel(findings, rows, sizes, "validation_loss", "validation", above_fold=several),
    )
    last = rows.group_by("run_id").agg(
        pl.col("epoch").max(), epoch_best=pl.col("epoch").filter("best").max()
    )
    at_end = last.filter(pl.col("epoch") == pl.col("epoch_best")).height
    answer = (
        f"{last.height - at_end} of {last.height} runs had their best validation loss before the "
        "last epoch"
    )
    answer += (
        f"; {at_end} were still improving when training ended, so more epochs might help them."
        if at_end
        else ": training was long enough."
    )
    return Figure(
        "learning",
        "Did training converge, or did it overfit?",
        answer,
        "One line a run; the dot is the epoch whose weights were kept, by validation loss. "
        "Training loss that keeps falling while validation loss rises is overfitting. "
        "Darker (on a dark page: brighter) lines are larger networks."
        + (
            " Each fold has its own days, and so its own level: of validation losses the mean of "
            "their fold is subtracted."
            if several
            else ""
        ),
        panels,
    )


def _panel(
    findings: Findings,
    rows: pl.DataFrame,
    sizes: list[float],
    column: str,
    name: str,
    *,
    above_fold: bool = False,
) -> FigurePanel:
    drawn = "above_fold" if above_fold else column

    def hover(row: dict[str, Any]) -> str:
        return (
            f"{sized(findings, float(row['size']))}, seed {row['seed']}, fold {row['fold']}\n"
            f"epoch {row['epoch']}: {amount(findings.loss, float(row[column]))}\n"
            f"run {row['run_id']} (click for its row)"
        )

    marks: list[Mark] = []
    for index, value in enumerate(sizes):
        role, label = ramp(index, len(sizes)), sized(findings, value)
        own = rows.filter(pl.col("size") == value)
        for run in own.partition_by("run_id", maintain_order=True):
            marks.append(run_marks(Line, label, run, "epoch", drawn, role, hover, width=1.6))
            label = ""  # one entry of the legend for each size
        best = own.filter("best").unique("run_id", keep="last", maintain_order=True)
        marks.append(run_marks(Points, "", best, "epoch", drawn, role, hover, size=8))
    values = rows[drawn].drop_nulls().drop_nans()
    limits = padded(float(values.min()), float(values.quantile(0.995)))  # type: ignore[arg-type]
    epochs = int(rows.select(pl.col("epoch").max()).item())
    ticks = tuple((float(e), str(e)) for e in range(1, epochs + 1, max(1, round(epochs / 6))))
    return FigurePanel(
        f"{name} days",
        FigureAxis("epoch: one pass over the training days", ticks=ticks),
        FigureAxis(
            heading(findings.loss, name) + (", mean of each fold subtracted" if above_fold else ""),
            limits=limits,
        ),
        tuple(marks),
    )
