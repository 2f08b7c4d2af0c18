"""Read and check a table of sizes and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError, FinscaleError, did_you_mean
from finscale.scaling.forms.base import Array
from finscale.scaling.table_file import read_file

#: How a note begins that counts runs which are not in the table.
LEFT_OUT = "left out: "


@dataclass(frozen=True)
class LawTable:
    """Losses by size, seed and cell; a cell is one decision day of one fold.

    Parameters
    ----------
    axes : tuple of str
        Names of the size columns.
    loss : str
        Name of the loss column.
    x_nd : array, ``[n, d]``
        Distinct sizes, ascending.
    losses_nST : array, ``[n, S, T]``
        Losses; NaN where a size has fewer seeds. T is 1 when neither days nor folds are given.
    fold_T : array of int, ``[T]``
        Which fold each cell belongs to.
    has_days : bool
        Whether cells are days (in order of time within their fold).
    notes : tuple of str
        What was done on reading: "6 rows of one size are read as seeds".
    labels : tuple, ``[n][S]``
        The seeds of each size as the table names them.
    seeds : {"mean", "median"}
        What a size's loss is: over its seeds.
    """

    axes: tuple[str, ...]
    loss: str
    x_nd: Array
    losses_nST: Array
    fold_T: NDArray[np.int64]
    has_days: bool
    notes: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    seeds: Literal["mean", "median"] = "mean"

    @property
    def runs_nS(self) -> Array:
        """Mean loss of each run over its cells, NaN where there is none."""
        return np.asarray(self.losses_nST.mean(axis=-1))

    @property
    def y_n(self) -> Array:
        """Loss of each size over its seeds."""
        return self.over_seeds(self.runs_nS)

    @property
    def daily_nT(self) -> Array:
        """Loss of each size and cell over its seeds; its mean over cells is ``y_n``."""
        if self.seeds == "mean":
            return np.asarray(np.nanmean(self.losses_nST, axis=1))
        daily_nT = np.nanmedian(self.losses_nST, axis=1)
        return np.asarray(daily_nT + (self.y_n - daily_nT.mean(axis=-1))[:, None])

    def over_seeds(self, runs: Array) -> Array:
        """Return the mean or median of runs over the last axis, whichever the table takes."""
        average = np.nanmean if self.seeds == "mean" else np.nanmedian
        return np.asarray(average(runs, axis=-1))

    @property
    def seeds_n(self) -> NDArray[np.int64]:
        """Number of seeds at each size."""
        return np.asarray(np.sum(~np.isnan(self.runs_nS), axis=-1))

    @property
    def num_sizes(self) -> int:
        """Number of distinct sizes."""
        return len(self.x_nd)

    def rows(self, keep: NDArray[np.bool_]) -> LawTable:
        """Return the table with some of its sizes."""
        labels = tuple(own for own, kept in zip(self.labels, keep, strict=False) if kept)
        return replace(self, x_nd=self.x_nd[keep], losses_nST=self.losses_nST[keep], labels=labels)

    def largest(self, count: int) -> NDArray[np.bool_]:
        """Return which rows hold the ``count`` largest sizes of the first axis.

        Raises
        ------
        FinscaleError
            If that leaves no size, or ``count`` is negative.
        """
        sizes = np.unique(self.x_nd[:, 0])
        if not 0 <= count < len(sizes):
            raise FinscaleError(
                f"{count} sizes cannot be held out of {len(sizes)}.",
                hint="hold out the largest one or two, and leave as many as the law has numbers",
            )
        return np.isin(self.x_nd[:, 0], sizes[len(sizes) - count :])


def read_table(
    source: Any,
    *,
    x: str | Sequence[str],
    y: str = "loss",
    seed: str = "seed",
    fold: str = "fold",
    day: str = "day",
    signed: bool = False,
    unfinished: bool = False,
) -> LawTable:
    """Read and check a table of losses.

    Parameters
    ----------
    source : path, polars or pandas DataFrame, or mapping of columns
        One row a run, or one row a run and day. Several rows of one run and day (symbols) are
        averaged first: the day is the unit of evidence.
    x : str or sequence of str
        Size columns.
    y : str
        Loss column.
    seed, fold, day : str
        Columns used when present. Without a seed column, rows of equal size are its seeds.
    signed : bool
        Losses are differences and may be zero or negative.
    unfinished : bool
        Runs with a loss that is missing, NaN or infinite are left out, and the notes count them.

    Raises
    ------
    DataError
        For a missing column, text where numbers belong, NaN or infinite values, sizes or losses
        that are not positive, one size only, or runs that were not scored on the same days.
    """
    axes = (x,) if isinstance(x, str) else tuple(x)
    frame, place, notes = _frame(source, (*axes, y), (seed, fold, day))
    for column in (*axes, y):
        if column not in frame.columns:
            raise DataError(
                f"{place} has no column {column!r}.", hint=did_you_mean(column, frame.columns)
            )
    frame = _numbers(frame, (*axes, y), place)
    if unfinished:
        frame = _finished(
            frame, y, [name for name in (*axes, seed) if name in frame.columns], notes
        )
    _check_sizes(frame, axes, place)
    _check_losses(frame, y, place, signed=signed)
    cells = [column for column in (fold, day) if column in frame.columns]
    if seed not in frame.columns:
        frame = frame.with_columns(pl.int_range(pl.len()).over([*axes, *cells]).alias(seed))
        repeated = int(frame[seed].max() or 0)  # type: ignore[arg-type]
        if repeated:
            notes.append(f"no column {seed!r}: up to {repeated + 1} rows of one size are its seeds")
    frame = frame.group_by([*axes, seed, *cells]).agg(pl.col(y).mean()).sort([*axes, seed, *cells])
    # a row a run; every run must have the same cells
    runs = frame.group_by([*axes, seed], maintain_order=True).agg(
        pl.col(y), *([pl.struct(cells).alias("_cells")] if cells else [])
    )
    if cells:
        _check_pairing(runs, axes[0], seed, "days" if day in cells else "folds", place)
    fold_T = np.zeros(len(runs[y][0]), dtype=np.int64)
    if fold in cells:
        fold_T = runs["_cells"][0].struct.field(fold).rank("dense").to_numpy() - 1
    # the seeds of a size are its runs in order
    runs = runs.with_columns(pl.int_range(pl.len()).over(axes).alias("_seed"))
    sizes = runs.select(axes).unique(maintain_order=True)
    at_n = runs.select(pl.struct(axes).rle_id()).to_series().to_numpy()
    losses_nST = np.full((len(sizes), runs["_seed"].n_unique(), len(fold_T)), np.nan)
    losses_nST[at_n, runs["_seed"].to_numpy()] = np.stack(runs[y].to_list())
    x_nd = np.asarray(sizes.to_numpy(), dtype=np.float64)
    labels = tuple(
        tuple(map(str, own)) for own in runs.group_by(axes, maintain_order=True).agg(seed)[seed]
    )
    return LawTable(
        axes, y, x_nd, losses_nST, fold_T.astype(np.int64), day in cells, tuple(notes), labels
    )


def _frame(
    source: Any, wanted: Sequence[str], optional: Sequence[str]
) -> tuple[pl.DataFrame, str, list[str]]:
    if isinstance(source, pl.DataFrame):
        return source, "the table", []
    if isinstance(source, Mapping):
        return pl.DataFrame(dict(source)), "the table", []
    if isinstance(source, str | Path):
        frame, notes = read_file(Path(source), wanted, optional)
        return frame, str(source), notes
    if type(source).__module__.startswith("pandas"):
        return pl.from_pandas(source), "the table", []
    raise DataError(
        f"a {type(source).__name__} is not a table.",
        hint="give a CSV, JSON, parquet or Excel file, a polars or pandas DataFrame, or a dict of "
        "columns",
    )


def _numbers(frame: pl.DataFrame, columns: Sequence[str], place: str) -> pl.DataFrame:
    if frame.is_empty():
        raise DataError(f"{place} has no rows.")
    for column in columns:
        if not frame.schema[column].is_numeric():
            values = frame[column].cast(pl.String)
            wrong = values.filter(values.cast(pl.Float64, strict=False).is_null())
            example = repr(wrong[0]) if len(wrong) else "text"
            raise DataError(
                f"{place}: column {column!r} holds {example}, which is not a number.",
                hint="write plain numbers (1000, not 1k), and leave out the rows of runs that "
                "have none",
            )
    return frame.with_columns(pl.col(column).cast(pl.Float64) for column in columns)


def _finished(frame: pl.DataFrame, y: str, run: list[str], notes: list[str]) -> pl.DataFrame:
    """Leave out the runs of which a loss is missing or infinite, and note how many."""
    finite = pl.col(y).is_finite().fill_null(value=False)
    kept = frame.filter(finite.all().over(run) if len(run) > 1 else finite)
    if len(kept) < len(frame):
        lost = frame.join(kept, on=frame.columns, how="anti", nulls_equal=True)
        count = lost.select(run).n_unique() if len(run) > 1 else len(frame) - len(kept)
        noun = "run" if count == 1 else "runs"
        notes.append(f"{LEFT_OUT}{count} {noun} without a finite loss")
    return kept


def _first_bad(frame: pl.DataFrame, good: pl.Expr) -> int | None:
    """Return the number of the first bad row, counted from 1."""
    bad = frame.select((~good.fill_null(False)).alias("bad"))["bad"].arg_true()
    return int(bad[0]) + 1 if len(bad) else None


def _check_sizes(frame: pl.DataFrame, axes: Sequence[str], place: str) -> None:
    for axis in axes:
        if row := _first_bad(frame, pl.col(axis).is_finite() & (pl.col(axis) > 0)):
            raise DataError(
                f"{place}: {axis} is {frame[axis][row - 1]} in row {row}; sizes must be positive.",
                hint="drop the row, or count what it stands for",
            )
    if frame.select(axes).unique().height < 2:
        raise DataError(
            f"{place} has one size only ({axes[0]} = {frame[axes[0]][0]:g}); "
            "a law needs several, four at the least.",
            hint="duplicate sizes are seeds, not sizes",
        )


def _check_losses(frame: pl.DataFrame, y: str, place: str, *, signed: bool) -> None:
    if row := _first_bad(frame, pl.col(y).is_finite()):
        raise DataError(
            f"{place}: {y} is {frame[y][row - 1]} in row {row}.",
            hint="a run that diverged is a result: say how it is counted, or leave all such runs "
            "out by a rule (terminal: --drop diverged)",
        )
    if not signed and (row := _first_bad(frame, pl.col(y) > 0)):
        raise DataError(
            f"{place}: {y} is {frame[y][row - 1]:g} in row {row}; a loss is positive.",
            hint="for differences of losses say signed=True (terminal: --signed)",
        )


def _check_pairing(runs: pl.DataFrame, axis: str, seed: str, unit: str, place: str) -> None:
    shared = runs["_cells"][0]
    for run, own in zip(runs.iter_rows(named=True), runs["_cells"], strict=True):
        if not own.equals(shared):
            raise DataError(
                f"{place}: the run {axis} = {run[axis]:g}, seed {run[seed]} covers {len(own)} "
                f"{unit}, not the {len(shared)} of the first run.",
                hint="score every run on the same days: comparisons are paired by day",
            )
