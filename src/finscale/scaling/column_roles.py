"""Which column holds seeds, days and folds: as said, or recognised by name and announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from finscale.errors import DataError
from finscale.scaling.column_choice import ROW, ROWS, ColumnChoice, seed_column
from finscale.scaling.column_names import DAYS, FOLDS, RUNS, SERIES, of_kind, plain, words

_PARTS = words("train training val valid validation dev test testing eval holdout")


@dataclass(frozen=True)
class ColumnRoles:
    """Columns by what they are; ``seed`` is None where no column tells runs apart.

    ``seed_is_run`` says that it holds the names of runs.
    """

    seed: str | None
    fold: str | None
    day: str | None
    average: tuple[str, ...]
    notes: tuple[str, ...] = ()
    seed_is_run: bool = False

    @property
    def cells(self) -> list[str]:
        """What a cell is told by: fold, then day."""
        return [column for column in (self.fold, self.day) if column is not None]

    @property
    def named(self) -> tuple[str, ...]:
        """All columns with a role."""
        own = (self.seed, *self.cells, *self.average)
        return tuple(column for column in own if column is not None)


def column_roles(
    frame: pl.DataFrame, axes: Sequence[str], y: str, choice: ColumnChoice, place: str
) -> ColumnRoles:
    """Return the columns by their roles.

    Raises
    ------
    DataError
        If two columns could have one role, or a column called split holds parts of the data.
    """
    used = {*axes, y, *choice.named, *choice.ignore, ROW}
    free = [column for column in frame.columns if column not in used]
    notes: list[str] = []

    def announce(column: str | None, role: str, usual: str) -> None:
        if column is not None and column != usual:
            notes.append(f"column {column!r} is read as {role} (--{usual} names another)")

    rows, seed = choice.seed == ROWS, None if choice.seed == ROWS else choice.seed
    if seed is None and not rows and (seed := seed_column(frame, free, place)) is not None:
        announce(seed, "seeds", "seed")
    if seed is None and choice.group is not None:
        seed = choice.group
    fold = choice.fold
    if fold is None and (fold := _fold(frame, free, place)) is not None:
        announce(fold, "folds", "fold")
    day = choice.day
    if day is None:
        day, note = _day(frame, axes, [c for c in free if c not in (seed, fold)], seed, place)
        notes += note
        announce(day, "decision days", "day")
    cells = [column for column in (fold, day) if column is not None]
    seed_is_run = False
    if seed is None and not rows and (seed := _run(frame, axes, cells, free)) is not None:
        seed_is_run = True
        num = frame.select(*axes, seed).unique().height - frame.select(axes).unique().height
        if num:  # some size has several runs
            announce(seed, "runs: those of one size are its seeds", "seed")
        if choice.group is None and recurs(frame, seed, axes):
            notes.append(
                f"the runs of column {seed!r} have several sizes each; if their rows are "
                f"checkpoints of one training, say --group {seed}"
            )
    average = choice.average
    series = [c for c in of_kind(free, SERIES) if c not in (seed, fold, day)]
    if day is not None:
        for column in series:
            if frame[column].n_unique() > 1 and ROWS not in average:
                average += (column,)
                notes.append(
                    f"column {column!r}: its {frame[column].n_unique()} values are averaged within "
                    "each day, for the day is the unit of evidence"
                )
    return ColumnRoles(seed, fold, day, average, tuple(notes), seed_is_run)


def _fold(frame: pl.DataFrame, free: Sequence[str], place: str) -> str | None:
    found = of_kind(free, FOLDS)
    for column in found:
        values = set(frame[column].cast(pl.String).drop_nulls().str.to_lowercase().to_list())
        if values <= _PARTS and len(values) > 1:
            raise DataError(
                f"{place}: column {column!r} holds parts of the data ({', '.join(sorted(values))}),"
                " which are no folds.",
                hint=f"keep one: --where {column}={'test' if 'test' in values else min(values)}",
            )
    found = [column for column in found if frame[column].n_unique() > 1] or found
    if len(found) > 1 and "fold" not in map(plain, found):
        raise DataError(
            f"{place}: {' and '.join(map(repr, found[:2]))} could both be the column of folds.",
            hint=f"say which: --fold {found[0]} (--ignore {found[1]})",
        )
    return next(iter(found), None)


def _day(
    frame: pl.DataFrame, axes: Sequence[str], free: Sequence[str], seed: str | None, place: str
) -> tuple[str | None, list[str]]:
    """Return the column of days, and what is to be said of one that is none.

    Days are shared: a date of the run itself, which no other size has or of which each run has a
    single one, is none.
    """
    found = of_kind(free, DAYS)
    several = [column for column in found if frame[column].n_unique() > 1]
    kept, notes = [], []
    runs = [*axes, seed] if seed is not None else []
    single = bool(runs) and frame.select(runs).n_unique() == frame.height
    for column in several:
        if single or not recurs(frame, column, axes):
            notes.append(f"column {column!r} is not read as days: each run has one of its own")
        else:
            kept.append(column)
    exact = [column for column in kept if plain(column) == "day"]
    if len(exact or kept) > 1 and frame.select(kept).n_unique() != frame[kept[0]].n_unique():
        raise DataError(
            f"{place}: {' and '.join(map(repr, kept[:2]))} could both be the column of days.",
            hint=f"say which: --day {kept[0]} (--ignore {kept[1]})",
        )
    constant = [column for column in found if column not in several]
    return next(iter([*exact, *kept, *constant]), None), notes


def _run(
    frame: pl.DataFrame, axes: Sequence[str], cells: Sequence[str], free: Sequence[str]
) -> str | None:
    """Return the column that names runs: one of its values belongs to one size.

    A column called run may count the runs of each size anew.
    """
    for column in of_kind(free, RUNS):
        numbers_rows = cells and frame[column].n_unique() == frame.height
        if column in cells or frame[column].null_count() or numbers_rows:
            continue
        if plain(column) in ("run", "run_id") or not recurs(frame, column, axes):
            return column
    return None


def recurs(frame: pl.DataFrame, column: str, axes: Sequence[str]) -> bool:
    """Tell whether a value of a column stands at several sizes."""
    sizes = frame.select(column, *axes).unique().group_by(column).len()
    return bool((sizes["len"] > 1).any())


def varies(frame: pl.DataFrame, column: str, within: Sequence[str]) -> bool:
    """Tell whether a column has several values among rows that are equal otherwise."""
    return frame.select(*within, column).n_unique() > frame.select(within).n_unique()
