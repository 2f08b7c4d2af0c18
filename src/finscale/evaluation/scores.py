"""Proper scores, ranking and spread of predictions, each with a day-resampled interval.

Every score is a function of the scored rows and of *weights*: how often each row counts in each of
R bootstrap replicates. Rows are sorted and binned once; a thousand replicates are then a handful of
matrix operations. Adding a score is adding an entry to :data:`CLASSIFICATION`, :data:`REGRESSION`
or :data:`QUANTILE`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.evaluation.blocks import Floats
from finscale.evaluation.decomposition import (
    base_rates,
    bin_means,
    reliability,
    resolution,
    uncertainty,
)
from finscale.evaluation.intervals import Bootstrap, Metric
from finscale.evaluation.losses import log_losses, pinball_losses, probabilities, squared_errors
from finscale.evaluation.measure import Score, measure
from finscale.evaluation.resampler import Resampler
from finscale.evaluation.rows import (
    NUM_BINS,
    Classified,
    ForecastQuantiles,
    Regressed,
    ratio,
    row_mean,
    weighted_mean,
)
from finscale.registry import Registry

__all__ = [
    "CLASSIFICATION",
    "COLLAPSE_RATIO",
    "NUM_BINS",
    "QUANTILE",
    "REGRESSION",
    "Classified",
    "ForecastQuantiles",
    "Regressed",
    "Score",
    "base_rates",
    "bin_means",
    "classification_scores",
    "collapsed",
    "log_losses",
    "measure",
    "pinball_losses",
    "probabilities",
    "ratio",
    "regression_scores",
    "row_mean",
    "squared_errors",
    "weighted_mean",
]

#: Predictions whose spread is below this share of the outcome's are collapsed: a calibrated model
#: with that spread correlates .02 with the outcome, which is an AUC of about .511 and a skill of
#: .0002 nats; no test set of daily bars can tell that from a constant.
COLLAPSE_RATIO = 0.02

CLASSIFICATION: Registry[Score[Classified]] = Registry("classification score")
REGRESSION: Registry[Score[Regressed]] = Registry("regression score")
QUANTILE: Registry[Score[ForecastQuantiles]] = Registry("quantile score")


def _spread(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the standard deviation of predicted probabilities within folds."""
    found = rows.sums(weights_RN)
    between_R = np.nansum(ratio(found["folds centred p"] ** 2, found["folds"]), axis=1)
    squares_R = found["centred p²"] - between_R
    return np.asarray(np.sqrt(np.maximum(squares_R, 0) / found["rows"]))


def _spread_share(rows: Classified, weights_RN: Floats) -> Floats:
    return ratio(_spread(rows, weights_RN), np.sqrt(uncertainty(rows, weights_RN)))


def _rank_correlation(rows: Regressed, weights_RN: Floats) -> Floats:
    by_target, by_prediction = rows.rankings
    weights_RN = weights_RN.astype(np.float64)
    total_R1 = weights_RN.sum(axis=1, keepdims=True)
    a_RN = by_target.midranks(weights_RN) - (total_R1 + 1) / 2
    b_RN = by_prediction.midranks(weights_RN) - (total_R1 + 1) / 2
    covariance_R = (weights_RN * a_RN * b_RN).sum(axis=1)
    scale_R = (weights_RN * a_RN**2).sum(axis=1) * (weights_RN * b_RN**2).sum(axis=1)
    return ratio(covariance_R, np.sqrt(scale_R))


def _r2_out_of_sample(rows: Regressed, weights_RN: Floats) -> Floats:
    benchmark_N = squared_errors(rows.target, rows.historical_mean)
    return 1 - ratio(weights_RN @ rows.squared_error, weights_RN @ benchmark_N)


def _smallest(rows: Classified, weights_RN: Floats) -> Floats:
    return np.full(len(weights_RN), rows.probability.min())


def _largest(rows: Classified, weights_RN: Floats) -> Floats:
    return np.full(len(weights_RN), rows.probability.max())


def _pinball(rows: Regressed, weights_RN: Floats) -> Floats:
    losses_N = pinball_losses(rows.target, rows.prediction, rows.quantile)
    return weighted_mean(losses_N, weights_RN)


def _absolute(rows: Regressed, weights_RN: Floats) -> Floats:
    return weighted_mean(np.abs(rows.target - rows.prediction), weights_RN)


_FROM_ZERO, _SHARE = (0.0, math.inf), (0.0, 1.0)
for _name, _score in {
    "log_loss": Score(
        "log loss (nats)", "lower", lambda r, w: row_mean(r, w, "log loss"), range=_FROM_ZERO
    ),
    "brier": Score("Brier", "lower", lambda r, w: row_mean(r, w, "squared error"), range=_SHARE),
    "reliability": Score("  reliability", "lower", reliability, "centred", _SHARE),
    "resolution": Score("  resolution", "higher", resolution, "centred", _SHARE),
    "uncertainty": Score("  uncertainty", "", uncertainty),
    "auc": Score("AUC", "higher", lambda r, w: r.sums(w)["roc"], range=_SHARE),
    "average_precision": Score(
        "average precision", "higher", lambda r, w: r.sums(w)["precision"], range=_SHARE
    ),
    "base_rate": Score("base rate", "", base_rates, range=_SHARE),
    "prediction_min": Score("lowest p", "", _smallest, interval="none"),
    "prediction_max": Score("highest p", "", _largest, interval="none"),
    "spread": Score("spread of p", "", _spread),
    "spread_share": Score("  of the outcome's", "", _spread_share),
}.items():
    CLASSIFICATION.add(_name, _score)

REGRESSION.add("mae", Score("MAE", "lower", _absolute))
REGRESSION.add(
    "rmse", Score("RMSE", "lower", lambda r, w: np.sqrt(weighted_mean(r.squared_error, w)))
)
REGRESSION.add("r2_oos", Score("R² out of sample", "higher", _r2_out_of_sample))
REGRESSION.add("rank_correlation", Score("rank correlation", "higher", _rank_correlation))
REGRESSION.add("pinball", Score("pinball loss", "lower", _pinball))

QUANTILE.add("pinball", Score("pinball loss", "lower", lambda r, w: weighted_mean(r.pinball, w)))
QUANTILE.add(
    "coverage",
    Score("between outer quantiles", "", lambda r, w: weighted_mean(r.covered, w), range=_SHARE),
)
QUANTILE.add("mae", Score("MAE", "lower", _absolute))
QUANTILE.add("rank_correlation", Score("rank correlation", "higher", _rank_correlation))


def classification_scores(
    target: ArrayLike,
    logit: ArrayLike,
    dates: Sequence[Any] | NDArray[Any],
    *,
    fold: ArrayLike | None = None,
    block_length: float | None = None,
    **bootstrap: Unpack[Bootstrap],
) -> dict[str, Metric]:
    """Return every classification score with its interval.

    Parameters
    ----------
    target : array_like of shape (N,)
        1 where the event happened, else 0.
    logit : array_like of shape (N,)
        Predicted log odds.
    dates : array_like of shape (N,)
        Decision days; the rows of one day are resampled together.
    fold : array_like of shape (N,), optional
        Which model predicted each row; spread is measured within folds.
    block_length, **bootstrap
        See :func:`finscale.evaluation.bootstrap.mean_interval`.

    Returns
    -------
    dict of str to Metric
        By the names in :data:`CLASSIFICATION`.

    Examples
    --------
    >>> scores = classification_scores([0, 1, 0, 1], [-1.0, 1.0, -1.0, 1.0], [1, 2, 3, 4])
    >>> scores["auc"].value
    1.0
    """
    rows = Classified.of(target, logit, fold=fold)
    resampler = Resampler.over(dates, rows.dependence(), block_length=block_length, **bootstrap)
    return measure(CLASSIFICATION, rows, resampler)


def regression_scores(
    target: ArrayLike,
    prediction: ArrayLike,
    dates: Sequence[Any] | NDArray[Any],
    *,
    historical_mean: ArrayLike,
    quantile: float = 0.5,
    block_length: float | None = None,
    **bootstrap: Unpack[Bootstrap],
) -> dict[str, Metric]:
    """Return every regression score with its interval.

    Parameters
    ----------
    target, prediction : array_like of shape (N,)
        In the target's unit.
    dates : array_like of shape (N,)
        Decision days.
    historical_mean : float or array_like of shape (N,)
        The forecast that R² out of sample is measured against (Campbell and Thompson 2008): the
        mean of the targets known at each decision, or the train mean.
    quantile : float
        Which quantile ``prediction`` is meant to be, for the pinball loss.
    block_length, **bootstrap
        As in :func:`classification_scores`.

    Returns
    -------
    dict of str to Metric
        By the names in :data:`REGRESSION`.
    """
    target_N = np.asarray(target, dtype=np.float64)
    benchmark_N = np.broadcast_to(np.asarray(historical_mean, np.float64), target_N.shape)
    rows = Regressed(target_N, np.asarray(prediction, dtype=np.float64), benchmark_N, quantile)
    resampler = Resampler.over(dates, rows.dependence(), block_length=block_length, **bootstrap)
    return measure(REGRESSION, rows, resampler)


def collapsed(rows: Classified) -> bool:
    """Return whether predictions hug one number: spread below 2 % of the outcome's.

    See :data:`COLLAPSE_RATIO` for why 2 %. The spread is taken within folds, so that a different
    constant in each fold counts as collapsed too, whatever the outcomes are.
    """
    share = _spread_share(rows, np.ones((1, len(rows.target))))[0]
    # of a constant where all outcomes are the same it is 0/0
    return not share >= COLLAPSE_RATIO
