"""Read and check a table of sizes and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError, FinscaleError
from finscale.scaling.column_choice import ROW, ColumnChoice, kept_rows
from finscale.scaling.column_names import column_meant
from finscale.scaling.column_roles import column_roles
from finscale.scaling.forms.base import Array
from finscale.scaling.measure import Measure
from finscale.scaling.run_columns import RunArrays, checked, run_arrays
from finscale.scaling.table_cells import RUN, TableCells, written
from finscale.scaling.table_file import read_file
from finscale.scaling.table_values import (
    as_losses,
    check_sizes,
    finished,
    sizes_as_numbers,
    told_numbers,
    unnested,
)

_PLAIN = Measure(unit="")

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
        Name of what is fitted: the loss column, or ``1 - auc`` where higher is better.
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
    measure : Measure
        What the values of the table are; ``losses_nST`` are its losses.
    signed : bool
        Whether losses may be zero or negative.
    row_n : array of int, ``[n]``
        The first row of each size in the table, from 1; empty where there is no table.
    weights_nS, errors_nS : array, ``[n, S]``, optional
        How much each run counts, or the standard error of its loss; NaN where there is none.
    cells : polars.Series, optional
        Fold and day of each cell; None where there are none.
    groups_nS : array of int, ``[n, S]``, optional
        Which run each loss is a checkpoint of; -1 where there is none.
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
    measure: Measure = _PLAIN
    signed: bool = False
    row_n: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights_nS: Array | None = None
    errors_nS: Array | None = None
    groups_nS: NDArray[np.int64] | None = None
    cells: pl.Series | None = None
    labels: tuple[tuple[str, ...], ...] = ()
    seeds: Literal["mean", "median"] = "mean"

    @property
    def runs_nS(self) -> Array:
        """Mean loss of each run over its cells, NaN where there is none."""
        return np.asarray(self.losses_nST.mean(axis=-1))

    @property
    def y_n(self) -> Array:
        """Loss of each size over its seeds, weighted where weights are given."""
        return self.over_seeds(self.runs_nS, self.weights_nS)

    @property
    def daily_nT(self) -> Array:
        """Loss of each size and cell over its seeds; its mean over cells is ``y_n``."""
        if self.seeds == "mean":
            return np.asarray(np.nanmean(self.losses_nST, axis=1))
        daily_nT = np.nanmedian(self.losses_nST, axis=1)
        return np.asarray(daily_nT + (self.y_n - daily_nT.mean(axis=-1))[:, None])

    def over_seeds(self, runs: Array, weights: Array | None = None) -> Array:
        """Return the mean or median of runs over the last axis, whichever the table takes."""
        if weights is not None:
            return np.asarray(np.nansum(weights * runs, axis=-1) / np.nansum(weights, axis=-1))
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
        row_n = self.row_n[keep] if len(self.row_n) else self.row_n
        arrays: dict[str, Any] = {"x_nd": self.x_nd, "losses_nST": self.losses_nST}
        arrays |= {name: getattr(self, name) for name in RunArrays._fields}
        given = {name: values[keep] for name, values in arrays.items() if values is not None}
        return replace(self, row_n=row_n, labels=labels, **given)

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
    seed: str | None = None,
    fold: str | None = None,
    day: str | None = None,
    average: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    where: str | Sequence[str] = (),
    last: str | None = None,
    drop_duplicates: bool | None = None,
    group: str | None = None,
    weights: str | None = None,
    stderr: str | None = None,
    higher_is_better: bool | None = None,
    best: float | None = None,
    unit: str | None = None,
    sheet: str | None = None,
    member: str | None = None,
    signed: bool = False,
    unfinished: bool = False,
) -> LawTable:
    """Read and check a table of losses.

    What a column is, is said or recognised by its usual name (``date`` are days, ``random_seed``
    seeds), which the notes announce. A name without its prefix is enough where it is the only one:
    ``params`` means ``config.params``. What nothing explains is refused as a question.

    Parameters
    ----------
    source : path, polars or pandas DataFrame, mapping of columns, or LawTable
        One row a run, or one row a run and day. A LawTable is returned as it is.
    x : str or sequence of str
        Size columns: numbers, or text such as ``5k`` and ``1.5B``.
    y : str
        Loss column.
    seed, fold, day : str, optional
        Columns of independent runs, folds and decision days. Without seeds, rows of equal size are
        runs; ``seed="rows"`` says so where the table makes that doubtful.
    average : str or sequence of str
        Columns to average over first, such as data sets; ``"rows"``: any rows of one run and day.
    ignore : str or sequence of str
        Columns that tell nothing of what a row is.
    where : str or sequence of str
        ``COLUMN=VALUE`` or ``COLUMN!=VALUE``: the rows to read.
    last : str, optional
        Of each run the row with the largest value of this column is read: its last step.
    drop_duplicates : bool, optional
        Whether of rows or runs that stand there twice one is read (True) or all (False).
    group : str, optional
        Column that names the run a row is a checkpoint of: rows of one run are not independent.
    weights, stderr : str, optional
        Column of how much a row counts, or of the standard error of its loss.
    higher_is_better, best, unit : optional
        What ``y`` is: see ``measure_of_column``.
    sheet, member : str, optional
        The sheet of a workbook, the file in an archive.
    signed : bool
        Losses are differences and may be zero or negative.
    unfinished : bool
        Runs with a loss that is missing, NaN or infinite are left out, and the notes count them.

    Raises
    ------
    DataError
        For a missing column, text where numbers belong, NaN or infinite values, sizes or losses
        that are not positive, one size only, runs that were not scored on the same days, copies,
        several losses of one run and day, or a column that could be seeds, days or folds.
    """
    if isinstance(source, LawTable):
        return source
    choice = ColumnChoice(
        seed,
        day,
        fold,
        _names(average),
        _names(ignore),
        _names(where),
        last,
        drop_duplicates,
        group,
        weights,
        stderr,
    )
    wanted = (*_names(x), y)
    frame, place, notes = frame_of(source, wanted, sheet, member)
    axes = _names(x)
    ways = dict.fromkeys(axes, "--x names the column of sizes.")
    ways |= {y: "--y names the column of losses, or of another outcome."}
    meant = {name: column_meant(name, frame.columns, place, ways[name]) for name in wanted}
    if len(set(meant.values())) < len(wanted):
        raise DataError(f"{place}: {', '.join(wanted)} name one column twice.")
    choice = choice.resolved(frame.columns, place, tuple(meant.values()))
    frame, left_out = kept_rows(frame.with_row_index(ROW, 1), choice.where, place)
    frame = frame.rename({column: name for name, column in meant.items()})
    if renamed := [f"{n!r} from {c!r}" for n, c in meant.items() if n != c]:
        notes.append(f"read {', '.join(renamed)}")
    frame, told = told_numbers(sizes_as_numbers(frame, axes, place), y, place)
    if unfinished:
        frame, lost = finished(frame, y, axes, choice)
        left_out += [f"{LEFT_OUT}{words}" for words in lost]
    frame, weighed = checked(frame, choice, place)
    check_sizes(frame, axes, place)
    frame, measure, signed, said = as_losses(
        frame,
        y,
        place,
        signed=signed,
        higher_is_better=higher_is_better,
        best=best,
        unit=unit,
    )
    notes += said
    roles = column_roles(frame, axes, y, choice, place)
    table, said = _arrays(TableCells(frame, axes, y, roles, choice, place))
    notes += [*told, *left_out, *weighed, *roles.notes, *said]
    return replace(
        table,
        loss=measure.fitted if measure.higher_is_better else y,
        notes=tuple(notes),
        measure=measure,
        signed=signed,
    )


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def frame_of(
    source: Any, wanted: Sequence[str], sheet: str | None = None, member: str | None = None
) -> tuple[pl.DataFrame, str, list[str]]:
    """Return a table as a frame, what it is called, and what was left out on reading it."""
    if isinstance(source, str | Path):
        frame, notes = read_file(Path(source), wanted, sheet=sheet, member=member)
        return frame, str(source), notes
    if isinstance(source, pl.DataFrame):
        frame = source
    elif isinstance(source, Mapping):
        frame = pl.DataFrame(dict(source))
    elif type(source).__module__.startswith("pandas"):
        frame = pl.from_pandas(source)
    else:
        raise DataError(
            f"a {type(source).__name__} is not a table.",
            hint="give a CSV, JSON, parquet or Excel file, a polars or pandas DataFrame, or a dict "
            "of columns",
        )
    if frame.is_empty():
        raise DataError("the table has no rows.")
    return unnested(frame), "the table", []


def _arrays(cells: TableCells) -> tuple[LawTable, list[str]]:
    """Return the table as arrays, and what was done to have one loss a run and cell."""
    axes, y, roles = cells.axes, cells.y, cells.roles
    runs, notes = cells.runs()
    fold_T = np.zeros(len(runs[y][0]), dtype=np.int64)
    if roles.fold is not None:
        fold_T = runs["_cells"][0].struct.field(roles.fold).rank("dense").to_numpy() - 1
    # the seeds of a size are its runs in order
    runs = runs.with_columns(pl.int_range(pl.len()).over(axes).alias("_seed"))
    sizes = runs.group_by(axes, maintain_order=True).agg(pl.col(ROW).min())
    at_n = runs.select(pl.struct(axes).rle_id()).to_series().to_numpy()
    losses_nST = np.full((len(sizes), runs["_seed"].n_unique(), len(fold_T)), np.nan)
    losses_nST[at_n, runs["_seed"].to_numpy()] = np.stack(runs[y].to_list())
    x_nd = np.asarray(sizes.select(axes).to_numpy(), dtype=np.float64)
    rows_n = sizes[ROW].to_numpy().astype(np.int64)
    has_days = roles.day is not None
    table = LawTable(axes, y, x_nd, losses_nST, fold_T.astype(np.int64), has_days, row_n=rows_n)
    own = run_arrays(runs, cells.choice, at_n, losses_nST.shape[:2])
    told = runs["_cells"][0] if "_cells" in runs.columns else None
    labels = runs.group_by(axes, maintain_order=True).agg(RUN)[RUN].to_list()
    named = tuple(tuple(map(written, size)) for size in labels)
    return replace(table, cells=told, labels=named, **own._asdict()), notes
