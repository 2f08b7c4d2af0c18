"""Sizes and losses of a table as numbers that a law can be fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from finscale.errors import DataError
from finscale.scaling.column_choice import ROW, ColumnChoice
from finscale.scaling.column_names import RUNS, SEEDS, of_kind
from finscale.scaling.counts import size_number


def unnested(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame without structs: their fields are columns with points in their names."""
    while structs := [c for c, kind in frame.schema.items() if isinstance(kind, pl.Struct)]:
        for column in structs:
            fields = frame[column].struct.unnest()
            fields = fields.rename({name: f"{column}.{name}" for name in fields.columns})
            frame = pl.concat([frame.drop(column), fields], how="horizontal")
    return frame


def sizes_as_numbers(frame: pl.DataFrame, axes: Sequence[str], place: str) -> pl.DataFrame:
    """Return the table with its sizes as floats; text such as ``5k`` is read as it is meant.

    Raises
    ------
    DataError
        For a size that cannot be read, naming its row.
    """
    for axis in axes:
        if not frame.schema[axis].is_numeric():
            numbers = []
            for row, text in zip(frame[ROW], frame[axis].cast(pl.String), strict=True):
                try:
                    numbers.append(None if text is None else size_number(text))
                except ValueError as error:
                    raise DataError(
                        f"{place}: column {axis!r} holds {text!r} in row {row}, which is not a "
                        "size.",
                        hint=f"{str(error).partition('; ')[2]}",
                    ) from None
            frame = frame.with_columns(pl.Series(axis, numbers, dtype=pl.Float64))
    return frame.with_columns(pl.col(axis).cast(pl.Float64) for axis in axes)


def losses_as_numbers(frame: pl.DataFrame, y: str, place: str) -> pl.DataFrame:
    """Return the table with its losses as floats.

    Raises
    ------
    DataError
        For text, naming it.
    """
    if not frame.schema[y].is_numeric():
        values = frame[y].cast(pl.String)
        wrong = frame.filter(values.cast(pl.Float64, strict=False).is_null())
        example = f"{wrong[y][0]!r} in row {wrong[ROW][0]}" if len(wrong) else "text"
        raise DataError(
            f"{place}: column {y!r} holds {example}, which is not a number.",
            hint="write plain numbers, and leave out the rows of runs that have none "
            "(--where COLUMN=VALUE keeps some rows)",
        )
    return frame.with_columns(pl.col(y).cast(pl.Float64))


def _first_bad(frame: pl.DataFrame, good: pl.Expr) -> dict[str, object] | None:
    """Return the first bad row."""
    bad = frame.filter(~good.fill_null(False))
    return bad.row(0, named=True) if len(bad) else None


def check_sizes(frame: pl.DataFrame, axes: Sequence[str], place: str) -> None:
    """Refuse sizes that are not positive numbers, and a single one.

    Raises
    ------
    DataError
        Naming the row.
    """
    for axis in axes:
        if bad := _first_bad(frame, pl.col(axis).is_finite() & (pl.col(axis) > 0)):
            raise DataError(
                f"{place}: {axis} is {bad[axis]} in row {bad[ROW]}; sizes must be positive.",
                hint="drop the row (--where COLUMN!=VALUE), or count what it stands for",
            )
    if frame.select(axes).unique().height < 2:
        raise DataError(
            f"{place} has one size only ({axes[0]} = {frame[axes[0]][0]:g}); "
            "a law needs several, four at the least.",
            hint="duplicate sizes are seeds, not sizes",
        )


def finished(
    frame: pl.DataFrame, y: str, axes: Sequence[str], choice: ColumnChoice
) -> tuple[pl.DataFrame, list[str]]:
    """Leave out the runs of which a loss is missing or infinite; say how many."""
    seeds = [choice.seed] if choice.seed else of_kind(frame.columns, (*SEEDS, *RUNS))[:1]
    run = [*axes, *(name for name in seeds if name in frame.columns)]
    finite = pl.col(y).is_finite().fill_null(value=False)
    is_named = len(run) > len(axes)
    kept = frame.filter(finite.all().over(run) if is_named else finite)
    if len(kept) == len(frame):
        return frame, []
    lost = frame.filter(~pl.col(ROW).is_in(kept[ROW].to_list()))
    count = lost.select(run).n_unique() if is_named else len(lost)
    return kept, [f"{count} {'run' if count == 1 else 'runs'} without a finite loss"]


def check_losses(frame: pl.DataFrame, y: str, place: str, *, signed: bool) -> None:
    """Refuse losses that are not finite, or not positive unless they are differences.

    Raises
    ------
    DataError
        Naming the row.
    """
    if bad := _first_bad(frame, pl.col(y).is_finite()):
        raise DataError(
            f"{place}: {y} is {bad[y]} in row {bad[ROW]}.",
            hint="a run that diverged is a result: say how it is counted: --drop "
            f"diverged leaves such runs out and counts them, --where {y}!= the rows without a "
            "number (Python: drop=, where=)",
        )
    if not signed and (bad := _first_bad(frame, pl.col(y) > 0)):
        raise DataError(
            f"{place}: {y} is {bad[y]:g} in row {bad[ROW]}; a loss is positive.",
            hint="for differences of losses say signed=True (terminal: --signed)",
        )
