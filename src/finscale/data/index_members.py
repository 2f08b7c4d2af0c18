"""Membership histories of stock indices, from the package index-constitution (an extra)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from finscale.errors import DataError, did_you_mean, missing_extra

#: The exchange of each index' members.
_CALENDARS = {"csi300": "XSHG", "csi500": "XSHG"}


def index_universe(index: str) -> tuple[dict[str, Any], list[str]]:
    """Return an index' universe as its file says it, and what had to be decided.

    The day on which a company leaves is the first on which it is no member any more. A ticker that
    two companies had at once keeps one membership that holds both.

    Raises
    ------
    FinscaleError
        If the package is not installed.
    DataError
        If it has no such index, or its history has another form than the one that is known.
    """
    try:
        import index_constitution
    except ImportError:
        raise missing_extra("index-constitution", "universes") from None
    known = list(index_constitution.list_indices())
    if index not in known:
        raise DataError(f"{index!r} is no index with a history.", hint=did_you_mean(index, known))
    table = index_constitution.history(index)
    needed = ("symbol", "opt-in", "opt-out")
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise DataError(
            f"index-constitution {index_constitution.__version__}: the history of {index} has no "
            f"column {missing[0]}.",
            hint="pip install 'index-constitution==1.0.1' has the form that is known",
        )
    rows = [
        (str(symbol), _day(first), _day(last))
        for symbol, first, last in table[list(needed)].itertuples(index=False)
    ]
    return _universe(index, rows, _CALENDARS.get(index, "XNYS"))


def _universe(
    index: str, rows: list[tuple[str, dt.date | None, dt.date | None]], calendar: str
) -> tuple[dict[str, Any], list[str]]:
    spells: dict[str, list[tuple[dt.date, dt.date]]] = {}
    notes, merged, empty = [], set(), 0
    for symbol, first, out in sorted(rows, key=lambda row: (row[0], row[1] or dt.date.min)):
        begin = first or dt.date.min
        end = dt.date.max if out is None else out - dt.timedelta(days=1)
        if end < begin:
            empty += 1
            continue
        own = spells.setdefault(symbol, [])
        if own and begin <= own[-1][1]:
            own[-1] = own[-1][0], max(own[-1][1], end)
            merged.add(symbol)
        else:
            own.append((begin, end))
    if merged:
        some = ", ".join(sorted(merged)[:5]) + (" …" if len(merged) > 5 else "")
        notes.append(f"{len(merged)} tickers were in the index twice at once, as one now: {some}")
    if empty:
        notes.append(f"{empty} memberships without a day left out")
    members = []
    for symbol in sorted(spells):
        for begin, end in spells[symbol]:
            row = {"symbol": symbol}
            if begin != dt.date.min:
                row["from"] = begin.isoformat()
            if end != dt.date.max:
                row["to"] = end.isoformat()
            members.append(row)
    about = f"members of {index} as they came and went, from index-constitution (MIT)"
    universe = {"about": about, "calendar": calendar, "survivors": False, "members": members}
    return universe, notes


def _day(value: Any) -> dt.date | None:
    if value is None or value != value:  # NaT and NaN are not equal to themselves
        return None
    text = str(value)[:10]
    return dt.date.fromisoformat(text) if text and text[0].isdigit() else None
