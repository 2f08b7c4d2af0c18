"""Scored rows, sorted and binned once, and their sums under weights of replicates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.evaluation.blocks import Floats, Integers
from finscale.evaluation.losses import (
    log_losses,
    mean_pinball_losses,
    probabilities,
    squared_errors,
)
from finscale.evaluation.ranking import Areas, Ordered, Ranking, structural_components

NUM_BINS = 10


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
    _last: list[Any] = field(default_factory=list, repr=False)

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

    def where(self, rows: NDArray[np.bool_] | Integers) -> Classified:
        """Return the rows that a mask selects, or in another order."""
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
            "events": y,
            "p": p,
            "log loss": self.log_loss,
            "squared error": squared_errors(y, p),
            "p²": p**2,
            "py": p * y,
            "centred p²": centred**2,
            "folds": self.folds,
            "folds centred p": self.folds * centred[:, None],
        }
        if not np.isnan(self.flagged).any():
            columns |= {"flagged": self.flagged, "found": self.flagged * y}
        return columns

    @cached_property
    def _by_bin(self) -> list[tuple[slice, Floats]]:
        """Each bin's rows, which lie side by side in order of the logits, with all columns."""
        matrix_NC = np.column_stack(list(self.columns.values()))[self.ranking.order]
        bin_N = self.bins[self.ranking.order].argmax(axis=1)
        ends = np.searchsorted(bin_N, np.arange(self.bins.shape[1] + 1))
        return [(slice(*span), matrix_NC[slice(*span)]) for span in pairwise(ends)]

    def sums(self, weights_RN: NDArray[Any]) -> dict[str, Floats]:
        """Return each replicate's sums of the columns, and its areas "roc" and "precision".

        Those of rows, of events and of p also by bin, as "bins rows" and so on. Each of shape (R,)
        or (R, K). Scores ask for them one after the other: those of the last weights are kept.
        """
        if not self._last or self._last[0] is not weights_RN:
            self._last[:] = weights_RN, self._sums(weights_RN)
        found: dict[str, Floats] = self._last[1]
        return found

    def _sums(self, weights_RN: NDArray[Any]) -> dict[str, Floats]:
        weights_NR = self.ranking.arranged(weights_RN.T)
        sums_KRC = np.stack(
            [weights_NR[rows].T.astype(np.float64) @ own_NC for rows, own_NC in self._by_bin]
        )
        ends = np.cumsum([column.size // len(column) for column in self.columns.values()])
        parts = zip(
            self.columns.items(), np.split(sums_KRC.sum(axis=0), ends[:-1], axis=1), strict=True
        )
        found = {name: part[:, 0] if column.ndim == 1 else part for (name, column), part in parts}
        for place, name in enumerate(("rows", "events", "p")):
            found[f"bins {name}"] = sums_KRC[:, :, place].T
        areas = Areas.of(Ordered.of(self.ranking, self.target, weights_RN))
        return {**found, "roc": areas.roc, "precision": areas.precision}

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
    def rankings(self) -> tuple[Ranking, Ranking]:
        """Rows by target, and by prediction."""
        return Ranking.of(self.target), Ranking.of(self.prediction)

    def dependence(self) -> Floats:
        """Return the series from which the block length is chosen: (N, 2), both errors."""
        return np.column_stack([self.squared_error, np.abs(self.target - self.prediction)])


@dataclass(frozen=True)
class ForecastQuantiles(Regressed):
    """Predicted quantiles of a number; ``prediction`` is the one nearest the median.

    Attributes
    ----------
    outputs : ndarray of shape (N, Q)
        Predicted quantiles, in the target's unit.
    levels : tuple of float
        Their levels, ascending.
    """

    outputs: Floats = field(default_factory=lambda: np.empty((0, 0)))
    levels: tuple[float, ...] = ()

    def where(self, rows: NDArray[np.bool_]) -> ForecastQuantiles:
        """Return the rows that a mask selects."""
        return ForecastQuantiles(
            self.target[rows],
            self.prediction[rows],
            self.historical_mean[rows],
            outputs=self.outputs[rows],
            levels=self.levels,
        )

    @cached_property
    def pinball(self) -> Floats:
        """Pinball loss of each row, averaged over levels."""
        return mean_pinball_losses(self.target, self.outputs, self.levels)

    @cached_property
    def covered(self) -> Floats:
        """1.0 where the target lies between the lowest and the highest quantile."""
        low_N, high_N = self.outputs.min(axis=1), self.outputs.max(axis=1)
        return np.asarray((low_N <= self.target) & (self.target <= high_N), dtype=np.float64)

    def dependence(self) -> Floats:
        """Return the series from which the block length is chosen: (N, 2), pinball and error."""
        return np.column_stack([self.pinball, np.abs(self.target - self.prediction)])


def _membership(label_N: NDArray[Any]) -> Floats:
    """Return one column for each distinct label, 1 where a row carries it."""
    return np.asarray(label_N[:, None] == np.unique(label_N), dtype=np.float64)


def weighted_mean(values_N: Floats, weights_RN: Floats) -> Floats:
    """Return the mean over rows in each replicate."""
    return np.asarray(weights_RN @ values_N / weights_RN.sum(axis=1))


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide; 0/0 is NaN, in silence: a replicate without an event has no recall."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(top / bottom)


def row_mean(rows: Classified, weights_RN: Floats, name: str) -> Floats:
    """Return the mean of a column over the rows in each replicate."""
    found = rows.sums(weights_RN)
    return np.asarray(found[name] / found["rows"])
