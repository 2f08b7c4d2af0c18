"""Do events happen as often as said? Calibrators fitted on validation, and diagrams with bands.

All calibrators map logits to logits, so that whatever comes after still turns logits into
probabilities in one place. Three of them are logistic regressions on functions of the logit and
differ in nothing else; isotonic regression is the fourth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from finscale.errors import DataError
from finscale.evaluation.bootstrap import (
    LEVEL,
    NUM_REPLICATES,
    Floats,
    Integers,
    Metric,
    Resampler,
    centre,
    percentile_interval,
    percentile_intervals,
)
from finscale.evaluation.consistency import consistent_errors, consistent_frequencies
from finscale.evaluation.predictions import Predicted
from finscale.evaluation.scores import Classified, bin_means, probabilities
from finscale.registry import Registry

_ROUNDING = 1e-12
#: Newton stops where the loss changes by less, in nats for a unit of a coefficient.
_FLAT, _MOST_STEPS = 1e-12, 200
#: A last step brings less than this share of the loss, which its rounding would hide; what is left
#: after it is the square of what was left before.
_UNSEEN = 64 * float(np.finfo(np.float64).eps)


class Calibrator(Protocol):
    """A monotone map from logits to logits."""

    def __call__(self, logit: ArrayLike) -> Floats:
        """Return calibrated logits."""
        ...


@dataclass(frozen=True)
class Link:
    """A calibration map that is linear in functions of the logit.

    Attributes
    ----------
    features : callable
        Logits of shape (N,) to features of shape (N, K).
    names : tuple of str
        Names of the K coefficients.
    lowest : tuple of float
        Lowest value of each coefficient; zero keeps the map monotone.
    """

    features: Callable[[Floats], Floats]
    names: tuple[str, ...]
    lowest: tuple[float, ...]


@dataclass(frozen=True)
class LinkCalibrator:
    """A fitted :class:`Link`."""

    link: Link
    coefficients: Floats

    def __call__(self, logit: ArrayLike) -> Floats:
        """Return calibrated logits."""
        return self.link.features(np.asarray(logit, dtype=np.float64)) @ self.coefficients


@dataclass(frozen=True)
class StepCalibrator:
    """Isotonic regression: a rising line through ``knots``, constant beyond its ends."""

    knots: Floats
    values: Floats

    def __call__(self, logit: ArrayLike) -> Floats:
        """Return calibrated logits."""
        return np.interp(np.asarray(logit, dtype=np.float64), self.knots, self.values)


_TEMPERATURE = Link(lambda z: z[:, None], ("inverse_temperature",), (0.0,))
_PLATT = Link(lambda z: np.column_stack([z, np.ones_like(z)]), ("slope", "intercept"), (0, -np.inf))
# log p and −log(1 − p) of the uncalibrated probability, exact in logits
_BETA = Link(
    lambda z: np.column_stack([-np.logaddexp(0, -z), np.logaddexp(0, z), np.ones_like(z)]),
    ("a", "b", "c"),
    (0, 0, -np.inf),
)


def _fit_link(link: Link, target_N: Floats, logit_N: Floats) -> LinkCalibrator:
    """Minimise log loss; Platt's softened targets keep separable classes finite."""
    num_events = target_N.sum()
    num_others = len(target_N) - num_events
    soft_N = np.where(target_N > 0.5, (num_events + 1) / (num_events + 2), 1 / (num_others + 2))
    features_NK = link.features(logit_N)

    start = np.array([1.0 if low == 0 else 0.0 for low in link.lowest])
    return LinkCalibrator(
        link, _least_log_loss(features_NK, soft_N, start, np.array(link.lowest, dtype=np.float64))
    )


def _least_log_loss(
    features_NK: Floats, soft_N: Floats, start_K: Floats, lowest_K: Floats
) -> Floats:
    """Return the coefficients of least log loss, each at its lowest value or above: Newton's steps.

    Coefficients at their lowest value that would fall stay there (Bertsekas 1982, projected Newton
    methods). The loss is convex, so that there is one minimum.
    """

    def loss(at_K: Floats) -> float:
        z_N = features_NK @ at_K
        return float((np.logaddexp(0, z_N) - soft_N * z_N).mean())

    at_K, value = start_K, loss(start_K)
    for _ in range(_MOST_STEPS):
        p_N = probabilities(features_NK @ at_K)
        slope_K = features_NK.T @ (p_N - soft_N) / len(soft_N)
        free_K = (at_K > lowest_K) | (slope_K < 0)
        if np.abs(slope_K[free_K]).max(initial=0.0) < _FLAT:
            break
        free_NK = features_NK[:, free_K]
        curvature_KK = (free_NK.T * (p_N * (1 - p_N))) @ free_NK / len(soft_N)
        # features that are all the same along one direction leave it where it is
        step_K = np.zeros_like(at_K)
        step_K[free_K] = np.linalg.lstsq(curvature_KK, -slope_K[free_K], rcond=None)[0]
        with np.errstate(over="ignore"):  # where all p are 0 or 1 steps are endless
            brings = -slope_K @ step_K
        if brings <= _UNSEEN * value:
            last_K = np.maximum(at_K + step_K, lowest_K)
            return last_K if loss(last_K) <= (1 + _UNSEEN) * value else at_K
        size = 1.0
        while not (new := loss(new_K := np.maximum(at_K + size * step_K, lowest_K))) <= value:
            size /= 2
            if size < _ROUNDING:
                return at_K
        at_K, value = new_K, new
    return at_K


def _fit_isotonic(target_N: Floats, logit_N: Floats) -> StepCalibrator:
    """Pool adjacent violators, each block's frequency drawn in as far as its rows can tell.

    Three events in the top three rows are no probability of one: a block of n rows with k events
    counts as (k + 1/2) / (n + 1), after Krichevsky and Trofimov, and blocks are pooled again.
    """
    knots_U, knot_N = np.unique(logit_N, return_inverse=True)
    fitted_N = _isotonic(knot_N, target_N, np.ones_like(target_N))[knot_N]
    _, block_N, rows_B = np.unique(fitted_N, return_inverse=True, return_counts=True)
    drawn_B = (np.bincount(block_N, weights=target_N) + 0.5) / (rows_B + 1)
    p_U = _isotonic(knot_N, drawn_B[block_N], ((rows_B + 1) / rows_B)[block_N])
    return StepCalibrator(knots_U, np.log(p_U) - np.log1p(-p_U))


def _isotonic(knot_N: Integers, value_N: Floats, weight_N: Floats) -> Floats:
    """Return the rising sequence over knots that is nearest to the rows' values."""
    weight_U = np.bincount(knot_N, weights=weight_N)
    mean_U = np.bincount(knot_N, weights=weight_N * value_N) / weight_U
    return np.asarray(optimize.isotonic_regression(mean_U, weights=weight_U).x)


#: Calibration methods; each entry fits validation targets and logits.
CALIBRATORS: Registry[Callable[[Floats, Floats], Calibrator]] = Registry("calibration method")
CALIBRATORS.add("temperature", lambda target, logit: _fit_link(_TEMPERATURE, target, logit))
CALIBRATORS.add("platt", lambda target, logit: _fit_link(_PLATT, target, logit))
CALIBRATORS.add("beta", lambda target, logit: _fit_link(_BETA, target, logit))
CALIBRATORS.add("isotonic", _fit_isotonic)


def fit_calibrator(method: str, target: ArrayLike, logit: ArrayLike) -> Calibrator:
    """Return a calibrator fitted on validation rows.

    Parameters
    ----------
    method : {"temperature", "platt", "beta", "isotonic"}
        One parameter, two, three, or a free monotone map.
    target, logit : array_like of shape (N,)
        Validation rows; never test rows.

    Raises
    ------
    DataError
        If the rows hold one class only.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks; Platt (1999); Kull, Silva Filho
    and Flach (2017), Beta calibration; Zadrozny and Elkan (2002).
    """
    target_N, logit_N = np.asarray(target, np.float64), np.asarray(logit, np.float64)
    if len(np.unique(target_N)) < 2:
        raise DataError("validation holds one class only, so nothing can be calibrated on it.")
    return CALIBRATORS[method](target_N, logit_N)


def calibrated(predictions: pl.DataFrame, method: str) -> pl.DataFrame:
    """Return predictions with every fold's logits calibrated on its own validation rows.

    Parameters
    ----------
    predictions : polars.DataFrame
        With validation and test rows.
    method : str
        See :func:`fit_calibrator`.

    Raises
    ------
    DataError
        If a fold has no validation rows to calibrate on.
    """
    predicted = Predicted.of(predictions)
    parts = []
    for fold in predicted.table.partition_by("fold", maintain_order=True):
        calibrator = _calibrator_of(predicted, int(fold["fold"][0]), method)
        parts.append(fold.with_columns(logit=pl.Series(calibrator(fold["logit"].to_numpy()))))
    return pl.concat(parts)


def calibrated_test(predicted: Predicted, method: str) -> Floats:
    """Return the test logits of :func:`calibrated`, in the order of the test rows."""
    logit_N = predicted.test["logit"].to_numpy().copy()
    fold_N = predicted.test["fold"].to_numpy()
    for fold in predicted.folds:
        of_fold_N = fold_N == fold
        logit_N[of_fold_N] = _calibrator_of(predicted, fold, method)(logit_N[of_fold_N])
    return logit_N


def _calibrator_of(predicted: Predicted, fold: int, method: str) -> Calibrator:
    """Return a fold's calibrator, fitted on its own validation rows."""
    _, target_N, logit_N = predicted.arrays("validation", fold)
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
    *,
    overlap: int = 1,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> CalibrationError:
    """Return the adaptive expected calibration error with a day-resampled interval.

    Sampling noise alone gives every model a positive error; ``expected`` says how much.

    Parameters
    ----------
    target, logit, dates : array_like of shape (N,)
        Test rows.
    overlap, num_replicates, level, seed
        Of the bootstrap.

    References
    ----------
    Nguyen and O'Connor (2015), adaptive binning; Nixon et al. (2019), Measuring calibration in deep
    learning.
    """
    (error,) = calibration_errors(
        target,
        [logit],
        dates,
        overlap=overlap,
        num_replicates=num_replicates,
        level=level,
        seed=seed,
    )
    return error


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
    metric = percentile_interval(
        value, centre(value, replicates_R), level=resampler.level, stretch=resampler.stretch
    )
    return Metric(metric.value, max(0.0, metric.low), metric.high)
