"""Columns that are no field of bars and that the user keeps as series: ``--keep sentiment,oi``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from finscale.data.bars import SERIES
from finscale.data.sources.csv_choices import position
from finscale.data.sources.csv_sheet import NO_VALUE, Sheet
from finscale.data.sources.csv_tickers import quoted
from finscale.errors import DataError
from finscale.tables.numbers import number_digits


def names_to_keep(keep: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names in ``"sentiment,oi"`` or in a sequence of such texts."""
    texts = [keep] if isinstance(keep, str) else keep or ()
    names = (name.strip() for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def kept_columns(sheet: Sheet, names: Collection[str]) -> dict[str, int]:
    """Return the column of each kept series, ``series:NAME`` as the file writes the name.

    Raises
    ------
    DataError
        If a name is no column, or two.
    """
    found = {}
    for name in names:
        i = position(name, sheet.names, place=sheet.place, option="--keep")
        found[f"{SERIES}{sheet.names[i] or f'column {i + 1}'}"] = i
    return found


def check_kept(sheet: Sheet, kept: Mapping[str, int], fields: Mapping[str, int]) -> None:
    """Raise if a kept column is a field of bars already, has no value, or holds words."""
    for series, i in kept.items():
        name = series.removeprefix(SERIES)
        field = next((field for field, column in fields.items() if column == i), None)
        if field is not None:
            raise DataError(
                f"{sheet.place}: {name!r} is read as {field}, so it is kept already (--keep).",
                hint=f"leave {name} out of --keep",
            )
        filled = [cell for cell in sheet.column(i) if cell.casefold() not in NO_VALUE]
        if not filled:
            raise DataError(f"{sheet.place}: the column {name!r} is empty (--keep).")
        word = next((cell for cell in filled if not number_digits(cell)), None)
        if word is not None:
            raise DataError(
                f"{sheet.place}: {word!r} in {name!r} is no number, and a series is numbers "
                "(--keep).",
                hint=f"write numbers into the column, or leave {quoted(name)} out of --keep",
            )
