"""Forms that bend: a power law with one break, and M4 for losses bounded by chance."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from finscale.scaling.forms.base import Array, Form, Parameter
from finscale.scaling.forms.power_law import FLOOR, SCALE, ones

#: Logarithms are searched in this range: exp(±60) is far from the limits of float64.
_LOG_RANGE = (-60.0, 60.0)
_NEWTON_STEPS = 60
#: A break may turn a slope of either sign into any other up to this (published curves reach 10).
_STEEPEST = 10.0
#: The basis is held between exp(±300), whose squares float64 still holds.
_LARGEST_EXPONENT = 300.0


def _broken_parts(x_nd: Array, q: Array) -> tuple[Array, Array, Array, Array]:
    """Return (ln x, u, softplus(u), the basis column) for q = (c0, c1, ln d, f)."""
    log_x = np.log(x_nd[:, 0])
    first, change, log_break, width = (q[..., i, None] for i in range(4))
    u = (log_x - log_break) / width
    soft = np.logaddexp(0.0, u)
    exponent = np.clip(
        -first * log_x - change * width * soft, -_LARGEST_EXPONENT, _LARGEST_EXPONENT
    )
    return log_x, u, soft, np.exp(exponent)


def _broken_basis(x_nd: Array, q: Array) -> Array:
    column = _broken_parts(x_nd, q)[3]
    return np.stack([np.ones_like(column), column], axis=-1)


def _broken_gradient(x_nd: Array, q: Array) -> Array:
    log_x, u, soft, column = _broken_parts(x_nd, q)
    change, width = q[..., 1, None], q[..., 3, None]
    out = np.zeros((*column.shape, 2, 4))
    out[..., 1, 0] = -log_x * column
    out[..., 1, 1] = -width * soft * column
    out[..., 1, 2] = change * expit(u) * column
    out[..., 1, 3] = -change * (soft - u * expit(u)) * column
    return out


def _broken_grid(x_nd: Array) -> tuple[Array, ...]:
    log_x = np.log(x_nd[:, 0])
    inside = np.linspace(log_x.min(), log_x.max(), 9)[1:-1]
    first = np.concatenate([[-1.0, -0.2, 0.0], np.geomspace(0.03, 4.0, 8)])
    change = np.geomspace(0.05, 6.0, 8)
    return first, np.concatenate([-change[::-1], change]), inside, np.array([0.05, 0.2, 0.8])


def _broken_publish(theta: Array, x0_d: Array) -> Array:
    E, A, first, change, log_break, width = np.moveaxis(theta, -1, 0)
    return np.stack(
        [E, A * x0_d[0] ** first, first, change, np.exp(log_break) * x0_d[0], width], -1
    )


def _broken_internalise(theta: Array, x0_d: Array) -> Array:
    E, A, first, change, place, width = np.moveaxis(theta, -1, 0)
    return np.stack([E, A * x0_d[0] ** -first, first, change, np.log(place / x0_d[0]), width], -1)


def _broken_turning(theta: Array) -> Array:
    # The slope -c0 - c1·sigmoid(u) vanishes where sigmoid(u) = -c0/c1: a valley when c0 > 0.
    first, change, place, width = (theta[..., i] for i in (2, 3, 4, 5))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where((first > 0) & (change < 0), -first / change, np.nan)
        u = logit(np.where(share < 1.0, share, np.nan))
    return np.asarray(place * np.exp(width * u))


BROKEN_POWER = Form(
    name="broken_power",
    equation="L = E + A·x^-c0·(1 + (x/d)^(1/f))^(-c1·f)",
    reference="Caballero et al. 2023, equation 1 with one break",
    axes=("x",),
    linear=(FLOOR, SCALE),
    nonlinear=(
        Parameter("c0", "exponent before the break; 0 starts flat", -_STEEPEST, _STEEPEST),
        Parameter(
            "c1",
            "change of exponent at the break; c0 + c1 < 0 turns",
            -2 * _STEEPEST,
            2 * _STEEPEST,
        ),
        Parameter("d", "size at which the law breaks", *_LOG_RANGE),
        Parameter("f", "width of the break in ln x", 0.01, 2.0, nuisance=True),
    ),
    basis=_broken_basis,
    basis_gradient=_broken_gradient,
    grid=_broken_grid,
    publish=_broken_publish,
    internalise=_broken_internalise,
    turning=_broken_turning,
    exponent="c0",
    floor="E",
    trend="any",
)


def _share(x_nd: Array, q: Array) -> tuple[Array, Array, Array]:
    """Solve ln v - alpha·ln(1 - v) = ln b + c·ln x for z = logit v; return (ln x, z, slope).

    The left side is convex or concave in z with slope between 1 and alpha, so Newton converges from
    anywhere after its first step.
    """
    log_x = np.log(x_nd[:, 0])
    alpha, level, power = (q[..., i, None] for i in range(3))
    # a curve tried far outside what a float holds is no number, and no fit chooses it
    with np.errstate(all="ignore"):
        wanted = level + power * log_x
        z = np.where(wanted < 0, wanted, wanted / alpha)
        for _ in range(_NEWTON_STEPS):
            excess = -np.logaddexp(0.0, -z) + alpha * np.logaddexp(0.0, z) - wanted
            step = excess / (expit(-z) + alpha * expit(z))
            z = z - step
            if np.all(np.abs(step) <= 1e-13 * (1.0 + np.abs(z))):
                break
        return log_x, z, expit(-z) + alpha * expit(z)


def _m4_basis(x_nd: Array, q: Array) -> Array:
    return np.stack([ones(q, len(x_nd)), expit(_share(x_nd, q)[1])], axis=-1)


def _m4_gradient(x_nd: Array, q: Array) -> Array:
    log_x, z, slope = _share(x_nd, q)
    rate = expit(z) * expit(-z) / slope
    out = np.zeros((*z.shape, 2, 3))
    out[..., 1, 0] = -np.logaddexp(0.0, z) * rate
    out[..., 1, 1] = rate
    out[..., 1, 2] = log_x * rate
    return out


def _m4_publish(theta: Array, x0_d: Array) -> Array:
    E, spread, alpha, level, power = np.moveaxis(theta, -1, 0)
    # (L-E)/(L0-L)^alpha = b·(L0-E)^(1-alpha)·x^c with b in units of x; no spread, no beta.
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = np.exp(level - power * np.log(x0_d[0]) + (1.0 - alpha) * np.log(spread))
    return np.stack([E, E + spread, alpha, beta, power], -1)


def _m4_internalise(theta: Array, x0_d: Array) -> Array:
    E, chance, alpha, beta, power = np.moveaxis(theta, -1, 0)
    spread = chance - E
    # Without a spread beta is undefined: NaN.
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.log(beta) + (alpha - 1.0) * np.log(spread) + power * np.log(x0_d[0])
    return np.stack([E, spread, alpha, level, power], -1)


M4 = Form(
    name="m4",
    equation="(L - E)/(L0 - L)^alpha = beta·x^c",
    reference="Alabdulmohsin et al. 2022, estimator M4",
    axes=("x",),
    linear=(FLOOR, Parameter("L0", "loss of chance, at vanishing size")),
    nonlinear=(
        Parameter("alpha", "how slowly the loss leaves chance", 0.1, 4.0, nuisance=True),
        Parameter("beta", "level of the power law", *_LOG_RANGE),
        Parameter("c", "exponent, negative: loss falls as x^c", -4.0, -0.01),
    ),
    basis=_m4_basis,
    basis_gradient=_m4_gradient,
    grid=lambda x_nd: (
        np.array([0.3, 0.7, 1.0, 1.6, 3.0]),
        np.linspace(-6.0, 6.0, 9),
        -np.geomspace(0.03, 3.0, 12),
    ),
    publish=_m4_publish,
    internalise=_m4_internalise,
    exponent="c",
    floor="E",
)
