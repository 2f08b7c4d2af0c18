"""Forms on two size axes: Hoffmann's surface, and its data-constrained sibling."""

from __future__ import annotations

import numpy as np

from finscale.scaling.forms.base import Array, Form, Parameter
from finscale.scaling.forms.power_law import EXPONENT_RANGE, FLOOR, decay, ones, power_sum

N_SCALE = Parameter("A", "loss that parameters remove, at N = 1")
D_SCALE = Parameter("B", "loss that data remove, at D = 1")
N_EXPONENT = Parameter("alpha", "exponent of parameters", *EXPONENT_RANGE)
D_EXPONENT = Parameter("beta", "exponent of data", *EXPONENT_RANGE)


HOFFMANN = Form(
    name="hoffmann",
    equation="L = E + A·N^-alpha + B·D^-beta",
    reference="Hoffmann et al. 2022, equation 2",
    axes=("N", "D"),
    linear=(FLOOR, N_SCALE, D_SCALE),
    nonlinear=(N_EXPONENT, D_EXPONENT),
    **power_sum(2),
    grid=lambda x_nd: (np.geomspace(0.02, 3.0, 16),) * 2,
    exponent="alpha",
    floor="E",
)


def effective_data(total: Array, unique: Array, half_life: Array) -> Array:
    """Return D' = U + U·R*·(1 - e^(-R/R*)): what repeated samples are worth in unique ones.

    R = max(D/U - 1, 0) is the number of repetitions after the first epoch (Muennighoff et al. 2023,
    equation 5). Shapes: ``total`` and ``unique`` ``[n]``, ``half_life`` ``[...]`` -> ``[..., n]``.
    """
    unique = np.minimum(unique, total)
    repeats = total / unique - 1.0
    decays = half_life[..., None]
    return np.asarray(unique * (1.0 - decays * np.expm1(-repeats / decays)))


def effective_slope(total: Array, unique: Array, half_life: Array) -> Array:
    """Return the derivative of D' by R*, ``[..., n]``."""
    unique = np.minimum(unique, total)
    ratio = (total / unique - 1.0) / half_life[..., None]
    return np.asarray(unique * (-np.expm1(-ratio) - ratio * np.exp(-ratio)))


def _repeated_basis(x_nd: Array, q: Array) -> Array:
    by_size = decay(x_nd[:, 0], q[..., 0])
    data = effective_data(x_nd[:, 1], x_nd[:, 2], q[..., 2])
    by_data = np.exp(-np.log(data) * q[..., 1, None])
    return np.stack([ones(q, len(x_nd)), by_size, by_data], axis=-1)


def _repeated_gradient(x_nd: Array, q: Array) -> Array:
    data = effective_data(x_nd[:, 1], x_nd[:, 2], q[..., 2])
    log_data, beta = np.log(data), q[..., 1, None]
    by_data = np.exp(-log_data * beta)
    slope = effective_slope(x_nd[:, 1], x_nd[:, 2], q[..., 2])
    out = np.zeros((*by_data.shape, 3, 3))
    out[..., 1, 0] = -np.log(x_nd[:, 0]) * decay(x_nd[:, 0], q[..., 0])
    out[..., 2, 1] = -log_data * by_data
    out[..., 2, 2] = -beta * by_data / data * slope
    return out


DATA_CONSTRAINED = Form(
    name="data_constrained",
    equation="L = E + A·N^-alpha + B·D'^-beta,  D' = U + U·R*·(1 - e^(-R/R*)),  R = D/U - 1",
    reference="Muennighoff et al. 2023, equations 4 and 5 (the data half)",
    axes=("N", "D", "U"),
    linear=(FLOOR, N_SCALE, D_SCALE),
    nonlinear=(
        N_EXPONENT,
        D_EXPONENT,
        Parameter("R*", "repetitions after which data are worth 1/e less", 0.05, 500.0),
    ),
    basis=_repeated_basis,
    basis_gradient=_repeated_gradient,
    grid=lambda x_nd: (*(np.geomspace(0.02, 3.0, 12),) * 2, np.geomspace(0.3, 100.0, 8)),
    publish=HOFFMANN.publish,
    internalise=HOFFMANN.internalise,
    # U counts the same things as D: both are divided by the same number.
    units=(0, 1, 1),
    at_most=((2, 1),),
    exponent="alpha",
    floor="E",
)
