"""Muennighoff's full form: repeated data and parameters beyond what unique data can use."""

from __future__ import annotations

import numpy as np

from finscale.scaling.forms.base import Array, Form, Parameter
from finscale.scaling.forms.power_law import EXPONENT_RANGE, FLOOR, ones
from finscale.scaling.forms.surface import (
    D_EXPONENT,
    D_SCALE,
    DATA_CONSTRAINED,
    N_EXPONENT,
    effective_data,
    effective_slope,
)

#: ln(A/B) is searched in this range, at the middle of the sizes.
_RATIO_RANGE = (-30.0, 30.0)
#: More than e^50 times the useful parameters are not told from that many.
_MOST_EXCESS = 50.0


class _Repeated:
    """N', D' and their parts for q = (alpha, beta, ln(A/B), R*_N, R*_D), ``[..., n]``."""

    def __init__(self, x_nd: Array, q: Array) -> None:
        size, total, unique = x_nd[:, 0], x_nd[:, 1], x_nd[:, 2]
        self.alpha, self.beta, ratio, self.half_N, self.half_D = (q[..., i, None] for i in range(5))
        self.log_unique = np.log(np.minimum(unique, total))
        # Least loss at a given product N·D: alpha·A·N^-alpha = beta·B·D^-beta, with D = U.
        balance = np.log(self.alpha / self.beta) + ratio + self.beta * self.log_unique
        self.log_optimal = balance / self.alpha
        log_size = np.log(size)
        self.is_excess = (self.log_optimal < log_size) & (
            self.log_optimal > log_size - _MOST_EXCESS
        )
        self.useful = np.exp(np.clip(self.log_optimal, log_size - _MOST_EXCESS, log_size))
        self.spent = (size / self.useful - 1.0) / self.half_N
        self.gone = -np.expm1(-self.spent)
        self.size = self.useful * (1.0 + self.half_N * self.gone)
        self.data = effective_data(total, unique, q[..., 4])
        self.by_size = np.exp(ratio - self.alpha * np.log(self.size))
        self.by_data = np.exp(-self.beta * np.log(self.data))


def _basis(x_nd: Array, q: Array) -> Array:
    parts = _Repeated(x_nd, q)
    return np.stack([ones(q, len(x_nd)), parts.by_size + parts.by_data], axis=-1)


def _gradient(x_nd: Array, q: Array) -> Array:
    at = _Repeated(x_nd, q)
    left = 1.0 - at.gone
    # dN'/d ln U_N, which is zero at U_N = N: the minimum leaves no kink
    by_useful = np.where(at.is_excess, at.size - x_nd[:, 0] * left, 0.0)
    pull = -at.alpha * at.by_size / at.size
    by_half = at.useful * (at.gone - at.spent * left)
    out = np.zeros((*at.by_size.shape, 2, 5))
    inner = pull * by_useful / at.alpha
    out[..., 1, 0] = -np.log(at.size) * at.by_size + inner * (1.0 / at.alpha - at.log_optimal)
    out[..., 1, 1] = inner * (at.log_unique - 1.0 / at.beta) - np.log(at.data) * at.by_data
    out[..., 1, 2] = at.by_size + inner
    out[..., 1, 3] = pull * by_half
    slope = effective_slope(x_nd[:, 1], x_nd[:, 2], q[..., 4])
    out[..., 1, 4] = -at.beta * at.by_data / at.data * slope
    return out


def _publish(theta: Array, x0_d: Array) -> Array:
    E, B, alpha, beta, ratio, half_N, half_D = np.moveaxis(theta, -1, 0)
    A = B * np.exp(ratio) * x0_d[0] ** alpha
    return np.stack([E, B * x0_d[1] ** beta, alpha, beta, A, half_N, half_D], -1)


def _internalise(theta: Array, x0_d: Array) -> Array:
    E, B, alpha, beta, A, half_N, half_D = np.moveaxis(theta, -1, 0)
    B = B * x0_d[1] ** -beta
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(A * x0_d[0] ** -alpha / B)
    return np.stack([E, B, alpha, beta, ratio, half_N, half_D], -1)


MUENNIGHOFF = Form(
    name="muennighoff",
    equation="L = E + A·N'^-alpha + B·D'^-beta,  D' = U + U·R*_D·(1 - e^(-R_D/R*_D)),  "
    "R_D = D/U - 1,  N' = V + V·R*_N·(1 - e^(-R_N/R*_N)),  R_N = N/V - 1,  "
    "V = min(N, (alpha·A/(beta·B)·U^beta)^(1/alpha))",
    reference="Muennighoff et al. 2023, equations 4 to 7 (V: the best N for U unique data)",
    axes=("N", "D", "U"),
    linear=(FLOOR, D_SCALE),
    nonlinear=(
        N_EXPONENT,
        D_EXPONENT,
        Parameter("A", "loss that parameters remove, at N = 1", *_RATIO_RANGE),
        Parameter("R*_N", "excess parameters after which more are worth 1/e less", 0.05, 500.0),
        Parameter("R*_D", "repetitions after which data are worth 1/e less", 0.05, 500.0),
    ),
    basis=_basis,
    basis_gradient=_gradient,
    grid=lambda x_nd: (
        *(np.geomspace(2 * EXPONENT_RANGE[0], 2.0, 7),) * 2,
        np.linspace(-4.0, 4.0, 7),
        *(np.geomspace(0.5, 60.0, 4),) * 2,
    ),
    publish=_publish,
    internalise=_internalise,
    units=DATA_CONSTRAINED.units,
    at_most=DATA_CONSTRAINED.at_most,
    exponent="alpha",
    floor="E",
)
