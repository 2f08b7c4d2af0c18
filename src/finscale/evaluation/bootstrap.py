"""Resample whole decision days in blocks: what happened on one day, or near it, stays together.

Losses of neighbouring days are dependent (volatility clusters, labels overlap when the horizon
exceeds one bar) and losses of many symbols on one day more so. The stationary bootstrap of Politis
and Romano (1994) keeps both dependences: it draws runs of consecutive *days*, of geometrically
distributed length, and every row of a drawn day comes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.evaluation.block_length import optimal_block_length
from finscale.evaluation.blocks import Floats, Integers, stationary_replicates
from finscale.evaluation.days import Days, day_means
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
from finscale.evaluation.resampler import Resampler

__all__ = [
    "LEVEL",
    "NUM_REPLICATES",
    "Bootstrap",
    "Days",
    "Floats",
    "Integers",
    "Metric",
    "Resampler",
    "centre",
    "day_means",
    "day_weights",
    "mean_interval",
    "mean_intervals",
    "optimal_block_length",
    "paired_difference_interval",
    "percentile_interval",
    "percentile_intervals",
    "small_sample_stretch",
    "stationary_indices",
]


def stationary_indices(
    num_days: int, block_length: float, num_replicates: int = NUM_REPLICATES, seed: int = 0
) -> Integers:
    """Return day indices of stationary-bootstrap replicates.

    Each replicate walks forward day by day, round the end to the start, and jumps to a uniformly
    drawn day with probability 1 / ``block_length``. The same days as runs, which is all that most
    statistics need, are :class:`finscale.evaluation.blocks.Replicates`.

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

    Returns
    -------
    ndarray of shape (R, T)
        Indices from 0 to T − 1.

    References
    ----------
    Politis and Romano (1994), The stationary bootstrap, JASA 89.
    """
    return stationary_replicates(num_days, block_length, num_replicates, seed).indices()


def day_weights(indices: Integers) -> Floats:
    """Return how often each day occurs in each replicate: shape (R, T) in, (R, T) out."""
    num_replicates, num_days = indices.shape
    offsets_R1 = num_days * np.arange(num_replicates)[:, None]
    counts = np.bincount((indices + offsets_R1).ravel(), minlength=indices.size)
    return counts.reshape(indices.shape).astype(np.float64)


def mean_interval(
    dates: Sequence[Any] | NDArray[Any],
    values: ArrayLike,
    *,
    block_length: float | None = None,
    **bootstrap: Unpack[Bootstrap],
) -> Metric:
    """Return the mean over rows with its interval, days resampled in blocks.

    Parameters
    ----------
    dates : array_like of shape (N,)
        Decision day of each row; the rows of one day are resampled together.
    values : array_like of shape (N,)
        One number a row.
    block_length : float, optional
        Mean block length in days; Politis and White's choice for the day means when absent.
    **bootstrap
        overlap, num_replicates, level, seed: see :class:`Bootstrap`.
    """
    values_N1 = np.asarray(values, dtype=np.float64)[:, None]
    return mean_intervals(dates, values_N1, block_length=block_length, **bootstrap)[0]


def mean_intervals(
    dates: Sequence[Any] | NDArray[Any],
    values_NK: Floats,
    *,
    block_length: float | None = None,
    **bootstrap: Unpack[Bootstrap],
) -> list[Metric]:
    """Return what :func:`mean_interval` does of each of K columns, lengths chosen in one go."""
    resamplers = Resampler.each(dates, values_NK, block_length=block_length, **bootstrap)
    every_N1 = np.ones((len(values_NK), 1), dtype=np.bool_)
    return [
        drawn.means(values_N, every_N1)[0]
        for drawn, values_N in zip(resamplers, values_NK.T, strict=True)
    ]


def paired_difference_interval(
    dates: Sequence[Any] | NDArray[Any],
    first: ArrayLike,
    second: ArrayLike,
    *,
    block_length: float | None = None,
    **bootstrap: Unpack[Bootstrap],
) -> Metric:
    """Return mean(first − second) over the same rows with its interval, paired by decision day.

    With losses, ``first`` the baseline's and ``second`` the model's, this is the model's skill.
    The block length is chosen for the *difference*, which is far less dependent than its parts.
    Parameters are those of :func:`mean_interval`.
    """
    difference_N = np.subtract(first, second, dtype=np.float64)
    return mean_interval(dates, difference_N, block_length=block_length, **bootstrap)
