"""Forms on one size axis: constant, power, power with a floor, its rising mirror, a parabola."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from finscale.scaling.forms.base import Array, Form, Parameter

BasisLike = Callable[[Array, Array], Array]

#: Exponents are searched in this range. A smaller one cannot be told from a logarithm; with a
#: larger one the first step explains everything.
EXPONENT_RANGE = (0.01, 4.0)
NUM_EXPONENTS = 48

FLOOR = Parameter("E", "loss that no size removes")
SCALE = Parameter("A", "loss that size removes, at x = 1")
EXPONENT = Parameter("alpha", "exponent: loss above the floor falls as x^-alpha", *EXPONENT_RANGE)


def exponent_grid(num: int = NUM_EXPONENTS) -> Array:
    """Return exponents, evenly spaced in the logarithm."""
    return np.geomspace(*EXPONENT_RANGE, num)


def decay(x_n: Array, exponent: Array) -> Array:
    """Return x^-exponent as ``[..., n]`` for exponents ``[...]``."""
    return np.exp(-np.log(x_n) * exponent[..., None])


def ones(q: Array, num_points: int) -> Array:
    """Return the column of a floor, ``[..., n]``."""
    return np.ones((*q.shape[:-1], num_points))


def rescaling(*terms: tuple[int, int]) -> Callable[[Array, Array], Array]:
    """Return what turns A·(x/x0)^-alpha into (A·x0^alpha)·x^-alpha, term by term.

    Each term is the place of its scale and of its exponent in theta; term i has size axis i.
    """

    def publish(theta: Array, x0_d: Array) -> Array:
        out = theta.copy()
        for axis, (scale_at, exponent_at) in enumerate(terms):
            out[..., scale_at] *= x0_d[axis] ** theta[..., exponent_at]
        return out

    return publish


def inverted(publish: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Return the way back: the same change of units with 1/x0."""
    return lambda theta, x0_d: publish(theta, 1.0 / x0_d)


def _constant_basis(x_nd: Array, q: Array) -> Array:
    return ones(q, len(x_nd))[..., None]


def _no_gradient(num_linear: int) -> BasisLike:
    def gradient(x_nd: Array, q: Array) -> Array:
        return np.zeros((*q.shape[:-1], len(x_nd), num_linear, 0))

    return gradient


CONSTANT = Form(
    name="constant",
    equation="L = E",
    reference="the null hypothesis of every scaling study",
    axes=("x",),
    linear=(Parameter("E", "loss at every size"),),
    nonlinear=(),
    basis=_constant_basis,
    basis_gradient=_no_gradient(1),
    grid=lambda x_nd: (),
    floor="E",
    trend="flat",
)


def _power_basis(x_nd: Array, q: Array) -> Array:
    return decay(x_nd[:, 0], q[..., 0])[..., None]


def _power_gradient(x_nd: Array, q: Array) -> Array:
    return (-np.log(x_nd[:, 0]) * decay(x_nd[:, 0], q[..., 0]))[..., None, None]


POWER = Form(
    name="power",
    equation="L = A·x^-alpha",
    reference="Hestness et al. 2017; Kaplan et al. 2020, equation 1.1",
    axes=("x",),
    linear=(Parameter("A", "loss at x = 1"),),
    # A pure power may be flat: at alpha = 0 it is the constant.
    nonlinear=(Parameter("alpha", "exponent: loss falls as x^-alpha", 0.0, EXPONENT_RANGE[1]),),
    basis=_power_basis,
    basis_gradient=_power_gradient,
    grid=lambda x_nd: (np.concatenate([[0.0], np.geomspace(1e-4, 4.0, 60)]),),
    exponent="alpha",
    publish=rescaling((0, 1)),
    internalise=inverted(rescaling((0, 1))),
)


def _floor_basis(sign: float) -> BasisLike:
    def basis(x_nd: Array, q: Array) -> Array:
        return np.stack(
            [ones(q, len(x_nd)), sign * decay(x_nd[:, 0], q[..., 0])],
            axis=-1,
        )

    return basis


def _floor_gradient(sign: float) -> BasisLike:
    def gradient(x_nd: Array, q: Array) -> Array:
        slope = -sign * np.log(x_nd[:, 0]) * decay(x_nd[:, 0], q[..., 0])
        return np.stack([np.zeros_like(slope), slope], axis=-1)[..., None]

    return gradient


POWER_FLOOR = Form(
    name="power_floor",
    equation="L = E + A·x^-alpha",
    reference="Henighan et al. 2020; Hoffmann et al. 2022 with one axis",
    axes=("x",),
    linear=(FLOOR, SCALE),
    nonlinear=(EXPONENT,),
    basis=_floor_basis(1.0),
    basis_gradient=_floor_gradient(1.0),
    grid=lambda x_nd: (exponent_grid(),),
    exponent="alpha",
    floor="E",
    publish=rescaling((1, 2)),
    internalise=inverted(rescaling((1, 2))),
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
    basis=_floor_basis(-1.0),
    basis_gradient=_floor_gradient(-1.0),
    grid=lambda x_nd: (exponent_grid(),),
    exponent="alpha",
    trend="rising",
    publish=rescaling((1, 2)),
    internalise=inverted(rescaling((1, 2))),
)


def _parabola_basis(x_nd: Array, q: Array) -> Array:
    log_x = np.log(x_nd[:, 0])
    columns = np.stack([np.ones_like(log_x), log_x, log_x**2], axis=-1)
    return np.broadcast_to(columns, (*q.shape[:-1], *columns.shape))


def _parabola_publish(theta: Array, x0_d: Array) -> Array:
    shift = np.log(x0_d[0])
    level, slope, curvature = np.moveaxis(theta, -1, 0)
    return np.stack(
        [
            level - slope * shift + curvature * shift**2,
            slope - 2 * curvature * shift,
            curvature,
        ],
        axis=-1,
    )


def _parabola_turning(theta: Array) -> Array:
    _, slope, curvature = np.moveaxis(theta, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
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
    basis_gradient=_no_gradient(3),
    grid=lambda x_nd: (),
    publish=_parabola_publish,
    internalise=inverted(_parabola_publish),
    turning=_parabola_turning,
    trend="any",
)
