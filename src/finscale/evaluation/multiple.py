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

from finscale.evaluation.bootstrap import (
    NUM_REPLICATES,
    Days,
    Floats,
    day_weights,
    optimal_block_length,
    stationary_indices,
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
    # arch's SPA compares raw means, and one noisy model would hide the others: studentise first
    weights_RT = day_weights(stationary_indices(len(days), length, num_replicates, seed))
    error_K = (weights_RT @ gains_TK / len(days)).std(axis=0)
    gains_TK = gains_TK / np.where(error_K > 0, error_K, 1.0)
    names, better = list(losses), list[str]()
    p_value = math.nan
    # Romano and Wolf's steps: take out the models that were found, and ask again
    while remaining := [i for i, name in enumerate(names) if name not in better]:
        spa = _superiority(gains_TK[:, remaining], length, num_replicates, seed)
        p_value = float(spa.pvalues["consistent"]) if not better else p_value
        found = [names[remaining[int(i)]] for i in spa.better_models(size)]
        if not found:
            break
        better += found
    members = tuple(name for name in names if name in better)
    return SuperiorModels(p_value, members, size, length)


def _superiority(gains_TK: Floats, length: int, num_replicates: int, seed: int) -> Any:
    from arch.bootstrap import SPA

    spa = SPA(np.zeros(len(gains_TK)), -gains_TK, block_size=length, reps=num_replicates, seed=seed)
    spa.compute()
    return spa


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
    from arch.bootstrap import MCS

    losses_TK = _daily(Days.of(dates), losses)
    length = block_length or _block_length(losses_TK - losses_TK.mean(axis=1)[:, None], overlap)
    mcs = MCS(losses_TK, size=size, reps=num_replicates, block_size=length, seed=seed)
    mcs.compute()
    names = list(losses)
    p_values = {names[int(i)]: float(p) for i, p in mcs.pvalues["Pvalue"].items()}
    return ConfidenceSet(
        {name: p_values[name] for name in names},
        tuple(name for i, name in enumerate(names) if i in set(mcs.included)),
        size,
        length,
    )


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
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(np.asarray(p_values, dtype=np.float64), method="bh"))
