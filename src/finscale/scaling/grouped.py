"""Checkpoints of one run: losses that go up and down together, so that runs are redrawn, not rows.

The residuals of a run are one draw, however many checkpoints it has. Replicates multiply all of a
run's residuals by one random factor (wild cluster bootstrap) after each run's residuals were
cleared of the pull that it has on the curve itself, as if it had been left out (CV3); a common
factor gives them the tails of Student's t with one degree of freedom less than there are runs.

References
----------
Cameron, Gelbach and Miller (2008), Bootstrap-based improvements for inference with clustered
errors; MacKinnon, Nielsen and Webb (2023), Cluster-robust inference: a guide to empirical practice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms import Form
from finscale.scaling.forms.base import Array
from finscale.scaling.problem import Problem
from finscale.scaling.resample import FitReplicates
from finscale.scaling.table import LawTable
from finscale.scaling.weighing import run_rows

SCHEME = "runs"
#: Smallest share of a run's residuals that its own pull is taken to have left.
_LEAST_LEFT = 0.1


def num_groups(table: LawTable) -> int:
    """Return how many runs the rows are checkpoints of; 0 where no column says so."""
    return 0 if table.groups_nS is None else len(np.unique(table.groups_nS[table.groups_nS >= 0]))


def run_replicates(
    table: LawTable,
    form: Form,
    problem: Problem,
    theta_p: Array,
    num_replicates: int,
    seed: int | tuple[int, ...],
) -> FitReplicates:
    """Draw replicates of the mean loss of each size around a fitted curve, by runs.

    Parameters
    ----------
    table : LawTable
        The fitted points, with at least two groups.
    form, problem : Form, Problem
        What was fitted, and in which metric.
    theta_p : array, ``[p]``
        The fit.
    num_replicates, seed
        Of the bootstrap.
    """
    fitted_n = form.predict(table.x_nd, theta_p)
    rows = run_rows(table)
    point_J, group_J, share_J = rows.point_J, rows.group_J, rows.share_J
    relative_n = fitted_n if problem.is_logarithmic else np.ones_like(fitted_n)
    residual_J = (rows.loss_J - fitted_n[point_J]) / relative_n[point_J]
    cleared_J = _cleared(_slopes(form, problem, theta_p, fitted_n), point_J, share_J, group_J,
                         residual_J, np.sqrt(problem.weights_n))  # fmt: skip
    num = int(group_J.max()) + 1
    rng = np.random.default_rng(seed)
    factor_RG = rng.standard_normal((num_replicates, num))
    # the spread over G runs is told from G - 1 degrees of freedom
    factor_RG *= np.sqrt((num - 1) / rng.chisquare(num - 1, (num_replicates, 1)))
    by_group_Gn = np.zeros((num, len(fitted_n)))
    np.add.at(by_group_Gn, (group_J, point_J), share_J * cleared_J)
    moved_Rn = factor_RG @ by_group_Gn
    if problem.is_logarithmic:
        return FitReplicates(fitted_n * np.exp(moved_Rn), None, SCHEME)
    return FitReplicates(fitted_n + moved_Rn, None, SCHEME)


def _slopes(form: Form, problem: Problem, theta_p: Array, fitted_n: Array) -> Array:
    x0_d = form.reference_sizes(problem.x_nd)
    slope_np = form.jacobian(problem.x_nd / x0_d, form.internalise(theta_p, x0_d))
    return np.asarray(problem.whitened(slope_np, fitted_n))


def _cleared(
    slope_np: Array,
    point_J: NDArray[np.int64],
    share_J: Array,
    group_J: NDArray[np.int64],
    residual_J: Array,
    root_n: Array,
) -> Array:
    """Return residuals as if each run had no pull on the curve: (I - H_gg)^-1 r_g."""
    # rows in units of their own error: a point of several runs is shared out among them
    root_J = np.sqrt(share_J)
    rows_Jp = slope_np[point_J] * root_J[:, None]
    rows_Jp = rows_Jp / np.maximum(np.linalg.norm(rows_Jp, axis=0), 1e-300)
    left, singular, _ = np.linalg.svd(rows_Jp, full_matrices=False)
    basis_Jp = left[:, singular > 1e-12 * singular[0]]
    scale_J = root_J * root_n[point_J]
    out = np.empty_like(residual_J)
    for group in range(int(group_J.max()) + 1):
        own = group_J == group
        basis = basis_Jp[own]
        value, vector = np.linalg.eigh(basis @ basis.T)
        inside = vector.T @ (scale_J[own] * residual_J[own])
        out[own] = vector @ (inside / np.maximum(1.0 - value, _LEAST_LEFT)) / scale_J[own]
    return out


def without_each_run(table: LawTable) -> FitReplicates:
    """Return jackknife replicates: the table without each of its runs."""
    assert table.groups_nS is not None
    parts, weights = [], []
    own_nS = np.ones_like(table.runs_nS) if table.weights_nS is None else table.weights_nS
    own_nS = np.where(np.isnan(table.runs_nS), 0.0, own_nS)
    for group in np.unique(table.groups_nS[table.groups_nS >= 0]):
        left_nS = np.where(table.groups_nS == group, 0.0, own_nS)
        total_n = left_nS.sum(axis=1)
        with np.errstate(invalid="ignore"):
            mean_n = np.nansum(left_nS * table.runs_nS, axis=1) / total_n
        parts.append(np.where(total_n > 0, mean_n, table.y_n))
        weights.append(total_n / own_nS.sum(axis=1))
    return FitReplicates(np.stack(parts), np.stack(weights), SCHEME)
