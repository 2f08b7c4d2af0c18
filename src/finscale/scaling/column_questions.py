"""Columns that nothing explains: what tells rows of one size apart is asked, not guessed."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from finscale.errors import DataError
from finscale.scaling.column_choice import ROW, ColumnChoice, is_study_table
from finscale.scaling.column_names import (
    BOOKKEEPING,
    OUTCOMES,
    SERIES,
    STEPS,
    is_result,
    is_setting,
    of_kind,
    plain,
    words,
)
from finscale.scaling.column_roles import ColumnRoles, recurs, varies

#: A text with this share of different values names runs.
_MOSTLY_UNIQUE = 0.9
#: Share of all pairs of a size and a value that a column of few values fills.
_CROSSED = 0.5


def check_columns(
    frame: pl.DataFrame,
    axes: Sequence[str],
    y: str,
    roles: ColumnRoles,
    choice: ColumnChoice,
    place: str,
) -> None:
    """Refuse a table in which a column without a role tells rows of one size apart.

    Such a column may hold replicates, days, data sets or another thing that was varied; only who
    made the table knows, and the answers differ in what they call luck. Results, counters,
    bookkeeping and what depends on the day alone are no such columns.

    Raises
    ------
    DataError
        Naming the column, its values, and the options that say what it is.
    """
    known = {*axes, y, ROW, *roles.named, *choice.named, *choice.ignore}
    free = [column for column in frame.columns if column not in known]
    if is_study_table(frame):  # its columns are known: settings, sizes and scores
        free = [c for c in free if c == "family" or c.startswith("size_")]
    for column in free:
        if plain(column) in BOOKKEEPING or is_result(column) or not varies(frame, column, axes):
            continue
        if _tells_rows_apart(frame, column, axes, roles):
            raise _question(frame, column, axes, place)


def _tells_rows_apart(
    frame: pl.DataFrame, column: str, axes: Sequence[str], roles: ColumnRoles
) -> bool:
    shared = [*roles.cells, *roles.average]
    if shared and not varies(frame, column, shared):
        return False  # of the day, not of the run
    num_values, kind = frame[column].n_unique(), frame.schema[column]
    keys = [*axes, *([roles.seed] if roles.seed else []), *shared]
    explained = frame.select(keys).n_unique() == frame.height
    if roles.seed is not None:
        pairs = frame.select(roles.seed, column).n_unique()
        num_seeds = frame[roles.seed].n_unique()
        if pairs == num_seeds == num_values and recurs(frame, roles.seed, axes):
            return False  # another name of the seed
        if pairs == num_seeds and 1 < num_values < num_seeds and recurs(frame, column, axes):
            return True  # some seeds have one value, the others another
    if of_kind([column], STEPS) and not explained and (roles.seed is None or roles.seed_is_run):
        return True
    if of_kind([column], SERIES) and recurs(frame, column, axes):
        return not explained or not kind.is_float()
    if kind.is_numeric():
        if is_setting(column):
            return True
        if kind.is_float() and num_values > _MOSTLY_UNIQUE * frame.height:
            return False
        if words(column) & OUTCOMES or not recurs(frame, column, axes):
            return False
        if _is_crossed(frame, column, axes):
            return True
        pairs = frame.select(*axes, column).n_unique()
        share = pairs / (frame.select(axes).n_unique() * num_values)
        # the name of a run does not say how it differs from the others of its size
        unknown = roles.seed_is_run or (roles.seed is None and not explained)
        return unknown and share >= _CROSSED
    if kind.is_temporal():
        return recurs(frame, column, axes)
    if kind == pl.List:
        return False
    num_runs = frame.select([*axes, *([roles.seed] if roles.seed else [])]).n_unique()
    num_runs = num_runs if roles.seed is not None or shared else frame.height
    return num_values <= _MOSTLY_UNIQUE * num_runs or recurs(frame, column, axes)


def _is_crossed(frame: pl.DataFrame, column: str, axes: Sequence[str]) -> bool:
    """Tell whether every size has the same values equally often: somebody chose them."""
    own = frame.group_by(axes).agg(pl.col(column).sort())
    return own.height > 2 and own[column].n_unique() == 1


def _question(frame: pl.DataFrame, column: str, axes: Sequence[str], place: str) -> DataError:
    values = frame[column].unique(maintain_order=True).to_list()
    some = ", ".join(repr(v) if isinstance(v, str) else str(v) for v in values[:3])
    more = ", …" if len(values) > 3 else ""
    mixed = frame.group_by(axes, maintain_order=True).agg(pl.col(column).n_unique())
    size = mixed.filter(pl.col(column) > 1).row(0, named=True)
    at = ", ".join(f"{axis} = {size[axis]:g}" for axis in axes)
    name = f"'{column}'" if " " in column else column
    usual = frame[column].drop_nulls().mode(maintain_order=True)[0]
    one = f"'{column}={usual}'" if " " in f"{column}{usual}" else f"{column}={usual}"
    first = ""
    if of_kind([column], STEPS):
        first = f"--last {name} keeps the last row of each run; "
    return DataError(
        f"{place}: rows of one size ({at}) differ in column {column!r} ({len(values)} values: "
        f"{some}{more}), and nothing says what it is.",
        hint=f"say it: {first}--seed {name}: independent repeats; --day {name}: decision days; "
        f"--fold {name}: folds or data sets that every size meets; --average {name}: averaged over "
        f"first; --by {name} (of law fit and law decide): curves of their own; --where {one}: this "
        f"one alone; --ignore {name}: it tells nothing (Python: "
        "seed=, day=, fold=, average=, where=, ignore=)",
    )
