"""Text of a file: decoded, and cut into lines of cells."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finscale.errors import DataError
from finscale.tables.table import Cells, Recogniser, Record, num_values

_DELIMITERS = "\t;|,"
# Taken only where they make the header's words known.
_RARE_DELIMITERS = "^~¦\x01\x1f"
_SAMPLE = 60
# Share of the bytes of one half that are zero in UTF-16, and how much of that in the other half.
_ZEROS, _FEW_ZEROS = 0.5, 0.1
# What text is written in if it is no UTF-8, the usual one first; a later one is taken only if it
# makes more of the header's words known.
_CODE_PAGES = ("cp1252", "cp1250", "gb18030", "shift_jis", "cp949", "big5", "cp1251")
# Blanks without width, marks of the writing direction, byte order marks inside joined files.
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060\x1a"))
_COMMENT = re.compile(r"\s*(#(?!N/A|NAME|REF|VALUE|NUM|DIV|NULL)|//)")
_RULE = re.compile(r"[-+=|:_\s*]*[-=]{2}[-+=|:_\s*]*")
_BLANKS = " "
_ONE_CELL = re.compile(r'"(?=[^"]*[,;|\t])(?:[^"]|"")*"')
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?([+-]\d{2}:?\d{2}|Z)?")


@dataclass(frozen=True)
class Grid:
    """The lines of a file that hold cells, before it is known which of them are the header."""

    records: tuple[Record, ...]
    delimiter: str
    about: tuple[tuple[str, str], ...] = ()
    """What was skipped on the way."""
    unclosed: int | None = None
    """Line of a last record whose quote is not closed."""


def decoded(content: bytes, place: str, recognise: Recogniser | None) -> str:
    """Return bytes as text whose lines end as on Unix.

    Raises
    ------
    DataError
        If they are binary.
    """
    text = _decoded(content, place, recognise)
    text = text.rstrip("\0") if re.search("[\r\n]\0*$", text) else text
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{place} is a binary file or damaged: line {line} holds a NUL byte.",
            hint="export it again as CSV, parquet, Excel or JSON",
        )
    text = text.translate(_INVISIBLE).replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\x0b", " ").replace("\x0c", " ")


def _decoded(content: bytes, place: str, recognise: Recogniser | None) -> str:
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return content.decode("utf-32", errors="replace")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    # UTF-16 without its mark: every other byte of ASCII is zero
    start = content[:2000]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > _ZEROS * len(start) / 2 and min(even, odd) < _FEW_ZEROS * max(even, odd):
        page = "utf-16-le" if odd > even else "utf-16-be"
        return content.decode(page, errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if sum(byte < 9 or 13 < byte < 32 for byte in start) > 0.05 * len(start):
        raise DataError(
            f"{place} is a binary file that finscale cannot read.",
            hint="export it as CSV, parquet, Excel or JSON",
        )
    page = _CODE_PAGES[0]
    if recognise is not None:

        def words(page: str) -> int:
            beginning = content[:20_000].decode(page, errors="replace")
            return max(
                recognise(tuple(re.split(r"[,;\t|]", line.replace('"', ""))))
                for line in beginning.splitlines()[:_SAMPLE]
            )

        page = max(_CODE_PAGES, key=words)
    return content.decode(page, errors="replace")


def grid_of(text: str, place: str, recognise: Recogniser | None) -> Grid:
    """Return the cells of delimited or space-aligned text.

    The delimiter is the one that makes most of the header's words known, else the first that most
    lines hold, else blanks. Lines that begin with ``#`` and rules drawn with dashes are skipped.

    Raises
    ------
    DataError
        If a quote is opened and not closed, which would swallow the lines below it.
    """
    lines = text.split("\n")
    stated = re.fullmatch(r"\"?sep=(.)\"?[,;\s]*", lines[0], re.IGNORECASE)
    about: list[tuple[str, str]] = []
    if stated:
        lines[0] = ""
    comments = [i for i, line in enumerate(lines) if _COMMENT.match(line)]
    raw = lines
    lines, header = _uncommented(lines, comments, recognise)
    first = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    # above the table a comment may say whose bars they are; below its top it is skipped
    titles = [(i + 1, (raw[i].strip(),)) for i in comments if i < first and i != header]
    if dropped := [i for i in comments if i >= first and i != header]:
        about.append(("comments", _listed([(i + 1, raw[i]) for i in dropped])))
    lines = ["" if _RULE.fullmatch(line) else line for line in lines]
    lines = _unwrapped(lines)
    sample = [line for line in lines if line.strip()][:_SAMPLE]
    delimiter = stated[1] if stated else _delimiter(sample, recognise)
    if delimiter == _BLANKS and not any('"' in line for line in sample):
        return Grid((*titles, *_aligned(lines, recognise)), _BLANKS, tuple(about))
    quote = _quote(sample, delimiter)
    if quote in "“”":
        lines = [line.replace("“", '"').replace("”", '"') for line in lines]
        quote = '"'
    records, unclosed = _records(lines, delimiter, quote, place)
    return Grid((*titles, *records), delimiter, tuple(about), unclosed)


def _unwrapped(lines: list[str]) -> list[str]:
    """Return lines without the quotes around them, where most lines are one quoted cell.

    That is what a spreadsheet makes of CSV when it expects another delimiter.
    """
    wrapped = [_is_wrapped(line) for line in lines]
    if sum(wrapped) <= sum(bool(line.strip()) for line in lines) / 2:
        return lines
    return [
        line.strip()[1:-1].replace('""', '"') if is_wrapped else line
        for line, is_wrapped in zip(lines, wrapped, strict=True)
    ]


def _is_wrapped(line: str) -> bool:
    return line[:1] == '"' and _ONE_CELL.fullmatch(line.strip()) is not None


def _uncommented(
    lines: list[str], comments: Sequence[int], recognise: Recogniser | None
) -> tuple[list[str], int | None]:
    """Return the lines without comments; a header that is written as a comment stays."""
    lines = list(lines)
    header = None
    for i in comments:
        bare = re.sub(r"^\s*(#|//)+\s*", "", lines[i])
        is_header = recognise is not None and header is None and _scores(bare, recognise)
        lines[i] = bare if is_header else ""
        header = i if is_header else header
    return lines, header


def _scores(line: str, recognise: Recogniser) -> bool:
    return any(recognise(_plain(line, delimiter)) for delimiter in (*_DELIMITERS, " "))


def _listed(lines: Sequence[tuple[int, str]]) -> str:
    some = "; ".join(f"line {number}: {text.strip()[:60]}" for number, text in lines[:3])
    return some + (f" … {len(lines) - 3} more" if len(lines) > 3 else "")


def _delimiter(lines: Sequence[str], recognise: Recogniser | None) -> str:
    """Return the delimiter that makes most names known, else the first that most lines hold."""
    usual = [d for d in _DELIMITERS if sum(d in line for line in lines) > len(lines) / 2]
    if recognise is not None:
        for delimiters in (_DELIMITERS, _RARE_DELIMITERS):
            scores = {d: max(recognise(_plain(line, d)) for line in lines) for d in delimiters}
            best = max(delimiters, key=lambda d: scores[d])  # the first of several
            if scores[best]:
                return best
    if usual and not (usual == [","] and _is_aligned(lines)):
        return usual[0]
    return _BLANKS if _is_aligned(lines) else ","


def _plain(line: str, delimiter: str) -> Cells:
    return tuple(cell.strip(" \"'“”`") for cell in line.split(delimiter))


def _is_aligned(lines: Sequence[str]) -> bool:
    """Tell whether blanks stand between the cells of most lines, and most cells are values."""
    rows = [cells for line in lines if len(cells := tuple(line.split())) >= 3]
    good = sum(num_values([c.strip(',"') for c in cells]) >= 0.6 * len(cells) for cells in rows)
    split_by_comma = sum(num_values(_plain(line, ",")) >= 3 for line in lines)
    return good > len(lines) / 2 and split_by_comma <= good / 2


def _aligned(lines: Sequence[str], recognise: Recogniser | None) -> Iterator[Record]:
    """Yield the cells of lines that are aligned with blanks."""
    wide = re.compile(r"\s{2,}|\t")
    filled = [(i + 1, line.strip()) for i, line in enumerate(lines) if line.strip()]
    counts = Counter(len(wide.split(line)) for _, line in filled)
    (usual, count), *_ = counts.most_common(1)
    if usual >= 3 and count > 0.8 * len(filled):
        # two blanks or more between cells: names and dates may hold single ones
        yield from ((line, tuple(wide.split(text))) for line, text in filled)
        return
    split = [(line, text.split()) for line, text in filled]
    if recognise is not None:
        head = max((cells for _, cells in split), key=recognise)
    else:
        head = split[0][1]
    for line, cells in split:
        # a time of day behind the date is a part of it, unless the header names it
        if len(cells) == len(head) + 1 and _TIME.fullmatch(cells[1]):
            cells = [f"{cells[0]} {cells[1]}", *cells[2:]]
        yield line, tuple(cells)


def _quote(lines: Sequence[str], delimiter: str) -> str:
    """Return the character that stands around most cells that are quoted at all."""
    found: Counter[str] = Counter()
    for line in lines:
        for cell in line.split(delimiter):
            inner = cell.strip()
            if len(inner) > 1 and (inner[0] == inner[-1] or inner[0] + inner[-1] == "“”"):
                found[inner[0]] += 1
    usual = [(found[quote], quote) for quote in "\"'`“"]
    count, quote = max(usual, key=lambda pair: pair[0])
    return quote if count else '"'


def _records(
    lines: Sequence[str], delimiter: str, quote: str, place: str
) -> tuple[list[Record], int | None]:
    """Return every record with the line it begins in, and the line of a last one left open."""
    reader = csv.reader(
        (f"{line}\n" for line in lines), delimiter=delimiter, quotechar=quote, skipinitialspace=True
    )
    marked = any("'" in line or '="' in line for line in lines)
    records: list[Record] = []
    begin, unclosed = 0, None
    try:
        for cells in reader:
            first, begin = begin + 1, reader.line_num
            if quote in lines[first - 1] and (begin > first or begin == len(lines)):
                own = lines[first - 1 : begin]
                is_open = _left_open("\n".join(own), delimiter, quote)
                width = len(records[-1][1]) if records else len(cells)
                below = any(line.strip() for line in own[1:])
                if below and (is_open or _swallowed(own[1:], delimiter, width)):
                    raise _quote_left_open(place, first, lines)
                if is_open:
                    unclosed = first
            # most lines need no more than this, and there may be a million
            plain = [cell.strip() for cell in cells]
            if any(plain):
                if begin > first or marked:
                    plain = [_bare(cell) for cell in plain]
                records.append((first, tuple(plain)))
    except csv.Error as error:
        if reader.line_num > begin + 1:
            raise _quote_left_open(place, begin + 1, lines) from None
        raise DataError(f"{place} line {reader.line_num} cannot be read: {error}.") from error
    return records, unclosed


def _quote_left_open(place: str, line: int, lines: Sequence[str]) -> DataError:
    return DataError(
        f"{place} line {line}: a quote is opened and not closed: {lines[line - 1].strip()[:60]!r}.",
        hint="close the quote or take it out of that line",
    )


def _bare(cell: str) -> str:
    """Return a cell without blanks, and without the marks that keep a spreadsheet from parsing."""
    cell = " ".join(cell.split()) if "\n" in cell else cell.strip()
    if cell[:2] == '="' and cell[-1] == '"':
        return cell[2:-1]
    return cell[1:] if cell[:1] == "'" and cell[1:2].isdigit() and "'" not in cell[1:] else cell


def _left_open(text: str, delimiter: str, quote: str) -> bool:
    """Tell whether a quote is still open at the end of a record."""
    inside, fresh = False, True
    for character in text.replace(quote * 2, ""):
        if inside:
            inside = character != quote
        elif character == quote and fresh:
            inside = True
        fresh = character in (delimiter, "\n") or (fresh and character == " ")
    return inside


def _swallowed(lines: Sequence[str], delimiter: str, width: int) -> bool:
    """Tell whether one of the lines inside a quoted cell is a whole row of its own."""
    return any(
        line.count(delimiter) + 1 >= max(width, 3) and num_values(_plain(line, delimiter)) >= 2
        for line in lines
    )
