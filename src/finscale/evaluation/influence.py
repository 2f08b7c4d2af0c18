r"""Scores that are no mean over days, written as one: a value a day, whose mean is the score.

With :math:`\theta` the score and :math:`\psi_t` the influence of day t on it, the days' values are
:math:`\theta + \psi_t`. Their mean is the score exactly, and the long-run variance of that mean is
the score's own to first order (the delete-a-day jackknife's limit), so that everything made for
means over days serves any score: paired differences, covariances across models, blocks of days.
Checked against a bootstrap of the scores themselves in ``tests/evaluation/test_influence.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.errors import DataError
from finscale.evaluation.bootstrap import Days, Floats
from finscale.evaluation.ranking import structural_components
from finscale.evaluation.sharpe import PERIODS, sharpe_ratio


def auc_by_day(
    dates: Sequence[Any] | NDArray[Any],
    target: ArrayLike,
    logit: ArrayLike,
    *,
    fold: ArrayLike | None = None,
) -> tuple[NDArray[Any], Floats]:
    """Return the days and values whose mean is the area under the ROC curve.

    A day's influence is what its events and its other rows are ranked above the mean placement:
    DeLong's structural components, summed over a day as over a cluster. With folds, the area is the
    share of pairs in order among the pairs *of one fold*: every fold has its own model, and the
    base rate's area stays .5 however its folds differ.

    Parameters
    ----------
    dates : array_like of shape (N,)
        Decision days.
    target : array_like of shape (N,)
        1 where the event happened, else 0.
    logit : array_like of shape (N,)
        Predictions; only their order counts.
    fold : array_like of shape (N,), optional
        Which model predicted each row; one did all when absent.

    Raises
    ------
    DataError
        Where no fold has both classes.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44; Obuchowski (1997), Biometrics 53.

    Examples
    --------
    >>> auc_by_day([1, 2, 3, 4], [0, 1, 0, 1], [-1.0, 0.0, 0.5, 2.0])[1].mean().item()
    0.75
    """
    target_N, logit_N = np.asarray(target, np.float64), np.asarray(logit, np.float64)
    fold_N = np.zeros(len(target_N)) if fold is None else np.asarray(fold)
    event_N = target_N > 0.5
    # each row's pairs, and how many of them are in order; a fold of one class has no pairs
    pairs_N, in_order_N = np.zeros(len(target_N)), np.zeros(len(target_N))
    for own in np.unique(fold_N):
        rows = np.flatnonzero(fold_N == own)
        num_events = int(event_N[rows].sum())
        if 0 < num_events < len(rows):
            pairs_N[rows] = np.where(event_N[rows], len(rows) - num_events, num_events)
            in_order_N[rows] = pairs_N[rows] * structural_components(target_N[rows], logit_N[rows])
    num_pairs = float(pairs_N[event_N].sum())
    if not num_pairs:
        raise DataError("an AUC needs days with the event and days without.")
    days = Days.of(dates)
    area = float(in_order_N[event_N].sum()) / num_pairs
    influence_T = len(days) * days.sums(in_order_N - area * pairs_N) / num_pairs
    return days.dates, area + influence_T


def r2_by_day(
    dates: Sequence[Any] | NDArray[Any], errors: ArrayLike, benchmark_errors: ArrayLike
) -> tuple[NDArray[Any], Floats]:
    """Return the days and values whose mean is R² out of sample, 1 - Σe² / Σb².

    The influence is that of a ratio of two sums.

    Parameters
    ----------
    dates : array_like of shape (N,)
        Decision days.
    errors, benchmark_errors : array_like of shape (N,)
        Squared errors of the forecast and of the historical mean.

    Raises
    ------
    DataError
        Where the historical mean is never wrong.

    References
    ----------
    Campbell and Thompson (2008), Review of Financial Studies 21.
    """
    days = Days.of(dates)
    error_T, benchmark_T = days.sums(errors), days.sums(benchmark_errors)
    total = float(benchmark_T.sum())
    if not total > 0:
        raise DataError("R² is not defined where the targets never leave their historical mean.")
    ratio = float(error_T.sum()) / total
    return days.dates, 1 - ratio - len(days) * (error_T - ratio * benchmark_T) / total


def sharpe_by_day(returns: ArrayLike, *, periods: float = PERIODS) -> Floats:
    r"""Return values whose mean is the annualised Sharpe ratio of daily returns.

    .. math:: \psi_t = \sqrt{P} \left( \frac{r_t - m}{s}
              - \frac{m}{2 s^3} \left( (r_t - m)^2 - \overline{(r - m)^2} \right) \right)

    Returns that never vary (nothing was ever traded) have the ratio 0 here: holding cash earns
    nothing above cash.

    Parameters
    ----------
    returns : array_like of shape (T,)
        Daily returns in excess of cash.
    periods : float
        P, days in a year.

    References
    ----------
    Lo (2002), The statistics of Sharpe ratios, Financial Analysts Journal 58; Ledoit and Wolf
    (2008), Journal of Empirical Finance 15, for the same by the delta method.
    """
    return_T = np.asarray(returns, dtype=np.float64)
    mean, deviation = float(return_T.mean()), float(return_T.std(ddof=1))
    if not deviation > 0:
        return np.zeros(len(return_T))
    centred_T = return_T - mean
    excess_T = centred_T**2 - np.mean(centred_T**2)
    influence_T = centred_T / deviation - mean / (2 * deviation**3) * excess_T
    return np.asarray(sharpe_ratio(return_T, periods=periods) + math.sqrt(periods) * influence_T)
