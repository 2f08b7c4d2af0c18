"""Forms on one size axis: constant, power, power with a floor, its rising mirror, a parabola."""

from __future__ import annotations

from typing import Any

import numpy as np

from finscale.scaling.forms.base import Array, Form, Parameter

#: Exponents are searched in this range. A smaller one cannot be told from a logarithm; with a
#: larger one the first step explains everything.
EXPONENT_RANGE = (0.01, 4.0)
_GRID = np.geomspace(*EXPONENT_RANGE, 48)

FLOOR = Parameter("E", "loss that no size removes")
SCALE = Parameter("A", "loss that size removes, at x = 1")
EXPONENT = Parameter("alpha", "exponent: loss above the floor falls as x^-alpha", *EXPONENT_RANGE)


def decay(x_n: Array, exponent: Array) -> Array:
    """Return x^-exponent as ``[..., n]`` for exponents ``[...]``."""
    return np.exp(-np.log(x_n) * exponent[..., None])


def ones(q: Array, num_points: int) -> Array:
    """Return the column of a floor, ``[..., n]``."""
    return np.ones((*q.shape[:-1], num_points))


def power_sum(num_axes: int, *, floor: bool = True, sign: float = 1.0) -> dict[str, Any]:
    """Return the functions of a form E + sign·Σ A_i·x_i^-q_i, one term a size axis."""
    num_linear = num_axes + floor

    def basis(x_nd: Array, q: Array) -> Array:
        powers = [sign * decay(x_nd[:, axis], q[..., axis]) for axis in range(num_axes)]
        return np.stack([ones(q, len(x_nd))] * floor + powers, axis=-1)

    def gradient(x_nd: Array, q: Array) -> Array:
        out = np.zeros((*q.shape[:-1], len(x_nd), num_linear, num_axes))
        for axis in range(num_axes):
            column = x_nd[:, axis]
            out[..., axis + floor, axis] = -sign * np.log(column) * decay(column, q[..., axis])
        return out

    def publish(theta: Array, x0_d: Array) -> Array:
        # A·(x/x0)^-alpha = (A·x0^alpha)·x^-alpha, term by term
        out = theta.copy()
        for axis in range(num_axes):
            out[..., axis + floor] *= x0_d[axis] ** theta[..., num_linear + axis]
        return out

    return {
        "basis": basis,
        "basis_gradient": gradient,
        "publish": publish,
        "internalise": lambda theta, x0_d: publish(theta, 1.0 / x0_d),
    }


CONSTANT = Form(
    name="constant",
    equation="L = E",
    reference="the null hypothesis of every scaling study",
    axes=("x",),
    linear=(Parameter("E", "loss at every size"),),
    nonlinear=(),
    **power_sum(0),
    grid=lambda x_nd: (),
    floor="E",
    trend="flat",
)

POWER = Form(
    name="power",
    equation="L = A·x^-alpha",
    reference="Hestness et al. 2017; Kaplan et al. 2020, equation 1.1",
    axes=("x",),
    linear=(Parameter("A", "loss at x = 1"),),
    # A pure power may be flat: at alpha = 0 it is the constant.
    nonlinear=(Parameter("alpha", "exponent: loss falls as x^-alpha", 0.0, EXPONENT_RANGE[1]),),
    **power_sum(1, floor=False),
    grid=lambda x_nd: (np.concatenate([[0.0], np.geomspace(1e-4, 4.0, 60)]),),
    exponent="alpha",
)

POWER_FLOOR = Form(
    name="power_floor",
    equation="L = E + A·x^-alpha",
    reference="Henighan et al. 2020; Hoffmann et al. 2022 with one axis",
    axes=("x",),
    linear=(FLOOR, SCALE),
    nonlinear=(EXPONENT,),
    **power_sum(1),
    grid=lambda x_nd: (_GRID,),
    exponent="alpha",
    floor="E",
)

POWER_RISING = Form(
    name="power_rising",
    equation="L = E - A·x^-alpha",
    reference="the mirror image of power_floor: loss that grows with size towards a ceiling",
    axes=("x",),
    linear=(
        Parameter("E", "loss that rising size approaches"),
        Parameter("A", "loss that the smallest sizes still save, at x = 1"),
    ),
    nonlinear=(Parameter("alpha", "exponent of the approach to the ceiling", *EXPONENT_RANGE),),
    **power_sum(1, sign=-1.0),
    grid=lambda x_nd: (_GRID,),
    exponent="alpha",
    trend="rising",
)


def _parabola_basis(x_nd: Array, q: Array) -> Array:
    log_x = np.log(x_nd[:, 0])
    columns = np.stack([np.ones_like(log_x), log_x, log_x**2], axis=-1)
    return np.broadcast_to(columns, (*q.shape[:-1], *columns.shape))


def _parabola_publish(theta: Array, x0_d: Array) -> Array:
    shift = np.log(x0_d[0])
    level, slope, curvature = np.moveaxis(theta, -1, 0)
    level = level - slope * shift + curvature * shift**2
    return np.stack([level, slope - 2 * curvature * shift, curvature], axis=-1)


def _parabola_turning(theta: Array) -> Array:
    _, slope, curvature = np.moveaxis(theta, -1, 0)
    # a valley infinitely far off is infinite
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(curvature > 0, np.exp(-slope / (2 * curvature)), np.nan)


PARABOLA = Form(
    name="parabola",
    equation="L = E + b·ln x + c·(ln x)^2",
    reference="Hoffmann et al. 2022, approach 2: a valley around the best size exp(-b/2c)",
    axes=("x",),
    linear=(
        Parameter("E", "loss at x = 1", -np.inf),
        Parameter("b", "slope by ln x at x = 1", -np.inf),
        Parameter("c", "curvature: positive for a valley"),
    ),
    nonlinear=(),
    basis=_parabola_basis,
    basis_gradient=lambda x_nd, q: np.zeros((*q.shape[:-1], len(x_nd), 3, 0)),
    grid=lambda x_nd: (),
    publish=_parabola_publish,
    internalise=lambda theta, x0_d: _parabola_publish(theta, 1.0 / x0_d),
    turning=_parabola_turning,
    trend="any",
)
