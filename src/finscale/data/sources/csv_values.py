"""Parse dates and numbers in the forms found in practice."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from zoneinfo import ZoneInfo

import polars as pl

from finscale.errors import DataError

_ISO = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
_INTEGER = re.compile(r"-?\d+(?:\.0*)?")
# A time after the date is ignored.
_TIME = re.compile(r"[ T]\d{1,2}:\d{2}(:\d{2})?( ?[AP]M)?$", re.IGNORECASE)
_NAMED_MONTH = (
    "%b %d, %Y",
    "%B %d, %Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d-%b-%y",
    "%d %B %Y",
    "%b %d %Y",
)
_NUMERIC = ("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y")
#: Largest magnitude of an epoch in seconds, milliseconds, microseconds; nanoseconds above.
_EPOCH_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (float("inf"), 1e9))
_NO_VALUE = ("", "null", "nan", "none", "na", "n/a", "#n/a", "-", "--", ".", "nat")
_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9}


def parse_dates(
    cells: Sequence[str],
    lines: Sequence[int],
    *,
    place: str,
    zone: ZoneInfo,
    date_format: str | None = None,
) -> list[dt.date]:
    """Return the session date of every cell.

    A date with an offset is taken as written, because the offset is the exchange's. A time in UTC
    (a Unix time, or a time of day with offset zero) is converted to the exchange's time zone.

    ``lines`` are the cells' lines in the file, ``zone`` is the exchange's, and ``date_format`` a
    ``strptime`` format, where day and month cannot be told apart.

    Raises
    ------
    DataError
        If a cell is no date, or the order of day and month cannot be told.
    """
    integers = all(_INTEGER.fullmatch(cell) for cell in cells)
    if date_format is None and integers and all(len(cell) == 8 for cell in cells):
        date_format = "%Y%m%d"
    parse: Callable[[str], dt.date] = _from_named_month
    if date_format is not None:
        parse = partial(_strptime, date_format=date_format)
    elif integers:
        parse = partial(_from_epoch, zone=zone)
    elif _ISO.match(cells[0]):
        parse = partial(_from_iso, zone=zone)
    elif not re.search("[A-Za-z]{3}", cells[0]):
        return _from_numeric(cells, lines, place)
    return _each(cells, lines, place, parse)


def _each(
    cells: Sequence[str], lines: Sequence[int], place: str, parse: Callable[[str], dt.date]
) -> list[dt.date]:
    found = []
    for cell, line in zip(cells, lines, strict=True):
        try:
            found.append(parse(cell))
        except (ValueError, OverflowError, OSError):
            raise DataError(
                f"{place} row {line}: {cell!r} is not a date like those before it.",
                hint="delete the row if it is no bar, or name the form with --date-format",
            ) from None
    return found


def _strptime(cell: str, date_format: str) -> dt.date:
    return dt.datetime.strptime(cell, date_format).date()


def _from_iso(cell: str, zone: ZoneInfo) -> dt.date:
    match = _ISO.fullmatch(cell)
    if match is None:
        raise ValueError(cell)
    *parts, offset = match.groups()
    moment = dt.datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type]
    if offset is None or offset.strip("+-:0") not in ("", "Z", "UTC"):
        return moment.date()
    return _session(moment.replace(tzinfo=dt.UTC), zone)


def _from_epoch(cell: str, zone: ZoneInfo) -> dt.date:
    unit = next(unit for largest, unit in _EPOCH_UNITS if abs(float(cell)) < largest)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return _session(epoch + dt.timedelta(seconds=float(cell) / unit), zone)


def _session(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Return the exchange's date; midnight UTC is a plain date that was stored as a time."""
    at_midnight = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    return moment.date() if at_midnight else moment.astimezone(zone).date()


def _from_named_month(cell: str) -> dt.date:
    plain = _TIME.sub("", cell).replace("Sept", "Sep").replace(".", "")
    for date_format in _NAMED_MONTH:
        with suppress(ValueError):
            return _strptime(plain, date_format)
    raise ValueError(cell)


def _from_numeric(cells: Sequence[str], lines: Sequence[int], place: str) -> list[dt.date]:
    """Parse dates like 3/4/2020 in the order, month or day first, that fits and sorts all rows."""
    plain = [re.sub(r"[-.]", "/", _TIME.sub("", cell)) for cell in cells]
    fits = []
    for date_format in _NUMERIC:
        with suppress(ValueError):
            fits.append([_strptime(cell, date_format) for cell in plain])
    if not fits:
        return _each(plain, lines, place, partial(_strptime, date_format=_NUMERIC[0]))
    ordered = [dates for dates in fits if dates in (sorted(dates), sorted(dates, reverse=True))]
    chosen = ordered or fits
    if any(dates != chosen[0] for dates in chosen):
        raise DataError(
            f"{place}: dates such as {cells[0]!r} could be month first or day first.",
            hint="name the form: --date-format %m/%d/%Y or --date-format %d/%m/%Y",
        )
    return chosen[0]


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
