"""What every readable file becomes: headers and rows of strings."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: How many of the wanted columns a line of names holds; 0 where it is no header.
Recogniser = Callable[[Sequence[str]], int]

Cells = tuple[str, ...]
#: A line's number in its file (the first is 1) and its cells.
Record = tuple[int, Cells]

_DATE_LIKE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]\w{1,9}[-/. ]\d{2,4}"
    r"|[A-Za-z]{3,9}\.? \d{1,2}, ?\d{4}|\d{8,19}(\.0*)?$"
)
_NUMBER = re.compile(
    r"\(?[-+−]?\s?[$€£¥]?\s?[-+−]?\d[\d.,'’_ \u00a0\u202f]*(?:[eE][-+]?\d+)?"
    r"(?:(?<=[\d ])[KMBkmb%])?\s?[$€£¥]?\)?|[-+]?[.,]\d+"
)
#: What stands where there is no value, in small letters: words, dashes, errors of spreadsheets.
NO_VALUE = frozenset(
    (
        *("null", "nan", "none", "na", "n/a", "n.a.", "n.a", "n/d", "nat", "nil", "<na>", "\\n"),
        *("(null)", "(none)", "unavailable", "not available"),
        *("-", "--", "---", ".", "..", "...", "…"),
        *("#n/a", "#n/a n/a", "#n/a field not applicable", "#n/a invalid security", "#null!"),
        *("#n/a requesting data...", "#div/0!", "#ref!", "#value!", "#name?", "#num!"),
    )
)


@dataclass(frozen=True)
class CellTable:
    """Cells of a file as strings."""

    place: str
    """The file's name, for messages."""
    headers: tuple[Cells, ...]
    """The lines that name the columns, padded to the width of the rows; empty where none does."""
    rows: tuple[Cells, ...]
    """The data, padded alike."""
    lines: tuple[int, ...]
    """Line of each row in the file, or number of the record; the first is 1."""
    delimiter: str
    """Character between cells; a blank where the file has none."""
    sha256: str
    """Digest of the whole file."""
    typed: bool = False
    """Whether the file holds numbers rather than their digits."""
    left_out: tuple[tuple[int, str], ...] = ()
    """Lines among or below the rows that were left out, and why."""
    about: tuple[tuple[str, str], ...] = ()
    """What else was found or decided on reading: lines above the header, the sheet, the member."""


def looks_like_date(cell: str) -> bool:
    """Tell whether a cell starts with a date in a usual form, or is a Unix time."""
    return _DATE_LIKE.match(cell) is not None


def looks_like_number(cell: str) -> bool:
    """Tell whether a cell is a number, with or without a currency, thousands or a suffix."""
    return _NUMBER.fullmatch(cell) is not None


def num_values(cells: Sequence[str]) -> int:
    """Return how many cells are numbers or dates."""
    return sum(looks_like_number(cell) or looks_like_date(cell) for cell in cells)


def shown(cells: Sequence[str], delimiter: str = ",") -> str:
    """Return the beginning of a line, for messages."""
    text = (delimiter or ",").join(cells).strip((delimiter or ",") + " ")
    return repr(text if len(text) <= 60 else f"{text[:57]}…")


def with_levels(names: Cells) -> tuple[Cells, ...]:
    """Return names as header lines: two where pandas wrote pairs, ``('Close', 'SPY')``."""
    pairs = [_pair(name) for name in names]
    if sum(pair is not None for pair in pairs) < 2:
        return (names,)
    both = [pair or (name, "") for pair, name in zip(pairs, names, strict=True)]
    return tuple(zip(*both, strict=True))


def _pair(name: str) -> tuple[str, str] | None:
    if not (name.startswith("(") and name.endswith(")")):
        return None
    try:
        value = ast.literal_eval(name)
    except (ValueError, SyntaxError):
        return None
    if isinstance(value, tuple) and len(value) == 2:
        return str(value[0]).strip(), str(value[1]).strip()
    return None
