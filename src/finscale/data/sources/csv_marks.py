"""Decide from all the numbers of a file whether a comma or a point marks its decimals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from finscale.errors import DataError
from finscale.tables.numbers import number_digits, parse_numbers

# Most numbers are so; the others are looked at one by one.
_PLAIN_POINT = r"^-?\d+\.(?:\d{1,2}|\d{4,})$"
_GROUP = r"[1-9]\d{0,2}"
_PRICES = ("open", "high", "low", "close")
# Prices within a day, and of one day and the next, differ by less than this factor.
_FAR = 3.0


def marks_found(
    cells: Mapping[str, Sequence[str]], lines: Sequence[int]
) -> dict[str, tuple[str, int]]:
    """Return the first cell of each kind of mark, quoted with its column, and its line.

    Kinds are ``comma`` and ``point``, the mark that must be decimal; ``unsure`` for a comma and
    ``points`` for a point before exactly three digits.
    """
    first: dict[str, tuple[str, int]] = {}
    for name, column in cells.items():
        text = pl.Series(name, column, dtype=pl.String)
        plain = text.str.contains(_PLAIN_POINT)
        if plain.any() and "point" not in first:
            row = plain.arg_true()[0]
            first["point"] = (f"{column[row]!r} ({name})", lines[row])
        for row in (text.str.contains(r"[.,]") & ~plain).arg_true().to_list():
            kind = kind_of(number_digits(column[row]), name)
            if kind and kind not in first:
                first[kind] = (f"{column[row]!r} ({name})", lines[row])
    return first


def decimal_comma(
    cells: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    *,
    delimiter: str,
    place: str,
    found: Mapping[str, tuple[str, int]] | None = None,
) -> bool:
    """Tell whether the numbers of a file are written 1.234,56 rather than 1,234.56.

    1. One comma that is not followed by exactly three digits is a decimal comma.
    2. Several commas, a comma before a point, or a point that is not followed by exactly three
       digits mean that the point is the decimal mark.
    3. If every mark is followed by three digits, both readings are tried: the one that keeps the
       prices of a day and of neighbouring days close together is taken, if the other does not.

    ``cells`` are the columns of numbers, the prices among them, and ``lines`` each cell's line in
    the file. A comma between cells makes decimal commas unlikely. ``found`` is what
    :func:`marks_found` has returned.

    Raises
    ------
    DataError
        If the file mixes both forms, or nothing tells which one it uses.
    """
    first = marks_found(cells, lines) if found is None else found
    if "comma" in first and "point" in first:
        (a, line_a), (b, line_b) = first["comma"], first["point"]
        raise DataError(
            f"{place}: {a} in row {line_a} has a decimal comma, {b} in row {line_b} has none.",
            hint="write all numbers of the file in one form, best without thousands separators",
        )
    if "comma" in first or "point" in first or "unsure" not in first:
        return "comma" in first
    near = {form: stays_near(cells, lines, place, form) for form in (False, True)}
    if near[False] != near[True]:
        return near[True]
    if delimiter == ",":
        return False
    cell, line = first["unsure"]
    raise DataError(
        f"{place} row {line}: {cell} could be a number of thousands or have a decimal comma, and "
        "no other number of the file tells which.",
        hint="say it: --decimal point reads thousands, --decimal comma reads decimals",
    )


def kind_of(number: str, name: str) -> str | None:
    """Return the mark that must be decimal (``comma``, ``point``), what is unsure, or None."""
    number, exponent, _ = number.partition("e")
    num_commas, num_points = number.count(","), number.count(".")
    if re.search("[' ]", number) and num_commas + num_points == 1:
        # other marks stand between the thousands
        return "comma" if num_commas else "point"
    if num_commas > 1 and num_points > 1:
        return None  # no number in either form
    if num_commas > 1 or 0 <= number.find(",") < number.find("."):
        return "point"
    if num_points > 1 or 0 <= number.find(".") < number.find(","):
        return "comma"
    if re.fullmatch(rf"{_GROUP}[.,]\d{{3}}", number):
        if exponent and num_points:
            return "point"
        # a number of shares has no decimals
        # and what is kept beside the bars says nothing about prices
        if name == "volume" or name.startswith("series:"):
            return None
        return "unsure" if num_commas else "points"
    if not re.fullmatch(r"\d*[.,]\d*", number):
        return None
    return "comma" if num_commas else "point"


def stays_near(
    cells: Mapping[str, Sequence[str]], lines: Sequence[int], place: str, form: bool
) -> bool:
    """Tell whether prices read in one form lie near those of the same day and the next."""
    price_RP = np.column_stack(
        [
            parse_numbers(cells[name], lines, column=name, place=place, decimal_comma=form)
            for name in _PRICES
        ]
    )
    log_RP = np.log(price_RP[(np.nan_to_num(price_RP) > 0).all(axis=1)])
    if not len(log_RP):
        return True
    within_day = np.ptp(log_RP, axis=1).max()
    to_next_day = np.abs(np.diff(np.median(log_RP, axis=1))).max(initial=0.0)
    return bool(max(within_day, to_next_day) < np.log(_FAR))
