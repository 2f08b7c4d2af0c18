"""Intervals and sets that hold the outcome as often as promised, whatever the model.

Split conformal prediction takes one quantile of validation errors; its promise needs days that are
exchangeable. Adaptive conformal inference watches its own misses and corrects its level from day to
day, so its long-run coverage holds under any drift.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from finscale.errors import DataError, missing_extra
from finscale.evaluation.bootstrap import Days, Floats, mean_interval
from finscale.evaluation.scores import probabilities

CONFIDENCE = 0.90
#: A rank that is whole but for rounding is whole.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Intervals:
    """Prediction intervals, in the target's unit.

    Attributes
    ----------
    low, high : ndarray of shape (N,)
        Ends; infinite where the method gives up on a finite one.
    """

    low: Floats
    high: Floats

    def covers(self, target: ArrayLike) -> NDArray[np.bool_]:
        """Return for each row whether the interval holds its target."""
        target_N = np.asarray(target, dtype=np.float64)
        return (self.low <= target_N) & (target_N <= self.high)


def split_intervals(
    validation_target: ArrayLike,
    validation_prediction: ArrayLike,
    prediction: ArrayLike,
    *,
    scale: tuple[ArrayLike, ArrayLike] | None = None,
    confidence: float = CONFIDENCE,
) -> Intervals:
    """Return intervals whose half-width is a quantile of the validation errors, by MAPIE.

    Parameters
    ----------
    validation_target, validation_prediction : array_like of shape (M,)
        Rows that were not trained on.
    prediction : array_like of shape (N,)
        Test predictions.
    scale : pair of array_like, optional
        A volatility forecast for each validation row and each test row, known at the decision.
        Errors are measured in its unit, so that intervals breathe with the market.
    confidence : float
        Nominal coverage.

    Raises
    ------
    DataError
        With too few validation rows for the confidence.
    FinscaleError
        If MAPIE is not installed.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), JASA 113.
    """
    target_M = np.asarray(validation_target, dtype=np.float64)
    error_M = target_M - np.asarray(validation_prediction, dtype=np.float64)
    scale_M, scale_N = (1.0, 1.0) if scale is None else (np.asarray(s, np.float64) for s in scale)
    _require_rows(len(error_M), confidence)
    with _mapie():
        from mapie.regression import SplitConformalRegressor

    # in units of the scale each row predicts zero and its outcome is its standardised error
    split = SplitConformalRegressor(_Given(), confidence_level=confidence, prefit=True)
    split.conformalize(np.zeros((len(error_M), 1)), error_M / scale_M)
    _, bounds = split.predict_interval(np.zeros((1, 1)))
    low, high = (float(bound) for bound in bounds[0, :, 0])
    prediction_N = np.asarray(prediction, dtype=np.float64)
    return Intervals(prediction_N + low * scale_N, prediction_N + high * scale_N)


def prediction_sets(
    validation_target: ArrayLike,
    validation_logit: ArrayLike,
    logit: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
) -> NDArray[np.bool_]:
    """Return which outcomes cannot be excluded at each test row, by MAPIE.

    Parameters
    ----------
    validation_target, validation_logit : array_like of shape (M,)
        Rows that were not trained on.
    logit : array_like of shape (N,)
        Test log odds.
    confidence : float
        Nominal coverage.

    Returns
    -------
    ndarray of shape (N, 2)
        Whether the set holds "no event" and "event"; both where the model cannot tell.

    Raises
    ------
    DataError
        With too few validation rows for the confidence.
    FinscaleError
        If MAPIE is not installed.

    References
    ----------
    Sadinle, Lei and Wasserman (2019), Least ambiguous set-valued classifiers, JASA 114.
    """
    target_M = np.asarray(validation_target, dtype=np.float64) > 0.5
    _require_rows(len(target_M), confidence)
    with _mapie():
        from mapie.classification import SplitConformalClassifier

    split = SplitConformalClassifier(_Given(), confidence_level=confidence, prefit=True)
    split.conformalize(probabilities(validation_logit)[:, None], target_M.astype(np.int64))
    _, sets = split.predict_set(probabilities(logit)[:, None])
    return np.asarray(sets[:, :, 0], dtype=np.bool_)


class _Given:
    """What MAPIE takes for a fitted estimator: its prediction is its one input."""

    fitted_ = True
    classes_ = np.array([0, 1])

    def fit(self, X: Floats, y: Floats) -> _Given:
        return self

    def predict(self, X: Floats) -> Floats:
        return X[:, 0]

    def predict_proba(self, X: Floats) -> Floats:
        return np.column_stack([1 - X[:, 0], X[:, 0]])


@contextmanager
def _mapie() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError:
        raise missing_extra("MAPIE", "conformal") from None


def _require_rows(num_rows: int, confidence: float) -> None:
    fewest = math.floor(1 / min(confidence, 1 - confidence) + _ROUNDING) + 1
    if num_rows < fewest:
        raise DataError(
            f"{num_rows} validation rows cannot give intervals at {confidence:.0%} confidence: "
            f"it takes {fewest} at least."
        )


def adaptive_intervals(
    validation_target: ArrayLike,
    validation_prediction: ArrayLike,
    dates: Sequence[Any] | NDArray[Any],
    target: ArrayLike,
    prediction: ArrayLike,
    *,
    overlap: int = 1,
    confidence: float = CONFIDENCE,
    rate: float = 0.02,
) -> Intervals:
    """Return intervals that widen after misses and narrow after hits, day by day.

    On each day the level is the one that past misses left; the errors it takes its quantile from
    are the latest that are known, as many as there are validation rows. A day's own outcome enters
    ``overlap`` days later, when its label has ended: MAPIE's version, which sees it at once, would
    look ahead for H > 1.

    Parameters
    ----------
    validation_target, validation_prediction : array_like of shape (M,)
        Rows before the first test day, in order of time.
    dates : array_like of shape (N,)
        Decision days of the test rows; all rows of one day share a level.
    target, prediction : array_like of shape (N,)
        Test rows.
    overlap : int
        H, days until a label is known.
    confidence : float
        Nominal coverage.
    rate : float
        γ: how far one miss moves the level. Larger follows faster and wavers more.

    References
    ----------
    Gibbs and Candès (2021), Adaptive conformal inference under distribution shift, NeurIPS 34.
    """
    errors_M = np.abs(np.subtract(validation_target, validation_prediction, dtype=np.float64))
    prediction_N = np.asarray(prediction, dtype=np.float64)
    errors_N = np.abs(np.asarray(target, dtype=np.float64) - prediction_N)
    reach_N = _adaptive_reach(errors_M, Days.of(dates), errors_N, overlap, confidence, rate)
    return Intervals(prediction_N - reach_N, prediction_N + reach_N)


def adaptive_sets(
    validation_target: ArrayLike,
    validation_logit: ArrayLike,
    dates: Sequence[Any] | NDArray[Any],
    target: ArrayLike,
    logit: ArrayLike,
    *,
    overlap: int = 1,
    confidence: float = CONFIDENCE,
    rate: float = 0.02,
) -> NDArray[np.bool_]:
    """Return :func:`prediction_sets` whose level follows their misses, as in adaptive intervals.

    Volatility clusters, so a few hundred validation days are worth a few dozen: on GARCH returns
    sets at 90 % from 500 validation days hold the outcome 87 % of the time, adaptive ones 90 %.

    Parameters
    ----------
    validation_target, validation_logit : array_like of shape (M,)
        Rows before the first test day, in order of time.
    dates, target, logit : array_like of shape (N,)
        Test rows.
    overlap, confidence, rate
        See :func:`adaptive_intervals`.

    Returns
    -------
    ndarray of shape (N, 2)
        Whether the set holds "no event" and "event".
    """
    score_M2 = 1 - _both(validation_logit)
    score_N2 = 1 - _both(logit)
    event_M = (np.asarray(validation_target) > 0.5).astype(np.int64)
    event_N = (np.asarray(target) > 0.5).astype(np.int64)
    own_M = score_M2[np.arange(len(event_M)), event_M]
    own_N = score_N2[np.arange(len(event_N)), event_N]
    reach_N = _adaptive_reach(own_M, Days.of(dates), own_N, overlap, confidence, rate)
    return np.asarray(score_N2 <= reach_N[:, None])


def _both(logit: ArrayLike) -> Floats:
    """Return the probabilities of no event and of an event."""
    z = np.asarray(logit, dtype=np.float64)
    return np.column_stack([probabilities(-z), probabilities(z)])


def _adaptive_reach(
    known_M: Floats, days: Days, scores_N: Floats, overlap: int, confidence: float, rate: float
) -> Floats:
    """Return for each row the largest score that its interval or set admits."""
    _require_rows(len(known_M), confidence)
    ends = np.cumsum(days.counts, dtype=np.int64).tolist()
    by_day = scores_N[np.argsort(days.row_day, kind="stable")].tolist()
    scores_of_day = [by_day[first:end] for first, end in zip([0, *ends], ends, strict=False)]
    # the errors known so far in order of time, and of size: one comes, one goes, in log steps
    latest, ordered = deque(known_M.tolist()), sorted(known_M.tolist())
    miss_level = 1 - confidence
    reaches: list[float] = []
    for day in range(len(scores_of_day)):
        if day >= overlap:
            ended, reached = scores_of_day[day - overlap], reaches[day - overlap]
            missed = sum(score > reached for score in ended) / len(ended)
            miss_level += rate * ((1 - confidence) - missed)
            for score in ended:
                latest.append(score)
                insort(ordered, score)
                del ordered[bisect_left(ordered, latest.popleft())]
        reaches.append(_reach(ordered, miss_level))
    return np.asarray(np.array(reaches)[days.row_day])


def _reach(ordered: Sequence[float], miss_level: float) -> float:
    """Return the half-width that at most ``miss_level`` of the errors, one more counted, exceed."""
    rank = math.ceil((1 - miss_level) * (len(ordered) + 1) - _ROUNDING)
    if rank > len(ordered):
        return math.inf
    return ordered[rank - 1] if rank > 0 else 0.0


def coverage(
    covered: ArrayLike, dates: Sequence[Any] | NDArray[Any], *, overlap: int = 1, seed: int = 0
) -> pl.DataFrame:
    """Return how often intervals or sets held the outcome: all days, and each year.

    Parameters
    ----------
    covered : array_like of shape (N,)
        Whether each row was covered.
    dates : array_like of shape (N,) of dates
        Decision days.
    overlap, seed
        Of the bootstrap.

    Returns
    -------
    polars.DataFrame
        year (``all`` first), rows, value, low, high.
    """
    covered_N = np.asarray(covered, dtype=np.float64)
    dates_N = np.asarray(dates, dtype="datetime64[D]")
    year_N = dates_N.astype("datetime64[Y]").astype(str)
    lines = []
    for year in ("all", *np.unique(year_N)):
        rows = np.ones(len(year_N), np.bool_) if year == "all" else year_N == year
        metric = mean_interval(dates_N[rows], covered_N[rows], overlap=overlap, seed=seed)
        lines.append({"year": str(year), "rows": int(rows.sum()), **vars(metric)})
    return pl.DataFrame(lines)
