"""One set of replicates, of whole days, for all that is measured on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.evaluation.block_length import optimal_block_length, optimal_block_lengths
from finscale.evaluation.blocks import Floats, Integers, Replicates, stationary_replicates
from finscale.evaluation.days import Days
from finscale.evaluation.intervals import (
    LEVEL,
    NUM_REPLICATES,
    Bootstrap,
    Metric,
    centre,
    percentile_interval,
    percentile_intervals,
    small_sample_stretch,
)

#: Weights held at once while replicates are scored: 4 MB in 16 bits.
_CELLS = 2_000_000


@dataclass(frozen=True)
class Resampler:
    """One set of replicates for every score, group and model that shares the same rows.

    Attributes
    ----------
    row_day : ndarray of shape (N,)
        Which day each row belongs to.
    replicates : Replicates
        R replicates of the T days.
    block_length : float
        Mean block length, days.
    level : float
        Of the intervals.
    """

    row_day: Integers
    replicates: Replicates
    block_length: float
    level: float = LEVEL

    @classmethod
    def over(
        cls,
        dates: Sequence[Any] | NDArray[Any],
        dependence: ArrayLike,
        *,
        block_length: float | None = None,
        **bootstrap: Unpack[Bootstrap],
    ) -> Resampler:
        """Draw replicates of whole days.

        Parameters
        ----------
        dates : array_like of shape (N,)
            Decision day of each row.
        dependence : array_like of shape (N,) or (N, K)
            What the block length is chosen from, when it is not given: the day means of each
            column, the longest length counts.
        block_length, **bootstrap
            See :func:`finscale.evaluation.bootstrap.mean_interval`.
        """
        columns_NK = np.asarray(dependence, dtype=np.float64).reshape(len(dates), -1)
        if block_length is None:
            daily_TK = _daily(Days.of(dates), columns_NK)
            block_length = optimal_block_length(daily_TK, overlap=bootstrap.get("overlap", 1))
        return cls.each(dates, columns_NK[:, :1], block_length=block_length, **bootstrap)[0]

    @classmethod
    def each(
        cls,
        dates: Sequence[Any] | NDArray[Any],
        dependence_NK: Floats,
        *,
        block_length: float | None = None,
        overlap: int = 1,
        num_replicates: int = NUM_REPLICATES,
        level: float = LEVEL,
        seed: int = 0,
    ) -> list[Resampler]:
        """Return what :meth:`over` does of each column alone, their lengths chosen in one go."""
        days = Days.of(dates)
        lengths = (
            optimal_block_lengths(_daily(days, dependence_NK), overlap=overlap)
            if block_length is None
            else [block_length] * dependence_NK.shape[1]
        )
        drawn = (stationary_replicates(len(days), one, num_replicates, seed) for one in lengths)
        return [
            cls(days.row_day, own, length, level)
            for own, length in zip(drawn, lengths, strict=True)
        ]

    def where(self, rows: NDArray[np.bool_] | Integers) -> Resampler:
        """Return the same replicates for the rows that a mask selects, or in another order."""
        return replace(self, row_day=self.row_day[rows])

    @property
    def stretch(self) -> float:
        """How much wider than the replicates intervals are."""
        return small_sample_stretch(self.replicates.num_days, self.block_length, self.level)

    def interval(self, value: float, replicates: ArrayLike) -> Metric:
        """Return a value with the interval that its replicates make."""
        return percentile_interval(value, replicates, level=self.level, stretch=self.stretch)

    def metrics(
        self,
        scores: Mapping[str, Callable[[Any], Floats]],
        *,
        centred: Collection[str] = (),
    ) -> dict[str, Metric]:
        """Return the value and interval of each score.

        Parameters
        ----------
        scores : mapping of name to callable
            Each takes weights of shape (replicates, N), small whole numbers that are to be made
            doubles before they are divided, and returns one value a replicate. The first replicate
            that it is asked for is the sample itself, each row once.
        centred : collection of names
            Scores that noise can only raise, such as distances. A replicate carries the sample's
            noise and its own, so its score lies above the sample's: its replicates are moved to
            have the sample's value as their mean.
        """
        chunks: dict[str, list[Floats]] = {name: [] for name in scores}
        for weights_RN in self.row_weights():
            for name, score in scores.items():
                chunks[name].append(score(weights_RN))
        # the sample itself came first
        values = [float(parts[0][0]) for parts in chunks.values()]
        replicates = [np.concatenate(parts)[1:] for parts in chunks.values()]
        for place, name in enumerate(scores):
            if name in centred:
                replicates[place] = centre(values[place], replicates[place])
        metrics = percentile_intervals(
            values, np.array(replicates), level=self.level, stretch=self.stretch
        )
        return dict(zip(scores, metrics, strict=True))

    def row_weights(self) -> Iterator[NDArray[Any]]:
        """Yield how often each row occurs: in the sample (once), then in each replicate.

        So many replicates at a time that their weights stay few megabytes.
        """
        drawn_TR, num_rows = self.replicates.counts, len(self.row_day)
        # no day occurs more often than there are days
        small = len(drawn_TR) <= np.iinfo(np.int16).max
        counts_TR = np.insert(drawn_TR.astype(np.int16 if small else np.int32), 0, 1, axis=1)
        every_day = len(np.unique(self.row_day)) == len(counts_TR)
        step = max(1, _CELLS // max(1, num_rows))
        for first in range(0, counts_TR.shape[1], step):
            weights_NR = counts_TR[:, first : first + step].take(self.row_day, axis=0)
            if not every_day:
                # a replicate that draws none of these rows (a year, a tercile) says nothing of them
                drawn_R = weights_NR.max(axis=0, initial=0) > 0
                drawn_R[0] |= first == 0
                weights_NR = weights_NR if drawn_R.all() else weights_NR[:, drawn_R]
            yield weights_NR.T

    def row_sums(self, columns_NK: Floats) -> tuple[Floats, Floats]:
        """Return the sums of columns over all rows (K,), and over each replicate's (R, K)."""
        daily_TK = np.column_stack(
            [
                np.bincount(self.row_day, weights=column_N, minlength=self.replicates.num_days)
                for column_N in columns_NK.T
            ]
        ).astype(np.float64, copy=False)
        return daily_TK.sum(axis=0), self.replicates.sums(daily_TK)

    def means(self, values_N: ArrayLike, groups_NK: NDArray[np.bool_]) -> list[Metric]:
        """Return the mean over each of K groups of rows with its interval.

        What :meth:`metrics` returns for a weighted mean of the rows :meth:`where` a group's mask is
        true, for all groups at once and without weights of rows.
        """
        num_groups = groups_NK.shape[1]
        columns_N2K = np.hstack([groups_NK * np.asarray(values_N)[:, None], groups_NK])
        sums_2K, sums_R2K = self.row_sums(columns_N2K)
        number_RK = np.rint(sums_R2K[:, num_groups:])
        with np.errstate(invalid="ignore", divide="ignore"):
            values_K = sums_2K[:num_groups] / sums_2K[num_groups:]
            # a replicate that draws no row of a group says nothing of it
            replicates_RK = np.where(number_RK > 0, sums_R2K[:, :num_groups] / number_RK, np.nan)
        return percentile_intervals(
            values_K, replicates_RK.T, level=self.level, stretch=self.stretch
        )


def _daily(days: Days, columns_NK: Floats) -> Floats:
    return np.column_stack([days.means(column_N) for column_N in columns_NK.T])
