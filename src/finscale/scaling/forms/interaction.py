"""Surfaces on which one size changes what the other is worth."""

from __future__ import annotations

import numpy as np

from finscale.scaling.forms.base import Array, Form, Parameter
from finscale.scaling.forms.power_law import EXPONENT_RANGE, FLOOR, SCALE, decay, ones
from finscale.scaling.forms.surface import D_EXPONENT, D_SCALE, HOFFMANN, N_EXPONENT, N_SCALE


def _product_basis(x_nd: Array, q: Array) -> Array:
    by_N, by_D = (decay(x_nd[:, axis], q[..., axis]) for axis in range(2))
    return np.stack([ones(q, len(x_nd)), by_N, by_D, by_N * by_D], axis=-1)


def _product_gradient(x_nd: Array, q: Array) -> Array:
    phi = _product_basis(x_nd, q)
    out = np.zeros((*phi.shape, 2))
    for axis in range(2):
        log = np.log(x_nd[:, axis])
        for column in (axis + 1, 3):
            out[..., column, axis] = -log * phi[..., column]
    return out


def _product_publish(theta: Array, x0_d: Array) -> Array:
    out = theta.copy()
    for axis in range(2):
        power = x0_d[axis] ** theta[..., 4 + axis]
        out[..., axis + 1] *= power
        out[..., 3] *= power
    return out


INTERACTION = Form(
    name="interaction",
    equation="L = E + A·N^-alpha + B·D^-beta + G·N^-alpha·D^-beta",
    reference="Hoffmann et al. 2022, equation 2, and the product of its two terms: with G = 0 "
    "parameters and data do not act on one another",
    axes=("N", "D"),
    linear=(
        FLOOR,
        N_SCALE,
        D_SCALE,
        Parameter("G", "what both remove together beyond what each does", -np.inf),
    ),
    nonlinear=(N_EXPONENT, D_EXPONENT),
    basis=_product_basis,
    basis_gradient=_product_gradient,
    grid=HOFFMANN.grid,
    publish=_product_publish,
    internalise=lambda theta, x0_d: _product_publish(theta, 1.0 / x0_d),
    exponent="alpha",
    floor="E",
    trend="any",
)


def _kaplan_parts(x_nd: Array, q: Array) -> tuple[Array, Array, Array, Array]:
    """Return (ln n, the share of N in the sum, ln of the sum, the basis column)."""
    alpha, beta, ratio = (q[..., i, None] for i in range(3))
    log_N, log_D = np.log(x_nd[:, 0]), np.log(x_nd[:, 1])
    by_N = -alpha / beta * log_N
    total = np.logaddexp(by_N, ratio / beta - log_D)
    return log_N, np.exp(by_N - total), total, np.exp(beta * total)


def _kaplan_basis(x_nd: Array, q: Array) -> Array:
    return np.stack([ones(q, len(x_nd)), _kaplan_parts(x_nd, q)[3]], axis=-1)


def _kaplan_gradient(x_nd: Array, q: Array) -> Array:
    log_N, share, total, column = _kaplan_parts(x_nd, q)
    alpha, beta, ratio = (q[..., i, None] for i in range(3))
    out = np.zeros((*column.shape, 2, 3))
    out[..., 1, 0] = -share * log_N * column
    out[..., 1, 1] = (total + (share * alpha * log_N - (1.0 - share) * ratio) / beta) * column
    out[..., 1, 2] = (1.0 - share) * column
    return out


def _kaplan_publish(theta: Array, x0_d: Array) -> Array:
    E, A, alpha, beta, ratio = np.moveaxis(theta, -1, 0)
    B = A * np.exp(ratio) * x0_d[1] ** beta
    return np.stack([E, A * x0_d[0] ** alpha, alpha, beta, B], -1)


def _kaplan_internalise(theta: Array, x0_d: Array) -> Array:
    E, A, alpha, beta, B = np.moveaxis(theta, -1, 0)
    A = A * x0_d[0] ** -alpha
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(B * x0_d[1] ** -beta / A)
    return np.stack([E, A, alpha, beta, ratio], -1)


KAPLAN = Form(
    name="kaplan",
    equation="L = E + ((A·N^-alpha)^(1/beta) + (B·D^-beta)^(1/beta))^beta",
    reference="Kaplan et al. 2020, equation 1.5, with a floor (fix E=0 for theirs); "
    "A = N_c^alpha_N, B = D_c^alpha_D",
    axes=("N", "D"),
    linear=(FLOOR, Parameter("A", "loss above the floor at N = 1 with endless data")),
    nonlinear=(
        N_EXPONENT,
        D_EXPONENT,
        Parameter("B", "loss above the floor at D = 1 with endless parameters", -30.0, 30.0),
    ),
    basis=_kaplan_basis,
    basis_gradient=_kaplan_gradient,
    grid=lambda x_nd: (*(np.geomspace(0.02, 3.0, 24),) * 2, np.linspace(-6.0, 6.0, 13)),
    publish=_kaplan_publish,
    internalise=_kaplan_internalise,
    exponent="alpha",
    floor="E",
)


def _routed_column(x_nd: Array, q: Array) -> tuple[Array, Array, Array]:
    log_N, log_X = np.log(x_nd[:, 0]), np.log(x_nd[:, 1])
    alpha, beta, gamma = (q[..., i, None] for i in range(3))
    return log_N, log_X, np.exp(-alpha * log_N - beta * log_X - gamma * log_N * log_X)


def _routed_basis(x_nd: Array, q: Array) -> Array:
    return np.stack([ones(q, len(x_nd)), _routed_column(x_nd, q)[2]], axis=-1)


def _routed_gradient(x_nd: Array, q: Array) -> Array:
    log_N, log_X, column = _routed_column(x_nd, q)
    out = np.zeros((*column.shape, 2, 3))
    for i, log in enumerate((log_N, log_X, log_N * log_X)):
        out[..., 1, i] = -log * column
    return out


def _routed_publish(theta: Array, x0_d: Array) -> Array:
    E, A, alpha, beta, gamma = np.moveaxis(theta, -1, 0)
    log_N, log_X = np.log(x0_d)
    # alpha·ln(N/N0) + beta·ln(X/X0) + gamma·ln(N/N0)·ln(X/X0), multiplied out
    A = A * np.exp(alpha * log_N + beta * log_X - gamma * log_N * log_X)
    return np.stack([E, A, alpha - gamma * log_X, beta - gamma * log_N, gamma], -1)


def _routed_internalise(theta: Array, x0_d: Array) -> Array:
    return _routed_publish(theta, 1.0 / x0_d)


ROUTED = Form(
    name="routed",
    equation="L = E + A·N^-(alpha + gamma·ln X)·X^-beta",
    reference="Clark et al. 2022, Unified scaling laws for routed language models, equation 1 "
    "(X: experts), with a floor (fix E=0 for theirs)",
    axes=("N", "X"),
    linear=(FLOOR, SCALE),
    nonlinear=(
        Parameter("alpha", "exponent of N at X = 1", *EXPONENT_RANGE),
        Parameter("beta", "exponent of X at N = 1", -EXPONENT_RANGE[1], EXPONENT_RANGE[1]),
        Parameter("gamma", "by how much ln X raises the exponent of N", -1.0, 1.0),
    ),
    basis=_routed_basis,
    basis_gradient=_routed_gradient,
    grid=lambda x_nd: (
        np.geomspace(0.02, 2.0, 20),
        np.concatenate([-np.geomspace(0.03, 1.0, 4)[::-1], [0.0], np.geomspace(0.03, 1.0, 6)]),
        np.linspace(-0.2, 0.2, 9),
    ),
    publish=_routed_publish,
    internalise=_routed_internalise,
    exponent="alpha",
    floor="E",
)
