"""A table: raw numbers for CSV, the same formatted for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from finscale.evaluation.bootstrap import Metric
from finscale.files import null_for_nan
from finscale.report.numbers import interval, number

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """How one column of a table is written.

    Parameters
    ----------
    title : str
        With its unit.
    cell : callable
        Row of raw values → text.
    numeric : bool
        Whether it is aligned to the right.
    tint : callable, optional
        Row of raw values → from −1 (a loss, as dark as losses go) to 1; None for no tint.
    """

    title: str
    cell: Callable[[Row], str]
    numeric: bool = True
    tint: Callable[[Row], float | None] | None = None


@dataclass(frozen=True)
class Table:
    """Raw rows and how people read them.

    Parameters
    ----------
    name : str
        Of its files.
    title : str
        What it holds.
    data : polars.DataFrame
        Raw values, as the CSV file has them.
    columns : tuple of Column
        As people read them.
    row_id : str
        Raw column that names a row, for links; empty for none.
    prose : bool
        Whether cells hold sentences: on a narrow screen such rows are stacked.
    """

    name: str
    title: str
    data: pl.DataFrame
    columns: tuple[Column, ...]
    row_id: str = ""
    prose: bool = False

    @cached_property
    def rows(self) -> list[tuple[str, ...]]:
        """Formatted cells, row by row."""
        return [
            tuple(column.cell(row) for column in self.columns)
            for row in self.data.iter_rows(named=True)
        ]

    @cached_property
    def tints(self) -> list[tuple[float | None, ...]]:
        """How each cell is tinted, row by row: see :class:`Column`."""
        return [
            tuple(None if column.tint is None else column.tint(row) for column in self.columns)
            for row in self.data.iter_rows(named=True)
        ]

    @cached_property
    def ids(self) -> list[str]:
        """What names each row; empty texts where rows have no name."""
        if not self.row_id:
            return [""] * self.data.height
        return [str(value) for value in self.data[self.row_id]]


def text(title: str, key: str) -> Column:
    """Return a column of text."""
    return Column(title, lambda row: "–" if row[key] is None else str(row[key]), numeric=False)


def count(title: str, key: str) -> Column:
    """Return a column of whole numbers."""
    return Column(title, lambda row: "–" if row[key] is None else f"{row[key]:,.0f}")


def value(title: str, key: str, *, form: Callable[[float | None], str] = number) -> Column:
    """Return a column of one number a row."""
    return Column(title, lambda row: form(row[key]))


def estimate(
    title: str,
    key: str = "value",
    *,
    sign: bool = False,
    prefix: str = "",
    digits: int | None = None,
) -> Column:
    """Return a column of an estimate with its interval: raw columns ``key``, low and high."""

    def cell(row: Row) -> str:
        metric = Metric(row[key], row[f"{prefix}low"], row[f"{prefix}high"])
        return interval(metric, sign=sign, digits=digits)

    return Column(title, cell)


def make_table(
    name: str,
    heading: str,
    rows: Iterable[Mapping[str, Any]],
    columns: tuple[Column, ...],
    *,
    prose: bool = False,
) -> Table:
    """Return a table of rows that are not a frame yet."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return Table(name, heading, frame, columns, prose=prose)


def csv(table: Table) -> str:
    """Return the raw values; nested ones as JSON."""
    nested = [
        name for name, kind in table.data.schema.items() if isinstance(kind, pl.List | pl.Struct)
    ]
    flat = table.data.with_columns(
        pl.col(name).map_elements(
            lambda item: json.dumps(
                null_for_nan(item.to_list() if isinstance(item, pl.Series) else item),
                allow_nan=False,
            ),
            return_dtype=pl.String,
        )
        for name in nested
    )
    return flat.write_csv()
