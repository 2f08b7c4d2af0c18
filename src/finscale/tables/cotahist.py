"""B3's COTAHIST: the Brazilian exchange's history, 245 characters a line without marks between.

Source: B3, "Séries históricas: layout do arquivo de cotações" (SeriesHistoricas_Layout). Lines
begin with 00 (header), 01 (a bar of one instrument) or 99 (trailer); prices count hundredths, for
as many shares as the quotation factor (FATCOT) says.
"""

from __future__ import annotations

import re

from finscale.errors import DataError, did_you_mean, nearest
from finscale.tables.content import Content
from finscale.tables.table import Cells, CellTable

_HEADER = re.compile(r"00COTAHIST\.(A|M|D)?\d{4}")
_BAR, _TRAILER = "01", "99"
_CASH_MARKET = "010"
_CENTS = 100
# Name, first and last character of a line, counted from 0 and the last one not included.
_TEXTS = {"DATA": (2, 10), "CODNEG": (12, 24), "CODBDI": (10, 12), "TPMERC": (24, 27)}
_PRICES = {"PREABE": (56, 69), "PREMAX": (69, 82), "PREMIN": (82, 95), "PREULT": (108, 121)}
_QUANTITY, _FACTOR = (152, 170), (210, 217)
_WIDTH = 245


def is_cotahist(text: str) -> bool:
    """Tell whether text is a COTAHIST file, or a part of one without its header."""
    first = text.lstrip("\n").partition("\n")[0]
    return bool(_HEADER.match(first)) or (
        first.startswith(_BAR) and len(first) >= _FACTOR[1] and first[2:10].isdigit()
    )


def cotahist_table(text: str, content: Content, symbol: str) -> CellTable:
    """Return the bars of ``symbol``, those of the cash market if it has any.

    Raises
    ------
    DataError
        If the symbol has no bars, a line is cut off or holds letters where numbers belong.
    """
    wanted = symbol.upper().removesuffix(".SA")
    every = [
        (line, row)
        for line, row in enumerate(text.split("\n"), start=1)
        if row.startswith(_BAR) and row[2:10].strip()
    ]
    if not every:
        raise DataError(f"{content.place} is a COTAHIST file without bars (lines that begin 01).")
    mine = [(line, row) for line, row in every if row[12:24].strip() == wanted]
    if not mine:
        known = sorted({row[12:24].strip() for _, row in every})
        some = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
        raise DataError(
            f"{content.place} holds {len(known):,} symbols ({some}), and {symbol} is none of them.",
            hint=did_you_mean(wanted, known)
            if nearest(wanted, known)
            else "--ticker names the file's own name for the symbol, such as PETR4",
        )
    cash = [(line, row) for line, row in mine if row[24:27] == _CASH_MARKET]
    kept = cash or mine
    about = [("format", "COTAHIST of B3: prices are hundredths and were divided by 100")]
    market = " on the cash market (TPMERC 010)" if cash else ""
    about.append(("rows", f"{len(kept):,} of {len(every):,}: {wanted}{market}"))
    last = next((row for row in reversed(text.split("\n")) if row.strip()), "")
    if not last.startswith(_TRAILER):
        about.append(("end", "the file has no last line (99): it may be cut off"))
    rows = [_cells(row, line, content.place) for line, row in kept]
    return CellTable(
        place=content.place,
        headers=((*_TEXTS, *_PRICES, "QUATOT"),),
        rows=tuple(rows),
        lines=tuple(line for line, _ in kept),
        delimiter=" ",
        sha256=content.sha256,
        about=tuple(about),
    )


def _cells(row: str, line: int, place: str) -> Cells:
    try:
        if len(row) < _FACTOR[1]:
            raise ValueError(row)
        factor = int(row[slice(*_FACTOR)]) or 1
        prices = [int(row[slice(*at)]) / (_CENTS * factor) for at in _PRICES.values()]
        quantity = int(row[slice(*_QUANTITY)])
    except ValueError:
        raise DataError(
            f"{place} line {line} is no whole line of a COTAHIST file: it has {len(row)} of "
            f"{_WIDTH} characters, or letters where numbers belong.",
            hint="download the file again",
        ) from None
    texts = [row[slice(*at)].strip() for at in _TEXTS.values()]
    return (*texts, *(f"{price:.10g}" for price in prices), str(quantity))
