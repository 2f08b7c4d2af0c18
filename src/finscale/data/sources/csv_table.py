"""Read a delimited text file as strings; delimiter, header lines and encoding are detected."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finscale.errors import DataError, did_you_mean

_LFS = b"version https://git-lfs.github.com/spec/"
_DELIMITERS = "\t;|,"
_DATE_LIKE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]\w{1,9}[-/. ]\d{2,4}"
    r"|[A-Za-z]{3,9}\.? \d{1,2}, ?\d{4}|\d{8,19}(\.0*)?$"
)
_NUMBER = re.compile(r"[$€£]?[-+]?[\d.,]+(?:[eE][-+]?\d+)?[KMBkmb%]?")
#: First bytes of formats that are no text.
_MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "gzip-compressed",
    b"PAR1": "a parquet file",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}


@dataclass(frozen=True)
class CsvTable:
    """Cells of a file as strings."""

    place: str
    """The file's name, for messages."""
    headers: tuple[tuple[str, ...], ...]
    """The lines before the first row of data, padded to the same width."""
    rows: tuple[tuple[str, ...], ...]
    """The data, padded alike."""
    lines: tuple[int, ...]
    """Line of each row in the file; the first line is 1."""
    delimiter: str
    """Character between cells."""
    sha256: str
    """Digest of the whole file."""


def read_table(path: Path) -> CsvTable:
    """Read a file into a :class:`CsvTable`.

    Raises
    ------
    DataError
        If the file is missing, a folder, unreadable, empty, not text, a Git LFS pointer, a web
        page, without a header, without rows or with one column only.
    """
    content = _content(path)
    place = path.name
    text = _decoded(content, place)
    delimiter = _delimiter(text)
    numbered = [(line, cells) for line, cells in _cells(text, delimiter, place) if any(cells)]
    if not numbered:
        raise DataError(f"{place} is empty.")
    width = max(len(cells) for _, cells in numbered)
    if width == 1:
        raise DataError(
            f"{place} has one column: {numbered[0][1][0][:60]!r}.",
            hint="bars need a date and open, high, low, close, with , ; | or tab between them",
        )
    padded = [(line, (*cells, *[""] * (width - len(cells)))) for line, cells in numbered]
    start = next((i for i, (_, cells) in enumerate(padded) if _is_data(cells)), len(padded))
    if start == len(padded):
        raise DataError(f"{place} has a header and no rows.")
    if start == 0:
        raise DataError(
            f"{place} has no header line: it begins with {delimiter.join(padded[0][1])[:60]!r}.",
            hint="add one, such as date,open,high,low,close,volume",
        )
    return CsvTable(
        place=place,
        headers=tuple(cells for _, cells in padded[:start]),
        rows=tuple(cells for _, cells in padded[start:]),
        lines=tuple(line for line, _ in padded[start:]),
        delimiter=delimiter,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, names) if 0 < len(names) < 100 else ""
        raise DataError(f"{path} does not exist.", hint=hint) from None
    except IsADirectoryError:
        names = sorted(p.name for p in path.glob("*.csv"))
        some = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        raise DataError(
            f"{path} is a folder, not a file.", hint=f"it holds {some}" if names else ""
        ) from None
    except PermissionError:
        raise DataError(
            f"{path} may not be read by you.", hint=f"chmod u+r {path}, or ask its owner"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if not content.strip():
        raise DataError(f"{path.name} is empty.")
    if content.startswith(_LFS):
        size = re.search(rb"size (\d+)", content)
        real = f" of a file of {int(size[1]):,} bytes" if size else ""
        raise DataError(
            f"{path.name} is a Git LFS pointer{real}, not the file itself.",
            hint="run `git lfs pull` where it came from, or download the file itself",
        )
    return content


def _decoded(content: bytes, place: str) -> str:
    for magic, what in _MAGIC.items():
        if content.startswith(magic):
            raise DataError(
                f"{place} is {what}, not delimited text.", hint="save or unpack it as CSV first"
            )
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if b"\0" in content:
        raise DataError(f"{place} is a binary file, not delimited text.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if text.lstrip()[:1] == "<" and re.match(r"<(!doctype|html|\?xml)", text.lstrip(), re.I):
        raise DataError(
            f"{place} is a web page, not delimited text.",
            hint="the download needed a login or hit a limit: open the address in a browser",
        )
    return text


def _delimiter(text: str) -> str:
    """Return the first delimiter that most of the first lines hold."""
    lines = [line for line in text.splitlines() if line.strip()][:50]
    usual = (d for d in _DELIMITERS if sum(d in line for line in lines) > len(lines) / 2)
    return next(usual, ",")


def _cells(text: str, delimiter: str, place: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, tuple(cell.strip() for cell in cells)
    except csv.Error as error:
        raise DataError(f"{place} line {reader.line_num} cannot be read: {error}.") from error


def _is_data(cells: tuple[str, ...]) -> bool:
    return any(_NUMBER.fullmatch(cell) or looks_like_date(cell) for cell in cells)


def looks_like_date(cell: str) -> bool:
    """Tell whether a cell starts with a date in a usual form, or is a Unix time."""
    return _DATE_LIKE.match(cell) is not None
