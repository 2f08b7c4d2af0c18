"""Over-training laws: compute C and tokens per parameter M, with exponents that are tied."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from finscale.scaling.forms.base import Array, Form, Parameter
from finscale.scaling.forms.power_law import EXPONENT_RANGE, FLOOR, ones

#: A training step costs six operations a parameter and sample: C = 6·N·D.
_LOG_COST = float(np.log(6.0))


def _by_sizes(x_nd: Array) -> tuple[Array, Array]:
    """Return ln(C/M) and ln(C·M) of N and D: C/M = 6N², C·M = 6D²."""
    return _LOG_COST + 2.0 * np.log(x_nd[:, 0]), _LOG_COST + 2.0 * np.log(x_nd[:, 1])


def _by_compute(x_nd: Array) -> tuple[Array, Array]:
    """Return ln(C/M) and ln(C·M) of C and M."""
    log_compute, log_ratio = np.log(x_nd[:, 0]), np.log(x_nd[:, 1])
    return log_compute - log_ratio, log_compute + log_ratio


def _overtraining(
    name: str,
    axes: tuple[str, ...],
    equation: str,
    logs: Callable[[Array], tuple[Array, Array]],
) -> Form:
    """Return E + a·(C/M)^-eta + b·(C·M)^-eta for sizes whose logarithms ``logs`` gives."""

    def basis(x_nd: Array, q: Array) -> Array:
        powers = [np.exp(-q[..., 0, None] * log) for log in logs(x_nd)]
        return np.stack([ones(q, len(x_nd)), *powers], axis=-1)

    def gradient(x_nd: Array, q: Array) -> Array:
        out = np.zeros((*q.shape[:-1], len(x_nd), 3, 1))
        for column, log in enumerate(logs(x_nd), start=1):
            out[..., column, 0] = -log * np.exp(-q[..., 0, None] * log)
        return out

    def shifted(theta: Array, x0_d: Array, sign: float) -> Array:
        out, one = theta.copy(), logs(np.ones((1, 2)))
        for column, log in enumerate(logs(x0_d[None])):
            out[..., column + 1] *= np.exp(sign * theta[..., 3] * (log - one[column])[0])
        return out

    return Form(
        name=name,
        equation=equation,
        reference="Gadre et al. 2024, Language models scale reliably with over-training, "
        "equation 4: one exponent for parameters and data, 2·eta each",
        axes=axes,
        linear=(
            FLOOR,
            Parameter("a", "loss that parameters remove, at C = M"),
            Parameter("b", "loss that data remove, at C = 1/M"),
        ),
        nonlinear=(Parameter("eta", "exponent of compute at any M", *EXPONENT_RANGE),),
        basis=basis,
        basis_gradient=gradient,
        grid=lambda x_nd: (np.geomspace(*EXPONENT_RANGE, 48),),
        publish=lambda theta, x0_d: shifted(theta, x0_d, 1.0),
        internalise=lambda theta, x0_d: shifted(theta, x0_d, -1.0),
        exponent="eta",
        floor="E",
    )


OVERTRAINING = _overtraining(
    "overtraining",
    ("N", "D"),
    "L = E + (a·M^eta + b·M^-eta)·C^-eta,  C = 6·N·D,  M = D/N",
    _by_sizes,
)

OVERTRAINING_COMPUTE = _overtraining(
    "overtraining_compute",
    ("C", "M"),
    "L = E + (a·M^eta + b·M^-eta)·C^-eta",
    _by_compute,
)
