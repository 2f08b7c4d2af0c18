"""Worlds in which forecasts are right: what a calibrated model shows by chance alone.

In each world rows are drawn with replacement and their outcomes from their forecasts (Bröcker and
Smith 2007, consistency resampling). Every model on the same number of rows meets the same worlds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from finscale.evaluation.blocks import Floats, Integers
from finscale.evaluation.scores import Classified, ratio

#: Draws that are counted at once, and that are kept for the next model, in cells.
_CELLS, _KEPT_CELLS = 1_000_000, 4_000_000


@dataclass(frozen=True)
class Consistent:
    """What calibrated worlds show.

    Attributes
    ----------
    error : ndarray of shape (R,)
        Adaptive calibration error in each world.
    frequency : ndarray of shape (R, K)
        How often events happened in each bin of the forecast; NaN where no row was drawn.
    """

    error: Floats
    frequency: Floats

    @classmethod
    def of(cls, rows: Classified, num_replicates: int, seed: int) -> Consistent:
        """Return what R worlds show if the rows' forecasts are right."""
        num_rows = len(rows.target)
        if num_rows * num_replicates <= _KEPT_CELLS:
            counted = [_kept_worlds(num_rows, num_replicates, seed).counts(rows)]
        else:
            counted = [_counts(rows, *drawn) for drawn in _drawn(num_rows, num_replicates, seed)]
        parts = zip(*counted, strict=True)
        drawn_RK, happened_RK, forecast_RK = (np.concatenate(part) for part in parts)
        return cls(
            np.abs(happened_RK - forecast_RK).sum(axis=1) / num_rows, ratio(happened_RK, drawn_RK)
        )


#: Rows drawn, events and the sum of forecasts, each (R, K): in each world and bin.
Counts = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class _Happened:
    """Events of one set of forecasts.

    Attributes
    ----------
    bin : ndarray of shape (N,)
        Which bin each row's forecast lies in.
    draws : ndarray of shape (N,)
        How many of each row's draws are events: the first ones, as their numbers rise.
    events : ndarray of shape (K · R,)
        In each bin and world.
    """

    bin: Integers
    draws: Integers
    events: Integers


class _Worlds:
    """Draws of all worlds, arranged by the row that was drawn.

    Forecasts of one model, calibrated in some way or another, differ little: the events that are
    counted last are remembered, and only draws that turn out otherwise are counted anew.

    Parameters
    ----------
    drawn_RN : ndarray of shape (R, N)
        The rows of each world.
    uniform_RN : ndarray of shape (R, N)
        An event happens where this lies below the row's forecast.
    """

    def __init__(self, drawn_RN: Integers, uniform_RN: Floats) -> None:
        self._num_worlds, num_rows = drawn_RN.shape
        row_D = drawn_RN.ravel()
        world_D = np.arange(len(row_D), dtype=np.int32) // num_rows
        # numbers of 16 bits are sorted digit by digit, ten times as fast
        small = num_rows <= np.iinfo(np.int16).max
        order_D = np.argsort(row_D.astype(np.int16) if small else row_D, kind="stable")
        number_N = np.bincount(row_D, minlength=num_rows)
        cells = (
            row_D[order_D],
            np.arange(len(row_D)) - np.repeat(np.cumsum(number_N) - number_N, number_N),
        )
        uniform_NL = np.ones((num_rows, number_N.max()))  # 1 beyond a row's last draw
        uniform_NL[cells] = uniform_RN.ravel()[order_D]
        world_NL = np.zeros(uniform_NL.shape, dtype=np.int32)
        world_NL[cells] = world_D[order_D]
        rising_NL = np.argsort(uniform_NL, axis=1)
        self._uniform_NL = np.take_along_axis(uniform_NL, rising_NL, axis=1)
        self._world_NL = np.take_along_axis(world_NL, rising_NL, axis=1)
        times = np.bincount(row_D * self._num_worlds + world_D, minlength=row_D.size)
        self._times_NR = times.reshape(num_rows, self._num_worlds).astype(np.float64)
        self._last: _Happened | None = None

    def counts(self, rows: Classified) -> Counts:
        """Count rows, events and forecasts."""
        num_bins = rows.bins.shape[1]
        bins_KN = np.vstack([rows.bins.T, rows.bins.T * rows.probability])
        sums_KR = bins_KN @ self._times_NR
        events = self._happened(rows.bins.argmax(axis=1), rows.probability).events
        happened_KR = events.reshape(num_bins, -1).astype(np.float64)
        return sums_KR[:num_bins].T, happened_KR.T, sums_KR[num_bins:].T

    def _happened(self, bin_N: Integers, p_N: Floats) -> _Happened:
        last = self._last
        if last is None or not np.array_equal(last.bin, bin_N):
            num_cells = (bin_N.max() + 1) * self._num_worlds
            last = _Happened(bin_N, np.zeros_like(bin_N), np.zeros(num_cells, dtype=np.int64))
        draws_N = _number_below(self._uniform_NL, p_N)
        more = self._count(bin_N, last.draws, draws_N, len(last.events))
        fewer = self._count(bin_N, draws_N, last.draws, len(last.events))
        # another thread may put its own in this place: what is returned is what was counted here
        self._last = found = _Happened(bin_N, draws_N, last.events + more - fewer)
        return found

    def _count(
        self, bin_N: Integers, first_N: Integers, end_N: Integers, num_cells: int
    ) -> Integers:
        """Count each row's draws from ``first`` to before ``end`` in its bin, by world."""
        number_N = np.maximum(end_N - first_N, 0)
        before_N = np.cumsum(number_N) - number_N
        begin_N = self._world_NL.shape[1] * np.arange(len(number_N)) + first_N - before_N
        draws = np.repeat(begin_N, number_N) + np.arange(number_N.sum())
        cells = np.repeat(self._num_worlds * bin_N, number_N)
        cells += self._world_NL.ravel().take(draws)
        return np.bincount(cells, minlength=num_cells)


def _number_below(rising_NL: Floats, limit_N: Floats) -> Integers:
    """Return how many numbers of each row, which rises, lie below its limit: by bisection."""
    rows, longest = np.arange(len(rising_NL)), rising_NL.shape[1]
    low_N, high_N = np.zeros_like(rows), np.full_like(rows, longest)
    for _ in range(longest.bit_length()):
        middle_N = (low_N + high_N) // 2
        below_N = rising_NL[rows, np.minimum(middle_N, longest - 1)] < limit_N
        open_N = low_N < high_N
        low_N = np.where(open_N & below_N, middle_N + 1, low_N)
        high_N = np.where(open_N & ~below_N, middle_N, high_N)
    return low_N


def _counts(rows: Classified, drawn_CN: Integers, uniform_CN: Floats) -> Counts:
    """Count the same of worlds that are not kept."""
    bin_N, num_bins = rows.bins.argmax(axis=1), rows.bins.shape[1]
    forecast_CN = rows.probability[drawn_CN]
    cell_CN = bin_N[drawn_CN] + num_bins * np.arange(len(drawn_CN))[:, None]
    drawn, happened, forecast = (
        np.bincount(cell_CN.ravel(), weights=values_CN.ravel(), minlength=num_bins * len(drawn_CN))
        .reshape(-1, num_bins)
        .astype(np.float64, copy=False)
        for values_CN in (np.ones_like(forecast_CN), uniform_CN < forecast_CN, forecast_CN)
    )
    return drawn, happened, forecast


def _drawn(num_rows: int, num_replicates: int, seed: int) -> Iterator[tuple[Integers, Floats]]:
    """Yield the drawn rows and uniform numbers of all worlds, some of them at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // max(1, num_rows))
    for first in range(0, num_replicates, step):
        worlds = [
            (rng.integers(0, num_rows, num_rows), rng.random(num_rows))
            for _ in range(min(step, num_replicates - first))
        ]
        yield np.stack([drawn for drawn, _ in worlds]), np.stack([u for _, u in worlds])


@lru_cache(maxsize=2)
def _kept_worlds(num_rows: int, num_replicates: int, seed: int) -> _Worlds:
    parts = list(_drawn(num_rows, num_replicates, seed))
    return _Worlds(*(np.concatenate(part) for part in zip(*parts, strict=True)))
