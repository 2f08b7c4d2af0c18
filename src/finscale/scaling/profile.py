"""Profile likelihood: how far one number can move while the other parameters adapt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.nnls import solve_nonnegative
from finscale.scaling.problem import Problem
from finscale.scaling.varpro import Precision, grid_points, profile, signs

#: Grid of exponents for numbers that are linear given the exponents.
_FINE = {1: 1201, 2: 91}
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
    allowed = problem.cutoff(form.num_parameters, level)
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
    wanted = float(problem.deviance(objective)) + problem.cutoff(form.num_parameters, level)

    def excess(value: float) -> float:
        return pinned_deviance(form, problem, name, value) - wanted

    def end(bound: float, open_end: float) -> float:
        if excess(bound) <= 0:
            return open_end
        return float(brentq(excess, internal, bound, rtol=1e-6))

    return end(parameter.lower, -np.inf), end(parameter.upper, np.inf)


def region_interval(
    form: Form,
    problem: Problem,
    objective: float,
    level: float,
    *,
    weights: Callable[[Array], Array] | None = None,
    value: Callable[[Array], Array] | None = None,
) -> tuple[float, float]:
    r"""Return the profile-likelihood interval of a function of the parameters, quadratic losses.

    For fixed exponents q the confidence set of the linear part is an ellipsoid, so the extremes of
    :math:`a(q)^\top c` over it have a closed form; what is left is a scan over q.

    The form has one or two non-linear parameters. ``weights`` maps exponents ``[G, Q]`` to the
    combination ``[G, K]`` of linear coefficients (in units x/x0); or ``value`` maps them to a
    function of the exponents alone, ``[G]``.
    """
    num_q = len(form.nonlinear)
    x_nd = problem.x_nd / form.reference_sizes(problem.x_nd)
    # a covariance, where there is one, comes before the weights
    metric = Precision.of(len(x_nd), problem.weights_n, problem.covariance_nn)
    # by how much the objective itself may rise
    slack = problem.cutoff(form.num_parameters, level)
    if problem.loss != "gls":
        slack = objective * float(np.expm1(slack / problem.num_points))
    axes = [_dense(axis, _FINE[num_q]) for axis in form.grid(x_nd)]
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
    else:
        return float("nan"), float("nan")
    grid_GQ, c_GK, room_G = grid_GQ[inside], c_GK[inside], room_G[inside]
    if value is not None:
        numbers = value(grid_GQ)
        return float(numbers.min()), float(numbers.max())
    assert weights is not None
    a_GK = weights(grid_GQ)
    gram = metric.gram(form.basis(x_nd, grid_GQ))[0]
    # a' G^-1 a, with scaled columns; coefficients may have any sign here
    spread, _ = solve_nonnegative(gram, a_GK, np.ones(len(form.linear), dtype=bool))
    half = np.sqrt(np.maximum(room_G * np.sum(a_GK * spread, axis=-1), 0.0))
    centre = np.sum(a_GK * c_GK, axis=-1)
    low, high = float(np.min(centre - half)), float(np.max(centre + half))
    return (low if signs(form).any() else max(low, 0.0)), high


def _dense(axis: Array, num: int) -> Array:
    return np.interp(np.linspace(0, len(axis) - 1, num), np.arange(len(axis)), axis)


def _zoomed(axis: Array, accepted: Array) -> Array:
    """Return as many values between the accepted ones and one step beyond."""
    low = max(int(np.searchsorted(axis, accepted.min())) - 1, 0)
    high = min(int(np.searchsorted(axis, accepted.max())) + 1, len(axis) - 1)
    return np.linspace(axis[low], axis[high], len(axis))
