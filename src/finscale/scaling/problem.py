"""One fitting problem: sizes, losses and the metric by which a curve is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from finscale.errors import FinscaleError, did_you_mean
from finscale.scaling.batch import BatchFit, fit_batch
from finscale.scaling.covariance import least_bandwidth, long_run_covariance, size_covariance
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.robust import DELTA
from finscale.scaling.table import LawTable

#: Loss functions: what is added up over points.
LOSSES = {
    "least_squares": "squares of L - fitted, weighted by seeds",
    "gls": "Mahalanobis distance with the covariance across sizes",
    "huber": "Huber (1e-3) of ln L - ln fitted",
}


@dataclass(frozen=True)
class Problem:
    """Points and a metric, to which any form can be fitted.

    Parameters
    ----------
    x_nd : array, ``[n, d]``
        Sizes.
    y_n : array, ``[n]``
        Losses.
    loss : str
        A key of ``LOSSES``.
    weights_n : array, ``[n]``
        Weight of each point (its number of seeds).
    covariance_nn : array, ``[n, n]``, optional
        For ``gls``.
    """

    x_nd: Array
    y_n: Array
    loss: str
    weights_n: Array
    covariance_nn: Array | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise FinscaleError(
                f"{self.loss!r} is not a loss.", hint=did_you_mean(self.loss, LOSSES)
            )

    @property
    def num_points(self) -> int:
        """Number of points with a positive weight."""
        return int(np.count_nonzero(self.weights_n))

    def batch(
        self, form: Form, y_Rn: Array | None = None, multiples_Rn: Array | None = None
    ) -> BatchFit:
        """Fit a form, to other losses or with points counted several times."""
        y_Rn = self.y_n[None] if y_Rn is None else y_Rn
        if self.loss == "gls" and multiples_Rn is None:
            return fit_batch(form, self.x_nd, y_Rn, loss="gls", covariance=self.covariance_nn)
        if self.loss == "gls":
            raise ValueError("points that are correlated cannot be redrawn one by one")
        weights = self.weights_n if multiples_Rn is None else self.weights_n * multiples_Rn
        return fit_batch(form, self.x_nd, y_Rn, loss=self.loss, weights=weights)

    def whitened(self, values_n_: Array, fitted_n: Array) -> Array:
        """Return arrays ``[n, ...]`` in units in which the loss is a plain sum of squares.

        Under Huber's loss these are relative errors, each weighted by how much it still pulls.
        """
        if self.covariance_nn is not None and self.loss == "gls":
            root = np.linalg.cholesky(self.covariance_nn)
            return np.asarray(np.linalg.solve(root, values_n_))
        scale_n = np.sqrt(self.weights_n)
        if self.loss == "huber":
            error_n = np.abs(np.log(fitted_n) - np.log(self.y_n))
            scale_n = scale_n * np.sqrt(np.minimum(1.0, DELTA / np.maximum(error_n, DELTA)))
            scale_n = scale_n / fitted_n
        return np.asarray(values_n_ * scale_n.reshape(-1, *[1] * (values_n_.ndim - 1)))

    def subset(self, keep: NDArray[np.bool_]) -> Problem:
        """Return the problem of some of its points."""
        covariance = self.covariance_nn
        return replace(
            self,
            x_nd=self.x_nd[keep],
            y_n=self.y_n[keep],
            weights_n=self.weights_n[keep],
            covariance_nn=None if covariance is None else covariance[np.ix_(keep, keep)],
        )

    def deviance(self, objective: Array | float) -> Array:
        """Return -2 ln L, up to a constant, of a least objective.

        GLS: the distance itself. Least squares: n·ln(RSS/n), the variance profiled out. Huber: the
        same of a Laplace law, 2n·ln(objective/n), to which it comes down when errors exceed delta.
        """
        objective = np.asarray(objective, dtype=np.float64)
        if self.loss == "gls":
            return objective
        n = self.num_points
        # Rounding leaves about 1e-30 of an exact fit: less is no evidence.
        least = 1e-30 * max(float(np.sum(self.y_n**2)), 1e-300)
        factor = 2.0 if self.loss == "huber" else 1.0
        return np.asarray(factor * n * np.log(np.maximum(objective, least) / n))

    def cutoff(self, num_parameters: int, level: float) -> float:
        """Return by how much the deviance may rise inside a confidence set for one number.

        Chi-squared for GLS; for a variance estimated from n - p degrees of freedom the exact
        F-based value (Bates and Watts 1988, section 6.1).
        """
        if self.loss == "gls":
            return float(ndtri(0.5 + level / 2) ** 2)
        freedom = max(self.num_points - num_parameters, 1)
        t = float(stdtrit(freedom, 0.5 + level / 2))
        factor = 2.0 if self.loss == "huber" else 1.0
        return factor * self.num_points * float(np.log1p(t**2 / freedom / factor))


def problem_of(
    table: LawTable,
    loss: str = "auto",
    *,
    covariance: Array | None = None,
    horizon: int = 1,
    signed: bool = False,
) -> Problem:
    """Return the fitting problem of a table, its covariance across sizes estimated if needed.

    ``loss``, ``covariance``, ``horizon`` and ``signed`` are as in :func:`fit_law`.
    """
    daily = table.has_days and table.losses_nST.shape[-1] > 1
    if loss == "auto":
        surface = len(table.axes) > 1 and not signed
        known = daily or covariance is not None
        loss = "gls" if known else "huber" if surface else "least_squares"
    if loss == "huber" and signed:
        raise FinscaleError(
            "huber works on ln L; signed losses have none.", hint="use least_squares or gls"
        )
    if loss == "gls":
        covariance = _covariance(table, horizon) if covariance is None else covariance
        _check_invertible(covariance)
    weights_n = table.seeds_n.astype(np.float64)
    return Problem(table.x_nd, table.y_n, loss, weights_n, covariance if loss == "gls" else None)


def _covariance(table: LawTable, horizon: int) -> Array:
    if table.seeds_n.max() > 1:
        losses = table.losses_nST if table.has_days else table.runs_nS
        return size_covariance(losses, horizon=horizon, seeds=table.seeds).matrix_GG
    if not table.has_days:
        raise FinscaleError(
            "gls needs a covariance across sizes, and the table has neither days nor seeds.",
            hint="add a day or a seed column, pass covariance=, or use least_squares",
        )
    return long_run_covariance(table.losses_nST[:, 0, :], least_bandwidth(horizon))[0]


def _check_invertible(covariance: Array) -> None:
    scale = np.sqrt(np.diagonal(covariance))
    if not (scale > 0).all() or np.linalg.cond(covariance / np.outer(scale, scale)) > 1e12:
        raise FinscaleError(
            f"the covariance of {len(covariance)} sizes cannot be inverted: some of their "
            "differences have no error at all.",
            hint="give more days than sizes, more seeds, or use least_squares",
        )
