"""Profile likelihood: how far one number can move while the other parameters adapt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.nnls import solve_nonnegative
from finscale.scaling.problem import Problem
from finscale.scaling.varpro import Precision, grid_points, profile, signs

#: Grid of exponents for numbers that are linear given the exponents.
_FINE = {0: 1, 1: 1201, 2: 91}
#: Rounds of a scan at most: each is 1,200 or 90 times as fine.
_MOST_ZOOMS = 6


def pinned(form: Form, name: str, value: float) -> Form:
    """Return the form with one non-linear parameter held at an (internal) value."""
    at = form.index(name) - len(form.linear)

    offset, by_offset = form.offset, form.offset_gradient

    def insert(q: Array) -> Array:
        return np.insert(q, at, value, axis=-1)

    return replace(
        form,
        nonlinear=tuple(p for p in form.nonlinear if p.name != name),
        basis=lambda x_nd, q: form.basis(x_nd, insert(q)),
        basis_gradient=lambda x_nd, q: np.delete(form.basis_gradient(x_nd, insert(q)), at, axis=-1),
        grid=lambda x_nd: tuple(g for i, g in enumerate(form.grid(x_nd)) if i != at),
        offset=None if offset is None else lambda x_nd, q: offset(x_nd, insert(q)),
        offset_gradient=None
        if by_offset is None
        else lambda x_nd, q: np.delete(by_offset(x_nd, insert(q)), at, axis=-1),
        publish=lambda theta, x0_d: theta,
        internalise=lambda theta, x0_d: theta,
    )


def pinned_deviance(form: Form, problem: Problem, name: str, value: float) -> float:
    """Return the least deviance when one non-linear parameter is held."""
    return float(problem.deviance(problem.batch(pinned(form, name, value)).objective_R[0]))


def open_ends(form: Form, problem: Problem, objective: float, level: float) -> tuple[str, ...]:
    """Return the ends at which a parameter may run to its bound inside the confidence set."""
    best = float(problem.deviance(objective))
    allowed = problem.cutoff(objective, form.num_parameters, level)
    return tuple(
        f"{parameter.name} {side}"
        for parameter in form.nonlinear
        for bound, side in ((parameter.lower, "below"), (parameter.upper, "above"))
        if pinned_deviance(form, problem, parameter.name, bound) - best <= allowed
    )


def exponent_interval(
    form: Form, problem: Problem, name: str, internal: float, objective: float, level: float
) -> tuple[float, float]:
    """Return the profile-likelihood interval of a non-linear parameter, any loss.

    ``internal`` and ``objective`` are its best value and the least objective. An end is infinite on
    a side that does not close before the parameter's bound.
    """
    parameter = form.parameters[form.index(name)]
    allowed = problem.cutoff(objective, form.num_parameters, level)
    wanted = float(problem.deviance(objective)) + allowed

    def excess(value: float) -> float:
        return pinned_deviance(form, problem, name, value) - wanted

    def end(bound: float, open_end: float) -> float:
        if excess(bound) <= 0:
            return open_end
        return float(brentq(excess, internal, bound, rtol=1e-6))

    return end(parameter.lower, -np.inf), end(parameter.upper, np.inf)


@dataclass(frozen=True)
class Region:
    r"""The confidence set of a quadratic loss, for one number at a time.

    For fixed exponents q the set of the linear part is an ellipsoid, so the extremes of
    :math:`a(q)^\top c` over it have a closed form; what is left is a scan over q.

    Parameters
    ----------
    grid_GQ, c_GK : array
        Accepted exponents and the best coefficients at each, in units x/x0.
    room_G : array
        By how much the objective may still rise at each.
    gram_GKK : array
        Curvature of the objective in the coefficients.
    free_K : array of bool, ``[K]``
        Coefficients without a sign; the others are positive.
    open_Q2 : array of bool, ``[Q, 2]``
        Whether the set reaches the lower and the upper end of the range that was searched.
    """

    grid_GQ: Array
    c_GK: Array
    room_G: Array
    gram_GKK: Array
    free_K: NDArray[np.bool_]
    open_Q2: NDArray[np.bool_]

    @property
    def known(self) -> bool:
        """Whether any exponent was found inside the set."""
        return bool(len(self.grid_GQ))

    def exponent(self, value: Callable[[Array], Array]) -> tuple[float, float]:
        """Return the extremes of a function of the exponents, ``[G, Q]`` -> ``[G]``."""
        if not self.known:
            return float("nan"), float("nan")
        numbers = value(self.grid_GQ)
        return float(numbers.min()), float(numbers.max())

    def combination(self, a_GMK: Array, shift_GM: Array | None = None) -> tuple[Array, Array]:
        """Return the extremes of M combinations of the linear coefficients, ``[M]`` each.

        Signs of the coefficients bound them where all of a combination's weights agree in sign.
        ``shift_GM`` is added: a part of the loss that no coefficient multiplies.
        """
        num = a_GMK.shape[1]
        if not self.known:
            return np.full(num, np.nan), np.full(num, np.nan)
        # a' G^-1 a, with scaled columns; coefficients may have any sign here
        any_sign = np.ones(a_GMK.shape[-1], dtype=bool)
        spread, _ = solve_nonnegative(self.gram_GKK[:, None], a_GMK, any_sign)
        room_GM = self.room_G[:, None] * np.sum(a_GMK * spread, axis=-1)
        half_GM = np.sqrt(np.maximum(room_GM, 0.0))
        centre_GM = np.sum(a_GMK * self.c_GK[:, None], axis=-1)
        low_GM, high_GM = centre_GM - half_GM, centre_GM + half_GM
        fixed_M = (a_GMK[..., self.free_K] == 0).all(axis=(0, 2))
        signed_GMK = a_GMK[..., ~self.free_K]
        positive_M = fixed_M & (signed_GMK >= 0).all(axis=(0, 2))
        negative_M = fixed_M & (signed_GMK <= 0).all(axis=(0, 2))
        low_GM = np.where(positive_M, np.maximum(low_GM, 0.0), low_GM)
        high_GM = np.where(negative_M, np.minimum(high_GM, 0.0), high_GM)
        shift = np.zeros(1) if shift_GM is None else shift_GM
        return np.min(low_GM + shift, axis=0), np.max(high_GM + shift, axis=0)


def confidence_region(form: Form, problem: Problem, objective: float, level: float) -> Region:
    """Scan the exponents of a form that has two at the most; the loss is quadratic."""
    num_q = len(form.nonlinear)
    x_nd = problem.x_nd / form.reference_sizes(problem.x_nd)
    # a covariance, where there is one, comes before the weights
    metric = Precision.of(len(x_nd), problem.weights_n, problem.covariance_nn)
    slack = problem.slack(objective, form.num_parameters, level)
    axes = [_dense(axis, _FINE[num_q]) for axis in form.grid(x_nd)]
    ends = [(axis[0], axis[-1]) for axis in axes]
    left = 2
    for _ in range(_MOST_ZOOMS):
        grid_GQ = grid_points(axes)
        objective_G, c_GK = (a[0] for a in profile(form, x_nd, problem.y_n[None], metric, grid_GQ))
        room_G = objective + slack - objective_G
        inside = room_G >= 0
        left -= bool(inside.any())
        if not left:
            break
        # precise data accept less than one step of the grid: zoom in on its best point
        kept = inside if inside.any() else objective_G == objective_G.min()
        axes = [_zoomed(axis, grid_GQ[kept, i]) for i, axis in enumerate(axes)]
    grid_GQ, c_GK, room_G = grid_GQ[inside], c_GK[inside], room_G[inside]
    gram = metric.gram(form.basis(x_nd, grid_GQ))[0]
    reached = [
        (bool((grid_GQ[:, i] <= low).any()), bool((grid_GQ[:, i] >= high).any()))
        for i, (low, high) in enumerate(ends)
    ]
    open_Q2 = np.array(reached, dtype=bool).reshape(-1, 2)
    return Region(grid_GQ, c_GK, room_G, gram, signs(form), open_Q2)


def _dense(axis: Array, num: int) -> Array:
    return np.interp(np.linspace(0, len(axis) - 1, num), np.arange(len(axis)), axis)


def _zoomed(axis: Array, accepted: Array) -> Array:
    """Return as many values between the accepted ones and one step beyond."""
    low = max(int(np.searchsorted(axis, accepted.min())) - 1, 0)
    high = min(int(np.searchsorted(axis, accepted.max())) + 1, len(axis) - 1)
    return np.linspace(axis[low], axis[high], len(axis))
