"""What a table says of each run beside its loss: a weight, a standard error, the run it is of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.scaling.column_choice import ROW, ColumnChoice
from finscale.scaling.forms.base import Array
from finscale.scaling.table_values import losses_as_numbers


class RunArrays(NamedTuple):
    """Weights, standard errors and numbers of groups by size and seed; None where not given."""

    weights_nS: Array | None = None
    errors_nS: Array | None = None
    groups_nS: NDArray[np.int64] | None = None


def checked(
    frame: pl.DataFrame, choice: ColumnChoice, place: str
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that count, weights and standard errors as numbers, and what was done.

    Raises
    ------
    DataError
        For a negative weight, a standard error that is not positive, a row without its run, or
        both weights and standard errors.
    """
    weights, stderr, group = choice.weights, choice.stderr, choice.group
    if weights and stderr:
        raise DataError(
            f"{place}: {weights!r} and {stderr!r} both say how much a row counts.",
            hint="give --stderr or --weights (a weight is 1 / stderr^2, up to a factor)",
        )
    notes = []
    for column in filter(None, (weights, stderr)):
        frame = losses_as_numbers(frame, column, place)
        value = pl.col(column)
        good = value.is_finite() & ((value >= 0) if column == weights else (value > 0))
        bad = frame.filter(~good.fill_null(False))
        if len(bad):
            least = "zero or more" if column == weights else "above zero"
            kind = "weight" if column == weights else "standard error"
            worst = bad[column][0]
            empty = worst is None or math.isnan(worst)
            what = f"is {'empty' if worst is None else worst} in row {bad[ROW][0]}"
            raise DataError(
                f"{place}: {column} {what}; a {kind} is {least}.",
                hint=f"leave the row out: --where {column}!={'' if empty else worst}",
            )
    if weights:
        kept = frame.filter(pl.col(weights) > 0)
        if kept.is_empty():
            raise DataError(f"{place}: every {weights} is 0.", hint="name another column")
        if num := frame.height - kept.height:
            notes.append(f"{num} rows of weight 0 are left out")
        frame = kept
        notes.append(f"rows are weighted by {weights!r}")
    if stderr:
        notes.append(
            f"{stderr!r} holds standard errors; where runs of one size differ by more, the "
            "rest is added to all of them"
        )
    if group and frame[group].null_count():
        row = frame.filter(pl.col(group).is_null())[ROW][0]
        raise DataError(
            f"{place}: {group} is empty in row {row}.", hint="every row belongs to a run"
        )
    if group:
        num = frame[group].n_unique()
        notes.append(f"{frame.height} rows are checkpoints of {num} runs, told by {group!r}")
    return frame, notes


def run_means(choice: ColumnChoice) -> list[pl.Expr]:
    """Return what several rows of one run and cell come to.

    Errors of rows that are averaged are taken as independent.
    """
    found = []
    if choice.weights:
        found.append(pl.col(choice.weights).mean())
    if choice.stderr:
        found.append(((pl.col(choice.stderr) ** 2).sum().sqrt() / pl.len()).alias(choice.stderr))
    if choice.group:
        found.append(pl.col(choice.group).first())
    return found


def check_groups(
    frame: pl.DataFrame, keys: Sequence[str], choice: ColumnChoice, place: str
) -> None:
    """Refuse a run of one size that belongs to two groups."""
    if choice.group is None:
        return
    mixed = frame.group_by(keys, maintain_order=True).agg(
        pl.col(choice.group).n_unique().alias("_num"), pl.col(choice.group), pl.col(ROW).min()
    )
    mixed = mixed.filter(pl.col("_num") > 1)
    if len(mixed):
        one, other = mixed[choice.group][0].unique(maintain_order=True)[:2]
        raise DataError(
            f"{place}: rows of one size and seed, from row {mixed[ROW][0]}, belong to "
            f"{choice.group} {one} and {other}.",
            hint=f"--seed {choice.group} tells their runs apart",
        )


def run_arrays(
    runs: pl.DataFrame, choice: ColumnChoice, at_n: NDArray[np.int64], shape: tuple[int, int]
) -> RunArrays:
    """Return the arrays of one row a run; ``at_n`` is its size, its column ``_seed`` its place."""
    seed = runs["_seed"].to_numpy()

    def numbers(column: str | None) -> Array | None:
        if column is None:
            return None
        out = np.full(shape, np.nan)
        out[at_n, seed] = runs[column].to_numpy()
        return out

    groups = None
    if choice.group is not None:
        groups = np.full(shape, -1, dtype=np.int64)
        groups[at_n, seed] = runs[choice.group].rank("dense").to_numpy().astype(np.int64) - 1
    return RunArrays(numbers(choice.weights), numbers(choice.stderr), groups)
