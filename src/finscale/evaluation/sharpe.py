"""The Sharpe ratio, what it is worth after T returns, and after N trials."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from finscale.evaluation.blocks import Replicates, stationary_replicates
from finscale.evaluation.bootstrap import (
    LEVEL,
    NUM_REPLICATES,
    Floats,
    Metric,
    optimal_block_length,
    percentile_interval,
    small_sample_stretch,
)

#: Trading days in a year.
PERIODS = 252
#: A sum of squares below this share of the sample's is a difference of equal numbers.
_ROUNDING = 1e-12


def sharpe_ratio(returns: ArrayLike, *, periods: float = PERIODS) -> float:
    """Return the annualised Sharpe ratio of returns in excess of the risk-free rate.

    Parameters
    ----------
    returns : array_like of shape (T,)
        Returns per period.
    periods : float
        Periods in a year; 1 gives the ratio per period.
    """
    returns_T = np.asarray(returns, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(returns_T.mean() / returns_T.std(ddof=1)) * math.sqrt(periods)


def sharpe_replicates(returns_TK: Floats, replicates: Replicates) -> Floats:
    """Return the ratio per period of K return series in each replicate: (R, K).

    NaN in a replicate whose returns are all the same: a strategy that did not trade on its days.
    """
    num_days, num_series = returns_TK.shape
    # from first and second moments, which daily returns, whose mean is small, allow
    sums_R2K = replicates.sums(np.hstack([returns_TK, returns_TK**2]))
    mean_RK = sums_R2K[:, :num_series] / num_days
    squares_RK = sums_R2K[:, num_series:] - num_days * mean_RK**2
    same_RK = squares_RK <= _ROUNDING * (returns_TK**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation_RK = np.sqrt(np.where(same_RK, np.nan, squares_RK) / (num_days - 1))
    return np.asarray(mean_RK / deviation_RK)


def sharpe_block_length(returns_T: Floats) -> float:
    """Return the longer of the block lengths for returns and for their squares.

    The ratio's denominator depends on volatility, which clusters.
    """
    return optimal_block_length(np.column_stack([returns_T, returns_T**2]))


def sharpe_interval(
    returns: ArrayLike,
    *,
    periods: float = PERIODS,
    block_length: float | None = None,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Metric:
    """Return the annualised Sharpe ratio with its stationary-bootstrap interval.

    The block length is that of :func:`sharpe_block_length` when absent.
    """
    returns_T = np.asarray(returns, dtype=np.float64)
    if block_length is None:
        block_length = sharpe_block_length(returns_T)
    drawn = stationary_replicates(len(returns_T), block_length, num_replicates, seed)
    replicates_R = sharpe_replicates(returns_T[:, None], drawn)[:, 0] * math.sqrt(periods)
    value = sharpe_ratio(returns_T, periods=periods)
    stretch = small_sample_stretch(len(returns_T), block_length, level)
    return percentile_interval(value, replicates_R, level=level, stretch=stretch)


def probabilistic_sharpe(
    returns: ArrayLike, *, benchmark: float = 0.0, periods: float = PERIODS
) -> float:
    """Return the probability that the true Sharpe ratio exceeds a benchmark.

    Parameters
    ----------
    returns : array_like of shape (T,)
        Returns per period.
    benchmark : float
        Annualised Sharpe ratio to exceed.
    periods : float
        Periods in a year.

    References
    ----------
    Bailey and López de Prado (2012), The Sharpe ratio efficient frontier, Journal of Risk 15.
    """
    returns_T = np.asarray(returns, dtype=np.float64)
    skewness, kurtosis = _standard_moments(returns_T)
    return sharpe_probability(
        sharpe_ratio(returns_T, periods=1),
        benchmark / math.sqrt(periods),
        len(returns_T),
        skewness=skewness,
        kurtosis=kurtosis,
    )


def _standard_moments(values_T: Floats) -> tuple[float, float]:
    """Return the mean third and fourth powers of deviations; NaN where none deviates.

    In standard deviations.
    """
    mean = float(values_T.mean())
    deviation_T = values_T - mean
    square_T = deviation_T * deviation_T
    variance = float(square_T.mean())
    if variance <= (np.finfo(np.float64).eps * mean) ** 2:
        return math.nan, math.nan
    # as products: third and fourth powers take ten times as long
    third, fourth = float(square_T @ deviation_T), float(square_T @ square_T)
    return third / len(values_T) / variance**1.5, fourth / len(values_T) / variance**2


def sharpe_probability(
    sharpe: float, benchmark: float, num_returns: int, *, skewness: float, kurtosis: float
) -> float:
    """Return P(true ratio > benchmark) from moments; ratios per period, kurtosis 3 for a normal."""
    variance = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return float(ndtr((sharpe - benchmark) * math.sqrt((num_returns - 1) / variance)))


def expected_best(num_trials: int) -> float:
    """Return the expected maximum of N independent standard normal draws, approximately.

    References
    ----------
    Bailey and López de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40.
    """
    if num_trials <= 1:
        return 0.0
    high = ndtri(1 - 1 / num_trials)
    higher = ndtri(1 - 1 / (num_trials * math.e))
    return float((1 - np.euler_gamma) * high + np.euler_gamma * higher)


def deflated_sharpe(
    returns: ArrayLike,
    *,
    num_trials: int,
    trial_variance: float | None = None,
    periods: float = PERIODS,
) -> float:
    """Return the probability that the true Sharpe ratio is positive, given how many were tried.

    Parameters
    ----------
    returns : array_like of shape (T,)
        Returns per period of the strategy that was chosen.
    num_trials : int
        Every strategy that was looked at, the chosen one included.
    trial_variance : float, optional
        Variance of the trials' annualised Sharpe ratios; that of worthless strategies over T
        returns, ``periods`` / T, when absent.
    periods : float
        Periods in a year.
    """
    num_returns = len(np.asarray(returns))
    variance = periods / num_returns if trial_variance is None else trial_variance
    benchmark = math.sqrt(variance) * expected_best(num_trials)
    return probabilistic_sharpe(returns, benchmark=benchmark, periods=periods)
