"""What a caller says about the columns of a table, and the rows that are kept by it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from finscale.errors import DataError
from finscale.scaling.column_names import SEEDS, candidates, column_meant, of_kind

#: Number of a row in its table, from 1: for messages that name it.
ROW = "_row"
#: In the place of a column: the rows themselves.
ROWS = "rows"
#: Columns that a study of this program writes; baselines stand among its runs.
_STUDY = frozenset(("role", "run_id", "label", "seed", "fold"))


@dataclass(frozen=True)
class ColumnChoice:
    """Which columns are what, as far as the caller says.

    Parameters
    ----------
    seed, day, fold : str, optional
        Columns that tell apart independent runs, decision days, and folds; recognised by their
        usual names where None. ``seed="rows"``: rows of one size are its runs.
    average : tuple of str
        Columns whose values are averaged over first, such as data sets that every run is scored
        on; ``"rows"``: any rows of one run and day.
    ignore : tuple of str
        Columns that tell nothing of what a row is.
    where : tuple of str
        ``COLUMN=VALUE`` or ``COLUMN!=VALUE``: rows that are kept.
    last : str, optional
        Of each run the row with the largest value of this column is kept: its last step.
    drop_duplicates : bool, optional
        Whether of copies one is kept (True) or all are (False); None refuses copies.
    group, weights, stderr : str, optional
        Columns that name the run a checkpoint is of, weigh a row, or hold its standard error.
    """

    seed: str | None = None
    day: str | None = None
    fold: str | None = None
    average: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    last: str | None = None
    drop_duplicates: bool | None = None
    group: str | None = None
    weights: str | None = None
    stderr: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that are named, rows left out."""
        # --seed and --group may both be the column of runs
        group = None if self.group == self.seed else self.group
        more = (group, self.weights, self.stderr)
        own = (self.seed, self.day, self.fold, self.last, *self.average, *more)
        return tuple(name for name in own if name not in (None, ROWS))

    def resolved(
        self, names: Sequence[str], place: str, measured: Sequence[str] = ()
    ) -> ColumnChoice:
        """Return the choice with the full names of its columns; sizes and losses are ``measured``.

        Raises
        ------
        DataError
            If a column does not exist, or one is given two roles.
        """

        def full(name: str | None) -> str | None:
            if name is None or (name == ROWS and name not in names):
                return name
            return column_meant(name, names, place)

        own = replace(
            self,
            seed=full(self.seed),
            day=full(self.day),
            fold=full(self.fold),
            last=full(self.last),
            group=full(self.group),
            weights=full(self.weights),
            stderr=full(self.stderr),
            average=tuple(str(full(name)) for name in self.average),
            ignore=tuple(column_meant(name, names, place) for name in self.ignore),
        )
        for name in own.named:
            if name in measured:
                raise DataError(
                    f"{place}: column {name!r} is a size or the loss, and can have no other role.",
                    hint="name another column; of --x, --y and the rest each has its own",
                )
            if (own.named + own.ignore).count(name) > 1:
                raise DataError(
                    f"{place}: column {name!r} is given two roles.", hint="name it once"
                )
        return own


def is_study_table(frame: pl.DataFrame) -> bool:
    """Tell whether a table is one of results that a study of this program wrote."""
    return set(frame.columns) >= _STUDY


def kept_rows(
    frame: pl.DataFrame, where: Sequence[str], place: str
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that the conditions keep, and what was left out.

    Baselines in a study's own table of results are no sizes of its network and are left out.

    Raises
    ------
    DataError
        For a condition that cannot be read, names no column, or keeps no row.
    """
    notes = []
    if frame.schema.get("role") == pl.String:
        baselines = pl.col("role") == "baseline"
        if num := frame.filter(baselines).height:
            frame = frame.filter(~baselines)
            notes.append(f"rows of baselines (role = baseline) are left out: {num}")
    for condition in where:
        match = re.fullmatch(r"\s*([^=!]+?)\s*(!?=)=?\s*(.*?)\s*", condition)
        if match is None:
            raise DataError(
                f"the condition {condition!r} cannot be read.", hint="write COLUMN=VALUE"
            )
        name, sign, value = match.groups()
        column = column_meant(name, frame.columns, place)
        same = _equal(frame[column], value)
        kept = frame.filter(same if sign == "=" else ~same)
        if kept.is_empty():
            some = ", ".join(map(str, frame[column].unique(maintain_order=True)[:8]))
            raise DataError(f"{place} has no row with {condition}.", hint=f"{column} is: {some}")
        notes.append(f"{condition}: {kept.height} of {frame.height} rows are kept")
        frame = kept
    return frame, notes


def _equal(column: pl.Series, value: str) -> pl.Series:
    """Tell which values are the one that is written, as text or as a number."""
    if value == "":
        missing = column.is_null() | (column.cast(pl.String).str.strip_chars() == "")
        return (missing | column.is_nan() if column.dtype.is_float() else missing).fill_null(True)
    same = column.cast(pl.String).str.strip_chars().str.to_lowercase() == value.casefold()
    if column.dtype.is_numeric():
        number = pl.Series([value]).cast(pl.Float64, strict=False)[0]
        same = same | (column.cast(pl.Float64) == number) if number is not None else same
    return same.fill_null(False)


def seed_column(frame: pl.DataFrame, names: Sequence[str], place: str) -> str | None:
    """Return the column with a usual name of seeds.

    Raises
    ------
    DataError
        If several could be meant: they differ, and none is called seed.
    """
    found = of_kind(names, SEEDS)
    exact = candidates("seed", found)
    if exact:
        found = exact if len(exact) == 1 else found
    if not found:
        return None
    first = found[0]
    for other in found[1:]:
        if frame.select(first, other).n_unique() != max(frame[first].n_unique(), 1):
            raise DataError(
                f"{place}: {first!r} and {other!r} could both be the column of seeds.",
                hint=f"say which: --seed {first}",
            )
    return first
