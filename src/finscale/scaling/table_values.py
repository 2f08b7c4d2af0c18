"""Sizes and losses of a table as numbers that a law can be fitted to."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from finscale.errors import DataError
from finscale.scaling.column_choice import ROW, ColumnChoice
from finscale.scaling.column_names import RUNS, SEEDS, of_kind
from finscale.scaling.counts import size_number
from finscale.scaling.measure import Measure, measure_of_column, turned_words
from finscale.tables.numbers import written_number
from finscale.tables.table import NO_VALUE


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
    """Return the table with its losses as floats, as :func:`told_numbers` does."""
    return told_numbers(frame, y, place)[0]


def told_numbers(frame: pl.DataFrame, y: str, place: str) -> tuple[pl.DataFrame, list[str]]:
    """Return the table with a column as floats, and what was decided on reading it.

    Text is read as people write numbers: ``53.6%``, ``1,234``, ``(0.12)``, ``−0.3``, ``2×10^6``.

    Raises
    ------
    DataError
        For what is no number, or a percentage among plain ones, naming the row.
    """
    if frame.schema[y].is_numeric():
        return frame.with_columns(pl.col(y).cast(pl.Float64)), []
    numbers: list[float | None] = []
    cells, said = frame[y].cast(pl.String).to_list(), {}
    percents: list[tuple[int, str]] = []
    plain: list[tuple[int, str]] = []
    for row, text in zip(frame[ROW], cells, strict=True):
        if text is None or text.strip().casefold() in ("", *NO_VALUE):
            numbers.append(None)
            continue
        if text.strip().casefold().lstrip("+-") in ("inf", "infinity", "nan"):
            numbers.append(float(text))  # a run that blew up
            continue
        try:
            found = written_number(text)
        except ValueError as error:
            raise _no_number(place, y, text, row, str(error)) from None
        numbers.append(found.value)
        (percents if found.is_percent else plain).append((row, text))
        if found.in_parentheses:
            said["parentheses"] = f"{y}: numbers in parentheses are negative: {text} is {found[0]}"
        if found.is_percent:
            said["percent"] = f"{y}: per cent are read as shares: {text} is {found[0]:g}"
    if percents and plain:
        (row, text), (other_row, other) = percents[0], plain[0]
        raise DataError(
            f"{place}: column {y!r} holds the percentage {text!r} in row {row}, and {other!r} in "
            f"row {other_row}, which is none.",
            hint="write all as percentages, or none",
        )
    column = pl.Series(y, numbers, dtype=pl.Float64)
    return frame.with_columns(column), list(said.values())


def _no_number(place: str, y: str, text: str, row: int, why: str) -> DataError:
    hint = (
        "write plain numbers, and leave out the rows of runs that have none (--where COLUMN=VALUE "
        "keeps some rows)"
    )
    if "±" in text or re.search(r"\d\s*\(\s*\d", text):
        hint = "give the error a column of its own: --stderr COLUMN"
    elif "comma" in why:
        hint = "write numbers with a decimal point, and commas between thousands or none"
    return DataError(f"{place}: column {y!r} holds {text!r} in row {row}, {why}.", hint=hint)


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
        empty = bad[y] is None
        found = "empty" if empty else bad[y]
        where = f", --where {y}!= the rows without a number" if empty else ""
        raise DataError(
            f"{place}: {y} is {found} in row {bad[ROW]}.",
            hint="a run that diverged is a result: say how it is counted: --drop "
            f"diverged leaves such runs out and counts them{where} (Python: drop="
            f"{', where=' if empty else ''})",
        )
    if not signed and (bad := _first_bad(frame, pl.col(y) > 0)):
        raise DataError(
            f"{place}: {y} is {bad[y]:g} in row {bad[ROW]}; a loss is positive.",
            hint="for differences of losses say signed=True (terminal: --signed)",
        )


def as_losses(
    frame: pl.DataFrame,
    y: str,
    place: str,
    *,
    signed: bool,
    higher_is_better: bool | None,
    best: float | None,
    unit: str | None,
) -> tuple[pl.DataFrame, Measure, bool, list[str]]:
    """Return a table with its outcome as losses, what it measures, whether signed, and notes.

    ``higher_is_better``, ``best`` and ``unit`` are as in ``measure_of_column``.

    Raises
    ------
    DataError
        If a value is none that a loss can have; see :func:`check_losses`.
    """
    measure = measure_of_column(
        y,
        frame[y].to_numpy(),
        higher_is_better=higher_is_better,
        best=best,
        unit=unit,
        place=place,
    )
    signed = signed or (measure.higher_is_better and not measure.best)
    check_losses(frame, y, place, signed=signed or measure.higher_is_better)
    if not measure.higher_is_better:
        return frame, measure, signed, []
    turned = frame.with_columns((measure.best - pl.col(y)).alias(y))
    return turned, measure, signed, [turned_words(measure)]
