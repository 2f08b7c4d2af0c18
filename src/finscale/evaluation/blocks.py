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
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Random numbers of this many cells are kept for the next model: 64 MB, six sets at the most.
_KEPT_CELLS = 4_000_000
_KEPT_SETS = 6
#: Where blocks begin is kept for lengths that are powers of this.
_STEP, _KEPT_LENGTH = 1.2, 5.0
#: Blocks of fewer days are summed by what differs from still shorter ones; those are this apart.
_SHORT, _NEAR_STEP = 6.0, 1.15
#: Weights that are made doubles at once: a megabyte.
_CELLS = 1 << 17
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
        before_TK = _cumulated(values_TK - mean_K)
        if values_TK.shape[1] <= _FEW:
            columns = [self._run_sums(before_T) for before_T in np.ascontiguousarray(before_TK.T)]
            sums_RK = np.column_stack(columns)
        else:
            bounds = np.append(self.first, len(self.start))
            sums_RK = _signed_sums((self.end, self.start), (1.0, -1.0), bounds, before_TK)
        return np.asarray(sums_RK + self.num_days * mean_K)

    def _run_sums(self, before_T: Floats) -> Floats:
        return np.asarray(
            np.add.reduceat(before_T.take(self.end) - before_T.take(self.start), self.first)
        )

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """How often each day occurs in each replicate: shape (T, R), replicates side by side."""
        from scipy.sparse import coo_array

        num_replicates, num_days = len(self.first), self.num_days
        runs_R = np.diff(self.first, append=len(self.start))
        replicate_B = np.repeat(np.arange(num_replicates, dtype=np.int32), runs_R)
        # a run round the end has also begun on the first day
        round_B = replicate_B[self.end <= self.start]
        day = np.concatenate([self.start, self.end, np.zeros_like(round_B)], dtype=np.int32)
        replicate = np.concatenate([replicate_B, replicate_B, round_B])
        sign = np.ones(len(day), dtype=np.int32)
        sign[len(self.start) : 2 * len(self.start)] = -1
        counts_TR: NDArray[np.int32] = coo_array(
            (sign, (day, replicate)), shape=(num_days, num_replicates)
        ).toarray()
        for before_R, own_R in pairwise(counts_TR):
            own_R += before_R
        return counts_TR

    @property
    def weights(self) -> Floats:
        """The same as doubles, seen the other way round: shape (R, T)."""
        return self.counts.astype(np.float64).T

    def indices(self) -> Integers:
        """Return the day at each place of each replicate: shape (R, T)."""
        num_days = self.num_days
        length_B = self.end - self.start
        length_B += num_days * (length_B <= 0)
        begin_B = np.cumsum(length_B) - length_B
        indices = np.repeat(self.start - begin_B, length_B) + np.arange(length_B.sum())
        np.subtract(indices, num_days, out=indices, where=indices >= num_days)
        return indices.reshape(len(self.first), num_days)


def _round(days: Integers, num_days: int) -> Integers:
    """Let days that lie less than T beyond the last follow on the first, in place."""
    days -= num_days * (days >= num_days)
    return days


def _exponent(value: float, base: float) -> int:
    """Return the largest whole exponent, 0 at least, whose power is no more than the value."""
    exponent = max(0, math.floor(math.log(value, base)))
    return exponent - 1 if math.pow(base, exponent) > value else exponent


def _cumulated(centred_TK: Floats) -> Floats:
    """Return the sum of the days before each; round the end to the start it is nothing again."""
    before_TK = np.zeros_like(centred_TK)
    np.cumsum(centred_TK[:-1], axis=0, out=before_TK[1:])
    return before_TK


def _signed_sums(
    days: tuple[Integers, ...], signs: tuple[float, ...], bounds: Integers, values_TK: Floats
) -> Floats:
    """Return sums over runs of rows of ``values``, each run's days with their signs: (R, K)."""
    from scipy.sparse import csr_array

    shape = len(bounds) - 1, len(values_TK)
    sign = np.tile(signs, len(days[0]))
    columns = np.column_stack(days).ravel()
    return np.asarray(csr_array((sign, columns, len(days) * bounds), shape=shape) @ values_TK)


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
        self.num_replicates: int = uniform.shape[0]
        self.num_days: int = uniform.shape[1]
        uniform[:, :1] = -1.0
        self.uniform, self.day = uniform.ravel(), day.ravel()
        self._begins: dict[int, tuple[Integers, Floats, Integers]] = {}
        self._near: dict[int, _Near] = {}

    def blocks(self, block_length: float) -> Blocks:
        """Return replicates in blocks of this mean length, at least 1 day."""
        return self.blocks_from(*self.begins(block_length))

    def blocks_from(self, place_B: Integers, start_B: Integers) -> Blocks:
        """Return replicates in the blocks that begin at these places, with these days."""
        num_days = self.num_days
        end_B = _round(start_B + np.diff(place_B, append=self.uniform.size), num_days)
        return Blocks(num_days, start_B, end_B, self.bounds(place_B)[:-1])

    def sums(self, values_TK: Floats, block_length: float) -> Floats:
        """Return what :meth:`Blocks.sums` of these blocks does, also fast where they are short."""
        if block_length >= _SHORT or not self.uniform.size:
            return self.blocks(block_length).sums(values_TK)
        step = _exponent(block_length, _NEAR_STEP)
        if step not in self._near:
            self._near[step] = _Near.of(self, _NEAR_STEP**step)
        return self._near[step].sums(values_TK, block_length)

    def begins(self, block_length: float) -> tuple[Integers, Integers]:
        """Return the places, of R · T, at which blocks begin, and the days drawn there."""
        places, uniform, days = self._about(block_length)
        begins = np.flatnonzero(uniform < 1.0 / block_length)
        return places.take(begins), days.take(begins)

    def _about(self, block_length: float) -> tuple[Integers, Floats, Integers]:
        """Return where blocks of about this length, or less, begin, with what is drawn there."""
        level = _exponent(block_length, _STEP)
        if level in self._begins:
            return self._begins[level]
        places = np.flatnonzero(self.uniform < 1.0 / _STEP**level)
        found = places, self.uniform.take(places), self.day.take(places)
        # those of shorter blocks are many
        if _STEP**level >= _KEPT_LENGTH:
            self._begins[level] = found
        return found

    def bounds(self, places: Integers) -> Integers:
        """Return where each replicate's places begin among all, and their number: (R + 1,)."""
        last = self.num_days * np.arange(self.num_replicates + 1)
        return np.asarray(np.searchsorted(places, last))


@dataclass(frozen=True)
class _Near:
    """Replicates in short blocks, from which those in slightly longer ones differ little.

    Where the longer block goes on a short one begins with a day of its own: the sums differ by
    these pieces alone.

    Attributes
    ----------
    draws : Draws
    weights : ndarray of shape (R, T)
        How often each day occurs in the replicates in short blocks.
    place : ndarray of shape (B + 1,)
        Where short blocks begin, of R · T places, and the last place's end.
    piece : ndarray of shape (P,)
        Which of them can go on in longer blocks.
    uniform : ndarray of shape (P,)
        What is drawn where these begin.
    """

    draws: Draws
    weights: NDArray[Any]
    place: Integers
    piece: Integers
    uniform: Floats

    @classmethod
    def of(cls, draws: Draws, block_length: float) -> _Near:
        place, start = draws.begins(block_length)
        counts_TR = draws.blocks_from(place, start).counts
        longest = 1.01 * block_length * _NEAR_STEP  # a hundredth more than any that is asked for
        uniform = draws.uniform.take(place)
        piece = np.flatnonzero(uniform >= 1.0 / longest)
        small = np.int8 if counts_TR.max() <= np.iinfo(np.int8).max else np.int32
        weights_RT = counts_TR.T.astype(small, order="C")
        places = np.append(place, draws.uniform.size)
        return cls(draws, weights_RT, places, piece, uniform[piece])

    def sums(self, values_TK: Floats, block_length: float) -> Floats:
        draws, num_days = self.draws, self.draws.num_days
        piece = self.piece.take(np.flatnonzero(self.uniform >= 1.0 / block_length))
        place = self.place.take(piece)
        # it goes on from the last block that began, which may lie several pieces back
        follows = np.diff(piece, prepend=-1) == 1
        origin = self.place.take(np.maximum.accumulate(np.where(follows, 0, piece - 1)))
        own = draws.day.take(place)
        gone_on = _round(draws.day.take(origin) + place - origin, num_days)
        length = self.place.take(piece + 1) - place
        days = (
            _round(gone_on + length, num_days),
            gone_on,
            _round(own + length, num_days),
            own,
        )
        mean_K = values_TK.mean(axis=0)
        centred_TK = values_TK - mean_K
        before_TK = _cumulated(centred_TK)
        sums_RK = _signed_sums(days, (1.0, -1.0, -1.0, 1.0), draws.bounds(place), before_TK)
        # some replicates at a time, so that their doubles stay near the processor
        step = max(1, _CELLS // num_days)
        for first in range(0, len(sums_RK), step):
            some = slice(first, first + step)
            sums_RK[some] += self.weights[some].astype(np.float64) @ centred_TK
        return np.asarray(sums_RK + num_days * mean_K)


@dataclass(frozen=True)
class Replicates:
    """Replicates of the stationary bootstrap, in whichever form is asked for.

    Attributes
    ----------
    draws : Draws
    block_length : float
        Mean length of blocks, days.
    """

    draws: Draws
    block_length: float

    @property
    def num_days(self) -> int:
        """T, days in the sample and in each replicate."""
        return self.draws.num_days

    @cached_property
    def blocks(self) -> Blocks:
        """Runs of days."""
        return self.draws.blocks(self.block_length)

    @cached_property
    def counts(self) -> NDArray[np.int16 | np.int32]:
        """How often each day occurs in the sample, once, and in each replicate: (T, 1 + R)."""
        # no day occurs more often than there are days
        small = self.num_days <= np.iinfo(np.int16).max
        shape = self.num_days, 1 + self.draws.num_replicates
        counts_TR = np.ones(shape, dtype=np.int16 if small else np.int32)
        counts_TR[:, 1:] = self.blocks.counts
        return counts_TR

    @property
    def weights(self) -> Floats:
        """How often each day occurs in each replicate: shape (R, T)."""
        return self.blocks.weights

    def indices(self) -> Integers:
        """Return the day at each place of each replicate: shape (R, T)."""
        return self.blocks.indices()

    def sums(self, values_TK: Floats) -> Floats:
        """Return the sum over each replicate's days: shape (T, K) in, (R, K) out."""
        return self.draws.sums(values_TK, self.block_length)


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
    return Replicates(draws(num_days, num_replicates, seed), block_length)
