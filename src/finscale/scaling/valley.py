"""The bottom of a loss curve in log size: a parabola on a window around its minimum.

At fixed compute the loss is steeper on one side of the best size than on the other wherever the
exponents of parameters and data differ. A parabola through all sizes tried then has its bottom
beside the true one, by more the wider and the more lopsided the sizes lie around it; where that
changes with compute, so does the error, and the exponent of the best size is biased. On a window
that is centred at the bottom the error is small and the same at every compute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms import FORMS
from finscale.scaling.forms.base import Array
from finscale.scaling.problem import Problem

#: The window reaches from 1/4 of the best size to 4 times it.
WINDOW = 4.0
#: It holds at least so many sizes, the nearest ones, where there are as many.
FEWEST_INSIDE = 5
_ROUNDS = 12
_PARABOLA = FORMS["parabola"]


@dataclass(frozen=True)
class Valleys:
    """The bottoms of R curves over the same sizes.

    Logarithm of the best size ``[R]``, NaN where a curve has no valley inside the sizes tried; the
    loss there; how often each point counted ``[R, n]``, 0 outside the window; the fitted losses
    ``[R, n]``; and whether the curve bends upwards ``[R]``.
    """

    log_size_R: Array
    loss_R: Array
    weights_Rn: Array
    fitted_Rn: Array
    bends_R: NDArray[np.bool_]


def valleys(
    problem: Problem,
    y_Rn: Array,
    multiples_Rn: Array | None = None,
    *,
    window: float = WINDOW,
    start_R: Array | None = None,
) -> Valleys:
    """Return the bottom of each curve of losses ``[R, n]`` over the sizes of a problem.

    The parabola through all sizes says where to look first; then the window moves to the bottom of
    the parabola inside it until it stays.

    Parameters
    ----------
    problem : Problem
        Sizes ``[n, 1]`` of one compute, and the metric of the fit.
    y_Rn : array, ``[R, n]``
        Losses.
    multiples_Rn : array, ``[R, n]``, optional
        How often each point counts, for a case bootstrap.
    window : float
        Reach of the window as a factor; infinite for all sizes.
    start_R : array, ``[R]``, optional
        Logarithms of the sizes where to look first.
    """
    log_n = np.log(problem.x_nd[:, 0])
    multiples_Rn = np.ones_like(y_Rn) if multiples_Rn is None else multiples_Rn
    low, high = log_n.min(), log_n.max()
    if start_R is None or not np.isfinite(window):
        bottom_R, fitted_Rn, bends_R = _parabolas(problem, y_Rn, multiples_Rn)
        if not np.isfinite(window):
            return _inside(problem, log_n, bottom_R, multiples_Rn, fitted_Rn, bends_R)
        start_R = bottom_R
    best_R = log_n[np.argmin(np.where(multiples_Rn > 0, y_Rn, np.inf), axis=-1)]
    centre_R = np.clip(np.where(np.isnan(start_R), best_R, start_R), low, high)
    weights_Rn = np.zeros_like(multiples_Rn)
    bottom_R, fitted_Rn = np.full(len(y_Rn), np.nan), np.full(y_Rn.shape, np.nan)
    bends_R = np.zeros(len(y_Rn), dtype=bool)
    moving = np.arange(len(y_Rn))
    for _ in range(_ROUNDS):
        now = multiples_Rn[moving] * _near(log_n, centre_R[moving], multiples_Rn[moving], window)
        moved = (now != weights_Rn[moving]).any(axis=-1)
        moving, now = moving[moved], now[moved]
        if not len(moving):
            break
        weights_Rn[moving] = now
        found_R, fitted_Rn[moving], bends_R[moving] = _parabolas(problem, y_Rn[moving], now)
        bottom_R[moving] = found_R
        # a bottom outside the sizes tried is looked for at their edge
        kept = np.where(np.isnan(found_R), centre_R[moving], found_R)
        centre_R[moving] = np.clip(kept, low, high)
    return _inside(problem, log_n, bottom_R, weights_Rn, fitted_Rn, bends_R)


def _near(log_n: Array, centre_R: Array, multiples_Rn: Array, window: float) -> NDArray[np.bool_]:
    """Return which points lie in the window: within its reach, or among the nearest sizes."""
    away_Rn = np.abs(log_n - centre_R[:, None])
    sizes_S, at_n = np.unique(log_n, return_inverse=True)
    drawn_RS = np.stack([(multiples_Rn[:, at_n == s] > 0).any(axis=1) for s in range(len(sizes_S))])
    away_RS = np.where(drawn_RS.T, np.abs(sizes_S - centre_R[:, None]), np.inf)
    place = min(FEWEST_INSIDE, len(sizes_S)) - 1
    reach_R = np.maximum(np.partition(away_RS, place, axis=1)[:, place], np.log(window))
    return np.asarray(away_Rn <= reach_R[:, None] + 1e-9)


def _parabolas(
    problem: Problem, y_Rn: Array, weights_Rn: Array
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the logarithm of each bottom, NaN where there is none, the fit, and if it bends."""
    if problem.loss != "gls":
        batch = problem.batch(_PARABOLA, y_Rn, weights_Rn)
        theta_Rp, fitted_Rn = batch.params_Rp, batch.fitted_Rn
    else:
        # correlated points are in the window or not; each window has its own covariance
        theta_Rp, fitted_Rn = np.empty((len(y_Rn), 3)), np.empty_like(y_Rn)
        masks, which_R = np.unique(weights_Rn > 0, axis=0, return_inverse=True)
        for number, mask in enumerate(masks):
            rows = np.flatnonzero(which_R.ravel() == number)
            batch = problem.subset(mask).batch(_PARABOLA, y_Rn[np.ix_(rows, np.flatnonzero(mask))])
            theta_Rp[rows] = batch.params_Rp
            fitted_Rn[rows] = batch.predict(problem.x_nd)
    enough = np.array([len(np.unique(problem.x_nd[row > 0, 0])) >= 3 for row in weights_Rn])
    bends_R = enough & (theta_Rp[:, 2] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bottom_R = np.where(bends_R, -theta_Rp[:, 1] / (2 * theta_Rp[:, 2]), np.nan)
    return bottom_R, fitted_Rn, bends_R


def _inside(
    problem: Problem,
    log_n: Array,
    bottom_R: Array,
    weights_Rn: Array,
    fitted_Rn: Array,
    bends_R: NDArray[np.bool_],
) -> Valleys:
    """Return the valleys, those at or beyond the end of the sizes tried as NaN."""
    inside = (bottom_R > log_n.min()) & (bottom_R < log_n.max())
    bottom_R = np.where(inside, bottom_R, np.nan)
    return Valleys(bottom_R, _least(log_n, bottom_R, fitted_Rn), weights_Rn, fitted_Rn, bends_R)


def _least(log_n: Array, bottom_R: Array, fitted_Rn: Array) -> Array:
    """Return the parabolas' values at their bottoms, from three of their fitted points."""
    sizes, first = np.unique(log_n, return_index=True)
    if len(sizes) < 3:
        return np.full(len(bottom_R), np.nan)
    picked = [0, len(sizes) // 2, len(sizes) - 1]
    a, b, c = sizes[picked]
    y_R3 = fitted_Rn[:, first[picked]]
    # Lagrange's interpolation, exact for a parabola
    weights = np.stack(
        [
            (bottom_R - b) * (bottom_R - c) / ((a - b) * (a - c)),
            (bottom_R - a) * (bottom_R - c) / ((b - a) * (b - c)),
            (bottom_R - a) * (bottom_R - b) / ((c - a) * (c - b)),
        ],
        axis=-1,
    )
    return np.asarray((weights * y_R3).sum(axis=-1))
