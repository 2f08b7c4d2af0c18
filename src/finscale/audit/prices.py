"""Prices that no market made: out of scale by a slip or a unit, or split where nothing says so.

Import refuses or repairs them; bars that were registered earlier, or made by hand, are looked at
here.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from finscale.audit.evidence import Evidence
from finscale.data.bars import PRICES, present
from finscale.data.cells import off_scale
from finscale.data.jumps import find_jumps

#: The way out of what is found here.
MEND_PRICES = (
    "import the file again: prices out of scale are repaired or refused there; `--real-move DATE` "
    "keeps what was traded"
)
_SHOWN = 3


def impossible_prices(evidence: Evidence) -> list[str]:
    """Return a sentence for each symbol whose bars hold prices that no market made."""
    findings = []
    for symbol in evidence.dataset.symbols:
        bars = _bars(evidence, symbol)
        if bars is None:
            continue
        found = list(_in_words(bars, evidence.real_moves.get(symbol, frozenset())))
        more = f"; {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        if found:
            findings.append(f"{symbol}: {'; '.join(found[:_SHOWN])}{more}")
    return findings


def has_prices(evidence: Evidence) -> bool:
    """Tell whether there are bars to look at."""
    return any(_bars(evidence, symbol) is not None for symbol in evidence.dataset.symbols)


def _bars(evidence: Evidence, symbol: str) -> pl.DataFrame | None:
    bars = evidence.bars.get(symbol)
    if bars is None and evidence.timescale == "daily":
        bars = evidence.part(symbol)
    return bars if bars is not None and {"date", "close"} <= set(bars.columns) else None


def _in_words(bars: pl.DataFrame, real: frozenset[object]) -> Iterator[str]:
    bars = bars.filter(pl.all_horizontal(pl.col(present(bars, PRICES)) > 0))
    for cell in off_scale(bars):
        day = bars["date"][cell.row]
        if day not in real:
            yield f"{cell} on {day}"
    for jump in find_jumps(bars):
        if jump.date not in real:
            about = "" if jump.usual else "about "
            yield f"the close {jump}, as in a split of {about}{jump.terms} that no one recorded"
