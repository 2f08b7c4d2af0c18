"""Linear models of a few numbers known at the close: logistic, or ridge for regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.models.baselines.baseline import Floats, Ints, Setting, rate_logit

#: Share of the variance of returns that a ridge expects to explain before it has seen any.
_EXPECTED_R2 = 0.01

#: Stacked frame and decision rows → the inputs of each decision, [B, K]; NaN counts as average.
Design = Callable[[pl.DataFrame, Ints], Floats]


@dataclass(frozen=True)
class Standardiser:
    """Zero mean and unit spread on the rows that it was fitted on; NaN becomes the mean."""

    mean_K: Floats
    spread_K: Floats

    @classmethod
    def fit(cls, x_BK: Floats) -> Self:
        """Measure mean and spread of each column; a constant column keeps its scale."""
        mean_K, spread_K = np.nanmean(x_BK, axis=0), np.nanstd(x_BK, axis=0)
        constant_K = spread_K <= 1e-12 * np.abs(mean_K)
        return cls(mean_K, np.where(constant_K, 1.0, spread_K))

    def __call__(self, x_BK: Floats) -> Floats:
        """Return the standardised columns."""
        z_BK = (x_BK - self.mean_K) / self.spread_K
        return np.nan_to_num(z_BK, copy=False, nan=0.0)


@dataclass(frozen=True)
class LinearHead:
    """``x·weights + bias``: a logit or a prediction."""

    weight_K: Floats
    bias: float

    @classmethod
    def fit(cls, x_BK: Floats, y_B: Floats, *, classifies: bool, penalty: float) -> Self:
        """Minimise the summed log loss plus ``penalty/2·|weights|²``, or a ridge's squared error.

        A ridge takes its penalty from what returns are like: all columns together are expected to
        explain 1 % of the variance. Cross-validation on train is no guide there: a few crash days
        decide it.
        """
        if classifies:
            return cls(*_logistic(x_BK, y_B, penalty))
        return cls(*_ridge(x_BK, y_B))

    def __call__(self, x_BK: Floats) -> Floats:
        """Return a logit or prediction for each row."""
        result: Floats = x_BK @ self.weight_K + self.bias
        return result


class LinearBaseline:
    """A standardised design with a linear head.

    Parameters
    ----------
    setting : Setting
        The job.
    design : callable
        The inputs of each decision.
    penalty : float
        L2 penalty on the standardised weights of a classification.
    """

    def __init__(self, setting: Setting, design: Design, *, penalty: float = 1e-3) -> None:
        self.setting = setting
        self.design = design
        self.penalty = penalty

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Fit scale and weights on the windows that end at ``ends``."""
        x_BK = self.design(frame, ends)
        self.scale = Standardiser.fit(x_BK)
        self.head = LinearHead.fit(
            self.scale(x_BK),
            np.asarray(target, dtype=np.float64),
            classifies=self.setting.classifies,
            penalty=self.penalty,
        )
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return a logit or prediction for each window."""
        return self.head(self.scale(self.design(frame, ends)))


def _logistic(x_BK: Floats, y_B: Floats, penalty: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    num_columns = x_BK.shape[1]
    if y_B.min() == y_B.max():  # one class only: nothing separates, the rate is all there is
        return np.zeros(num_columns), rate_logit(y_B.sum(), y_B.size)
    # Newton's steps cost K³: exact where that is little, quasi-Newton beyond
    solver = "newton-cholesky" if num_columns <= 256 else "lbfgs"
    model = LogisticRegression(C=1.0 / penalty, solver=solver, tol=1e-8, max_iter=1000)
    model.fit(x_BK, y_B > 0.5)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _ridge(x_BK: Floats, y_B: Floats) -> tuple[Floats, float]:
    mean_K, mean = x_BK.mean(axis=0), y_B.mean()
    x_BK, y_B = x_BK - mean_K, y_B - mean
    num_rows, num_columns = x_BK.shape
    # independent weights that explain this share together have this penalty: noise over signal
    penalty = num_columns / _EXPECTED_R2
    if num_columns <= num_rows:
        gram = x_BK.T @ x_BK + penalty * np.eye(num_columns)
        weight_K = np.linalg.solve(gram, x_BK.T @ y_B)
    else:  # the dual system is the smaller one
        kernel = x_BK @ x_BK.T + penalty * np.eye(num_rows)
        weight_K = x_BK.T @ np.linalg.solve(kernel, y_B)
    return weight_K.astype(np.float64), float(mean - mean_K @ weight_K)
