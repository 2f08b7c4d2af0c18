r"""Variable projection: exponents by grid and refinement, everything linear solved exactly.

For given exponents q the coefficients c of a form are a non-negative least-squares problem with a
closed answer, so the search runs over q alone: first a grid that covers the whole allowed range, in
one array operation for all replicates, then Levenberg-Marquardt on the projected residual
(Golub and Pereyra 1973; Kaufman 1975). There is no start point that could be returned or that could
trap the search. Sizes are divided by their geometric mean first, which takes the condition number
of the Chinchilla problem from 3.5e11 to about 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.nnls import solve_nonnegative

#: Elements of the largest temporary array; keeps a batch within about 100 MB.
_CHUNK = 3_000_000
_MAX_STEPS = 60


@dataclass(frozen=True)
class Precision:
    r"""The metric of a quadratic loss: :math:`r^\top P r`.

    Exactly one is given: ``weights`` ``[1 | R, n]`` or ``matrix`` ``[1 | R, n, n]``.
    """

    weights: Array | None = None
    matrix: Array | None = None

    @classmethod
    def of(cls, num_points: int, weights: Array | None, covariance: Array | None) -> Precision:
        """Return the metric for weights ``[n]`` or ``[R, n]``, or a covariance ``[(R,) n, n]``."""
        if covariance is not None:
            matrix: Array = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
            return cls(matrix=matrix if matrix.ndim == 3 else matrix[None])
        if weights is None:
            return cls(weights=np.ones((1, num_points)))
        return cls(weights=np.atleast_2d(weights))

    def take(self, rows: NDArray[np.int64] | slice) -> Precision:
        """Return the metric of some replicates."""
        return Precision(_take(self.weights, rows), _take(self.matrix, rows))

    def apply(self, y_Rn: Array) -> Array:
        """Return P y."""
        if self.matrix is not None:
            return np.asarray(np.einsum("rij,rj->ri", self.matrix, y_Rn))
        assert self.weights is not None
        return self.weights * y_Rn

    def root(self) -> Precision:
        """Return W with W'W = P: what whitens residuals."""
        if self.matrix is not None:
            return Precision(matrix=np.swapaxes(np.linalg.cholesky(self.matrix), -1, -2))
        assert self.weights is not None
        return Precision(weights=np.sqrt(self.weights))

    def whiten(self, a_Rn_: Array) -> Array:
        """Return W a for arrays ``[R, n, ...]``."""
        if self.matrix is not None:
            return np.asarray(np.einsum("rij,rj...->ri...", self.matrix, a_Rn_))
        assert self.weights is not None
        return self.weights.reshape(*self.weights.shape, *[1] * (a_Rn_.ndim - 2)) * a_Rn_

    def gram(self, phi_GnK: Array) -> Array:
        """Return Phi' P Phi for every grid point, ``[1 | R, G, K, K]``: one matrix product."""
        num_grid, num_points, num_columns = phi_GnK.shape
        if self.matrix is not None:
            pairs = np.einsum("gik,gjl->ijgkl", phi_GnK, phi_GnK).reshape(num_points**2, -1)
            flat = self.matrix.reshape(len(self.matrix), -1) @ pairs
        else:
            assert self.weights is not None
            pairs = np.einsum("gik,gil->igkl", phi_GnK, phi_GnK).reshape(num_points, -1)
            flat = self.weights @ pairs
        return np.asarray(flat.reshape(-1, num_grid, num_columns, num_columns))


def _take(array: Array | None, rows: NDArray[np.int64] | slice) -> Array | None:
    return array if array is None or len(array) == 1 else array[rows]


@dataclass(frozen=True)
class Solution:
    """Internal answer of a batch: parameters in units x/x0, one row a replicate."""

    internal_Rp: Array
    objective_R: Array
    converged_R: NDArray[np.bool_]


def grid_points(form: Form, x_nd: Array) -> Array:
    """Return every combination of the form's grid, ``[G, Q]``."""
    axes = form.grid(x_nd)
    if not axes:
        return np.zeros((1, 0))
    return np.stack([mesh.ravel() for mesh in np.meshgrid(*axes, indexing="ij")], axis=-1)


def signs(form: Form) -> NDArray[np.bool_]:
    """Return which linear parameters are free of a sign."""
    return np.array([np.isneginf(parameter.lower) for parameter in form.linear])


def profile(
    form: Form, x_nd: Array, y_Rn: Array, precision: Precision, grid_GQ: Array
) -> tuple[Array, Array]:
    """Return the least objective ``[R, G]`` and its coefficients ``[R, G, K]`` at each q."""
    phi_GnK = form.basis(x_nd, grid_GQ)
    weighted = precision.apply(y_Rn)
    moment = np.einsum("rn,gnk->rgk", weighted, phi_GnK, optimize=True)
    c, gain = solve_nonnegative(precision.gram(phi_GnK), moment, signs(form))
    total = np.sum(weighted * y_Rn, axis=-1)
    return total[:, None] - gain, c


def solve(form: Form, x_nd: Array, y_Rn: Array, precision: Precision) -> Solution:
    """Fit every replicate: grid, then refinement from the best points of the grid."""
    grid_GQ = grid_points(form, x_nd)
    num_starts = 1 if len(form.nonlinear) < 2 else 3
    parts = [
        _refined(form, x_nd, y_Rn[rows], precision.take(rows), grid_GQ, num_starts)
        for rows in chunks(len(y_Rn), len(grid_GQ) * len(form.linear) ** 2)
    ]
    return Solution(
        np.concatenate([part.internal_Rp for part in parts]),
        np.concatenate([part.objective_R for part in parts]),
        np.concatenate([part.converged_R for part in parts]),
    )


def chunks(num_rows: int, row_size: int) -> Iterator[slice]:
    """Yield slices of rows whose temporaries stay small."""
    step = max(1, _CHUNK // row_size)
    for start in range(0, num_rows, step):
        yield slice(start, min(start + step, num_rows))


def _refined(
    form: Form, x_nd: Array, y_Rn: Array, precision: Precision, grid_GQ: Array, num_starts: int
) -> Solution:
    objective_RG, _ = profile(form, x_nd, y_Rn, precision, grid_GQ)
    best: Solution | None = None
    order = np.argsort(objective_RG, axis=-1)[:, :num_starts]
    for start in range(order.shape[1]):
        found = refine(form, x_nd, y_Rn, precision, grid_GQ[order[:, start]])
        best = found if best is None else _better(best, found)
    assert best is not None
    return best


def _better(a: Solution, b: Solution) -> Solution:
    wins = b.objective_R < a.objective_R
    return Solution(
        np.where(wins[:, None], b.internal_Rp, a.internal_Rp),
        np.where(wins, b.objective_R, a.objective_R),
        np.where(wins, b.converged_R, a.converged_R),
    )


@dataclass
class _State:
    """Where each replicate stands: q, its projected residual and Jacobian."""

    q_RQ: Array
    c_RK: Array
    objective_R: Array
    residual_Rn: Array
    phi_RnK: Array
    slope_RnQ: Array


def _stand(form: Form, x_nd: Array, yw_Rn: Array, root: Precision, q_RQ: Array) -> _State:
    phi = root.whiten(form.basis(x_nd, q_RQ))
    gram = np.swapaxes(phi, -1, -2) @ phi
    free_K = signs(form)
    c, _ = solve_nonnegative(gram, np.einsum("rnk,rn->rk", phi, yw_Rn), free_K)
    residual = yw_Rn - np.einsum("rnk,rk->rn", phi, c)
    # One round of iterative refinement: normal equations alone lose half the digits.
    on = (c != 0.0) | free_K
    correction = _solve_on(gram, np.einsum("rnk,rn->rk", phi, residual)[..., None], on)[..., 0]
    refined = c + correction
    refined = np.where((refined < 0.0) & ~free_K, c, refined)
    residual = yw_Rn - np.einsum("rnk,rk->rn", phi, refined)
    slope = np.einsum("rnkq,rk->rnq", form.basis_gradient(x_nd, q_RQ), refined)
    return _State(q_RQ, refined, np.sum(residual**2, axis=-1), residual, phi, root.whiten(slope))


def _solve_on(gram: Array, right: Array, on: NDArray[np.bool_]) -> Array:
    """Solve on the active columns; zero elsewhere."""
    both = on[..., :, None] & on[..., None, :]
    eye = np.eye(gram.shape[-1])
    ridge = 1e-14 * np.trace(gram, axis1=-2, axis2=-1)[..., None, None]
    system = np.where(both, gram, 0.0) + eye * np.where(on[..., None], ridge, 1.0)
    return np.asarray(np.linalg.solve(system, np.where(on[..., None], right, 0.0)))


def refine(form: Form, x_nd: Array, y_Rn: Array, precision: Precision, q_RQ: Array) -> Solution:
    """Run Levenberg-Marquardt on the projected residual from q, all replicates side by side."""
    root = precision.root()
    num_replicates = len(y_Rn)
    lower = np.array([parameter.lower for parameter in form.nonlinear])
    upper = np.array([parameter.upper for parameter in form.nonlinear])
    state = _stand(form, x_nd, root.whiten(y_Rn), root, q_RQ)
    answer = np.concatenate([state.c_RK, state.q_RQ], axis=-1)
    objective = state.objective_R.copy()
    done = np.full(num_replicates, not form.nonlinear)
    damping = np.full(num_replicates, 1e-3)
    live = np.flatnonzero(~done)
    for _ in range(_MAX_STEPS):
        if not len(live):
            break
        step, promised = _step(state, damping[live], lower, upper)
        some = root.take(live)
        trial = _stand(form, x_nd, some.whiten(y_Rn[live]), some, state.q_RQ + step)
        better = trial.objective_R < state.objective_R
        small = np.all(np.abs(step) <= 1e-11 * (1.0 + np.abs(state.q_RQ)), axis=-1)
        small |= promised <= 1e-15 * state.objective_R
        state = _choose(better, trial, state)
        damping[live] = np.where(better, damping[live] * 0.1, damping[live] * 8.0)
        answer[live] = np.concatenate([state.c_RK, state.q_RQ], axis=-1)
        objective[live] = state.objective_R
        finished = small | (damping[live] > 1e12)
        done[live[finished]] = True
        state = _keep(state, ~finished)
        live = live[~finished]
    return Solution(answer, objective, done)


def _step(state: _State, damping: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return a damped Gauss-Newton step within bounds and the decrease that it promises."""
    gram = np.swapaxes(state.phi_RnK, -1, -2) @ state.phi_RnK
    across = np.swapaxes(state.phi_RnK, -1, -2) @ state.slope_RnQ
    projected = state.slope_RnQ - state.phi_RnK @ _solve_on(gram, across, state.c_RK != 0.0)
    hessian = np.swapaxes(projected, -1, -2) @ projected
    gradient = np.einsum("rnq,rn->rq", projected, state.residual_Rn)
    q = state.q_RQ
    # A parameter on its bound that wants to go further out stays there.
    stuck = ((q <= lower) & (gradient < 0)) | ((q >= upper) & (gradient > 0))
    diagonal = np.einsum("rqq->rq", hessian)
    ridge = damping[:, None] * diagonal + 1e-300
    eye = np.eye(q.shape[-1])
    system = np.where(stuck[:, :, None] | stuck[:, None, :], 0.0, hessian)
    system = system + eye * np.where(stuck, 1.0, ridge)[:, None, :]
    gradient = np.where(stuck, 0.0, gradient)
    step = np.linalg.solve(system, gradient[..., None])[..., 0]
    step = np.clip(q + step, lower, upper) - q
    return step, np.einsum("rq,rq->r", step, gradient)


def _choose(better: NDArray[np.bool_], new: _State, old: _State) -> _State:
    def pick(a: Array, b: Array) -> Array:
        return np.where(better.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return _State(*(pick(getattr(new, f), getattr(old, f)) for f in _State.__dataclass_fields__))


def _keep(state: _State, rows: NDArray[np.bool_]) -> _State:
    return _State(*(getattr(state, f)[rows] for f in _State.__dataclass_fields__))
