"""What the columns of a wide panel are called: tickers, fields, or both in one name."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

import polars as pl

from finscale.data.bars import PRICES
from finscale.data.sources.csv_words import meanings

#: Fields of bars that a panel may have.
FIELDS = (*PRICES, "adj_close", "volume", "dividends")
_BETWEEN = re.compile(r"[_.:| -]")
#: Prices of one day lie this near to one another; those of two companies seldom do.
_NEAR = 0.2


def field_of(name: str) -> str:
    """Return the field of bars that a name says; empty where it says none."""
    found = [each.field for each in meanings(name) if each.field in FIELDS]
    return found[0] if found else ""


def pairs_of(table: pl.DataFrame, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the field and the ticker that each name says; empty where it says none.

    Names such as ``('Close', 'SPY')`` are pandas' pairs; in ``Close_SPY`` or ``SPY Close`` both
    are told apart where most names of the table have them. ``C``, ``V`` and ``LOW`` are tickers
    in a table that has others, and no bars under these names.
    """
    tuples = {name: _parts(name) for name in names if name.startswith("(")}
    found = _of_tuples(tuples)
    plain = [name for name in names if name not in tuples]
    joined = _joined(plain)
    fields = {name: field_of(name) for name in plain}
    if joined:
        found |= {name: joined.get(name, (fields[name], "")) for name in plain}
    elif _are_tickers(table, fields):
        found |= {name: ("", name.strip()) for name in plain}
    else:
        found |= {n: (field, "") if field else ("", n.strip()) for n, field in fields.items()}
    return found


def _parts(name: str) -> tuple[str, ...]:
    try:
        return tuple(str(part) for part in ast.literal_eval(name))
    except (ValueError, SyntaxError, TypeError):
        return (name,)


def _of_tuples(tuples: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, str]]:
    """Return field and ticker of each pair; the fields are one level, whatever tickers are called.

    Examples
    --------
    >>> _of_tuples({"x": ("Close", "LOW"), "y": ("Low", "LOW"), "z": ("Close", "A")})["x"]
    ('close', 'LOW')
    """
    width = max(map(len, tuples.values()), default=0)
    levels = [[parts[at] for parts in tuples.values() if len(parts) > at] for at in range(width)]
    known = [at for at in range(width) if all(field_of(part) for part in levels[at] if part)]
    spelt = [at for at in known if any("close" in part.lower() for part in levels[at])]
    level = next(iter(spelt or known), None)
    found = {}
    for name, parts in tuples.items():
        rest = [part for at, part in enumerate(parts) if at != level and part]
        field = field_of(parts[level]) if level is not None and len(parts) > level else ""
        found[name] = (field, rest[-1] if len(rest) == 1 else "")
    return found


def _joined(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return field and ticker of names such as Close_SPY, where most names are of this kind.

    Examples
    --------
    >>> _joined(["SPY Adj Close", "SPY Volume"])["SPY Adj Close"]
    ('adj_close', 'SPY')
    """
    sides: tuple[dict[str, tuple[str, str]], ...] = ({}, {})
    for name in names:
        for mark in _BETWEEN.finditer(name.strip()):
            left, right = name.strip()[: mark.start()], name.strip()[mark.end() :]
            for side, (field, ticker) in zip(sides, ((left, right), (right, left)), strict=True):
                # a class of shares is a letter: BRK.C, BF_V
                if len(field) > 1 and ticker and (which := field_of(field)):
                    known = side.get(name)
                    if known is None or len(ticker) < len(known[1]):
                        side[name] = (which, ticker)
    best = max(sides, key=len)
    return best if len(best) >= 2 and 2 * len(best) > len(names) else {}


def _are_tickers(table: pl.DataFrame, fields: Mapping[str, str]) -> bool:
    """Tell whether names that could be fields are tickers like the names beside them."""
    mine = {field: name for name, field in fields.items() if field}
    others = [name for name, field in fields.items() if not field and name != "line"]
    if not mine or len(others) < 2 or not all(n == n.upper() for n in (*mine.values(), *others)):
        return False
    close = mine.get("close")
    if close is None:
        return True
    if len(close) > 1:
        return False
    prices = [mine[field] for field in PRICES[:3] if field in mine]
    number = {n: table[n].cast(pl.Float64, strict=False) for n in (close, *prices)}
    far = [(number[name] / number[close] - 1).abs().median() for name in prices]
    return (
        bool(prices) and all(isinstance(one, float) and one > _NEAR for one in far)
    ) or not prices
