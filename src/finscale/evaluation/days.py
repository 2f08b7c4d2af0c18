"""Rows grouped by the day of their decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.evaluation.blocks import Floats, Integers


@dataclass(frozen=True)
class Days:
    """Rows grouped by decision day, days in order of time.

    Attributes
    ----------
    dates : ndarray of shape (T,)
        The distinct days.
    row_day : ndarray of shape (N,)
        Index into ``dates`` of each row.
    counts : ndarray of shape (T,)
        Rows on each day.
    """

    dates: NDArray[Any]
    row_day: Integers
    counts: Floats

    @classmethod
    def of(cls, dates: Sequence[Any] | NDArray[Any]) -> Days:
        """Group rows by their dates (anything that numpy can sort)."""
        dates_N = np.asarray(dates)
        if (dates_N[1:] > dates_N[:-1]).all():  # one row a day, in order: nothing to sort
            return cls(dates_N, np.arange(len(dates_N)), np.ones(len(dates_N)))
        days, row_day, counts = np.unique(dates_N, return_inverse=True, return_counts=True)
        return cls(days, row_day.astype(np.int64), counts.astype(np.float64))

    def __len__(self) -> int:
        return len(self.dates)

    def sums(self, values: ArrayLike) -> Floats:
        """Return each day's sum of the rows' values, shape (T,)."""
        values_N = np.asarray(values, dtype=np.float64)
        sums_T = np.bincount(self.row_day, weights=values_N, minlength=len(self))
        return sums_T.astype(np.float64, copy=False)

    def means(self, values: ArrayLike) -> Floats:
        """Return each day's mean of the rows' values, shape (T,)."""
        return self.sums(values) / self.counts


def day_means(
    dates: Sequence[Any] | NDArray[Any], values: ArrayLike
) -> tuple[NDArray[Any], Floats]:
    """Return the distinct days in order and the mean of the values on each."""
    days = Days.of(dates)
    return days.dates, days.means(values)
