"""Parse numbers in the forms found in practice."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from finscale.errors import DataError

_NO_VALUE = ("", "null", "nan", "none", "na", "n/a", "#n/a", "-", "--", ".", "nat")
_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9}


def parse_numbers(
    cells: Sequence[str], lines: Sequence[int], *, column: str, place: str, decimal_comma: bool
) -> pl.Series:
    """Return a column of numbers; null where the file has no value.

    ``$``, thousands separators, and the suffixes K, M and B are understood.

    Raises
    ------
    DataError
        If a cell is neither a number nor one of the usual words for none.
    """
    text = pl.Series(column, cells, dtype=pl.String).str.strip_chars(" $€£\u00a0")
    if decimal_comma:
        bare = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    else:
        bare = text.str.replace_all(",", "", literal=True)
    frame = pl.select(
        number=bare.str.strip_chars_end("KMBkmb").cast(pl.Float64, strict=False),
        suffix=bare.str.slice(-1).str.to_uppercase().replace_strict(_SUFFIXES, default=1.0),
        none=text.str.to_lowercase().is_in(_NO_VALUE),
    )
    wrong = frame.select((pl.col("number").is_null() & ~pl.col("none")).arg_max()).item()
    if frame["number"][wrong] is None and not frame["none"][wrong]:
        raise DataError(
            f"{place} row {lines[wrong]}: {cells[wrong]!r} is not a number ({column}).",
            hint="mend or delete the row",
        )
    return (frame["number"] * frame["suffix"]).alias(column)
