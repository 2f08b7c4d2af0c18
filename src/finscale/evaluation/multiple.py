"""Many models at once: which are better than a benchmark, which may be the best, and corrections.

The best of a hundred worthless models looks good. SPA asks whether *any* model beats the benchmark,
StepM which ones do, the model confidence set which models cannot be told from the best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.evaluation.blocks import drawn_by_turns, runs, stationary_replicates
from finscale.evaluation.bootstrap import (
    NUM_REPLICATES,
    Days,
    Floats,
    optimal_block_length,
)


@dataclass(frozen=True)
class SuperiorModels:
    """Which of many models beat a benchmark.

    Attributes
    ----------
    p_value : float
        Hansen's test that no model beats the benchmark (consistent version).
    better : tuple of str
        Models that beat it, found by StepM with a family-wise error of ``size``.
    size : float
    block_length : int
        Mean block length, days.
    """

    p_value: float
    better: tuple[str, ...]
    size: float
    block_length: int


@dataclass(frozen=True)
class ConfidenceSet:
    """Models that cannot be told from the best.

    Attributes
    ----------
    p_values : dict of str to float
        The smallest ``size`` at which each model leaves the set.
    members : tuple of str
        Models of the set at ``size``.
    size : float
    block_length : int
        Mean block length, days.
    """

    p_values: dict[str, float]
    members: tuple[str, ...]
    size: float
    block_length: int


def superior_models(
    dates: Sequence[Any] | NDArray[Any],
    benchmark_losses: ArrayLike,
    losses: Mapping[str, ArrayLike],
    *,
    size: float = 0.05,
    overlap: int = 1,
    block_length: int | None = None,
    num_replicates: int = NUM_REPLICATES,
    seed: int = 0,
) -> SuperiorModels:
    """Return which models have a lower expected loss than the benchmark.

    Parameters
    ----------
    dates : array_like of shape (N,)
        Decision days; the rows of one day are averaged first.
    benchmark_losses : array_like of shape (N,)
        Losses of the benchmark.
    losses : mapping of str to array_like of shape (N,)
        Losses of every model that was tried, on the same rows: leaving some out is what the test
        guards against.
    size : float
        Family-wise error.
    overlap, block_length, num_replicates, seed
        Of the stationary bootstrap; see :func:`finscale.evaluation.bootstrap.mean_interval`.

    References
    ----------
    Hansen (2005), A test for superior predictive ability, JBES 23; Romano and Wolf (2005),
    Econometrica 73.
    """
    days = Days.of(dates)
    gains_TK = days.means(benchmark_losses)[:, None] - _daily(days, losses)
    length = block_length or _block_length(gains_TK, overlap)
    # Hansen's test compares raw means, and one noisy model would hide the others: studentise first
    own = stationary_replicates(len(days), length, num_replicates, seed)
    error_K = (own.sums(gains_TK) / len(days)).std(axis=0)
    gains_TK = gains_TK / np.where(error_K > 0, error_K, 1.0)
    mean_K, worlds_RK = _superiority(gains_TK, length, num_replicates, seed)
    names, remaining = list(losses), np.ones(len(losses), dtype=np.bool_)
    p_value = math.nan
    # Romano and Wolf's steps: take out the models that were found, and ask again
    while remaining.any():
        best_R = worlds_RK[:, remaining].max(axis=1)
        if remaining.all():
            p_value = float((best_R > mean_K.max()).mean())
        found = remaining & (mean_K > np.quantile(best_R, 1 - size))
        if not found.any():
            break
        remaining &= ~found
    members = tuple(name for name, left in zip(names, remaining, strict=True) if not left)
    return SuperiorModels(p_value, members, size, length)


def _superiority(
    gains_TK: Floats, length: int, num_replicates: int, seed: int
) -> tuple[Floats, Floats]:
    """Return mean gains (K,), and what they are in worlds in which no model is better (R, K).

    Hansen's consistent version: a model so bad that it cannot be the best by chance keeps its
    distance, so that it has no part in how large the best one's gain is by chance.
    """
    num_days = len(gains_TK)
    mean_K = gains_TK.mean(axis=0)
    variance_K = _long_run_variance(gains_TK - mean_K, 1.0 / length)
    lowest_K = -np.sqrt(variance_K / num_days * 2 * math.log(math.log(num_days)))
    centre_K = np.where(mean_K >= lowest_K, mean_K, 0.0)
    blocks = runs(*drawn_by_turns(num_days, num_replicates, seed), length)
    return mean_K, blocks.sums(gains_TK) / num_days - centre_K


def _long_run_variance(centred_TK: Floats, jump: float) -> Floats:
    """Return the variance of √T times the mean of a stationary-bootstrap replicate (K,).

    References
    ----------
    Politis and Romano (1994), eq. 3: autocovariances of lag i weigh (1 − i/T)(1 − p)^i + (i/T)(1 −
    p)^(T − i).
    """
    num_days = len(centred_TK)
    lag = np.arange(1, num_days)
    share = lag / num_days
    kernel = (1 - share) * (1 - jump) ** lag + share * (1 - jump) ** (num_days - lag)
    # all autocovariances at once: the inverse transform of the power spectrum
    spectrum_FK = np.abs(np.fft.rfft(centred_TK, 2 * num_days, axis=0)) ** 2
    covariance_LK = np.fft.irfft(spectrum_FK, axis=0)[:num_days] / num_days
    return np.asarray(covariance_LK[0] + 2 * kernel @ covariance_LK[1:])


def confidence_set(
    dates: Sequence[Any] | NDArray[Any],
    losses: Mapping[str, ArrayLike],
    *,
    size: float = 0.05,
    overlap: int = 1,
    block_length: int | None = None,
    num_replicates: int = NUM_REPLICATES,
    seed: int = 0,
) -> ConfidenceSet:
    """Return the models that hold the best one with probability 1 − ``size``.

    Parameters
    ----------
    dates, losses, size, overlap, block_length, num_replicates, seed
        As for :func:`superior_models`.

    References
    ----------
    Hansen, Lunde and Nason (2011), The model confidence set, Econometrica 79.
    """
    losses_TK = _daily(Days.of(dates), losses)
    length = block_length or _block_length(losses_TK - losses_TK.mean(axis=1)[:, None], overlap)
    blocks = runs(*drawn_by_turns(len(losses_TK), num_replicates, seed), length)
    mean_K = losses_TK.mean(axis=0)
    shift_RK = blocks.sums(losses_TK) / len(losses_TK) - mean_K
    p_values_K = _confidence(mean_K, shift_RK)
    p_values = dict(zip(losses, p_values_K.tolist(), strict=True))
    members = tuple(name for name, p_value in p_values.items() if p_value > size)
    return ConfidenceSet(p_values, members, size, length)


def _confidence(mean_K: Floats, shift_RK: Floats) -> Floats:
    """Return the smallest size at which each model leaves the set (K,), by the range statistic.

    From mean losses, and what replicates of them deviate by.
    """
    num_models = len(mean_K)
    error_KK = np.sqrt(
        np.stack([((shift_RK - own_R[:, None]) ** 2).mean(axis=0) for own_R in shift_RK.T])
    )
    error_KK[error_KK == 0] = 1.0  # a model and itself, or its copy: no difference
    worse_KK = (mean_K[:, None] - mean_K) / error_KK
    # who leaves when depends on the sample alone: the model most worse than another one
    left, leaving, statistics = list(range(num_models)), list[int](), list[float]()
    while len(left) > 1:
        among = worse_KK[np.ix_(left, left)]
        statistics.append(float(among.max()))
        leaving.append(left.pop(int(among.argmax()) // len(left)))
    # backwards the set grows, and each pair enters the largest difference by chance once
    p_values_K, present = np.ones(num_models), list(left)
    largest_R = np.zeros(len(shift_RK))
    for model, statistic in zip(leaving[::-1], statistics[::-1], strict=True):
        apart_RK = (shift_RK[:, [model]] - shift_RK[:, present]) / error_KK[model, present]
        np.maximum(largest_R, np.abs(apart_RK).max(axis=1), out=largest_R)
        # where no model is worse than another they are copies
        p_values_K[model] = (statistic < largest_R).mean() if statistic > 0 else 1.0
        present.append(model)
    # a model leaves no sooner than those before it
    p_values_K[leaving] = np.maximum.accumulate(p_values_K[leaving])
    return p_values_K


def _daily(days: Days, losses: Mapping[str, ArrayLike]) -> Floats:
    return np.column_stack([days.means(values_N) for values_N in losses.values()])


def _block_length(differences_TK: Floats, overlap: int) -> int:
    return round(optimal_block_length(differences_TK, overlap=overlap))


def holm(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted so that any false rejection among them has the nominal size.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted so that the share of false rejections has the nominal size.

    References
    ----------
    Benjamini and Hochberg (1995), JRSS B 57.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")[::-1]
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
