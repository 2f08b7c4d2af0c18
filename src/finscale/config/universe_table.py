"""Tables of membership as people write them: columns by any usual name, days in any one order."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finscale.errors import ConfigError, did_you_mean

#: Columns of a universe, and what else people call them.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "symbol": ("ticker", "code", "name", "security"),
    "from": (
        *("start", "start_date", "first", "first_date", "added", "date_added", "entry"),
        *("entry_date", "enter", "from_date", "begin", "valid_from", "effective_from", "opt-in"),
    ),
    "to": (
        *("end", "end_date", "last", "last_date", "removed", "date_removed", "exit", "exit_date"),
        *("leave", "to_date", "until", "thru", "valid_to", "effective_to"),
    ),
    "group": ("sector", "industry", "gics", "gics_sector", "country"),
    "calendar": ("exchange", "mic"),
}
_NO_DAY = ("", "-", "–", "—", "none", "nan", "nat", "null", "na", "n/a")
_STILL = ("present", "now", "current", "ongoing", "today")
_PLAIN = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ]\d{1,2}:\d{2}.*)?")
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\.0)?")
_ORDERED = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?: \d{1,2}:\d{2}.*)?")
_WITH_NAMES = ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y")
#: An end as far off as this is no day on which anybody knows that the symbol leaves.
_FAR = 2099


def table_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV or parquet file; those without a single cell are none.

    Raises
    ------
    ConfigError
        If it cannot be read, or a row has more cells than the header.
    """
    try:
        if path.suffix == ".parquet":
            import polars as pl

            return pl.read_parquet(path, glob=False).to_dicts()
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            mark = max(",;\t|", key=header.count)
            file.seek(0)
            rows: list[dict[Any, Any]] = list(csv.DictReader(file, delimiter=mark))
    except Exception as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(f"{path} cannot be read as a universe: {reason}.") from error
    for number, row in enumerate(rows, 1):
        if row.get(None):
            raise ConfigError(
                f"{path}, member {number}: it has more cells than the header has columns.",
                hint='a cell that holds the mark between cells stands in quotes: "A, B"',
            )
    return [row for row in rows if any((cell or "").strip() for cell in row.values())]


def table_columns(rows: Sequence[Mapping[str, Any]], place: str) -> dict[str, str]:
    """Return which key of the rows holds which column.

    Raises
    ------
    ConfigError
        If none is the symbol's, or dates stand in a column of another name.
    """
    keys = {_word(key): key for row in rows for key in row}
    found = {}
    for column, others in COLUMNS.items():
        mine = next((keys[name] for name in (column, *others) if name in keys), None)
        if mine is not None:
            found[column] = mine
    if rows and "symbol" not in found:
        raise ConfigError(
            f"{place} has no column symbol; it has {', '.join(map(str, keys)) or 'none'}.",
            hint="columns: symbol, from, to, group, calendar",
        )
    missing = [f"`{name}`" for name in ("from", "to") if name not in found]
    for key in unread(rows, found) if missing else ():
        texts = [text for row in rows if (text := cell_text(row.get(key))).lower() not in _NO_DAY]
        if texts and all(is_day(text) for text in texts):
            raise ConfigError(
                f"{place} has no column {' or '.join(missing)}, and dates in {key!r}.",
                hint=f"call it {' or '.join(missing)}, or leave it out of the file",
            )
    return found


def unread(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> list[str]:
    """Return the keys of rows that say nothing of a universe."""
    return [
        key
        for key in dict.fromkeys(key for row in rows for key in row)
        if key not in columns.values()
    ]


def check_keys(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], place: str) -> None:
    """Refuse what a YAML file says of its members under a name that nothing reads.

    Raises
    ------
    ConfigError
        With the name that may be meant.
    """
    for key in unread(rows, columns):
        raise ConfigError(
            f"{place}: a member has no {key!r}.", hint=did_you_mean(str(key), COLUMNS)
        )


def cell_text(value: Any) -> str:
    """Return a cell as it would stand in a CSV file.

    Examples
    --------
    >>> cell_text(7203.0), cell_text(None), cell_text(" AMD ")
    ('7203', '', 'AMD')
    """
    if value is None or value != value:  # NaN is not equal to itself
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def is_day(text: str) -> bool:
    """Tell whether a text is a day in a form that :func:`membership_days` reads."""
    return bool(_ORDERED.fullmatch(text)) or _day(text, None) is not None


def membership_days(
    spells: Sequence[tuple[str, str]], places: Sequence[str]
) -> tuple[list[tuple[dt.date, dt.date]], str]:
    """Return first and last day of each membership, and how they were read where that was open.

    Parameters
    ----------
    spells : sequence of (str, str)
        As they stand: ``2024-01-31``, ``20240131``, ``31 Jan 2024``, ``31/01/2024`` or
        ``01/31/2024``, where one of the days shows which; nothing, ``-`` or ``present``.
    places : sequence of str
        Of each, for messages.

    Raises
    ------
    ConfigError
        If one is no day, or nothing shows whether days or months come first.

    Examples
    --------
    >>> membership_days([("31/01/2024", "02/03/2024")], ["member 1"])
    ([(datetime.date(2024, 1, 31), datetime.date(2024, 3, 2))], 'dates have the day first')
    """
    ordered = [match for pair in spells for text in pair if (match := _ORDERED.fullmatch(text))]
    day_first = any(int(match[1]) > 12 for match in ordered)
    month_first = any(int(match[3]) > 12 for match in ordered)
    if ordered and day_first == month_first:
        raise ConfigError(
            f"{places[0].rpartition(', ')[0]}: dates such as {ordered[0][0]!r} "
            + (
                "have now the day first, now the month."
                if day_first
                else "could be month first or day first."
            ),
            hint="write 2024-01-31",
        )
    found = []
    for (first, last), place in zip(spells, places, strict=True):
        begin = dt.date.min if first.lower() in _NO_DAY else _day(first, day_first)
        end = dt.date.max if last.lower() in (*_NO_DAY, *_STILL) else _day(last, day_first)
        if begin is None or end is None:
            text = first if begin is None else last
            raise ConfigError(f"{place}: {text!r} is no date.", hint="write 2024-01-31")
        found.append((begin, dt.date.max if end.year >= _FAR else end))
    note = f"dates have the {'day' if day_first else 'month'} first" if ordered else ""
    return found, note


def _day(text: str, day_first: bool | None) -> dt.date | None:
    """Return the day that a text says, None where it says none."""
    if match := _PLAIN.fullmatch(text):
        year, month, day = match[1], match[3], match[4]
    elif match := _DIGITS.fullmatch(text):
        year, month, day = match.groups()
    elif (match := _ORDERED.fullmatch(text)) and day_first is not None:
        year = match[4]
        day, month = (match[1], match[3]) if day_first else (match[3], match[1])
    else:
        words = " ".join(re.split(r"[-,.\s]+", text))
        for form in _WITH_NAMES:
            try:
                return dt.datetime.strptime(words, form).date()
            except ValueError:
                continue
        return None
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _word(key: Any) -> str:
    return str(key).strip().lower().replace(" ", "_")
