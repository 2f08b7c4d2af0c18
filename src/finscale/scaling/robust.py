r"""Huber on the logarithm of the loss, summed: the loss of the literature.

.. math:: \sum_i w_i\,H_\delta(\ln \hat L_i - \ln L_i), \qquad \delta = 10^{-3}

(Hoffmann et al. 2022, equation 3); or its limit of a large delta, least squares of ln L. The start
is variable projection on relative errors, over the whole grid; from there a Newton step uses the
curvature of the points inside the quadratic zone, and damping scaled by the reweighted curvature of
all points, which keeps it a descent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.descent import Local, minimise
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.varpro import Precision, Solution, solve

#: Where Huber's loss turns from quadratic to linear, on ln L.
DELTA = 1e-3


def huber(residual: Array, delta: float = DELTA) -> Array:
    """Return Huber's loss of each residual: r²/2 inside delta, delta·(|r| - delta/2) outside."""
    size = np.abs(residual)
    if np.isinf(delta):
        return np.asarray(0.5 * size**2)
    return np.where(size <= delta, 0.5 * residual**2, delta * (size - 0.5 * delta))


def solve_huber(
    form: Form, x_nd: Array, y_Rn: Array, weights: Array, delta: float = DELTA
) -> Solution:
    """Fit every replicate of positive losses ``[R, n]`` under Huber's loss on ln L.

    Sizes ``[n, d]`` are in units x/x0; each point has a weight, ``[1, n]`` or ``[R, n]``. With an
    infinite ``delta`` the objective is half the sum of squares of ln L.
    """
    weights = np.broadcast_to(weights, y_Rn.shape)

    def polish(near: Solution, rows: slice) -> Solution:
        start = near.internal_Rp
        return _refine(form, x_nd, np.log(y_Rn[rows]), weights[rows], start, delta)

    return solve(form, x_nd, y_Rn, Precision(weights=weights / y_Rn**2), polish=polish)


def _refine(
    form: Form, x_nd: Array, log_y_Rn: Array, weights: Array, start_Rp: Array, delta: float
) -> Solution:
    def evaluate(theta: Array, rows: NDArray[np.int64]) -> Local:
        loss = form.evaluate(x_nd, theta)
        # A step to a negative loss gets no objective (NaN), so it is rejected.
        loss = np.where(loss > 0, loss, np.nan)
        residual = np.log(loss) - log_y_Rn[rows]
        slope = form.jacobian(x_nd, theta) / loss[..., None]
        weight, size = weights[rows], np.abs(residual)
        pull = weight * np.clip(residual, -delta, delta)
        quadratic = weight * (size <= delta)
        reweighted = weight * np.minimum(1.0, delta / np.maximum(size, 1e-300))
        return Local(
            objective_R=np.sum(weight * huber(residual, delta), axis=-1),
            gradient_RP=(pull[:, None, :] @ slope)[:, 0],
            hessian_RPP=np.swapaxes(slope, -1, -2) @ (quadratic[..., None] * slope),
            curvature_RP=(reweighted[:, None, :] @ slope**2)[:, 0],
            carry_RK=np.zeros((len(theta), 0)),
        )

    found = minimise(evaluate, start_Rp, *form.bounds)
    return Solution(found.params_RP, found.objective_R, found.converged_R)
