"""The file of a panel as a table of texts or of typed columns, and its numbers."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from finscale.data.sources.csv_sheet import NO_VALUE
from finscale.errors import DataError

#: What can be read; of a .gz the CSV in it.
SUFFIXES = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".feather", ".arrow")
BY_ITSELF = "finscale data import FILE --symbol NAME reads one symbol in any layout"
_MARKS = (",", ";", "\t", "|")
_HEAD = 1 << 16
_DATE = re.compile(r"(\d{4}-?\d\d-?\d\d|\d{1,2}[/.]\d{1,2}[/.]\d{4})([T ].*)?")
# 1,573 and 1,573.25; 1.573,25
_POINT_GROUPS = r"^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$"
_COMMA_DECIMAL = r"^[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+$"
_COMMA_GROUPS = r"^[-+]?\d{1,3}(\.\d{3})+$"


def read_table(path: Path) -> pl.DataFrame:
    """Return a panel's file; columns under two lines of names are called as pandas writes pairs.

    Raises
    ------
    DataError
        If it cannot be read, or two of its columns have one name.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path} is no panel that can be read.",
            hint=f"one of {', '.join(SUFFIXES)}; {BY_ITSELF}",
        )
    try:
        if suffix == ".parquet":
            return pl.read_parquet(path, glob=False)
        if suffix in (".feather", ".arrow"):
            return pl.scan_ipc(path, glob=False).collect()
        return _csv(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeError, EOFError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path} cannot be read: {reason}.", hint=BY_ITSELF) from error


def _csv(path: Path) -> pl.DataFrame:
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise DataError(f"{path} has no rows.")
    head = data[:_HEAD].decode("utf-8", errors="replace")
    first = head.splitlines()[0]
    mark = max(_MARKS, key=first.count)
    rows = [
        row for _, row in zip(range(3), csv.reader(io.StringIO(head), delimiter=mark), strict=False)
    ]
    names, num_headers = _names(rows)
    if sum(bool(_DATE.fullmatch(name)) for name in names) == 1 and any(map(_is_value, names)):
        raise DataError(
            f"{path} has no header: its first line holds a day and numbers.",
            hint="its first line names the columns, such as date,symbol,close",
        )
    again = sorted({name for name in names if name and names.count(name) > 1})
    if again:
        raise DataError(
            f"{path} has several columns called {again[0]!r}.",
            hint="leave one of them out of the file, or name them apart",
        )
    return pl.read_csv(
        io.BytesIO(data),
        infer_schema=False,
        separator=mark,
        has_header=False,
        skip_rows=num_headers,
        new_columns=_told_apart(names),
    )


def _names(rows: Sequence[Sequence[str]]) -> tuple[list[str], int]:
    """Return the names of columns and how many lines they take.

    Examples
    --------
    >>> _names([["Price", "Close", "Close"], ["Ticker", "A", "B"], ["Date", "", ""]])
    (['Date', "('Close', 'A')", "('Close', 'B')"], 3)
    """
    first = [cell.strip() for cell in rows[0]]
    if len(rows) < 3 or len(rows[1]) != len(first) or len(first) < 2:
        return first, 1
    second = [cell.strip() for cell in rows[1]]
    if len(set(first[1:])) == len(first) - 1 or any(_is_value(cell) for cell in second[1:]):
        return first, 1
    pairs = [str(pair) for pair in zip(first[1:], second[1:], strict=True)]
    named = rows[2][0].strip() and not any(cell.strip() for cell in rows[2][1:])
    return [rows[2][0].strip() if named else "Date", *pairs], 3 if named else 2


def _is_value(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.lower() in NO_VALUE
    return True


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return names of which those of unnamed columns differ, as those of a pandas index do."""
    unnamed = [at for at, name in enumerate(names) if not name]
    if len(unnamed) < 2:
        return list(names)
    found = dict(zip(unnamed, range(len(unnamed)), strict=True))
    return [f"__index_level_{found[at]}__" if at in found else n for at, n in enumerate(names)]


def plain_numbers(rows: pl.DataFrame, fields: Sequence[str]) -> tuple[pl.DataFrame, str]:
    """Return text fields with a point for the decimals and no mark between thousands.

    The marks are one question for the whole table; a cell that does not fit stays as it is, and is
    refused with its symbol.

    Returns
    -------
    rows : polars.DataFrame
        As they were, but for the marks.
    note : str
        How numbers were read, empty where they are plain.
    """
    texts = [name for name in fields if rows.schema[name] == pl.String]
    if not any(rows[name].str.contains(",", literal=True).any() for name in texts):
        return rows, ""
    cells = pl.concat([rows[name] for name in texts]).drop_nulls().str.strip_chars()
    commas = cells.filter(cells.str.contains(",", literal=True))
    half = commas.len() / 2
    groups = commas.filter(commas.str.contains(_POINT_GROUPS))
    decimals = commas.filter(commas.str.contains(_COMMA_DECIMAL))
    point = cells.str.contains(".", literal=True) & ~cells.str.contains(_COMMA_GROUPS)
    has_points = (point & ~cells.str.contains(_COMMA_DECIMAL)).any()
    if has_points and groups.len() > half:
        pattern, drop, example = _POINT_GROUPS, ",", groups[0]
    elif not has_points and decimals.len() > half >= groups.len():
        pattern, drop, example = f"{_COMMA_DECIMAL}|{_COMMA_GROUPS}", ".", decimals[0]
    else:
        return rows, ""
    made = []
    for name in texts:
        text = pl.col(name).str.strip_chars()
        new = text.str.replace_all(drop, "", literal=True).str.replace(",", ".", literal=True)
        made.append(pl.when(text.str.contains(pattern)).then(new).otherwise(text).alias(name))
    shown = example.replace(drop, "").replace(",", ".")
    return rows.with_columns(made), f"{example} is {shown}"
