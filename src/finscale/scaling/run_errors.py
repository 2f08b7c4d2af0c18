"""How far checkpoints of a run are off together, and how far each is off by itself.

A loss is the curve, plus the luck of its run, plus its own error: y = f(x) + u + e. The variances
of both are what leaves two sums of squares of the residuals, between runs and within, with the
expectations that residuals of this design have (Searle, Casella and McCulloch 1992, section 5.5;
Henderson's method). Points then covary as far as the same runs pass them. By that covariance the
luck of runs blurs what differs between runs and not what differs along one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms.base import Array

#: Least share of a checkpoint's own error in the variance: with none a covariance has no inverse.
_LEAST_OWN = 1e-6


@dataclass(frozen=True)
class RunRows:
    """Rows of a table that are checkpoints of runs: ``[J]``, their point, run, loss and share.

    ``share_J`` is a row's share of its point's mean.
    """

    point_J: NDArray[np.int64]
    group_J: NDArray[np.int64]
    loss_J: Array
    share_J: Array

    @property
    def num_runs(self) -> int:
        """Number of runs."""
        return len(np.unique(self.group_J))

    def subset(self, keep: NDArray[np.bool_]) -> RunRows:
        """Return the rows of some of the points, ``keep`` ``[n]``."""
        own_J = keep[self.point_J]
        new_n = np.cumsum(keep) - 1
        rows = (new_n[self.point_J[own_J]], self.group_J[own_J])
        return RunRows(*rows, self.loss_J[own_J], self.share_J[own_J])

    def of_curve(self, fitted_n: Array, slope_np: Array, *, relative: bool) -> RunErrors | None:
        """Return the errors around a fitted curve, ``slope_np`` its derivatives by parameters."""
        residual_J, scale_n = self._apart(fitted_n, relative=relative)
        slope_Jp = (slope_np / scale_n[:, None])[self.point_J]
        left, singular, _ = np.linalg.svd(slope_Jp / _lengths(slope_Jp), full_matrices=False)
        basis_Jp = left[:, singular > 1e-12 * singular[0]]
        return self._errors(residual_J, basis_Jp, scale_n)

    def of_replicates(self, fitted_n: Array, *, relative: bool) -> RunErrors | None:
        """Return the errors of runs about their points' means; None where points have one run.

        They rest on no curve; ``fitted_n`` is only what relative errors are relative to.
        """
        apart_J, scale_n = self._apart(fitted_n, relative=relative)
        at_Jn = np.eye(len(scale_n))[self.point_J]
        basis_Jn = at_Jn / np.sqrt(at_Jn.sum(axis=0))
        return self._errors(apart_J - basis_Jn @ (basis_Jn.T @ apart_J), basis_Jn, scale_n)

    def _apart(self, fitted_n: Array, *, relative: bool) -> tuple[Array, Array]:
        """Return how far rows are from a curve, and the unit of that at each point."""
        fitted_J = fitted_n[self.point_J]
        if relative:
            return np.log(self.loss_J / fitted_J), fitted_n
        return self.loss_J - fitted_J, np.ones_like(fitted_n)

    def _errors(self, residual_J: Array, basis_Jp: Array, scale_n: Array) -> RunErrors | None:
        """Return what residuals tell from which the space of ``basis_Jp`` was taken."""
        run_JG = np.eye(int(self.group_J.max()) + 1)[self.group_J]
        run_JG = run_JG[:, run_JG.any(axis=0)]
        size_G = run_JG.sum(axis=0)

        def between(values_J_: Array) -> Array:
            return np.asarray((run_JG.T @ values_J_) / np.sqrt(size_G).reshape(-1, *[1] * (
                values_J_.ndim - 1)))  # fmt: skip

        num_rows, num_runs = run_JG.shape
        lost = float(np.sum(between(basis_Jp) ** 2))
        degrees = num_runs - lost, num_rows - num_runs - (basis_Jp.shape[1] - lost)
        if degrees[0] < 0.5:
            return None
        seen_JG = run_JG - basis_Jp @ (basis_Jp.T @ run_JG)
        luck_between = float(np.sum(between(seen_JG) ** 2))
        luck_within = float(np.sum(seen_JG**2)) - luck_between
        squares = float(np.sum(between(residual_J) ** 2))
        within = float(np.sum(residual_J**2)) - squares
        # each sum of squares is a mixture of both variances
        mixture = np.array([[luck_between, degrees[0]], [luck_within, max(degrees[1], 0.0)]])
        total = (squares + within) / max(sum(degrees), 1.0)
        if degrees[1] < 0.5 or np.linalg.cond(mixture) > 1e10:
            luck, own = 0.0, total
        else:
            luck, own = np.linalg.solve(mixture, [squares, within])
            if luck < 0:
                luck, own = 0.0, total
            elif own < 0:
                luck, own = squares / luck_between, 0.0
        least = 1e-24 * float(np.mean((self.loss_J / scale_n[self.point_J]) ** 2))
        own = max(float(own), _LEAST_OWN * float(luck + own), least)
        shared_nG = np.zeros((len(scale_n), int(self.group_J.max()) + 1))
        np.add.at(shared_nG, (self.point_J, self.group_J), self.share_J)
        own_n = own * np.bincount(self.point_J, self.share_J**2, minlength=len(scale_n))
        matrix_nn = float(luck) * shared_nG @ shared_nG.T + np.diag(own_n)
        freedom = max(degrees[0], 1.0) if luck > 0 else max(sum(degrees), 1.0)
        return RunErrors(float(luck), own, matrix_nn * np.outer(scale_n, scale_n), freedom)


@dataclass(frozen=True)
class RunErrors:
    """Errors of checkpoints.

    Parameters
    ----------
    luck, own : float
        Variance that all checkpoints of a run share, and that of each by itself; relative ones
        where the fit compares logarithms.
    matrix_nn : array, ``[n, n]``
        Covariance of the points' means that they make.
    degrees : float
        Degrees of freedom they are told from: those between runs, where runs have luck.
    """

    luck: float
    own: float
    matrix_nn: Array
    degrees: float


def _lengths(columns_Jp: Array) -> Array:
    return np.asarray(np.maximum(np.linalg.norm(columns_Jp, axis=0), 1e-300))
