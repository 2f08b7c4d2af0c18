"""Worlds in which forecasts are right: what a calibrated model shows by chance alone.

In each world rows are drawn with replacement and their outcomes from their forecasts (Bröcker and
Smith 2007, consistency resampling). Every model on the same number of rows meets the same worlds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.blocks import Floats, Integers
from finscale.evaluation.scores import Classified, ratio

#: Draws that are counted at once, and that are kept for the next model, in cells.
_CELLS, _KEPT_CELLS = 1_000_000, 4_000_000


def consistent_errors(models: Sequence[Classified], num_replicates: int, seed: int) -> Floats:
    """Return the adaptive calibration error in each world, shape (M, R).

    Parameters
    ----------
    models : sequence of Classified
        M forecasts of the same N rows; their targets are not looked at.
    num_replicates, seed : int
        R, and which worlds.
    """
    num_rows = len(models[0].target)
    parts = [
        np.stack([np.abs(excess_CK).sum(axis=1) for excess_CK in worlds.excess(models)])
        for worlds in _worlds(num_rows, num_replicates, seed)
    ]
    return np.concatenate(parts, axis=1) / num_rows


def consistent_frequencies(rows: Classified, num_replicates: int, seed: int) -> Floats:
    """Return how often events happened in each bin of the forecast in each world: (R, K).

    NaN where no row was drawn. Parameters are those of :func:`consistent_errors`.
    """
    parts = [
        ratio(worlds.events(rows), worlds.numbers(rows))
        for worlds in _worlds(len(rows.target), num_replicates, seed)
    ]
    return np.concatenate(parts)


def _worlds(num_rows: int, num_replicates: int, seed: int) -> Iterator[_Worlds]:
    """Yield the worlds, those of many rows some at a time."""
    if num_rows * num_replicates <= _KEPT_CELLS:
        yield _kept_worlds(num_rows, num_replicates, seed)
    else:
        yield from (_DrawnWorlds(*drawn) for drawn in _drawn(num_rows, num_replicates, seed))


class _Worlds(Protocol):
    """Worlds, C of them, in which rows are counted by bin."""

    def numbers(self, rows: Classified) -> Floats:
        """Return the number of rows drawn in each bin and world: (C, K)."""
        ...

    def events(self, rows: Classified) -> Floats:
        """Return the number of events in each bin and world: (C, K)."""
        ...

    def excess(self, models: Sequence[Classified]) -> list[Floats]:
        """Return how many events more than each model's forecasts happened: each (C, K)."""
        ...


@dataclass(frozen=True)
class _DrawnWorlds:
    """Worlds as they are drawn: for each the rows, and the numbers that decide on events."""

    drawn_CN: Integers
    uniform_CN: Floats

    def numbers(self, rows: Classified) -> Floats:
        return self._by_bin(rows, np.ones(self.drawn_CN.shape))

    def events(self, rows: Classified) -> Floats:
        return self._by_bin(rows, self.uniform_CN < rows.probability[self.drawn_CN])

    def excess(self, models: Sequence[Classified]) -> list[Floats]:
        return [self._excess(rows) for rows in models]

    def _excess(self, rows: Classified) -> Floats:
        forecast_CN = rows.probability[self.drawn_CN]
        return self._by_bin(rows, (self.uniform_CN < forecast_CN) - forecast_CN)

    def _by_bin(self, rows: Classified, values_CN: Floats | NDArray[np.bool_]) -> Floats:
        bin_N, num_bins = rows.bins.argmax(axis=1), rows.bins.shape[1]
        cell_CN = bin_N[self.drawn_CN] + num_bins * np.arange(len(values_CN))[:, None]
        size = num_bins * len(values_CN)
        sums = np.bincount(cell_CN.ravel(), weights=values_CN.ravel(), minlength=size)
        return sums.reshape(-1, num_bins).astype(np.float64, copy=False)


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


class _KeptWorlds:
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
        times_NR = times.reshape(num_rows, self._num_worlds)
        small = times_NR.max(initial=0) <= np.iinfo(np.int8).max
        self._times_NR = times_NR.astype(np.int8 if small else np.int32)
        self._last: _Happened | None = None

    def numbers(self, rows: Classified) -> Floats:
        return self._sums(rows.bins.argmax(axis=1), np.ones((1, len(rows.target))))[:, 0].T

    def events(self, rows: Classified) -> Floats:
        events = self._happened(rows.bins.argmax(axis=1), rows.probability).events
        return events.reshape(rows.bins.shape[1], -1).T.astype(np.float64)

    def excess(self, models: Sequence[Classified]) -> list[Floats]:
        # calibrations are monotone, so that most have the same rows in each bin
        alike: dict[bytes, list[int]] = {}
        bins = [rows.bins.argmax(axis=1) for rows in models]
        for number, bin_N in enumerate(bins):
            alike.setdefault(bin_N.tobytes(), []).append(number)
        found: dict[int, Floats] = {}
        for numbers in alike.values():
            forecasts_MN = np.stack([models[number].probability for number in numbers])
            expected_KMR = self._sums(bins[numbers[0]], forecasts_MN)
            for place, number in enumerate(numbers):
                found[number] = self.events(models[number]) - expected_KMR[:, place].T
        return [found[number] for number in range(len(models))]

    def _sums(self, bin_N: Integers, columns_MN: Floats) -> Floats:
        """Return the sums of columns over the rows drawn in each bin and world: (K, M, R)."""
        # one product a bin, whose rows as doubles stay near the processor
        rows_of_bin = (np.flatnonzero(bin_N == k) for k in range(bin_N.max() + 1))
        return np.stack(
            [
                columns_MN[:, rows] @ self._times_NR.take(rows, axis=0).astype(np.float64)
                for rows in rows_of_bin
            ]
        )

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
def _kept_worlds(num_rows: int, num_replicates: int, seed: int) -> _KeptWorlds:
    parts = list(_drawn(num_rows, num_replicates, seed))
    return _KeptWorlds(*(np.concatenate(part) for part in zip(*parts, strict=True)))
