"""Do events happen as often as said? Calibrated predictions, and diagrams and errors with bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from finscale.errors import DataError
from finscale.evaluation.bootstrap import (
    LEVEL,
    NUM_REPLICATES,
    Bootstrap,
    Floats,
    Metric,
    Resampler,
    centre,
    percentile_intervals,
)
from finscale.evaluation.calibrators import Calibrator, fit_calibrator
from finscale.evaluation.consistency import consistent_errors, consistent_frequencies
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.scores import Classified, bin_means

#: Errors that differ by less are the same.
_ROUNDING = 1e-12


def calibrated(predictions: Predictions, method: str) -> Predictions:
    """Return predictions with every fold's logits calibrated on its own validation rows.

    Parameters
    ----------
    predictions : Predictions
        With validation and test rows.
    method : str
        See :func:`fit_calibrator`.

    Raises
    ------
    DataError
        If a fold has no validation rows to calibrate on.
    """
    parts = []
    for fold in predictions.table.partition_by("fold", maintain_order=True):
        calibrator = _calibrator_of(predictions, int(fold["fold"][0]), method)
        parts.append(fold.with_columns(logit=pl.Series(calibrator(fold["logit"].to_numpy()))))
    return replace(predictions, table=pl.concat(parts))


def calibrated_test(predictions: Predictions, method: str) -> Floats:
    """Return the test logits of :func:`calibrated`, in the order of the test rows."""
    logit_N = predictions.test["logit"].to_numpy().copy()
    fold_N = predictions.test["fold"].to_numpy()
    for fold in predictions.folds:
        of_fold_N = fold_N == fold
        logit_N[of_fold_N] = _calibrator_of(predictions, fold, method)(logit_N[of_fold_N])
    return logit_N


def _calibrator_of(predictions: Predictions, fold: int, method: str) -> Calibrator:
    """Return a fold's calibrator, fitted on its own validation rows."""
    _, target_N, logit_N = predictions.arrays("validation", fold)
    if not len(target_N):
        raise DataError(f"fold {fold} has no validation rows to calibrate on.")
    return fit_calibrator(method, target_N, logit_N)


def reliability_diagram(
    target: ArrayLike,
    logit: ArrayLike,
    *,
    level: float = LEVEL,
    num_replicates: int = NUM_REPLICATES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return how often events happened in each bin of the forecast, with consistency bands.

    A band holds the frequency that a *perfectly calibrated* model with these forecasts would show:
    forecasts are resampled and outcomes drawn from them. A point outside its band is a surprise.
    Bins are equally filled.

    Parameters
    ----------
    target, logit : array_like of shape (N,)
        Test rows. Bands take outcomes as independent given the forecasts, so that with many
        correlated symbols a day they are too narrow.
    level : float
        Of the bands, each bin by itself.
    num_replicates, seed
        Of the simulation.

    Returns
    -------
    polars.DataFrame
        bin, count, forecast (mean), frequency (observed), band_low, band_high.

    References
    ----------
    Bröcker and Smith (2007), Increasing the reliability of reliability diagrams, Weather and
    Forecasting 22.
    """
    rows = Classified.of(target, logit)
    weight_1K, forecast_1K, outcome_1K = bin_means(rows, np.ones((1, len(rows.target))))
    frequency_RK = consistent_frequencies(rows, num_replicates, seed)
    bands = percentile_intervals(outcome_1K[0], frequency_RK.T, level=level)
    return pl.DataFrame(
        {
            "bin": np.arange(weight_1K.shape[1]),
            "count": np.round(weight_1K[0] * len(rows.target)).astype(np.int64),
            "forecast": forecast_1K[0],
            "frequency": outcome_1K[0],
            "band_low": [band.low for band in bands],
            "band_high": [band.high for band in bands],
        }
    )


@dataclass(frozen=True)
class CalibrationError:
    """Adaptive expected calibration error.

    Attributes
    ----------
    error : Metric
        Mean distance of forecast and frequency over equally filled bins, in probability.
    expected : float
        What a perfectly calibrated model with these forecasts shows on as many rows.
    p_value : float
        Share of calibrated worlds with an error as large.
    """

    error: Metric
    expected: float
    p_value: float


def calibration_error(
    target: ArrayLike,
    logit: ArrayLike,
    dates: Sequence[Any] | NDArray[Any],
    **bootstrap: Unpack[Bootstrap],
) -> CalibrationError:
    """Return the adaptive expected calibration error with a day-resampled interval.

    Sampling noise alone gives every model a positive error; ``expected`` says how much.

    Parameters
    ----------
    target, logit, dates : array_like of shape (N,)
        Test rows.
    **bootstrap
        See :class:`finscale.evaluation.bootstrap.Bootstrap`.

    References
    ----------
    Nguyen and O'Connor (2015), adaptive binning; Nixon et al. (2019), Measuring calibration in deep
    learning.
    """
    return calibration_errors(target, [logit], dates, **bootstrap)[0]


def calibration_errors(
    target: ArrayLike,
    logits: Sequence[ArrayLike],
    dates: Sequence[Any] | NDArray[Any],
    *,
    overlap: int = 1,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> list[CalibrationError]:
    """Return :func:`calibration_error` of several forecasts of the same rows, faster together."""
    models = [Classified.of(target, logit) for logit in logits]
    excess_NM = np.column_stack([rows.target - rows.probability for rows in models])
    resamplers = Resampler.each(
        dates, excess_NM, overlap=overlap, num_replicates=num_replicates, level=level, seed=seed
    )
    errors_MR = consistent_errors(models, num_replicates, seed)
    found = []
    for rows, excess_N, drawn, errors_R in zip(
        models, excess_NM.T, resamplers, errors_MR, strict=True
    ):
        metric = _error_interval(rows, excess_N, drawn)
        # few distinct forecasts make ties, which no rounding may break
        as_large = np.count_nonzero(errors_R >= metric.value - _ROUNDING)
        p_value = (1 + as_large) / (1 + num_replicates)
        found.append(CalibrationError(metric, float(errors_R.mean()), float(p_value)))
    return found


def _error_interval(rows: Classified, excess_N: Floats, resampler: Resampler) -> Metric:
    # in each bin, share of rows × distance of means = distance of sums over the number of rows
    columns_NK = np.column_stack([rows.bins * excess_N[:, None], np.ones_like(excess_N)])
    sums_K, sums_RK = resampler.row_sums(columns_NK)
    value = float(np.abs(sums_K[:-1]).sum() / sums_K[-1])
    replicates_R = np.abs(sums_RK[:, :-1]).sum(axis=1) / sums_RK[:, -1]
    metric = resampler.interval(value, centre(value, replicates_R))
    return Metric(metric.value, max(0.0, metric.low), metric.high)
