"""One loss for each run and cell of a table: runs told apart, copies and repeats settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from finscale.errors import DataError
from finscale.scaling.column_choice import ROW, ROWS, ColumnChoice
from finscale.scaling.column_names import BOOKKEEPING, RUNS, STEPS, of_kind, plain
from finscale.scaling.column_questions import check_columns
from finscale.scaling.column_roles import ColumnRoles, recurs
from finscale.scaling.copies import check_independent, copied_runs, without_duplicates
from finscale.scaling.run_columns import check_groups, run_means

#: The column that tells the runs of a size apart.
RUN = "_run"


def written(value: object) -> str:
    """Return a size, seed or day as it stands in a table."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class TableCells:
    """The rows of a table while they become one loss a run and cell."""

    frame: pl.DataFrame
    axes: tuple[str, ...]
    y: str
    roles: ColumnRoles
    choice: ColumnChoice
    place: str

    @property
    def average(self) -> list[str]:
        """Columns that are averaged over."""
        return [name for name in self.roles.average if name != ROWS]

    @property
    def averages_rows(self) -> bool:
        """Whether any rows of one run and cell are averaged."""
        return ROWS in self.roles.average

    def runs(self) -> tuple[pl.DataFrame, list[str]]:
        """Return one row a run, its losses a list over cells, and what was done.

        Columns: the axes, ``_run``, the losses, ``_cells`` (where there are some) and ``_row``, the
        first row of the run.

        Raises
        ------
        DataError
            For copies, a column that nothing explains, several losses of one run and cell, or runs
            that were not scored on the same cells.
        """
        drop, ignore = self.choice.drop_duplicates, self.choice.ignore
        frame, notes = without_duplicates(self.frame, drop, self.place, ignore)
        frame = self._last(frame)
        if not self.averages_rows:
            check_columns(frame, self.axes, self.y, self.roles, self.choice, self.place)
        frame, said = self._with_runs(frame)
        cells = self.roles.cells
        keys = [*self.axes, RUN, *cells, *self.average]
        if not self.averages_rows:
            self._check_single(frame, keys)
        self._check_pairing(frame)
        check_groups(frame, [*self.axes, RUN], self.choice, self.place)
        mean = [pl.col(self.y).mean(), pl.col(ROW).min(), *run_means(self.choice)]
        frame = frame.group_by([*self.axes, RUN, *cells]).agg(mean).sort([*self.axes, RUN, *cells])
        lists = [pl.col(self.y), pl.col(ROW).min(), *run_means(self.choice)]
        lists += [pl.struct(cells).alias("_cells")] if cells else []
        runs = frame.group_by([*self.axes, RUN], maintain_order=True).agg(lists)
        runs, copies = self._without_copies(runs)
        return runs, [*notes, *said, *copies]

    def _last(self, frame: pl.DataFrame) -> pl.DataFrame:
        last, seed = self.choice.last, self.roles.seed
        if last is None:
            return frame
        keys = [*self.axes, *([seed] if seed else []), *self.roles.cells, *self.average]
        names = [c for c in of_kind(frame.columns, RUNS) if c not in (*keys, *self.choice.ignore)]
        keys += names
        if not frame.schema[last].is_numeric() and not frame.schema[last].is_temporal():
            raise DataError(
                f"{self.place}: column {last!r} has no order, so no row of a run is its last.",
                hint="--last takes a column of numbers or dates, such as a step",
            )
        if frame.select(*keys, last).n_unique() < frame.height:
            raise DataError(
                f"{self.place}: several rows of one size have the same {last!r}, and no column "
                "tells which run they belong to.",
                hint="name the column of runs: --seed COLUMN",
            )
        return frame.filter(pl.col(last) == pl.col(last).max().over(keys))

    def _with_runs(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """Return the rows with a column that tells runs apart."""
        seed = self.roles.seed
        told = self.choice.seed is not None
        if seed is not None:
            if not recurs(frame, seed, self.axes) and not self.roles.cells and not self.average:
                check_independent(frame, self.axes, self.y, self.place, told=told)
            return frame.with_columns(pl.col(seed).alias(RUN)), []
        if self.averages_rows:
            return frame.with_columns(pl.lit(0).alias(RUN)), []
        shared = [*self.roles.cells, *self.average]
        frame = frame.with_columns(pl.int_range(pl.len()).over([*self.axes, *shared]).alias(RUN))
        repeated = int(frame[RUN].max() or 0)  # type: ignore[arg-type]
        if not repeated:
            return frame, []
        if shared:
            bad = frame.filter(pl.col(RUN) == 1).row(0, named=True)
            at = ", ".join(f"{name} = {written(bad[name])}" for name in (*self.axes, *shared))
            raise DataError(
                f"{self.place}: several rows have {at} (such as row {bad[ROW]}), and no column "
                "tells their runs apart.",
                hint="name the column of runs: --seed COLUMN; or --average COLUMN, or "
                "--average rows for what is averaged first (Python: seed=, average=)",
            )
        check_independent(frame, self.axes, self.y, self.place, told=told)
        note = f"no column of seeds: up to {repeated + 1} rows of one size are its seeds"
        return frame, [note]

    def _check_single(self, frame: pl.DataFrame, keys: Sequence[str]) -> None:
        """Refuse several losses of one run and cell."""
        groups = frame.group_by(keys, maintain_order=True).agg(pl.col(ROW), pl.col(self.y))
        several = groups.filter(pl.col(ROW).list.len() > 1)
        if several.is_empty():
            return
        first = several.row(0, named=True)
        at = ", ".join(
            f"{self.roles.seed if key == RUN else key} = {written(first[key])}" for key in keys
        )
        losses = ", ".join(f"{value:.6g}" for value in first[self.y][:3])
        rows = ", ".join(map(str, first[ROW][:3]))
        raise DataError(
            f"{self.place}: {at} has {len(first[ROW])} losses (rows {rows}: {losses}"
            f"{' …' if len(first[ROW]) > 3 else ''}).",
            hint=self._what_differs(frame.filter(pl.col(ROW).is_in(first[ROW]))),
        )

    def _what_differs(self, rows: pl.DataFrame) -> str:
        """Return what could be said of rows that should be one."""
        known = {*self.axes, self.y, ROW, RUN, *self.roles.named, *self.choice.ignore}
        differ = [
            column
            for column in rows.columns
            if column not in known
            and plain(column) not in BOOKKEEPING
            and rows[column].n_unique() > 1
            and (of_kind([column], STEPS) or not _is_measured(rows[column]))
        ]
        steps = of_kind(differ, STEPS)
        if steps:
            return (
                f"--last {steps[0]} reads the last row of each run; --x {steps[0]} takes it for a "
                "size"
            )
        if differ:
            column, value = differ[0], rows[differ[0]][0]
            return (
                f"they differ in {column!r}: --average {column} averages over it, --where "
                f"{column}={value} reads one, --seed {column} takes it for runs"
            )
        return "no column tells them apart: add one, or average them with --average rows"

    def _check_pairing(self, frame: pl.DataFrame) -> None:
        """Refuse runs that were not scored on the same cells and, below them, the same averages."""
        shared = [*self.roles.cells, *self.average]
        if not shared:
            return
        cells = frame.group_by([*self.axes, RUN]).agg(pl.struct(shared).unique().sort())
        cells = cells.sort([*self.axes, RUN]).rename({shared[0]: "_cells"})
        first = cells["_cells"][0]
        for row, own in zip(cells.iter_rows(named=True), cells["_cells"], strict=True):
            if not own.equals(first):
                unit = "days" if self.roles.day else "folds" if self.roles.fold else "values"
                if self.average:
                    unit = f"pairs of {' and '.join(shared)}" if len(shared) > 1 else "values"
                axis = self.axes[0]
                run = f", seed {row[RUN]}" if self.roles.seed else ""
                others = (
                    f"not the {len(first)} of the first run"
                    if len(own) != len(first)
                    else "others than the first run has"
                )
                raise DataError(
                    f"{self.place}: the run {axis} = {row[axis]:g}{run} covers "
                    f"{len(own)} {unit}, {others}.",
                    hint="score every run on the same days: comparisons are paired by day",
                )

    def _without_copies(self, runs: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """Settle runs of one size whose losses agree more than chance explains."""
        said = self.choice.weights or self.choice.stderr
        # runs of unequal error: the precise ones lie closer than the spread of all explains
        if self.choice.drop_duplicates is False or (said and runs[said].n_unique() > 1):
            return runs, []
        at_R = runs.select(pl.struct(self.axes).rle_id()).to_series().to_numpy()
        pairs = copied_runs(at_R, np.stack(runs[self.y].to_list()))
        if not pairs:
            return runs, []
        one, other = (runs.row(i, named=True) for i in pairs[0])
        axis = self.axes[0]
        loss = f"{np.mean(one[self.y]):.12g} and {np.mean(other[self.y]):.12g}"
        which = f"rows {one[ROW]} and {other[ROW]} ({axis} = {one[axis]:g})"
        if self.choice.drop_duplicates is None:
            more = f", and {len(pairs) - 1} pairs more" if len(pairs) > 1 else ""
            raise DataError(
                f"{self.place}: the runs in {which} have nearly the same losses, {loss}{more}: "
                "closer than chance explains for runs of their own.",
                hint="--drop-duplicates reads one of each, --keep-duplicates both (Python: "
                "drop_duplicates=True or False)",
            )
        copies = sorted({copy for _, copy in pairs})
        kept = runs.with_row_index("_at").filter(~pl.col("_at").is_in(copies)).drop("_at")
        return kept, [f"{len(copies)} near copies of other runs are dropped, the first of {which}"]


def _is_measured(values: pl.Series) -> bool:
    """Tell whether a column holds fractions: a figure that a run brought out, not a count."""
    return values.dtype.is_float() and not (values.drop_nulls() % 1 == 0).all()
