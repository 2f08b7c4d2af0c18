"""Fit one form to many replicates at once, as every bootstrap of a law does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.scaling.forms import FORMS, Form
from finscale.scaling.forms.base import Array
from finscale.scaling.robust import DELTA, solve_huber
from finscale.scaling.varpro import Precision, solve


@dataclass(frozen=True)
class BatchFit:
    """One form fitted to R replicates of the same points.

    Parameters
    ----------
    form : Form
        What was fitted.
    params_Rp : array, ``[R, p]``
        Parameters in the order of ``form.names``, in the units of x.
    internal_Rp : array, ``[R, p]``
        The same in the fitter's units, x/x0, which keep numbers near one.
    x0_d : array, ``[d]``
        Those units.
    objective_R : array, ``[R]``
        Least objective: (weighted) sum of squares, Mahalanobis distance, or summed Huber.
    fitted_Rn : array, ``[R, n]``
        Predictions at the fitted points.
    converged_R : array of bool, ``[R]``
        Whether the refinement converged.
    at_bound_Rp : array of bool, ``[R, p]``
        Parameters that rest on a bound.
    """

    form: Form
    params_Rp: Array
    internal_Rp: Array
    x0_d: Array
    objective_R: Array
    fitted_Rn: Array
    converged_R: NDArray[np.bool_]
    at_bound_Rp: NDArray[np.bool_]

    def __getitem__(self, name: str) -> Array:
        """Return one parameter of every replicate by its name."""
        return self.params_Rp[:, self.form.index(name)]

    def predict(self, x: ArrayLike) -> Array:
        """Return predictions ``[R, m]`` at new sizes."""
        return self.form.evaluate(self.form.columns(x) / self.x0_d, self.internal_Rp)


def fit_batch(
    form: str | Form,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str = "least_squares",
    weights: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
) -> BatchFit:
    """Fit one form to many replicates of y (or of the weights) in one batched computation.

    Parameters
    ----------
    form : str or Form
        A name of ``FORMS`` or a form.
    x : array, ``[n]`` or ``[n, d]``
        Sizes, positive.
    y : array, ``[R, n]`` or ``[n]``
        Losses of each replicate; ``[n]`` is shared by replicates that differ in their weights.
    loss : {"least_squares", "log_least_squares", "gls", "huber"}
        ``gls`` needs ``covariance``; ``huber`` is Huber 1e-3 on the logarithm, summed, and
        ``log_least_squares`` the squares of the logarithm.
    weights : array, ``[n]`` or ``[R, n]``, optional
        Weight of each point: counts of a case bootstrap, inverse variances.
    covariance : array, ``[n, n]`` or ``[R, n, n]``, optional
        Covariance of the points across sizes, for ``gls``.
    """
    form = FORMS[form] if isinstance(form, str) else form
    x_nd = form.columns(x)
    weights = None if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))
    covariance = None if covariance is None else np.asarray(covariance, dtype=np.float64)
    if (loss == "gls") != (covariance is not None):
        raise ValueError("loss 'gls' and a covariance go together")
    y_Rn = np.atleast_2d(np.asarray(y, dtype=np.float64))
    num_replicates = max(
        len(y_Rn),
        1 if weights is None else len(weights),
        len(covariance) if covariance is not None and covariance.ndim == 3 else 1,
    )
    y_Rn = np.broadcast_to(y_Rn, (num_replicates, y_Rn.shape[1]))
    x0_d = form.reference_sizes(x_nd)
    scaled = x_nd / x0_d
    if loss in ("huber", "log_least_squares"):
        delta = DELTA if loss == "huber" else np.inf
        solution = solve_huber(
            form, scaled, y_Rn, np.ones(1) if weights is None else weights, delta
        )
        if loss == "log_least_squares":
            solution = solution._replace(objective_R=2.0 * solution.objective_R)
    else:
        solution = solve(form, scaled, y_Rn, Precision.of(len(x_nd), weights, covariance))
    internal_Rp, (lower, upper) = solution.internal_Rp, form.bounds
    # what multiplies a curve is as large as the losses, which may be tiny; exponents are near 1
    unit_Rp = np.ones_like(internal_Rp)
    unit_Rp[:, : len(form.linear)] = np.abs(y_Rn).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        near_lower = internal_Rp <= lower + 1e-9 * np.maximum(unit_Rp, np.abs(lower))
        near_upper = internal_Rp >= upper - 1e-9 * np.maximum(unit_Rp, np.abs(upper))
    return BatchFit(
        form=form,
        params_Rp=form.publish(internal_Rp, x0_d),
        internal_Rp=internal_Rp,
        x0_d=x0_d,
        objective_R=solution.objective_R,
        fitted_Rn=form.evaluate(scaled, internal_Rp),
        converged_R=solution.converged_R,
        at_bound_Rp=near_lower | near_upper,
    )
