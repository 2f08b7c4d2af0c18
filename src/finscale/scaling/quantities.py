"""The numbers reported for a law: exponent, floor, gain at ×10, the compute-optimal split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.measure import LOSS, Measure


@dataclass(frozen=True)
class Quantity:
    """A number derived from the parameters.

    ``of`` maps parameters ``[R, p]`` to ``[R]``. Where the number is linear given the exponents,
    ``weights`` gives the combination of linear coefficients (units x/x0, ``q_GQ -> a_GK``); where
    it depends on the exponents alone, ``of_q`` gives it; ``exponent`` is its place where it is one
    of them. ``shift`` is a part that no coefficient multiplies, ``q_GQ -> [G]``.
    """

    name: str
    meaning: str
    of: Callable[[Array], Array]
    weights: Callable[[Array], Array] | None = None
    of_q: Callable[[Array], Array] | None = None
    exponent: int | None = None
    shift: Callable[[Array], Array] | None = None


def quantities_of(
    form: Form, x_nd: Array, axes: tuple[str, ...], measure: Measure = LOSS
) -> list[Quantity]:
    """Return every parameter, then the derived numbers that the form has.

    Gains start at the largest fitted size of each axis; ``axes`` and ``measure`` are for the words.
    """
    found = [_parameter(form, i, x_nd) for i in range(form.num_parameters)]
    # M and U are what they are at a given size
    num_moving = sum(axis not in ("M", "U") for axis in form.axes)
    if form.trend != "flat":
        found += [_gain(form, x_nd, axis, axes[axis], measure) for axis in range(num_moving)]
    if form.turning is not None:
        meaning = f"{axes[0]} of the best {measure.title}, if the curve turns"
        found.append(Quantity("best_size", meaning, form.turning_point))
    if form.name == "hoffmann" and _split_varies(form):
        meaning = f"compute-optimal exponent: {axes[0]} grows as compute^a, a = beta/(alpha+beta)"
        num_linear = len(form.linear)

        def split(theta: Array) -> Array:
            named = form.named(theta)
            return np.asarray(named["beta"] / (named["alpha"] + named["beta"]))

        def of_q(q: Array) -> Array:
            return split(np.concatenate([np.zeros((len(q), num_linear)), q], axis=-1))

        found.append(Quantity("a", meaning, split, of_q=of_q))
    return found


def _split_varies(form: Form) -> bool:
    """Return whether the exponents leave the best split open: tied ones, or numbers, do not."""
    free = {"alpha", "beta"} & set(form.names)
    ties = [value for name, value in form.held.items() if name in ("alpha", "beta")]
    return len(free) == 2 or (len(free) == 1 and not any(free & {_target(tie)} for tie in ties))


def _target(tie: str) -> str:
    return tie.lstrip("-").split("*")[-1].strip()


def _parameter(form: Form, at: int, x_nd: Array) -> Quantity:
    parameter, num_linear = form.parameters[at], len(form.linear)
    x0_d = form.reference_sizes(x_nd)

    def published(c_MK: Array, q: Array) -> Array:
        own = np.broadcast_to(c_MK, (len(q), *c_MK.shape))
        q = np.broadcast_to(q[:, None], (len(q), len(c_MK), q.shape[-1]))
        with np.errstate(all="ignore"):
            return np.asarray(form.publish(np.concatenate([own, q], axis=-1), x0_d)[..., at])

    def shift(q: Array) -> Array:
        return published(np.zeros((1, num_linear)), q)[:, 0]

    def weights(q: Array) -> Array:
        # given the exponents a published coefficient is linear in the fitter's own, but for what
        # parameters that are held add to it
        return published(np.eye(num_linear), q) - shift(q)[:, None]

    def of_q(q: Array) -> Array:
        return published(np.ones((1, num_linear)), q)[:, 0]

    is_linear, is_alone = at < num_linear, False
    if not is_linear:
        some = published(np.ones((2, num_linear)) * [[1.0], [2.0]], _middle(form, x_nd / x0_d))
        is_alone = bool(some[0, 0] == some[0, 1])
    return Quantity(
        parameter.name,
        parameter.meaning,
        lambda theta: theta[:, at],
        weights=weights if is_linear else None,
        of_q=of_q if is_alone else None,
        exponent=at - num_linear if is_alone else None,
        shift=shift if is_linear and form.held else None,
    )


def _middle(form: Form, scaled_nd: Array) -> Array:
    """Return one set of exponents inside the range that is searched, ``[1, Q]``."""
    return np.array([[axis[len(axis) // 2] for axis in form.grid(scaled_nd)]])


def _gain(form: Form, x_nd: Array, axis: int, name: str, measure: Measure) -> Quantity:
    here_1d = x_nd.max(axis=0, keepdims=True)
    there_1d = here_1d.copy()
    there_1d[0, axis] *= 10.0
    x0_d = form.reference_sizes(x_nd)

    def of(theta: Array) -> Array:
        return np.asarray(form.predict(here_1d, theta) - form.predict(there_1d, theta))[:, 0]

    def weights(q: Array) -> Array:
        return np.asarray(form.basis(here_1d / x0_d, q) - form.basis(there_1d / x0_d, q))[:, 0, :]

    offset = form.offset

    def shift(q: Array) -> Array:
        assert offset is not None
        return np.asarray(offset(here_1d / x0_d, q) - offset(there_1d / x0_d, q))[:, 0]

    label = "gain_x10" if len(form.axes) == 1 else f"gain_x10_{form.axes[axis]}"
    does = "adds" if measure.higher_is_better else "removes"
    meaning = f"{measure.title} that ten times the largest {name} {does}"
    return Quantity(label, meaning, of, weights, shift=None if offset is None else shift)


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
