"""Rows and runs that stand in a table twice, and rows of one size that are no repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.scaling.column_choice import ROW
from finscale.scaling.column_names import plain

#: Columns that number the rows.
_COUNTERS = frozenset(("", "index", "unnamed:_0", "unnamed_0", "column_1", "row", "number"))
#: Chance of as many small gaps between independent runs, below which runs are copies; small are
#: those below this share of the loss, five digits, or of the spread of a size's runs.
_CHANCE = 1e-6
_SMALL, _SMALL_SPREAD = 1e-5, 1e-3
#: Runs whose losses agree to seven digits are copies if chance makes a single such pair rare …
_SAME, _RARE = 1e-7, 1e-3
#: … and to nine digits they are where nothing tells the spread of runs.
_EXACT = 1e-9
#: Chance below which rows of one size are high and low together with those of the others.
_TOGETHER = 1e-6

Float = NDArray[np.float64]


def without_duplicates(
    frame: pl.DataFrame, drop: bool | None, place: str, ignore: Sequence[str] = ()
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows without those that repeat another in every column, and what was done.

    Columns to ``ignore`` make no difference between rows.

    Raises
    ------
    DataError
        If there are some and ``drop`` is None.
    """
    apart = {ROW, *ignore}
    content = [c for c in frame.columns if c not in apart and plain(c) not in _COUNTERS]
    rows = frame.group_by(content, maintain_order=True).agg(pl.col(ROW).alias("_rows"))["_rows"]
    rows = rows.filter(rows.list.len() > 1)
    if rows.is_empty():
        return frame, []
    first, second = rows[0][:2]
    again = sorted(rows.list.slice(1).explode().to_list())
    pair, num = f"rows {first} and {second}", len(again)
    if drop is None:
        others = f" ({num} such rows in all)" if num > 1 else ""
        raise DataError(
            f"{place}: {pair} are the same in every {'other ' if ignore else ''}column{others}.",
            hint="--drop-duplicates keeps one of each, --keep-duplicates takes them as results of "
            "their own (Python: drop_duplicates=True or False)",
        )
    if not drop:
        return frame, [f"{num} rows that repeat another are kept, the first {pair}"]
    some = ", ".join(map(str, again[:8])) + (" …" if num > 8 else "")
    kept = frame.filter(~pl.col(ROW).is_in(again))
    return kept, [f"{num} rows that repeat another are dropped: {some}"]


@dataclass(frozen=True)
class _Pair:
    """Two runs of one size with neighbouring mean losses; ``gap`` over its spread is ``share``."""

    kept: int
    copy: int
    gap: float
    share: float


def copied_runs(at_R: NDArray[np.int64], losses_RT: Float) -> list[tuple[int, int]]:
    """Return pairs of runs of one size that are closer than chance explains: (one, its copy).

    The smallest gaps between P pairs of independent runs with standard deviation s are a Poisson
    process of rate P / (s √π) near zero. If there are so many small ones that fewer are expected by
    far, they are copies, rounded or computed again. Gaps below the last digit written count as
    three of that digit.

    Parameters
    ----------
    at_R : array of int, ``[R]``
        Which size each run has.
    losses_RT : array, ``[R, T]``
        Losses by cell.
    """
    from scipy.stats import poisson

    mean_R = losses_RT.mean(axis=1)
    digit, scale = _last_digit(losses_RT), float(np.abs(mean_R).mean())
    pairs: list[_Pair] = []
    rate = 0.0
    for size in np.unique(at_R):
        runs = np.flatnonzero(at_R == size)
        runs = runs[np.argsort(mean_R[runs], kind="stable")]
        spread = _spread(mean_R[runs])
        if spread > 0:
            rate += len(runs) * (len(runs) - 1) / 2 / np.sqrt(np.pi)
        pairs += [
            _Pair(one, other, gap, max(gap, 3 * digit, 1e-300) / spread if spread else np.inf)
            for one, other, gap in _neighbours(runs, losses_RT)
        ]
    pairs.sort(key=lambda pair: pair.share)
    share = np.array(
        [p.share for p in pairs if p.gap <= _SMALL * scale or p.share <= _SMALL_SPREAD]
    )
    share = share[np.isfinite(share)]
    chance = poisson.sf(np.arange(len(share)), rate * share)  # of j or more, j from 1
    close = _cut(share, np.flatnonzero(chance < _CHANCE))
    return [
        (pair.kept, pair.copy)
        for j, pair in enumerate(pairs)
        if j < close
        or (pair.gap <= _SAME * scale and rate * pair.share < _RARE)
        or (pair.gap <= _EXACT * scale and digit < _EXACT * scale)
    ]


def _spread(mean_S: Float) -> float:
    """Return the standard deviation of one size's runs, sorted; of several that of most of them.

    It is what the shortest half of a normal sample says, where there are enough runs: some that
    diverged do not widen it.
    """
    num = len(mean_S)
    if num < 8:
        return float(mean_S.std(ddof=1)) if num > 2 else 0.0
    half = num // 2
    # half of a normal distribution lies within 1.349 standard deviations
    return float(np.min(mean_S[half:] - mean_S[: num - half])) / 1.349


def _cut(share: Float, rare: NDArray[np.int64]) -> int:
    """Return how many of the smallest gaps are copies: those below the widest step, if rare."""
    if not len(rare):
        return 0
    above = np.append(share, np.inf)[rare + 1]
    return int(rare[np.argmax(above / share[rare])]) + 1


def _neighbours(runs: NDArray[np.int64], losses_RT: Float) -> list[tuple[int, int, float]]:
    """Return neighbouring runs, the earlier in the table first, and their distance over cells."""
    found = []
    for one, other in zip(runs[:-1].tolist(), runs[1:].tolist(), strict=True):
        gap = float(np.sqrt(np.mean((losses_RT[one] - losses_RT[other]) ** 2)))
        found.append((min(one, other), max(one, other), gap))
    return found


def _last_digit(losses_RT: Float) -> float:
    """Return the unit of the last digit that the losses are written with."""
    some = losses_RT.ravel()[:1000]
    for digits in range(1, 13):
        if np.allclose(some, np.round(some, digits), rtol=0, atol=1e-14):
            return float(10.0**-digits)
    return 0.0


def check_independent(
    frame: pl.DataFrame, axes: Sequence[str], y: str, place: str, *, told: bool
) -> None:
    """Refuse rows of one size that are high and low together with those of the other sizes.

    The k-th row of every size then has something in common: a day, a fold or a data set. Tested
    where nothing names the rows and every size has as many, by the F test of rows against their
    interaction with sizes.

    Raises
    ------
    DataError
        If they are, and ``told`` does not say that rows are runs.
    """
    from scipy.stats import f

    groups = frame.group_by(axes, maintain_order=True).agg(pl.col(y))[y].to_list()
    num_sizes, num_rows = len(groups), len(groups[0])
    if told or num_sizes < 3 or num_rows < 3 or any(len(group) != num_rows for group in groups):
        return
    y_nS = np.array(groups)
    steps_nS = np.diff(y_nS, axis=1)
    if (steps_nS >= 0).all() or (steps_nS <= 0).all():
        return  # sorted by loss
    rows_S = y_nS.mean(axis=0) - y_nS.mean()
    rest_nS = y_nS - y_nS.mean(axis=1, keepdims=True) - rows_S
    freedom = (num_sizes - 1) * (num_rows - 1)
    between = num_sizes * float(np.sum(rows_S**2)) / (num_rows - 1)
    within = float(np.sum(rest_nS**2)) / freedom
    if between > 0 and f.sf(between / max(within, 1e-300), num_rows - 1, freedom) < _TOGETHER:
        raise DataError(
            f"{place}: the {num_rows} rows of each size are high and low together in their order "
            f"(p < {_TOGETHER:g}): they share days, folds or data sets, and are no repeats.",
            hint="add a column that names what they share and say --day, --fold or --average and "
            "its name; --seed rows takes them as independent all the same",
        )
