"""Worlds in which forecasts are right: what a calibrated model shows by chance alone.

In each world rows are drawn with replacement and their outcomes from their forecasts (Bröcker and
Smith 2007, consistency resampling). Every model on the same number of rows meets the same worlds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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
        drawn_RK, happened_RK, forecast_RK = (
            np.concatenate(part) for part in zip(*counted, strict=True)
        )
        return cls(
            np.abs(happened_RK - forecast_RK).sum(axis=1) / num_rows, ratio(happened_RK, drawn_RK)
        )


#: Rows drawn, events and the sum of forecasts, each (R, K): in each world and bin.
Counts = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class _Worlds:
    """Draws of all worlds, arranged by the row that was drawn.

    Attributes
    ----------
    times : ndarray of shape (N, R)
        How often each row was drawn in each world.
    uniform : ndarray of shape (N, L)
        The uniform number of each of a row's draws; 1 beyond its last.
    world : ndarray of shape (N, L)
        In which world it was drawn.
    """

    times: Floats
    uniform: Floats
    world: NDArray[np.int32]

    @classmethod
    def of(cls, drawn_RN: Integers, uniform_RN: Floats) -> _Worlds:
        num_worlds, num_rows = drawn_RN.shape
        row_D = drawn_RN.ravel()
        # numbers of 16 bits are sorted digit by digit, ten times as fast
        small = num_rows <= np.iinfo(np.int16).max
        order_D = np.argsort(row_D.astype(np.int16) if small else row_D, kind="stable")
        number_N = np.bincount(row_D, minlength=num_rows)
        place_D = np.arange(len(row_D)) - np.repeat(np.cumsum(number_N) - number_N, number_N)
        cells = row_D[order_D], place_D
        uniform_NL = np.ones((num_rows, number_N.max()))
        uniform_NL[cells] = uniform_RN.ravel()[order_D]
        world_NL = np.zeros(uniform_NL.shape, dtype=np.int32)
        world_NL[cells] = order_D // num_rows
        times = np.bincount(row_D * num_worlds + np.arange(len(row_D)) // num_rows)
        times_NR = np.zeros((num_rows, num_worlds))
        times_NR.ravel()[: len(times)] = times
        return cls(times_NR, uniform_NL, world_NL)

    def counts(self, rows: Classified) -> Counts:
        num_worlds, num_bins = self.times.shape[1], rows.bins.shape[1]
        bins_KN = np.vstack([rows.bins.T, rows.bins.T * rows.probability])
        sums_KR = bins_KN @ self.times
        # an event happens where the uniform number lies below the forecast
        happens_NL = self.uniform < rows.probability[:, None]
        first_cell_N = rows.bins.argmax(axis=1) * num_worlds
        cells = np.repeat(first_cell_N, np.count_nonzero(happens_NL, axis=1))
        cells += self.world.ravel().take(np.flatnonzero(happens_NL))
        happened_KR = np.bincount(cells, minlength=num_worlds * num_bins).reshape(num_bins, -1)
        return sums_KR[:num_bins].T, happened_KR.T.astype(np.float64), sums_KR[num_bins:].T


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
    return _Worlds.of(*(np.concatenate(part) for part in zip(*parts, strict=True)))
