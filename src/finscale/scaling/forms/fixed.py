"""Any form with some parameters held: at a number, or tied to another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from finscale.errors import FinscaleError
from finscale.scaling.forms.base import Array, Form, Parameter
from finscale.scaling.forms.held import Held, read_held

_SEED = 20_26
_PROBES = 4


def fixed(form: Form, values: Mapping[str, float | str]) -> Form:
    """Return a form with fewer free parameters.

    Parameters
    ----------
    form : Form
        Any form.
    values : mapping of str to float or str
        What to hold, in the terms of the equation: ``{"alpha": 0.34}`` at a number,
        ``{"alpha": "beta"}`` tied to another parameter, ``"2*beta"`` or ``"-c0"`` by a factor.

    Returns
    -------
    Form
        Its ``parameters`` are those left free; ``named`` gives all of them.

    Raises
    ------
    FinscaleError
        For a parameter that the form does not have, a number outside its range, a tie that means
        nothing, or nothing left to fit.

    Examples
    --------
    >>> from finscale.scaling.forms import FORMS
    >>> fixed(FORMS["hoffmann"], {"alpha": "beta", "E": 0}).names
    ('A', 'B', 'beta')
    """
    if not values:
        return form
    held = read_held(form, values)
    num_linear, num = len(form.linear), form.num_parameters
    place_q = _held_internally(form, held)
    _check_range(form, held, place_q)
    offset_K, mix_KF = _linear_part(form, held)
    free_q = [at for at in held.free if at >= num_linear]

    def whole_q(q: Array) -> Array:
        out = np.empty((*q.shape[:-1], num - num_linear))
        for column, at in enumerate(free_q):
            out[..., at - num_linear] = q[..., column]
        for at, value in place_q.items():
            out[..., at - num_linear] = value
        for at, (other, factor) in held.ties.items():
            if at >= num_linear:
                out[..., at - num_linear] = factor * out[..., other - num_linear]
        return out

    # d(all exponents) / d(free ones)
    spread_QF = np.zeros((num - num_linear, len(free_q)))
    for column, at in enumerate(free_q):
        spread_QF[at - num_linear, column] = 1.0
    for at, (other, factor) in held.ties.items():
        if at >= num_linear:
            spread_QF[at - num_linear] = factor * spread_QF[other - num_linear]

    def basis(x_nd: Array, q: Array) -> Array:
        return np.asarray(form.basis(x_nd, whole_q(q)) @ mix_KF)

    def gradient(x_nd: Array, q: Array) -> Array:
        by_q = form.basis_gradient(x_nd, whole_q(q)) @ spread_QF
        return np.asarray(np.einsum("...kq,kf->...fq", by_q, mix_KF))

    def offset(x_nd: Array, q: Array) -> Array:
        q = whole_q(q)
        own = form.basis(x_nd, q) @ offset_K
        return np.asarray(own if form.offset is None else own + form.offset(x_nd, q))

    def offset_gradient(x_nd: Array, q: Array) -> Array:
        q = whole_q(q)
        by_q = np.einsum("...kq,k->...q", form.basis_gradient(x_nd, q), offset_K)
        if form.offset_gradient is not None:
            by_q = by_q + form.offset_gradient(x_nd, q)
        return np.asarray(by_q @ spread_QF)

    def publish(theta: Array, x0_d: Array) -> Array:
        c, q = theta[..., : mix_KF.shape[1]], theta[..., mix_KF.shape[1] :]
        whole = np.concatenate([c @ mix_KF.T + offset_K, whole_q(q)], axis=-1)
        return form.publish(whole, x0_d)[..., held.free]

    def internalise(theta: Array, x0_d: Array) -> Array:
        return form.internalise(held.complete(theta, num), x0_d)[..., held.free]

    def complete(theta: Array) -> Array:
        whole = held.complete(np.asarray(theta, dtype=np.float64), num)
        return form.complete(whole) if form.complete else whole

    def grid(x_nd: Array) -> tuple[Array, ...]:
        axes = form.grid(x_nd)
        return tuple(
            _inside(axes[at - num_linear], parameter)
            for at, parameter in zip(free_q, parameters[len(linear) :], strict=True)
        )

    turning, has_offset = form.turning, bool(offset_K.any()) or form.offset is not None
    parameters = [_narrowed(form, held, at) for at in held.free]
    linear = parameters[: mix_KF.shape[1]]
    floor = _still_free(form, held, form.floor)
    told = {name: _words(value) for name, value in values.items()}
    clauses = ", ".join(f"{name} = {value}" for name, value in told.items())
    return replace(
        form,
        equation=f"{form.equation},  {clauses}",
        linear=tuple(linear),
        nonlinear=tuple(parameters[len(linear) :]),
        basis=basis,
        basis_gradient=gradient,
        grid=grid,
        publish=publish,
        internalise=internalise,
        turning=None
        if turning is None
        else lambda theta: turning(held.complete(np.asarray(theta, dtype=np.float64), num)),
        offset=offset if has_offset else None,
        offset_gradient=offset_gradient if has_offset else None,
        complete=complete,
        whole_names=form.whole_names or form.names,
        held={**form.held, **told},
        is_scaled=form.is_scaled and _is_free_of_units(form, held),
        exponent=_still_free(form, held, form.exponent),
        floor=floor if floor == form.floor else "",
    )


def _words(value: float | str) -> str:
    return str(value).strip() if isinstance(value, str) else f"{value:g}"


def _narrowed(form: Form, held: Held, at: int) -> Parameter:
    """Return a free parameter, its range such that those tied to it stay in theirs."""
    parameter = form.parameters[at]
    for tied, (other, factor) in held.ties.items():
        if other == at and factor and at >= len(form.linear):
            mine = form.parameters[tied]
            low, high = sorted((mine.lower / factor, mine.upper / factor))
            parameter = replace(
                parameter, lower=max(parameter.lower, low), upper=min(parameter.upper, high)
            )
    return parameter


def _inside(axis: Array, parameter: Parameter) -> Array:
    """Return the values of a grid within a parameter's range; its middle if there are none."""
    kept = axis[(axis >= parameter.lower) & (axis <= parameter.upper)]
    return kept if len(kept) else np.array([(parameter.lower + parameter.upper) / 2])


def _still_free(form: Form, held: Held, name: str) -> str:
    """Return the free parameter that has a role; empty where a number does."""
    if not name:
        return ""
    at = form.index(name)
    at = held.ties[at][0] if at in held.ties else at
    return form.names[at] if at in held.free else ""


def _probes(form: Form, held: Held) -> Array:
    """Return published parameters that are all different, with what is held, ``[probes, p]``."""
    rng = np.random.default_rng(_SEED)
    theta = rng.uniform(0.3, 0.9, (_PROBES, form.num_parameters))
    # a loss of chance lies above the floor
    theta[:, : len(form.linear)] = np.sort(theta[:, : len(form.linear)], axis=1)
    for at, parameter in enumerate(form.parameters):
        if parameter.upper <= 0:
            theta[:, at] *= -1.0
    return held.complete(theta[:, held.free], form.num_parameters)


def _units(form: Form) -> Array:
    """Return sizes to probe with, ``[3, d]``: the first are ones."""
    units = np.random.default_rng(_SEED).uniform(2.0, 9.0, (3, len(form.axes)))
    units[0] = 1.0
    return units


def _row(form: Form, at: int, x0_d: Array, *, is_zero: bool = False) -> Array | None:
    """Return of which linear ones a published parameter is the sum; None if it is none.

    Where it is held at zero the sum's own size does not matter.
    """
    num_linear = len(form.linear)
    rng = np.random.default_rng(_SEED)
    rows = []
    for _ in range(_PROBES):
        q = rng.uniform(0.3, 0.9, form.num_parameters - num_linear)
        c = np.concatenate([np.eye(num_linear), rng.uniform(0.3, 0.9, (2, num_linear))])
        theta = np.concatenate([c, np.broadcast_to(q, (len(c), len(q)))], axis=1)
        with np.errstate(all="ignore"):
            published = form.publish(theta, x0_d)[:, at]
        if is_zero:
            published = published / np.linalg.norm(published[:num_linear])
        rows.append(published[:num_linear])
        if not np.allclose(published, c @ rows[0], rtol=1e-9):
            return None
    return rows[0]


def _internal(form: Form, held: Held, at: int, x0_d: Array) -> float | None:
    """Return the internal value of a held exponent, if it depends on nothing that is free."""
    with np.errstate(all="ignore"):
        values = form.internalise(_probes(form, held), x0_d)[:, at]
    return float(values[0]) if np.allclose(values, values[0], rtol=1e-9) else None


def _is_free_of_units(form: Form, held: Held) -> bool:
    """Return whether what is held means the same in any units of size.

    Where it does not (A, but not alpha), sizes are fitted as they are.
    """
    units = _units(form)
    for at in (*held.numbers, *held.ties, *(other for other, _ in held.ties.values())):
        if at < len(form.linear):
            is_zero = held.numbers.get(at) == 0
            rows = [_row(form, at, x0_d, is_zero=is_zero) for x0_d in units]
            first = rows[0]
            if first is None or any(row is None or not np.allclose(row, first) for row in rows):
                return False
        else:
            with np.errstate(all="ignore"):
                probes = _probes(form, held)
                same = [np.allclose(form.internalise(probes, x0)[:, at], probes[:, at])
                        for x0 in units]  # fmt: skip
            if not all(same):
                return False
    return True


def _linear_part(form: Form, held: Held) -> tuple[Array, Array]:
    """Return all linear parameters as ``offset_K + mix_KF @ free ones``, in the fitter's units."""
    num_linear = len(form.linear)
    kept = [at for at in held.free if at < num_linear]
    gone = [at for at in range(num_linear) if at not in kept]
    wanted, rows = np.zeros(len(gone)), np.zeros((len(gone), num_linear))
    for i, at in enumerate(gone):
        others = [(at, 1.0)] + ([(held.ties[at][0], -held.ties[at][1])] if at in held.ties else [])
        for other, factor in others:
            row = _row(form, other, _units(form)[0])
            if row is None:
                raise FinscaleError(
                    f"{form.names[at]} of {form.name} cannot be held: it stands for several of the "
                    "numbers that are fitted.",
                    hint=f"hold another one: {', '.join(form.names)}",
                )
            rows[i] += factor * row
        wanted[i] = held.numbers.get(at, 0.0)
    inverse = np.linalg.inv(rows[:, gone])
    offset_K, mix_KF = np.zeros(num_linear), np.zeros((num_linear, len(kept)))
    offset_K[gone] = inverse @ wanted
    mix_KF[kept, range(len(kept))] = 1.0
    mix_KF[gone] = -inverse @ rows[:, kept]
    return offset_K, mix_KF


def _held_internally(form: Form, held: Held) -> dict[int, float]:
    """Return the held exponents as the fitter has them."""
    found = {}
    for at in held.numbers:
        if at < len(form.linear):
            continue
        value = _internal(form, held, at, _units(form)[0])
        if value is None or not np.isfinite(value):
            raise FinscaleError(
                f"{form.names[at]} of {form.name} cannot be held by itself: what it means to the "
                "fit depends on parameters that are free.",
                hint=f"hold those too ({form.equation})",
            )
        found[at] = value
    return found


def _check_range(form: Form, held: Held, internal: Mapping[int, float]) -> None:
    for at, number in held.numbers.items():
        parameter, value = form.parameters[at], internal.get(at, number)
        if not parameter.lower <= value <= parameter.upper:
            is_same = value == number
            span = f"[{parameter.lower:g}, {parameter.upper:g}]" if is_same else "the searched one"
            raise FinscaleError(
                f"{parameter.name} = {number:g} is outside its range, {span}: {parameter.meaning}.",
                hint=f"the form is {form.equation}",
            )
    for at, (other, factor) in held.ties.items():
        if at < len(form.linear):
            continue
        probes = _probes(form, held)
        with np.errstate(all="ignore"):
            own = form.internalise(probes, _units(form)[0])
        if not np.allclose(own[:, [at, other]], probes[:, [at, other]]):
            raise FinscaleError(
                f"{form.names[at]} and {form.names[other]} of {form.name} cannot be tied: they are "
                "not measured in the same units.",
                hint="tie exponents, or multipliers",
            )
        mine, theirs = form.parameters[at], form.parameters[other]
        ends = sorted((mine.lower / factor, mine.upper / factor)) if factor else [np.nan]
        if not factor or ends[0] > theirs.upper or ends[-1] < theirs.lower:
            raise FinscaleError(
                f"{mine.name} = {factor:g}·{theirs.name} leaves {mine.name} outside its range, "
                f"[{mine.lower:g}, {mine.upper:g}], whatever {theirs.name} is.",
                hint=f"the form is {form.equation}",
            )
