"""A law form: its linear part, its non-linear part, and the meaning of each parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.errors import FinscaleError, did_you_mean

Array = NDArray[np.float64]

#: Natural logarithm of the largest size that is searched; that of the largest float64 is 709.
_LOG_SIZE = 690.0


@dataclass(frozen=True)
class Parameter:
    """One parameter of a form.

    Parameters
    ----------
    name : str
        As in the equation: ``"alpha"``.
    meaning : str
        One phrase for a reader of the summary.
    lower, upper : float
        Bounds; a fit that ends on one says so.
    nuisance : bool
        Needed by the curve but of no interest: it may be unidentified while the rest is not.
    """

    name: str
    meaning: str
    lower: float = 0.0
    upper: float = np.inf
    nuisance: bool = False


def _same(theta: Array, x0_d: Array) -> Array:
    return theta


@dataclass(frozen=True)
class Form:
    r"""A scaling law :math:`L(x) = \sum_k c_k\,\phi_k(x; q)`, linear in c given q.

    Every form of the literature has this shape, so the linear coefficients c can be solved exactly
    (non-negative least squares) for any exponents q: *variable projection* (Golub and Pereyra,
    1973). Parameters are ordered linear first, then non-linear: ``(E, A, B, alpha, beta)``.

    Arrays broadcast over leading dimensions: ``theta`` may be ``[p]`` or ``[..., p]``.

    Parameters
    ----------
    name, equation, reference : str
        Registry name, the equation in plain text, where it comes from.
    axes : tuple of str
        What each column of x is.
    linear, nonlinear : tuple of Parameter
        The two halves of theta.
    basis : callable
        ``(x_nd, q_...Q) -> phi_...nK``.
    basis_gradient : callable
        ``(x_nd, q_...Q) -> [..., n, K, Q]``: derivative of the basis by q.
    grid : callable
        ``x_nd -> one 1-D array per non-linear parameter``: where profiling starts.
    publish, internalise : callable
        Between the fitter's parameters, in units x/x0, and those of the equation, in the user's.
    turning : callable, optional
        ``theta -> x`` of the valley; NaN where the curve has none.
    units : tuple of int
        For each axis, the axis whose geometric mean it is divided by; empty means its own.
    at_most : tuple of (int, int)
        Pairs of axes: the first may nowhere exceed the second.
    exponent : str
        The parameter that answers "how fast"; empty where there is none.
    floor : str
        The parameter that is the loss at infinite scale; empty where there is none.
    trend : {"falling", "rising", "flat", "any"}
        Which way the form can go along its first axis.
    offset, offset_gradient : callable, optional
        A part of the loss that no linear parameter multiplies: ``(x_nd, q_...Q) -> [..., n]``, and
        its derivative by q, ``[..., n, Q]``.
    whole_names, complete
        Where parameters are held (``fixed``): all names, and all
        parameters from the free ones.
    held : mapping of str to str
        What is held, and at what.
    is_scaled : bool
        Whether the fitter may divide sizes by their geometric mean.
    """

    name: str
    equation: str
    reference: str
    axes: tuple[str, ...]
    linear: tuple[Parameter, ...]
    nonlinear: tuple[Parameter, ...]
    basis: Callable[[Array, Array], Array] = field(repr=False)
    basis_gradient: Callable[[Array, Array], Array] = field(repr=False)
    grid: Callable[[Array], tuple[Array, ...]] = field(repr=False)
    publish: Callable[[Array, Array], Array] = field(default=_same, repr=False)
    internalise: Callable[[Array, Array], Array] = field(default=_same, repr=False)
    turning: Callable[[Array], Array] | None = field(default=None, repr=False)
    units: tuple[int, ...] = ()
    at_most: tuple[tuple[int, int], ...] = ()
    exponent: str = ""
    floor: str = ""
    trend: str = "falling"
    offset: Callable[[Array, Array], Array] | None = field(default=None, repr=False)
    offset_gradient: Callable[[Array, Array], Array] | None = field(default=None, repr=False)
    whole_names: tuple[str, ...] = ()
    complete: Callable[[Array], Array] | None = field(default=None, repr=False)
    held: Mapping[str, str] = field(default_factory=dict, hash=False)
    is_scaled: bool = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, linear first."""
        return self.linear + self.nonlinear

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, in the order of theta."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds of all parameters, ``[p]`` each."""
        lower, upper = zip(*((p.lower, p.upper) for p in self.parameters), strict=True)
        return _floats(lower), _floats(upper)

    @property
    def num_parameters(self) -> int:
        """Length of theta."""
        return len(self.linear) + len(self.nonlinear)

    @property
    def exponents(self) -> tuple[str, ...]:
        """Names of the free exponents, the one that answers "how fast" first."""
        found = [self.exponent] if self.exponent else []
        for parameter in self.nonlinear:
            is_one = parameter.meaning.startswith("exponent") and not parameter.nuisance
            if is_one and parameter.name not in found:
                found.append(parameter.name)
        return tuple(found)

    def index(self, name: str) -> int:
        """Return the place of a parameter in theta."""
        try:
            return self.names.index(name)
        except ValueError:
            raise FinscaleError(
                f"{name!r} is not a parameter of {self.name}: {self.equation}.",
                hint=did_you_mean(name, self.names),
            ) from None

    def relaxed(self, *names: str) -> Form:
        """Return the same form with these linear parameters free of their sign.

        A floor that is a *difference* of losses may be negative: ``FORMS["power_floor"]
        .relaxed("E")`` is the form for skill measured against a baseline.
        """
        free = list(self.linear)
        for at in map(self.index, names):
            free[at] = replace(free[at], lower=-np.inf)
        return replace(self, linear=tuple(free))

    def columns(self, x: ArrayLike) -> Array:
        """Return x as ``[n, d]``, one column per axis of the form."""
        x_nd = np.asarray(x, dtype=np.float64)
        x_nd = x_nd.reshape(-1, 1) if x_nd.ndim < 2 else x_nd
        if x_nd.shape[1] != len(self.axes):
            raise FinscaleError(
                f"{self.name} needs {len(self.axes)} size columns ({', '.join(self.axes)}), "
                f"got {x_nd.shape[1]}.",
                hint="name the columns of the size axes, one for each",
            )
        for part, whole in self.at_most:
            # a product of two columns may differ from its parts by rounding
            over_n = np.flatnonzero(x_nd[:, part] > x_nd[:, whole] * (1 + 1e-9))
            if len(over_n):
                at, names = over_n[0], (self.axes[part], self.axes[whole])
                raise FinscaleError(
                    f"{self.name} takes {names[0]} for a part of {names[1]}, and {names[0]} = "
                    f"{x_nd[at, part]:g} is more than {names[1]} = {x_nd[at, whole]:g} "
                    f"({len(over_n)} of {len(x_nd)} sizes).",
                    hint=f"the axes of {self.name} are {', '.join(self.axes)}, in this order; name "
                    "the columns so, or choose a form for what the third one is",
                )
        return x_nd

    def reference_sizes(self, x_nd: Array) -> Array:
        """Return x0, one number an axis: what the fitter divides sizes by."""
        if not self.is_scaled:
            return np.ones(x_nd.shape[1])
        means = np.exp(np.mean(np.log(x_nd), axis=0))
        return np.asarray(means[list(self.units)] if self.units else means)

    def turning_point(self, theta: ArrayLike) -> Array:
        """Return the size of least loss; NaN where the curve is monotone."""
        theta = _floats(theta)
        if self.turning is None:
            return np.full(theta.shape[:-1], np.nan)
        return self.turning(theta)

    def predict(self, x: ArrayLike, theta: ArrayLike) -> Array:
        """Return the loss at each x.

        Parameters
        ----------
        x : array, ``[n]`` or ``[n, d]``
            Sizes, in the units of the fitted table.
        theta : array, ``[..., p]``
            Parameters in the order of ``names``.

        Returns
        -------
        array, ``[..., n]``
        """
        x_nd = self.columns(x)
        internal = self.internalise(_floats(theta), np.ones(x_nd.shape[1]))
        return self.evaluate(x_nd, internal)

    def inverse(self, loss: float, theta: ArrayLike, others: Sequence[float] = ()) -> float:
        """Return the smallest size (first axis) at which the law reaches a loss.

        A curve that turns is searched up to its valley; on that stretch every form is monotone.

        Parameters
        ----------
        loss : float
            Wanted loss.
        theta : array, ``[p]``
            Parameters.
        others : sequence of float
            Values of the remaining axes (D for Hoffmann's surface; D and U when data-constrained).

        Returns
        -------
        float
            Infinity where the law never comes to the loss, NaN where it is past it at every size.
        """
        from scipy.optimize import bisect

        def excess(log_x: float) -> float:
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                return float(self.predict([[np.exp(log_x), *others]], theta)[0]) - loss

        valley = float(self.turning_point(theta))
        low, high = -_LOG_SIZE, min(_LOG_SIZE, np.log(valley) if valley > 0 else np.inf)
        first, last = excess(low), excess(high)
        if first == last:
            return float("inf" if last > 0 else "nan")
        # mirror a rising curve, so that one rule serves both
        first, last = (first, last) if first > last else (-first, -last)
        if last >= 0:
            return float("inf")
        if first < 0:
            return float("nan")
        return float(np.exp(bisect(excess, low, high, xtol=1e-14, rtol=1e-15)))

    def evaluate(self, x_nd: Array, internal: Array) -> Array:
        """Return predictions ``[..., n]`` from the fitter's own parameters."""
        c, q = self.split(internal)
        linear = np.asarray((self.basis(x_nd, q) @ c[..., None])[..., 0])
        return linear if self.offset is None else linear + self.offset(x_nd, q)

    def jacobian(self, x_nd: Array, internal: Array) -> Array:
        """Return ``[..., n, p]``: derivative by the fitter's own parameters."""
        c, q = self.split(internal)
        return np.concatenate([self.basis(x_nd, q), self.slope(x_nd, c, q)], axis=-1)

    def slope(self, x_nd: Array, c: Array, q: Array) -> Array:
        """Return ``[..., n, Q]``: derivative of the loss by the non-linear parameters."""
        by_q = self.basis_gradient(x_nd, q)
        terms = [by_q[..., k, :] * c[..., None, k, None] for k in range(c.shape[-1])]
        if self.offset_gradient is not None:
            terms.append(self.offset_gradient(x_nd, q))
        return np.asarray(sum(terms))

    def split(self, theta: Array) -> tuple[Array, Array]:
        """Return (linear, non-linear) halves of theta."""
        num_linear = len(self.linear)
        return theta[..., :num_linear], theta[..., num_linear:]

    def named(self, theta: ArrayLike) -> dict[str, Array]:
        """Return every parameter by name, those that are held too, from theta ``[..., p]``."""
        theta_p = _floats(theta)
        whole = self.complete(theta_p) if self.complete else theta_p
        return {name: whole[..., i] for i, name in enumerate(self.whole_names or self.names)}

    def as_dict(self) -> dict[str, Any]:
        """Return what the form is, for JSON."""
        return {
            "name": self.name,
            "equation": self.equation,
            "reference": self.reference,
            "parameters": {p.name: p.meaning for p in self.parameters},
            "fixed": dict(self.held),
        }


def _floats(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)
