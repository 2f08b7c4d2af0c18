"""Moving averages: eight kinds, ten periods, six relations, and pairs of periods."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from finscale.features.declared import relations
from finscale.features.declared.classic import TREND
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.feature import Array
from finscale.features.indicators import talib_function

#: In the order in which tiers take periods in: middle ones, then to both sides.
PERIODS = (20, 50, 10, 100, 5, 200, 30, 75, 15, 150)
#: Kind → words and source, rows before the first value as a function of the period, recursive.
_KINDS: dict[str, tuple[str, str, Callable[[int], int], bool]] = {
    "ema": ("exponential mean", "TA-Lib EMA", lambda p: p - 1, True),
    "sma": ("mean", "TA-Lib SMA", lambda p: p - 1, False),
    "kama": ("adaptive mean", "TA-Lib KAMA; Kaufman 1995", lambda p: p, True),
    "hma": ("Hull's mean", "TA-Lib HMA; Hull 2005", lambda p: p - 1 + math.isqrt(p) - 1, False),
    "dema": ("double exponential mean", "TA-Lib DEMA; Mulloy 1994", lambda p: 2 * (p - 1), True),
    "wma": ("linearly weighted mean", "TA-Lib WMA", lambda p: p - 1, False),
    "tema": ("triple exponential mean", "TA-Lib TEMA; Mulloy 1994", lambda p: 3 * (p - 1), True),
    "trima": ("triangular mean", "TA-Lib TRIMA", lambda p: p - 1, False),
}
#: Fast and slow periods whose means are compared.
_PAIRS = ((10, 50), (20, 100), (50, 200), (5, 20), (10, 30), (20, 50), (30, 100), (5, 10))
#: Bars of its own past in which a gap is ranked.
_PAST = 100

FAMILY = Family("trend", COMMON)
FAMILY.take(TREND)


def _mean(kind: str, period: int) -> str:
    _, _, lookback, recursive = _KINDS[kind]
    return FAMILY.part(
        f"level_{kind}_{period}",
        "close",
        talib_function(kind.upper()),
        extra=lookback(period),
        recursive=recursive,
        timeperiod=period,
    )


def _run(close: Array, level: Array, *, most: int) -> Array:
    return relations.signed_run(relations.gap(close, level), most=most)


def _acceleration(close: Array, level: Array, *, rows: int) -> Array:
    return relations.change(relations.slope(close, level, rows=rows), rows=rows)


def _rank(close: Array, level: Array, *, rows: int) -> Array:
    return relations.percentile(relations.gap(close, level), rows=rows)


def _against(fast: Array, slow: Array, close: Array) -> Array:
    return np.asarray(relations.gap(close, slow) - relations.gap(close, fast))


def _related(relation: str, kind: str, period: int) -> None:
    words, source, _, _ = _KINDS[kind]
    name, what = f"{kind}_{period}_{relation}", f"the {words} of {period}"
    level, step = _mean(kind, period), max(period // 5, 1)
    pair = f"close {level}"
    match relation:
        case "gap":
            FAMILY.add(name, pair, relations.gap, f"log of the close over {what}", source)
        case "slope":
            FAMILY.add(
                name,
                pair,
                relations.slope,
                f"log change of {what} over {step} bars, per bar",
                source,
                extra=step,
                rows=step,
            )
        case "side":
            FAMILY.add(
                name,
                pair,
                _run,
                f"bars since the close crossed {what}, signed, over {period}",
                source,
                recursive=True,
                most=period,
            )
        case "rank":
            FAMILY.add(
                name,
                pair,
                _rank,
                f"share of the last {_PAST} bars with a smaller gap to {what}",
                source,
                extra=_PAST - 1,
                rows=_PAST,
            )
        case "atrs":
            FAMILY.add(
                name,
                f"{pair} spread_14",
                relations.gap_in_spreads,
                f"distance of the close from {what}, in ATRs of 14",
                source,
            )
        case "turn":
            FAMILY.add(
                name,
                pair,
                _acceleration,
                f"change of the slope of {what} over {step} bars",
                source,
                extra=2 * step,
                rows=step,
            )


def _crossed(kind: str, fast: int, slow: int) -> None:
    words, source, _, _ = _KINDS[kind]
    FAMILY.add(
        f"{kind}_{fast}_over_{slow}",
        f"{_mean(kind, fast)} {_mean(kind, slow)} close",
        _against,
        f"log of the {words} of {fast} over that of {slow}",
        source,
    )


_RELATIONS = ("gap", "slope", "side", "rank", "atrs", "turn")


def _declare() -> None:
    crossed = by_priority(_PAIRS, tuple(_KINDS))
    # a pair for every eight relations, so that a small tier holds some of each
    for index, (period, relation, kind) in enumerate(by_priority(PERIODS, _RELATIONS, (*_KINDS,))):
        _related(relation, kind, period)
        if index % 8 == 7 and index // 8 < len(crossed):
            (fast, slow), crossing = crossed[index // 8]
            _crossed(crossing, fast, slow)
    for (fast, slow), kind in crossed[len(PERIODS) * len(_RELATIONS) * len(_KINDS) // 8 :]:
        _crossed(kind, fast, slow)


_declare()
