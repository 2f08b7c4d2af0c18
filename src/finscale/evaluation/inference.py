"""Is one model better than another? Paired tests by decision day.

Three answers, from the narrowest assumptions to the widest: DeLong's test for two AUCs (days
independent), Diebold and Mariano's for two mean losses (dependence over the horizon only), and the
block bootstrap for any score (dependence over a block). All p-values are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from finscale.errors import DataError
from finscale.evaluation.bootstrap import LEVEL, Days, Floats, Metric, Resampler
from finscale.evaluation.ranking import structural_components


@dataclass(frozen=True)
class PairedTest:
    """The outcome of a paired test.

    Attributes
    ----------
    difference : Metric
        First minus second, with the interval that belongs to the test.
    statistic : float
        Studentised difference; NaN for the bootstrap.
    p_value : float
        Two-sided.
    """

    difference: Metric
    statistic: float
    p_value: float


def diebold_mariano(
    dates: Sequence[Any] | NDArray[Any],
    first_losses: ArrayLike,
    second_losses: ArrayLike,
    *,
    horizon: int = 1,
    level: float = LEVEL,
) -> PairedTest:
    """Test whether two forecasts have the same expected loss.

    Diebold and Mariano's statistic with the small-sample correction of Harvey, Leybourne and
    Newbold, against Student's t with T − 1 degrees of freedom. The rows of one day are averaged
    first. The long-run variance sums H − 1 autocovariances with equal weights, as optimal H-step
    forecasts imply; where that sum is not positive, with Bartlett's weights.

    Parameters
    ----------
    dates : array_like of shape (N,)
        Decision days.
    first_losses, second_losses : array_like of shape (N,)
        Losses of both forecasts on the same rows.
    horizon : int
        H, days that one label spans.
    level : float
        Of the interval.

    Raises
    ------
    DataError
        With no more than H + 1 days.

    References
    ----------
    Diebold and Mariano (1995), JBES 13; Harvey, Leybourne and Newbold (1997), IJF 13, eq. 9.
    """
    difference_N = np.subtract(first_losses, second_losses, dtype=np.float64)
    d_T = Days.of(dates).means(difference_N)
    num_days, mean = len(d_T), float(d_T.mean())
    if num_days <= horizon + 1:
        raise DataError(f"{num_days} days are too few to compare forecasts over {horizon} days.")
    centred_T = d_T - mean
    covariances = np.array(
        [centred_T[lag:] @ centred_T[: num_days - lag] / num_days for lag in range(horizon)]
    )
    variance = covariances[0] + 2 * covariances[1:].sum()
    if variance <= 0:
        bartlett = 1 - np.arange(1, horizon) / horizon
        variance = covariances[0] + 2 * bartlett @ covariances[1:]
    correction = (num_days + 1 - 2 * horizon + horizon * (horizon - 1) / num_days) / num_days
    error = math.sqrt(variance / num_days / correction)
    return _studentised(mean, error, level, degrees=num_days - 1)


def delong(
    target: ArrayLike,
    first_logit: ArrayLike,
    second_logit: ArrayLike,
    *,
    dates: Sequence[Any] | NDArray[Any] | None = None,
    level: float = LEVEL,
) -> PairedTest:
    """Test whether two models have the same area under the ROC curve.

    DeLong's test by midranks. With ``dates``, rows of one day form a cluster and may depend on each
    other in any way (Obuchowski); with one row a day this is DeLong's variance exactly.

    Parameters
    ----------
    target : array_like of shape (N,)
        1 where the event happened, else 0.
    first_logit, second_logit : array_like of shape (N,)
        Predictions of both models for the same rows.
    dates : array_like of shape (N,), optional
        Decision days; rows are independent when absent.
    level : float
        Of the interval.

    Raises
    ------
    DataError
        If fewer than two days have events, or non-events.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44; Obuchowski (1997), Biometrics 53;
    Sun and Xu (2014), IEEE Signal Processing Letters 21.
    """
    target_N = np.asarray(target, dtype=np.float64)
    components_N = structural_components(
        target_N, np.asarray(first_logit, dtype=np.float64)
    ) - structural_components(target_N, np.asarray(second_logit, dtype=np.float64))
    dates = np.arange(len(target_N)) if dates is None else dates
    if not can_compare_areas(target_N, dates):
        raise DataError("the AUC needs events on two days at least, and days without one.")
    event_N = target_N > 0.5
    difference = float(components_N[event_N].mean())
    error = math.sqrt(_auc_variance(components_N, event_N, Days.of(dates)))
    return _studentised(difference, error, level)


def can_compare_areas(target: ArrayLike, dates: Sequence[Any] | NDArray[Any]) -> bool:
    """Tell whether events, and non-events, fall on two days at least: :func:`delong` needs them."""
    event_N, days = np.asarray(target) > 0.5, Days.of(dates)
    return all(len(np.unique(days.row_day[rows])) >= 2 for rows in (event_N, ~event_N))


def _auc_variance(components_N: Floats, event_N: NDArray[np.bool_], days: Days) -> float:
    """Return the variance of an AUC, or of a difference of two, from structural components."""
    deviations, scale = [], []
    for is_class in (event_N, ~event_N):
        members_T = days.sums(is_class)
        mean = components_N[is_class].mean()
        deviations.append(days.sums(components_N * is_class) - members_T * mean)
        scale.append((np.count_nonzero(members_T), members_T.sum()))
    (events_T, others_T), ((days_1, num_1), (days_0, num_0)) = deviations, scale
    num_days = len(days)
    return float(
        days_1 / (days_1 - 1) * (events_T @ events_T) / num_1**2
        + days_0 / (days_0 - 1) * (others_T @ others_T) / num_0**2
        + 2 * num_days / (num_days - 1) * (events_T @ others_T) / (num_1 * num_0)
    )


def bootstrap_test(
    first: Callable[[Floats], Floats], second: Callable[[Floats], Floats], resampler: Resampler
) -> PairedTest:
    """Test whether two models have the same score, whatever the score.

    Both are scored on the same resampled days. The p-value is the share of replicates that lie
    further from the observed difference than that lies from zero, once they are stretched as
    intervals are.

    Parameters
    ----------
    first, second : callable
        Weights of shape (R, N) to R values, as :class:`Resampler` takes them.
    resampler : Resampler
        Replicates of the rows that both were computed from.
    """
    values_R = np.concatenate([first(w_RN) - second(w_RN) for w_RN in resampler.row_weights()])
    # the first is the sample itself
    metric = resampler.interval(values_R[0].item(), values_R[1:])
    return _resampled(metric, values_R[1:], resampler)


def bootstrap_mean_test(difference_N: Floats, resampler: Resampler) -> PairedTest:
    """Test whether two models have the same mean loss, from the difference of each row.

    What :func:`bootstrap_test` does for two weighted means, without weights of rows.
    """
    columns_N2 = np.column_stack([difference_N, np.ones_like(difference_N)])
    (total, number), sums_R2 = resampler.row_sums(columns_N2)
    values_R = sums_R2[:, 0] / sums_R2[:, 1]
    return _resampled(resampler.interval(float(total / number), values_R), values_R, resampler)


def _resampled(metric: Metric, values_R: Floats, resampler: Resampler) -> PairedTest:
    values_R = values_R[np.isfinite(values_R)]
    deviations_R = resampler.stretch * np.abs(values_R - metric.value)
    further = np.count_nonzero(deviations_R >= abs(metric.value))
    return PairedTest(metric, math.nan, (1 + further) / (1 + len(values_R)))


def _studentised(
    difference: float, error: float, level: float, *, degrees: float = math.inf
) -> PairedTest:
    """Refer difference / error to Student's t; to the normal with endless degrees of freedom."""
    if error == 0.0:
        # identical models: no difference; or one that is the same on each day, without any doubt
        statistic = math.copysign(math.inf, difference) if difference else 0.0
        metric = Metric(difference, difference, difference)
        return PairedTest(metric, statistic, 0.0 if difference else 1.0)
    statistic, tail = difference / error, (1 + level) / 2
    if math.isinf(degrees):
        quantile, beyond = float(ndtri(tail)), float(ndtr(-abs(statistic)))
    else:
        quantile = float(stdtrit(degrees, tail))
        beyond = float(stdtr(degrees, -abs(statistic)))
    reach = error * quantile
    return PairedTest(
        Metric(difference, difference - reach, difference + reach), statistic, 2 * beyond
    )
