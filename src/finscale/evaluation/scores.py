"""Proper scores, ranking and spread of predictions, each with a day-resampled interval.

Every score is a function of the scored rows and of *weights*: how often each row counts in each of
R bootstrap replicates. Rows are sorted and binned once; a thousand replicates are then a handful of
matrix operations. Adding a score is adding an entry to :data:`CLASSIFICATION` or
:data:`REGRESSION`.

:func:`probabilities` is the one place in finscale that turns logits into probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from finscale.evaluation.bootstrap import (
    LEVEL,
    NUM_REPLICATES,
    Floats,
    Integers,
    Metric,
    Resampler,
)
from finscale.evaluation.ranking import Areas, Ordered, Ranking, structural_components
from finscale.evaluation.shared import Shared
from finscale.registry import Registry

#: Predictions whose spread is below this share of the outcome's are collapsed: a calibrated model
#: with that spread correlates .02 with the outcome, which is an AUC of about .511 and a skill of
#: .0002 nats; no test set of daily bars can tell that from a constant.
COLLAPSE_RATIO = 0.02
NUM_BINS = 10


def probabilities(logit: ArrayLike) -> Floats:
    """Return 1 / (1 + exp(−logit)): the only place where logits become probabilities."""
    return np.asarray(expit(np.asarray(logit, dtype=np.float64)))


def log_losses(target: ArrayLike, logit: ArrayLike) -> Floats:
    """Return each row's log loss in nats, from logits: exact where 1 − p would round to nothing."""
    z = np.asarray(logit, dtype=np.float64)
    # −log p = log(1 + e^−z) for an event, −log(1 − p) = log(1 + e^z) for none
    return np.asarray(np.logaddexp(0.0, np.where(np.asarray(target) > 0.5, -z, z)))


def squared_errors(target: ArrayLike, prediction: ArrayLike) -> Floats:
    """Return each row's squared error."""
    return np.asarray(np.subtract(target, prediction, dtype=np.float64) ** 2)


def pinball_losses(target: ArrayLike, prediction: ArrayLike, quantile: float = 0.5) -> Floats:
    """Return each row's pinball loss of a predicted quantile, in the target's unit."""
    error = np.subtract(target, prediction, dtype=np.float64)
    return np.asarray(np.maximum(quantile * error, (quantile - 1) * error))


@dataclass(frozen=True)
class Classified:
    """Predictions of a class, prepared once for all scores and replicates.

    Attributes
    ----------
    target : ndarray of shape (N,)
        1.0 where the event happened, else 0.0.
    logit : ndarray of shape (N,)
        Predicted log odds.
    fold : ndarray of shape (N,)
        Which model predicted the row; spread is measured within folds.
    flagged : ndarray of shape (N,)
        1.0 on rows above the operating point that was chosen on validation, NaN if none was;
        see ``finscale.evaluation.operating``.
    """

    target: Floats
    logit: Floats
    fold: Integers
    flagged: Floats

    @classmethod
    def of(
        cls,
        target: ArrayLike,
        logit: ArrayLike,
        *,
        fold: ArrayLike | None = None,
        flagged: ArrayLike | None = None,
    ) -> Classified:
        """Prepare rows; one fold and no operating point unless given."""
        target_N = np.asarray(target, dtype=np.float64)
        return cls(
            target_N,
            np.asarray(logit, dtype=np.float64),
            np.zeros(len(target_N), np.int64) if fold is None else np.asarray(fold, np.int64),
            np.full(len(target_N), np.nan) if flagged is None else np.asarray(flagged, np.float64),
        )

    def where(self, rows: NDArray[np.bool_]) -> Classified:
        """Return the rows that a mask selects."""
        return Classified(self.target[rows], self.logit[rows], self.fold[rows], self.flagged[rows])

    @cached_property
    def probability(self) -> Floats:
        """Predicted probability of the event."""
        return probabilities(self.logit)

    @cached_property
    def log_loss(self) -> Floats:
        """Log loss of each row, nats."""
        return log_losses(self.target, self.logit)

    @cached_property
    def shared(self) -> Shared:
        """What scores have in common."""
        return Shared()

    @cached_property
    def ranking(self) -> Ranking:
        """Rows by logit."""
        return Ranking.of(self.logit)

    @cached_property
    def bins(self) -> Floats:
        """Membership in bins of the forecast that are equally filled: shape (N, K)."""
        edges = np.quantile(self.probability, np.linspace(0, 1, NUM_BINS + 1)[1:-1])
        return _membership(np.searchsorted(np.unique(edges), self.probability, side="right"))

    @cached_property
    def folds(self) -> Floats:
        """Membership in folds: shape (N, number of folds)."""
        return _membership(self.fold)

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """What scores sum over rows, by name: each of shape (N,) or (N, K)."""
        p, y = self.probability, self.target
        centred = p - p.mean()  # no digits lost in the difference of squares
        columns = {
            "rows": np.ones_like(p),
            "log loss": self.log_loss,
            "squared error": squared_errors(y, p),
            "events": y,
            "p²": p**2,
            "py": p * y,
            "centred p²": centred**2,
            "bins p": self.bins * p[:, None],
            "folds": self.folds,
            "folds centred p": self.folds * centred[:, None],
        }
        if not np.isnan(self.flagged).any():
            columns |= {"flagged": self.flagged, "found": self.flagged * y}
        return columns

    def ordered(self, weights_RN: Floats) -> Ordered:
        """Return the weights added up in the order of the logits."""
        return self.shared.of(
            weights_RN, "ordered", lambda: Ordered.of(self.ranking, self.target, weights_RN)
        )

    def sums(self, weights_RN: Floats) -> dict[str, Floats]:
        """Return each replicate's sums of the columns: each of shape (R,) or (R, K)."""
        return self.shared.of(weights_RN, "sums", lambda: column_sums(self.columns, weights_RN))

    def dependence(self) -> Floats:
        """Return the series from which the block length is chosen: (N, 2), loss and AUC influence.

        The AUC's influence of a row is its structural component over its class's share, centred.
        """
        rate, event_N = self.target.mean(), self.target > 0.5
        if not 0 < rate < 1:
            return self.log_loss[:, None]
        components_N = structural_components(self.target, self.logit)
        centred_N = components_N - components_N[event_N].mean()
        influence_N = centred_N / np.where(event_N, rate, 1 - rate)
        return np.column_stack([self.log_loss, influence_N])


@dataclass(frozen=True)
class Regressed:
    """Predictions of a number, prepared once for all scores and replicates.

    Attributes
    ----------
    target, prediction : ndarray of shape (N,)
        In the target's unit.
    historical_mean : ndarray of shape (N,)
        What R² out of sample is measured against: the mean of the targets known at each decision.
    quantile : float
        Which quantile the prediction is meant to be; .5 for the median, and for the mean.
    """

    target: Floats
    prediction: Floats
    historical_mean: Floats
    quantile: float = 0.5

    def where(self, rows: NDArray[np.bool_]) -> Regressed:
        """Return the rows that a mask selects."""
        return Regressed(
            self.target[rows], self.prediction[rows], self.historical_mean[rows], self.quantile
        )

    @cached_property
    def squared_error(self) -> Floats:
        """Squared error of each row."""
        return squared_errors(self.target, self.prediction)

    @cached_property
    def shared(self) -> Shared:
        """What scores have in common."""
        return Shared()

    @cached_property
    def rankings(self) -> tuple[Ranking, Ranking]:
        """Rows by target, and by prediction."""
        return Ranking.of(self.target), Ranking.of(self.prediction)

    def dependence(self) -> Floats:
        """Return the series from which the block length is chosen: (N, 2), both errors."""
        return np.column_stack([self.squared_error, np.abs(self.target - self.prediction)])


Rows = TypeVar("Rows", bound=Classified | Regressed)
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Score(Generic[Rows]):
    """A declared score.

    Attributes
    ----------
    title : str
        As tables name it, with its unit.
    better : {"lower", "higher", ""}
        Which way is good; empty for a description.
    of : callable
        ``of(rows, weights_RN)`` gives one value for each replicate.
    interval : {"percentile", "centred", "none"}
        How its replicates become an interval. Noise can only raise a distance, so its replicates
        are centred on the value; for a minimum or maximum resampling says nothing.
    range : tuple of float
        Values that it can take; intervals stay inside.
    """

    title: str
    better: Literal["lower", "higher", ""]
    of: Callable[[Rows, Floats], Floats]
    interval: Literal["percentile", "centred", "none"] = "percentile"
    range: tuple[float, float] = (-math.inf, math.inf)


CLASSIFICATION: Registry[Score[Classified]] = Registry("classification score")
REGRESSION: Registry[Score[Regressed]] = Registry("regression score")
_SHARE = (0.0, 1.0)


def _membership(label_N: NDArray[Any]) -> Floats:
    """Return one column for each distinct label, 1 where a row carries it."""
    return np.asarray(label_N[:, None] == np.unique(label_N), dtype=np.float64)


def weighted_mean(values_N: Floats, weights_RN: Floats, shared: Shared | None = None) -> Floats:
    """Return the mean over rows in each replicate."""
    total_R = weights_RN.sum(axis=1) if shared is None else shared.total(weights_RN)
    return np.asarray(weights_RN @ values_N / total_R)


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide; 0/0 is NaN, in silence: a replicate without an event has no recall."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(top / bottom)


def column_sums(columns: Mapping[str, Floats], weights_RN: Floats) -> dict[str, Floats]:
    """Return each replicate's sums of columns, each (N,) or (N, K), in one product."""
    sums_CR = np.column_stack(list(columns.values())).T @ weights_RN.T
    found, first = {}, 0
    for name, column in columns.items():
        last = first + (column.shape[1] if column.ndim == 2 else 1)
        found[name] = sums_CR[first:last].T if column.ndim == 2 else sums_CR[first]
        first = last
    return found


def row_mean(rows: Classified, weights_RN: Floats, name: str) -> Floats:
    """Return the mean of a column over the rows in each replicate."""
    found = rows.sums(weights_RN)
    return np.asarray(found[name] / found["rows"])


def _reliability(rows: Classified, weights_RN: Floats) -> Floats:
    weight_RK, forecast_RK, outcome_RK = bin_means(rows, weights_RN)
    return np.asarray((weight_RK * (forecast_RK - outcome_RK) ** 2).sum(axis=1))


def _resolution(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the generalised resolution: what is explained between bins and inside them.

    Murphy's identity holds exactly only when all forecasts in a bin are equal. Stephenson, Coelho
    and Jolliffe (2008) add the forecasts' variance inside bins and their covariance with the
    outcome, and it holds for every forecast: Brier = reliability − resolution + uncertainty.
    """
    weight_RK, forecast_RK, outcome_RK = bin_means(rows, weights_RN)
    base_R1 = (weight_RK * outcome_RK).sum(axis=1, keepdims=True)
    between_R = (weight_RK * (outcome_RK - base_R1) ** 2).sum(axis=1)
    variance_R = row_mean(rows, weights_RN, "p²") - (weight_RK * forecast_RK**2).sum(axis=1)
    inside_R = (weight_RK * forecast_RK * outcome_RK).sum(axis=1)
    covariance_R = row_mean(rows, weights_RN, "py") - inside_R
    return np.asarray(between_R - variance_R + 2 * covariance_R)


def _uncertainty(rows: Classified, weights_RN: Floats) -> Floats:
    rate_R = base_rates(rows, weights_RN)
    return rate_R * (1 - rate_R)


def base_rates(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the share of events in each replicate."""
    return row_mean(rows, weights_RN, "events")


def bin_means(rows: Classified, weights_RN: Floats) -> tuple[Floats, Floats, Floats]:
    """Return share of rows, mean forecast and mean outcome of each forecast bin, each (R, K)."""
    return rows.shared.of(weights_RN, "bins", lambda: _bin_means(rows, weights_RN))


def _bin_means(rows: Classified, weights_RN: Floats) -> tuple[Floats, Floats, Floats]:
    found = rows.sums(weights_RN)
    # bins rise with the logit: whole numbers of rows and events between their ends
    bin_N = rows.bins[rows.ranking.order].argmax(axis=1)
    last = np.searchsorted(bin_N, np.arange(rows.bins.shape[1] + 1))
    rows_KR, events_KR = rows.ordered(weights_RN).parts(last)
    filled_RK = np.maximum(rows_KR.T, 1.0)  # an empty bin has weight 0 and no say
    share_RK = rows_KR.T / found["rows"][:, None]
    return share_RK, found["bins p"] / filled_RK, events_KR.T / filled_RK


def _spread(rows: Classified, weights_RN: Floats) -> Floats:
    """Return the standard deviation of predicted probabilities within folds."""
    found = rows.sums(weights_RN)
    between_R = np.nansum(ratio(found["folds centred p"] ** 2, found["folds"]), axis=1)
    squares_R = found["centred p²"] - between_R
    return np.asarray(np.sqrt(np.maximum(squares_R, 0) / found["rows"]))


def _areas(rows: Classified, weights_RN: Floats) -> Areas:
    return rows.shared.of(weights_RN, "areas", lambda: Areas.of(rows.ordered(weights_RN)))


def _spread_share(rows: Classified, weights_RN: Floats) -> Floats:
    return ratio(_spread(rows, weights_RN), np.sqrt(_uncertainty(rows, weights_RN)))


def _rank_correlation(rows: Regressed, weights_RN: Floats) -> Floats:
    by_target, by_prediction = rows.rankings
    total_R1 = weights_RN.sum(axis=1, keepdims=True)
    a_RN = by_target.midranks(weights_RN) - (total_R1 + 1) / 2
    b_RN = by_prediction.midranks(weights_RN) - (total_R1 + 1) / 2
    covariance_R = (weights_RN * a_RN * b_RN).sum(axis=1)
    scale_R = (weights_RN * a_RN**2).sum(axis=1) * (weights_RN * b_RN**2).sum(axis=1)
    return ratio(covariance_R, np.sqrt(scale_R))


def _r2_out_of_sample(rows: Regressed, weights_RN: Floats) -> Floats:
    benchmark_N = squared_errors(rows.target, rows.historical_mean)
    return 1 - ratio(weights_RN @ rows.squared_error, weights_RN @ benchmark_N)


CLASSIFICATION.add(
    "log_loss",
    Score(
        "log loss (nats)",
        "lower",
        lambda r, w: row_mean(r, w, "log loss"),
        range=(0, math.inf),
    ),
)
CLASSIFICATION.add(
    "brier",
    Score(
        "Brier",
        "lower",
        lambda r, w: row_mean(r, w, "squared error"),
        range=_SHARE,
    ),
)
CLASSIFICATION.add("reliability", Score("  reliability", "lower", _reliability, "centred", _SHARE))
CLASSIFICATION.add("resolution", Score("  resolution", "higher", _resolution, "centred", _SHARE))
CLASSIFICATION.add("uncertainty", Score("  uncertainty", "", _uncertainty))
CLASSIFICATION.add(
    "auc",
    Score("AUC", "higher", lambda r, w: _areas(r, w).roc, range=_SHARE),
)
CLASSIFICATION.add(
    "average_precision",
    Score(
        "average precision",
        "higher",
        lambda r, w: _areas(r, w).precision,
        range=_SHARE,
    ),
)
CLASSIFICATION.add("base_rate", Score("base rate", "", base_rates, range=_SHARE))
CLASSIFICATION.add(
    "prediction_min",
    Score("lowest p", "", lambda r, w: np.full(len(w), r.probability.min()), interval="none"),
)
CLASSIFICATION.add(
    "prediction_max",
    Score("highest p", "", lambda r, w: np.full(len(w), r.probability.max()), interval="none"),
)
CLASSIFICATION.add("spread", Score("spread of p", "", _spread))
CLASSIFICATION.add("spread_share", Score("  of the outcome's", "", _spread_share))

REGRESSION.add(
    "mae",
    Score("MAE", "lower", lambda r, w: weighted_mean(np.abs(r.target - r.prediction), w, r.shared)),
)
REGRESSION.add(
    "rmse",
    Score("RMSE", "lower", lambda r, w: np.sqrt(weighted_mean(r.squared_error, w, r.shared))),
)
REGRESSION.add("r2_oos", Score("R² out of sample", "higher", _r2_out_of_sample))
REGRESSION.add("rank_correlation", Score("rank correlation", "higher", _rank_correlation))
REGRESSION.add(
    "pinball",
    Score(
        "pinball loss",
        "lower",
        lambda r, w: weighted_mean(pinball_losses(r.target, r.prediction, r.quantile), w, r.shared),
    ),
)


def measure(
    scores: Mapping[str, Score[Rows]], rows: Rows, resampler: Resampler
) -> dict[str, Metric]:
    """Return the value and interval of each declared score on some rows.

    Parameters
    ----------
    scores : mapping of str to Score
        :data:`CLASSIFICATION`, :data:`REGRESSION`, or part of one.
    rows : Classified or Regressed
        The scored rows.
    resampler : Resampler
        Replicates of the days that the same rows lie on.
    """
    return measure_each({name: (score, rows) for name, score in scores.items()}, resampler)


def measure_each(
    declared: Mapping[Name, tuple[Score[Rows], Rows]], resampler: Resampler
) -> dict[Name, Metric]:
    """Return the value and interval of scores, each on rows of its own, from the same replicates.

    Parameters
    ----------
    declared : mapping of name to (Score, rows)
        The rows lie on the days that the resampler holds.
    resampler : Resampler
        Their replicates.
    """
    metrics = resampler.metrics(
        {name: partial(score.of, rows) for name, (score, rows) in declared.items()},
        centred=[name for name, (score, _) in declared.items() if score.interval == "centred"],
    )
    for _, rows in declared.values():
        rows.shared.clear()
    return {name: _bounded(metrics[name], score) for name, (score, _) in declared.items()}


def _bounded(metric: Metric, score: Score[Rows]) -> Metric:
    if score.interval == "none":
        return replace(metric, low=math.nan, high=math.nan)
    least, most = score.range
    # NaN stays NaN: no comparison with it holds
    low = least if metric.low < least else most if metric.low > most else metric.low
    high = least if metric.high < least else most if metric.high > most else metric.high
    return Metric(metric.value, low, high)


def classification_scores(
    target: ArrayLike,
    logit: ArrayLike,
    dates: Sequence[Any] | NDArray[Any],
    *,
    fold: ArrayLike | None = None,
    overlap: int = 1,
    block_length: float | None = None,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
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
    overlap, block_length, num_replicates, level, seed
        Of the bootstrap; see :func:`finscale.evaluation.bootstrap.mean_interval`. With
        ``num_replicates=0`` values come without intervals (NaN), at no cost.

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
    resampler = Resampler.over(
        dates,
        rows.dependence(),
        overlap=overlap,
        block_length=block_length,
        num_replicates=num_replicates,
        level=level,
        seed=seed,
    )
    return measure(CLASSIFICATION, rows, resampler)


def regression_scores(
    target: ArrayLike,
    prediction: ArrayLike,
    dates: Sequence[Any] | NDArray[Any],
    *,
    historical_mean: ArrayLike,
    quantile: float = 0.5,
    overlap: int = 1,
    block_length: float | None = None,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
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
    overlap, block_length, num_replicates, level, seed
        As in :func:`classification_scores`.

    Returns
    -------
    dict of str to Metric
        By the names in :data:`REGRESSION`.
    """
    target_N = np.asarray(target, dtype=np.float64)
    benchmark_N = np.broadcast_to(np.asarray(historical_mean, np.float64), target_N.shape)
    rows = Regressed(target_N, np.asarray(prediction, dtype=np.float64), benchmark_N, quantile)
    resampler = Resampler.over(
        dates,
        rows.dependence(),
        overlap=overlap,
        block_length=block_length,
        num_replicates=num_replicates,
        level=level,
        seed=seed,
    )
    return measure(REGRESSION, rows, resampler)


def collapsed(rows: Classified) -> bool:
    """Return whether predictions hug one number: spread below 2 % of the outcome's.

    See :data:`COLLAPSE_RATIO` for why 2 %. The spread is taken within folds, so that a different
    constant in each fold counts as collapsed too.
    """
    return bool(_spread_share(rows, np.ones((1, len(rows.target))))[0] < COLLAPSE_RATIO)
