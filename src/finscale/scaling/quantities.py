"""The numbers reported for a law: exponent, floor, gain at ×10, the compute-optimal split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array


@dataclass(frozen=True)
class Quantity:
    """A number derived from the parameters.

    ``of`` maps parameters ``[R, p]`` to ``[R]``. Where the number is linear given the exponents,
    ``weights`` gives the combination of linear coefficients (units x/x0, ``q_GQ -> a_GK``); where
    it depends on the exponents alone, ``of_q`` gives it; ``exponent`` is its place where it is one
    of them.
    """

    name: str
    meaning: str
    of: Callable[[Array], Array]
    weights: Callable[[Array], Array] | None = None
    of_q: Callable[[Array], Array] | None = None
    exponent: int | None = None


def quantities_of(form: Form, x_nd: Array, axes: tuple[str, ...]) -> list[Quantity]:
    """Return every parameter, then the derived numbers that the form has.

    Gains start at the largest fitted size of each axis; ``axes`` are names for the words.
    """
    found = [_parameter(form, i, x_nd) for i in range(form.num_parameters)]
    num_moving = 2 if form.name in ("hoffmann", "data_constrained") else 1
    if form.trend != "flat":
        found += [_gain(form, x_nd, axis, axes[axis]) for axis in range(num_moving)]
    if form.turning is not None:
        meaning = f"{axes[0]} of least loss, if the curve turns"
        found.append(Quantity("best_size", meaning, form.turning_point))
    if form.name == "hoffmann":
        alpha, beta = form.index("alpha"), form.index("beta")
        found.append(
            Quantity(
                "a",
                f"compute-optimal exponent: {axes[0]} grows as compute^a, a = beta/(alpha+beta)",
                lambda theta: theta[:, beta] / (theta[:, alpha] + theta[:, beta]),
                of_q=lambda q: q[:, 1] / (q[:, 0] + q[:, 1]),
            )
        )
    return found


def _parameter(form: Form, at: int, x_nd: Array) -> Quantity:
    parameter, num_linear = form.parameters[at], len(form.linear)
    x0_d = form.reference_sizes(x_nd)

    def weights(q: Array) -> Array:
        # given the exponents a published coefficient is linear in the fitter's own
        own = np.broadcast_to(np.eye(num_linear), (len(q), num_linear, num_linear))
        q = np.broadcast_to(q[:, None], (len(q), num_linear, q.shape[-1]))
        return np.asarray(form.publish(np.concatenate([own, q], axis=-1), x0_d)[..., at])

    is_linear = at < num_linear
    return Quantity(
        parameter.name,
        parameter.meaning,
        lambda theta: theta[:, at],
        weights=weights if is_linear else None,
        of_q=None if is_linear else (lambda q: q[:, at - num_linear]),
        exponent=None if is_linear else at - num_linear,
    )


def _gain(form: Form, x_nd: Array, axis: int, name: str) -> Quantity:
    here_1d = x_nd.max(axis=0, keepdims=True)
    there_1d = here_1d.copy()
    there_1d[0, axis] *= 10.0
    x0_d = form.reference_sizes(x_nd)

    def of(theta: Array) -> Array:
        return np.asarray(form.predict(here_1d, theta) - form.predict(there_1d, theta))[:, 0]

    def weights(q: Array) -> Array:
        return np.asarray(form.basis(here_1d / x0_d, q) - form.basis(there_1d / x0_d, q))[:, 0, :]

    label = "gain_x10" if len(form.axes) == 1 else f"gain_x10_{form.axes[axis]}"
    return Quantity(label, f"loss that ten times the largest {name} removes", of, weights)


def replicate_values(
    quantity: Quantity, form: Form, params_Rp: Array, at_bound_Rp: NDArray[np.bool_]
) -> Array:
    """Return the quantity of every replicate; an exponent at a bound counts as unbounded.

    A replicate whose exponent ran to a bound counts as -inf or inf. Where the scale is zero any
    exponent fits, so half of those replicates count at each end.
    """
    values = np.array(quantity.of(params_Rp), dtype=np.float64)
    if quantity.name not in {parameter.name for parameter in form.nonlinear}:
        return values
    at = form.index(quantity.name)
    parameter, resting = form.parameters[at], at_bound_Rp[:, at]
    # With exponent zero a pure power is the constant: an ordinary value.
    if parameter.lower != 0.0:
        # replicates at a bound are on one side of all the others, however many they are
        free = values[~resting & np.isfinite(values)]
        middle = (parameter.lower + parameter.upper) / 2
        small = values <= (np.median(free) if len(free) else middle)
        values[resting & small] = -np.inf
        values[resting & ~small] = np.inf
    scales = [i for i, p in enumerate(form.linear) if p.name != form.floor and p.lower == 0.0]
    empty = np.flatnonzero(at_bound_Rp[:, scales].all(axis=1)) if scales else np.array([], int)
    values[empty[::2]], values[empty[1::2]] = -np.inf, np.inf
    return values
