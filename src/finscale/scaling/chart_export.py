"""The CSV of a W&B chart: a column a run, ``NAME - METRIC``, beside its least and its greatest."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from finscale.scaling.column_names import candidates

_BETWEEN = " - "
_BESIDE = ("__MIN", "__MAX")
#: The column of the runs' names, called as in W&B's tables of runs.
NAME = "Name"


def chart_rows(frame: pl.DataFrame, wanted: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """Return a chart's export with one row a run and step, and what was done.

    Other tables, and charts of which single columns are ``wanted``, are returned as they are.

    Examples
    --------
    >>> columns = ("Step", "a - loss", "a - loss__MIN", "a - loss__MAX")
    >>> chart = pl.DataFrame({name: [1.0, 2.0] for name in columns})
    >>> chart_rows(chart, ["Step", "loss"])[0].columns
    ['Step', 'Name', 'loss']
    """
    names = set(frame.columns)
    drawn = [
        column
        for column in frame.columns
        if _BETWEEN in column and all(column + end in names for end in _BESIDE)
    ]
    if not drawn or all(_exactly(name, frame.columns) for name in wanted):
        return frame, []
    known = {*drawn, *(column + end for column in drawn for end in _BESIDE)}
    shared = [column for column in frame.columns if column not in known]
    metrics: dict[str, dict[str, str]] = {}
    for column in drawn:
        run, _, metric = column.rpartition(_BETWEEN)
        metrics.setdefault(run, {})[metric] = column
    rows = []
    for run, own in metrics.items():
        values = [pl.col(column).alias(metric) for metric, column in own.items()]
        part = frame.select(*shared, pl.lit(run).alias(NAME), *values)
        rows.append(part.filter(pl.any_horizontal(pl.col(metric).is_not_null() for metric in own)))
    count = f"{len(metrics)} run{'s' if len(metrics) > 1 else ''}"
    note = f"a chart's export of {count}: each is read as rows, told by column {NAME!r}"
    return pl.concat(rows, how="diagonal_relaxed"), [note]


def _exactly(name: str, columns: Sequence[str]) -> bool:
    """Tell whether a name means a column of the chart as it stands, and not one run's metric."""
    found = candidates(name, list(columns))
    return name in columns or (bool(found) and not any(_BETWEEN in column for column in found))
