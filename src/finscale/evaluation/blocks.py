"""Replicates of the stationary bootstrap as the blocks that they are made of.

A replicate of T days in blocks of mean length b is T / b runs of consecutive days. Whatever is
linear in how often each day occurs (a mean, a variance, the rows in a bin) is a sum over runs, and
a sum over a run is the difference of two cumulative sums: T / b steps a replicate instead of T.

Every model on the same days draws from the same random numbers: these are kept, and where blocks of
about the wanted length begin with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Random numbers of this many cells are kept for the next model: 64 MB, six sets at the most.
_KEPT_CELLS = 4_000_000
_KEPT_SETS = 6
#: Where blocks begin is kept for lengths that are powers of this.
_STEP = 1.5
#: Series up to which one after the other is summed faster than all at once.
_FEW = 2


@dataclass(frozen=True)
class Blocks:
    """Runs of consecutive days, replicate after replicate.

    Attributes
    ----------
    num_days : int
        T, days in the sample and in each replicate.
    start : ndarray of shape (B,)
        First day of each run.
    end : ndarray of shape (B,)
        The day after its last, round the end to the start.
    first : ndarray of shape (R,)
        The first run of each replicate.
    """

    num_days: int
    start: Integers
    end: Integers
    first: Integers

    def sums(self, values_TK: Floats) -> Floats:
        """Return the sum over each replicate's days: shape (T, K) in, (R, K) out."""
        if not len(self.first):
            return np.empty((0, values_TK.shape[1]))
        mean_K = values_TK.mean(axis=0)
        # centred, what lies before the end is what lies before the start: nothing
        before_TK = np.zeros_like(values_TK)
        np.cumsum((values_TK - mean_K)[:-1], axis=0, out=before_TK[1:])
        if values_TK.shape[1] <= _FEW:
            columns = [self._run_sums(before_T) for before_T in np.ascontiguousarray(before_TK.T)]
            sums_RK = np.column_stack(columns)
        else:
            sums_RK = np.asarray(self._signed_days() @ before_TK)
        return np.asarray(sums_RK + self.num_days * mean_K)

    def _run_sums(self, before_T: Floats) -> Floats:
        return np.asarray(
            np.add.reduceat(before_T.take(self.end) - before_T.take(self.start), self.first)
        )

    def _signed_days(self) -> csr_array[np.float64]:
        """Return the matrix (R, T) that adds at ends and takes away at starts, sparse."""
        from scipy.sparse import csr_array

        days = np.column_stack([self.end, self.start]).ravel()
        bounds = 2 * np.append(self.first, len(self.start))
        sign = np.tile([1.0, -1.0], len(self.start))
        return csr_array((sign, days, bounds), shape=(len(self.first), self.num_days))

    @cached_property
    def weights(self) -> Floats:
        """How often each day occurs in each replicate: shape (R, T)."""
        num_replicates, num_days = len(self.first), self.num_days
        place_B = num_days * self._replicate_of_runs()
        shape, size = (num_replicates, num_days), num_replicates * num_days
        begun_RT = np.bincount(place_B + self.start, minlength=size)
        begun_RT -= np.bincount(place_B + self.end, minlength=size)
        # a run round the end has also begun on the first day
        round_R = np.add.reduceat(self.end <= self.start, self.first, dtype=np.int64)
        begun_RT = begun_RT.reshape(shape)
        begun_RT[:, 0] += round_R
        return np.cumsum(begun_RT, axis=1, out=begun_RT).astype(np.float64)

    def indices(self) -> Integers:
        """Return the day at each place of each replicate: shape (R, T)."""
        num_days = self.num_days
        length_B = self.end - self.start
        length_B += num_days * (length_B <= 0)
        begin_B = np.cumsum(length_B) - length_B
        indices = np.repeat(self.start - begin_B, length_B) + np.arange(length_B.sum())
        np.subtract(indices, num_days, out=indices, where=indices >= num_days)
        return indices.reshape(len(self.first), num_days)

    def _replicate_of_runs(self) -> Integers:
        return np.repeat(np.arange(len(self.first)), np.diff(self.first, append=len(self.start)))


class Draws:
    """The random numbers behind replicates: they do not depend on the length of blocks.

    Parameters
    ----------
    uniform : ndarray of shape (R, T)
        A block begins where this is below 1 / b, and at the first day of every replicate.
    day : ndarray of shape (R, T)
        The day that it begins with.
    """

    def __init__(self, uniform: Floats, day: Integers) -> None:
        self.num_replicates, self.num_days = uniform.shape
        uniform[:, :1] = -1.0
        self._uniform, self._day = uniform.ravel(), day.ravel()
        self._levels: dict[int, tuple[Integers, Floats, Integers]] = {}

    def blocks(self, block_length: float) -> Blocks:
        """Return replicates in blocks of this mean length, at least 1 day."""
        level = math.floor(math.log(max(1.0, block_length), _STEP))
        if level not in self._levels:
            self._levels[level] = self._places_of(_STEP**level)
        places, uniform, days = self._levels[level]
        begins = np.flatnonzero(uniform < 1.0 / block_length)
        place_B, start_B = places.take(begins), days.take(begins)
        num_days = self.num_days
        end_B = start_B + np.diff(place_B, append=self._uniform.size)
        np.subtract(end_B, num_days, out=end_B, where=end_B >= num_days)
        first_R = np.searchsorted(place_B, num_days * np.arange(self.num_replicates))
        return Blocks(num_days, start_B, end_B, first_R)

    def _places_of(self, block_length: float) -> tuple[Integers, Floats, Integers]:
        """Return where all blocks of this length begin, a superset of those of longer ones."""
        places = np.flatnonzero(self._uniform < 1.0 / block_length)
        return places, self._uniform.take(places), self._day.take(places)


def draws(num_days: int, num_replicates: int, seed: int) -> Draws:
    """Return the random numbers of so many replicates, kept if they are not too many."""
    if num_days * num_replicates > _KEPT_CELLS:
        return _drawn(num_days, num_replicates, seed)
    return _kept(num_days, num_replicates, seed)


def _drawn(num_days: int, num_replicates: int, seed: int) -> Draws:
    rng = np.random.default_rng(seed)
    shape = (num_replicates, num_days)
    return Draws(rng.random(shape), rng.integers(0, num_days, size=shape))


_kept = lru_cache(maxsize=_KEPT_SETS)(_drawn)


@lru_cache(maxsize=1)
def draws_by_turns(num_days: int, num_replicates: int, seed: int) -> Draws:
    """Return the random numbers in the order in which ``arch`` draws them: days, then uniforms."""
    rng = np.random.default_rng(seed)
    uniform_RT = np.empty((num_replicates, num_days))
    day_RT = np.empty((num_replicates, num_days), dtype=np.int64)
    for replicate in range(num_replicates):
        day_RT[replicate] = rng.integers(num_days, size=num_days)
        uniform_RT[replicate] = rng.random(num_days)
    return Draws(uniform_RT, day_RT)


def stationary_blocks(
    num_days: int, block_length: float, num_replicates: int, seed: int = 0
) -> Blocks:
    """Return the replicates of :func:`finscale.evaluation.bootstrap.stationary_indices` as runs."""
    return draws(num_days, num_replicates, seed).blocks(block_length)
