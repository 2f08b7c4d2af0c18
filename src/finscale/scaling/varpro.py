r"""Variable projection: exponents by grid and refinement, everything linear solved exactly.

For given exponents q the coefficients c of a form are a non-negative least-squares problem with a
closed answer, so the search runs over q alone: first a grid that covers the whole allowed range, in
one array operation for all replicates, then Levenberg-Marquardt on the projected residual
(Golub and Pereyra 1973; Kaufman 1975). So there is no start point to choose, and none that could
trap the search. Sizes are divided by their geometric mean first, which takes the condition number
of the Chinchilla problem from 3.5e11 to about 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.descent import Local, minimise, pick
from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.nnls import solve_nonnegative

#: Elements of the largest temporary array: 24 MB of float64, so a batch stays within about 100 MB.
_CHUNK = 3_000_000
#: With this many exponents the objective has several valleys, and the best grid points may all lie
#: in one.
_MANY_EXPONENTS = 3
_MOST_VALLEYS = 8


@dataclass(frozen=True)
class Precision:
    r"""The metric of a quadratic loss: :math:`r^\top P r`.

    Of ``weights`` ``[1 | R, n]``, or of a ``matrix`` ``[1 | R, n, n]`` where one is given.
    """

    weights: Array
    matrix: Array | None = None

    @classmethod
    def of(cls, num_points: int, weights: Array | None, covariance: Array | None) -> Precision:
        """Return the metric for weights ``[n]`` or ``[R, n]``, or a covariance ``[(R,) n, n]``."""
        weights = np.ones((1, num_points)) if weights is None else np.atleast_2d(weights)
        if covariance is None:
            return cls(weights)
        matrix: Array = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
        return cls(weights, matrix if matrix.ndim == 3 else matrix[None])

    def take(self, rows: NDArray[np.int64] | slice) -> Precision:
        """Return the metric of some replicates."""
        weights = self.weights if len(self.weights) == 1 else self.weights[rows]
        if self.matrix is None or len(self.matrix) == 1:
            return Precision(weights, self.matrix)
        return Precision(weights, self.matrix[rows])

    def apply(self, y_Rn: Array) -> Array:
        """Return P y."""
        if self.matrix is not None:
            return np.asarray((self.matrix @ y_Rn[..., None])[..., 0])
        return self.weights * y_Rn

    def apply_each(self, o_Gn: Array) -> Array:
        """Return P o for every replicate and grid point, ``[1 | R, G, n]``."""
        if self.matrix is not None:
            return np.asarray(np.einsum("rij,gj->rgi", self.matrix, o_Gn))
        return np.asarray(self.weights[:, None, :] * o_Gn)

    def root(self) -> Precision:
        """Return W with W'W = P: what whitens residuals."""
        weights = np.sqrt(self.weights)
        if self.matrix is None:
            return Precision(weights)
        return Precision(weights, np.swapaxes(np.linalg.cholesky(self.matrix), -1, -2))

    def whiten(self, a_Rn_: Array) -> Array:
        """Return W a for arrays ``[R, n, ...]``."""
        if self.matrix is not None:
            flat = self.matrix @ a_Rn_.reshape(*a_Rn_.shape[:2], -1)
            return np.asarray(flat.reshape(a_Rn_.shape))
        return self.weights.reshape(*self.weights.shape, *[1] * (a_Rn_.ndim - 2)) * a_Rn_

    def gram(self, phi_GnK: Array) -> Array:
        """Return Phi' P Phi for every grid point, ``[1 | R, G, K, K]``: one matrix product."""
        num_grid, num_points, num_columns = phi_GnK.shape
        if self.matrix is not None:
            pairs = np.einsum("gik,gjl->ijgkl", phi_GnK, phi_GnK).reshape(num_points**2, -1)
            flat = self.matrix.reshape(len(self.matrix), -1) @ pairs
        else:
            pairs = np.einsum("gik,gil->igkl", phi_GnK, phi_GnK).reshape(num_points, -1)
            flat = self.weights @ pairs
        return np.asarray(flat.reshape(len(flat), num_grid, num_columns, num_columns))


class Solution(NamedTuple):
    """Internal answer of a batch: parameters in units x/x0, one row a replicate."""

    internal_Rp: Array
    objective_R: Array
    converged_R: NDArray[np.bool_]


def grid_points(axes: Sequence[Array]) -> Array:
    """Return every combination of one value from each axis, ``[G, Q]``."""
    if not axes:
        return np.zeros((1, 0))
    return np.stack([mesh.ravel() for mesh in np.meshgrid(*axes, indexing="ij")], axis=-1)


def signs(form: Form) -> NDArray[np.bool_]:
    """Return which linear parameters are free of a sign."""
    return np.array([np.isneginf(parameter.lower) for parameter in form.linear], dtype=np.bool_)


def profile(
    form: Form, x_nd: Array, y_Rn: Array, precision: Precision, grid_GQ: Array
) -> tuple[Array, Array]:
    """Return the least objective ``[R, G]`` and its coefficients ``[R, G, K]`` at each q."""
    phi_GnK = form.basis(x_nd, grid_GQ)
    weighted = precision.apply(y_Rn)
    moment = np.einsum("rn,gnk->rgk", weighted, phi_GnK, optimize=True)
    total = np.sum(weighted * y_Rn, axis=-1)[:, None]
    if form.offset is not None:
        # what is left of y once the offset is taken away
        offset_Gn = form.offset(x_nd, grid_GQ)
        pull_RGn = precision.apply_each(offset_Gn)
        moment = moment - np.einsum("rgn,gnk->rgk", pull_RGn, phi_GnK)
        total = total - 2.0 * weighted @ offset_Gn.T + np.sum(pull_RGn * offset_Gn, axis=-1)
    c, gain = solve_nonnegative(precision.gram(phi_GnK), moment, signs(form))
    return total - gain, c


def solve(
    form: Form,
    x_nd: Array,
    y_Rn: Array,
    precision: Precision,
    *,
    polish: Callable[[Solution, slice], Solution] | None = None,
) -> Solution:
    """Fit every replicate: grid, then refinement from the best points of the grid.

    ``polish`` takes the answer from each start and the rows that it is of, and returns a better one
    under another loss.
    """
    grid_GQ = grid_points(form.grid(x_nd))

    def fit(rows: slice) -> Solution:
        y, metric = y_Rn[rows], precision.take(rows)
        objective_RG, _ = profile(form, x_nd, y, metric, grid_GQ)
        starts = start_points(form, x_nd, objective_RG)
        tries = _refine_from(form, x_nd, y, metric, grid_GQ[starts])
        return best_of([polish(near, rows) for near in tries] if polish else tries)

    row_size = max(len(grid_GQ) * len(form.linear) ** 2, len(x_nd) * form.num_parameters)
    parts = [fit(rows) for rows in chunks(len(y_Rn), row_size)]
    return Solution(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _refine_from(
    form: Form, x_nd: Array, y_Rn: Array, precision: Precision, q_SRQ: Array
) -> list[Solution]:
    """Refine every replicate from each of S starts, all of them side by side."""
    num_starts, num_rows = q_SRQ.shape[:2]
    if num_starts == 1:
        return [refine(form, x_nd, y_Rn, precision, q_SRQ[0])]
    rows = np.tile(np.arange(num_rows), num_starts)
    q_RQ = q_SRQ.reshape(num_starts * num_rows, -1)
    together = refine(form, x_nd, y_Rn[rows], precision.take(rows), q_RQ)
    parts = (np.split(each, num_starts) for each in together)
    return [Solution(*each) for each in zip(*parts, strict=True)]


def start_points(form: Form, x_nd: Array, objective_RG: Array) -> NDArray[np.int64]:
    """Return the grid points from which to refine, ``[starts, R]``, the best of each first.

    Forms that bend have several valleys, and so may one whose parameters are held. There a search
    starts at the lowest point of each: a grid point that no neighbour is below.
    """
    if len(form.nonlinear) < _MANY_EXPONENTS and not form.held:
        return np.asarray(objective_RG.argmin(axis=-1)[None])
    shape = [len(axis) for axis in form.grid(x_nd)]
    objective = objective_RG.reshape(-1, *shape)
    is_lowest = np.ones(objective.shape, dtype=np.bool_)
    for axis in range(1, objective.ndim):
        rises = np.diff(objective, axis=axis)
        edge = np.full_like(np.take(rises, [0], axis=axis), np.inf)
        is_lowest &= np.concatenate([rises, edge], axis=axis) >= 0
        is_lowest &= np.concatenate([-edge, rises], axis=axis) <= 0
    is_lowest_RG = is_lowest.reshape(objective_RG.shape)
    num_starts = min(_MOST_VALLEYS, int(is_lowest_RG.sum(axis=-1).max()))
    valleys_RG = np.where(is_lowest_RG, objective_RG, np.inf)
    return np.argsort(valleys_RG, axis=-1)[:, :num_starts].T


def chunks(num_rows: int, row_size: int) -> Iterator[slice]:
    """Yield slices of rows whose temporaries stay small."""
    step = max(1, _CHUNK // row_size)
    for start in range(0, num_rows, step):
        yield slice(start, min(start + step, num_rows))


def best_of(tries: list[Solution]) -> Solution:
    """Return the better answer of every replicate."""
    best = tries[0]
    for other in tries[1:]:
        wins = other.objective_R < best.objective_R
        best = Solution(*(pick(wins, new, old) for new, old in zip(other, best, strict=True)))
    return best


def refine(form: Form, x_nd: Array, y_Rn: Array, precision: Precision, q_RQ: Array) -> Solution:
    """Run Levenberg-Marquardt on the projected residual from q, all replicates side by side."""
    root, free_K = precision.root(), signs(form)
    yw_Rn = root.whiten(y_Rn)

    def evaluate(q: Array, rows: NDArray[np.int64]) -> Local:
        metric = root.take(rows)
        phi = metric.whiten(form.basis(x_nd, q))
        gram = np.swapaxes(phi, -1, -2) @ phi
        target = yw_Rn[rows]
        if form.offset is not None:
            target = target - metric.whiten(form.offset(x_nd, q))
        c, residual = _coefficients(phi, gram, target, free_K)
        slope = metric.whiten(form.slope(x_nd, c, q))
        # Kaufman's Jacobian: the part of the slope that the coefficients cannot absorb.
        across = np.swapaxes(phi, -1, -2) @ slope
        projected = slope - phi @ _solve_on(gram, across, (c != 0.0) | free_K)
        hessian = 2.0 * np.swapaxes(projected, -1, -2) @ projected
        gradient = -2.0 * (residual[:, None, :] @ projected)[:, 0]
        diagonal = np.einsum("rqq->rq", hessian)
        return Local(np.sum(residual**2, axis=-1), gradient, hessian, diagonal, c)

    lower, upper = (bound[len(form.linear) :] for bound in form.bounds)
    found = minimise(evaluate, q_RQ, lower, upper)
    internal = np.concatenate([found.carry_RK, found.params_RP], axis=-1)
    return Solution(internal, found.objective_R, found.converged_R)


def _coefficients(
    phi: Array, gram: Array, yw_Rn: Array, free_K: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Return c and the residual, after one round of iterative refinement.

    Normal equations alone lose half the digits; the second solve recovers them.
    """
    c, _ = solve_nonnegative(gram, (yw_Rn[:, None, :] @ phi)[:, 0], free_K)
    residual = yw_Rn - (phi @ c[..., None])[..., 0]
    left = (residual[:, None, :] @ phi)[:, 0, :, None]
    refined = c + _solve_on(gram, left, (c != 0.0) | free_K)[..., 0]
    c = np.where((refined < 0.0) & ~free_K, c, refined)
    return c, yw_Rn - (phi @ c[..., None])[..., 0]


def _solve_on(gram: Array, right: Array, on: NDArray[np.bool_]) -> Array:
    """Solve on the active columns; zero elsewhere."""
    both = on[..., :, None] & on[..., None, :]
    # columns of unit length: in units of their own, some are a billionth of others
    scale = np.sqrt(np.maximum(np.einsum("...kk->...k", gram), 1e-300))
    even = gram / (scale[..., :, None] * scale[..., None, :])
    ridge = 1e-14 * gram.shape[-1]
    system = np.where(both, even, 0.0) + np.eye(gram.shape[-1]) * np.where(
        on[..., None], ridge, 1.0
    )
    scaled = np.linalg.solve(system, np.where(on[..., None], right / scale[..., None], 0.0))
    return np.asarray(scaled / scale[..., None])
