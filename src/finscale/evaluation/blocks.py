"""Replicates of the stationary bootstrap as the blocks that they are made of.

A replicate of T days in blocks of mean length b is T / b runs of consecutive days. Whatever is
linear in how often each day occurs (a mean, a variance, the rows in a bin) is a sum over runs, and
a sum over a run is the difference of two cumulative sums: T / b steps a replicate instead of T.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Every model on the same days draws the same random numbers: this many are kept for the next one,
#: 64 MB of them, six sets at the most.
_KEPT_CELLS, _KEPT_SETS = 4_000_000, 6


@dataclass(frozen=True)
class Replicates:
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
        num_columns, num_replicates = values_TK.shape[1], len(self.first)
        # many columns of short runs: each day's weight is the fewer steps
        if not num_replicates or num_columns * len(self.start) > self.num_days * num_replicates:
            return np.asarray(self.weights @ values_TK)
        mean_K = values_TK.mean(axis=0)
        # what lies before each day; round the end to the start it is nothing again
        before_TK = np.zeros_like(values_TK)
        np.cumsum((values_TK - mean_K)[:-1], axis=0, out=before_TK[1:])
        sums_KR = [
            np.add.reduceat(before_T.take(self.end) - before_T.take(self.start), self.first)
            for before_T in np.ascontiguousarray(before_TK.T)
        ]
        return np.asarray(np.column_stack(sums_KR) + self.num_days * mean_K)

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """How often each day occurs in each replicate: shape (T, R), replicates side by side."""
        num_replicates = len(self.first)
        runs_R = np.diff(self.first, append=len(self.start))
        replicate_B = np.repeat(np.arange(num_replicates), runs_R)
        # a run round the end has also begun on the first day
        round_B = replicate_B[self.end <= self.start]
        counts_TR = np.zeros((self.num_days, num_replicates), dtype=np.int32)
        for cells, step in (
            (self.start * num_replicates + replicate_B, 1),
            (self.end * num_replicates + replicate_B, -1),
            (round_B, 1),
        ):
            counted = np.bincount(cells, minlength=counts_TR.size).reshape(counts_TR.shape)
            counts_TR += step * counted.astype(np.int32)
        for before_R, own_R in pairwise(counts_TR):
            own_R += before_R
        return counts_TR

    @property
    def weights(self) -> Floats:
        """The same as doubles, seen the other way round: shape (R, T)."""
        return self.counts.astype(np.float64).T

    def indices(self) -> Integers:
        """Return the day at each place of each replicate: shape (R, T)."""
        length_B = self.end - self.start
        length_B += self.num_days * (length_B <= 0)
        begin_B = np.cumsum(length_B) - length_B
        days = np.repeat(self.start - begin_B, length_B) + np.arange(length_B.sum())
        return (days % self.num_days).reshape(len(self.first), self.num_days)


def runs(uniform_RT: Floats, day_RT: Integers, block_length: float) -> Replicates:
    """Return the replicates that random numbers make in blocks of this mean length.

    Parameters
    ----------
    uniform_RT : ndarray of shape (R, T)
        A block begins where this is below 1 / b, and at the first day of every replicate.
    day_RT : ndarray of shape (R, T)
        The day that it begins with.
    block_length : float
        b, at least 1 day.
    """
    num_replicates, num_days = uniform_RT.shape
    begins_RT = uniform_RT < 1.0 / block_length
    begins_RT[:, :1] = True
    place_B = np.flatnonzero(begins_RT)
    start_B = day_RT.ravel().take(place_B)
    end_B = start_B + np.diff(place_B, append=day_RT.size)
    end_B -= num_days * (end_B >= num_days)
    first_R = np.searchsorted(place_B, num_days * np.arange(num_replicates))
    return Replicates(num_days, start_B, end_B, first_R)


def _drawn(num_days: int, num_replicates: int, seed: int) -> tuple[Floats, Integers]:
    rng = np.random.default_rng(seed)
    shape = (num_replicates, num_days)
    return rng.random(shape), rng.integers(0, num_days, size=shape)


_kept = lru_cache(maxsize=_KEPT_SETS)(_drawn)


def stationary_replicates(
    num_days: int, block_length: float, num_replicates: int, seed: int = 0
) -> Replicates:
    """Return replicates of the stationary bootstrap (Politis and Romano 1994).

    Parameters
    ----------
    num_days : int
        T, days in the sample and in each replicate.
    block_length : float
        Mean block length in days, at least 1 (1: days are drawn independently).
    num_replicates : int
        R.
    seed : int
        The same seed gives the same days, so that many models can share one set of replicates.
    """
    drawn = _kept if num_days * num_replicates <= _KEPT_CELLS else _drawn
    return runs(*drawn(num_days, num_replicates, seed), block_length)


@lru_cache(maxsize=1)
def drawn_by_turns(num_days: int, num_replicates: int, seed: int) -> tuple[Floats, Integers]:
    """Return what :func:`runs` takes as ``arch`` draws it: each replicate's days, then uniforms."""
    rng = np.random.default_rng(seed)
    turns = [
        (rng.integers(num_days, size=num_days), rng.random(num_days)) for _ in range(num_replicates)
    ]
    return np.stack([uniform_T for _, uniform_T in turns]), np.stack([day_T for day_T, _ in turns])
