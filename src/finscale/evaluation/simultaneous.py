"""Means that are looked at together: intervals that hold all of them at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from finscale.evaluation.bootstrap import LEVEL, NUM_REPLICATES, Floats, Metric, Resampler


def simultaneous_intervals(
    values_TK: Floats,
    *,
    luck_K: ArrayLike = 0.0,
    degrees_K: ArrayLike = np.inf,
    overlap: int = 1,
    level: float = LEVEL,
    num_replicates: int = NUM_REPLICATES,
    seed: int = 0,
) -> list[Metric]:
    r"""Return each column's mean with intervals that hold all K true means at once.

    With probability ``level`` no interval misses, so that of several sizes the best one may be
    named after it was seen. Days are resampled in blocks, the same ones for all columns; the arms
    are :math:`c \cdot s_k`, with :math:`s_k` a mean's standard error and c the quantile of the
    largest :math:`|\bar{x}^*_k - \bar{x}_k| / s_k` over the columns of a replicate (max-t).

    Parameters
    ----------
    values_TK : ndarray of shape (T, K)
        One value a day and column, days in order of time.
    luck_K : array_like of shape (K,)
        Standard error of each mean that days know nothing of: the luck of its seeds.
    degrees_K : array_like of shape (K,)
        Degrees of freedom of these standard errors.
    overlap, level, num_replicates, seed
        See :func:`finscale.evaluation.bootstrap.mean_interval`.

    References
    ----------
    Romano and Wolf (2005), Econometrica 73, for the single step; White (2000), Econometrica 68,
    for the bootstrap of a largest statistic over dependent days.

    Examples
    --------
    >>> days = np.random.default_rng(0).standard_normal((500, 2)) + [0.0, 1.0]
    >>> nothing, gain = simultaneous_intervals(days)
    >>> nothing.low < 0 < nothing.high, gain.low > 0
    (True, True)
    """
    num_days, num_columns = values_TK.shape
    resampler = Resampler.over(
        np.arange(num_days),
        values_TK,
        overlap=overlap,
        level=level,
        num_replicates=num_replicates,
        seed=seed,
    )
    mean_K = values_TK.mean(axis=0)
    shift_RK = resampler.replicates.sums(values_TK) / num_days - mean_K
    luck_K = np.broadcast_to(np.asarray(luck_K, dtype=np.float64), num_columns)
    error_K = np.hypot(shift_RK.std(axis=0), luck_K)
    rng = np.random.default_rng(seed)
    shift_RK = resampler.stretch * shift_RK + luck_K * _student(degrees_K, shift_RK.shape, rng)
    # rounding leaves a mean that no day moves a hair of an error
    moves_K = error_K > 1e-12 * np.abs(values_TK).max(axis=0, initial=0.0)
    shift_RK[:, ~moves_K] = 0.0
    largest_R = np.abs(shift_RK / np.where(moves_K, error_K, 1.0)).max(axis=1)
    arm_K = np.quantile(largest_R, level) * np.where(moves_K, error_K, 0.0)
    return [
        Metric(*row) for row in np.column_stack([mean_K, mean_K - arm_K, mean_K + arm_K]).tolist()
    ]


def balanced_intervals(
    value_C: Floats, deviation_RC: Floats, *, level: float = LEVEL
) -> tuple[list[Metric], Floats]:
    """Return numbers with intervals that hold all at once, and two-sided p-values of zero.

    An interval leaves out zero exactly where its p-value, adjusted for all numbers, is below
    1 − ``level``.

    Parameters
    ----------
    value_C : ndarray of shape (C,)
        Observed numbers.
    deviation_RC : ndarray of shape (R, C)
        By how much they are off by chance, together.
    level : float
        Probability that all intervals hold.

    References
    ----------
    Beran (1988), Balanced simultaneous confidence sets, JASA 83: every interval is as likely to
    fail as any other, so that one noisy number does not widen the rest. The p-values are Westfall
    and Young's (1993) single-step minimum.
    """
    size_RC = np.abs(deviation_RC)
    num_replicates = len(size_RC)
    # of each comparison, the share of replicates that are off by as much or less
    share_RC = size_RC.argsort(axis=0).argsort(axis=0) / num_replicates
    share_RC[:, size_RC.max(axis=0) == 0] = 0.0  # a model and its copy differ on no day
    largest_R = share_RC.max(axis=1)
    alone = float(np.quantile(largest_R, level))
    reach_C = np.quantile(size_RC, min(1.0, alone + 1 / num_replicates), axis=0)
    share_C = (size_RC < np.abs(value_C)).mean(axis=0)
    p_C = (1 + (largest_R[:, None] >= share_C).sum(axis=0)) / (1 + num_replicates)
    return [Metric(v, v - r, v + r) for v, r in zip(value_C, reach_C.tolist(), strict=True)], p_C


def _student(degrees_K: ArrayLike, shape_RK: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Draw Student's t of each column's degrees of freedom; the normal where they are infinite.

    What the columns know of their luck is one estimate, pooled over seeds of all of them: a
    replicate's variance is too small, or too large, in all columns alike.
    """
    from scipy.special import gammaincinv  # scipy.stats takes a second to import

    degrees_1K = np.broadcast_to(np.asarray(degrees_K, dtype=np.float64), shape_RK[1])[None]
    half_1K = np.where(np.isfinite(degrees_1K), degrees_1K / 2, 1.0)
    chance_RK = gammaincinv(half_1K, rng.random((shape_RK[0], 1))) / half_1K
    chance_RK = np.where(np.isfinite(degrees_1K), chance_RK, 1.0)
    return np.asarray(rng.standard_normal(shape_RK) / np.sqrt(chance_RK))
