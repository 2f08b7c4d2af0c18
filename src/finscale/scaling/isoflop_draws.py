"""Redrawn losses for an IsoFLOP analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from finscale.scaling.forms.base import Array
from finscale.scaling.problem import Problem
from finscale.scaling.resample import resample, scheme_of
from finscale.scaling.table import LawTable
from finscale.scaling.valley import Valleys

Kept = Sequence[tuple[NDArray[np.int64], Valleys]]


@dataclass(frozen=True)
class Draws:
    """Losses ``[R, n]``, what was redrawn in words, and the degrees of freedom of their noise."""

    y_Rn: Array
    scheme: str
    freedom: float

    def stretch(self, level: float) -> float:
        """Return by how much few degrees of freedom widen an interval: Student's t over normal."""
        if not self.freedom > 0 or not np.isfinite(self.freedom):
            return 1.0
        return float(stdtrit(self.freedom, 0.5 + level / 2) / ndtri(0.5 + level / 2))


def drawn_losses(table: LawTable, problem: Problem, kept: Kept, num: int, seed: int) -> Draws:
    """Redraw the losses of a table whose levels have these valleys.

    Days and seeds where the table has them, or the standard errors that it gives; checkpoints of
    one run are moved together, by one random factor for a run. Otherwise runs are redrawn around
    their level's parabola: residuals divided by sqrt(1 - leverage), pooled over levels, because the
    two or three degrees of freedom of one level say little. Redrawing the runs themselves would
    leave levels of five to nine sizes without a parabola in many redraws.
    """
    scheme, rng = scheme_of(table), np.random.default_rng(seed)
    centre_n, residual_n = _centre(problem, kept)
    if table.errors_nS is not None and problem.covariance_nn is not None:
        root = np.linalg.cholesky(problem.covariance_nn)
        normal = rng.standard_normal((num, len(root)))
        return Draws(centre_n + normal @ root.T, "losses by their standard errors", np.inf)
    if problem.group_n is not None:
        group_n = np.unique(problem.group_n, return_inverse=True)[1]
        factor_RG = rng.standard_normal((num, group_n.max() + 1))
        words = "runs, each with all of its checkpoints"
        return Draws(centre_n + factor_RG[:, group_n] * residual_n, words, float(group_n.max()))
    pool, freedom = _residuals(problem, kept)
    seeds = float((table.seeds_n - 1).sum())
    if scheme not in ("points", "residuals") and (
        table.losses_nST.shape[-1] > 1 or seeds > freedom
    ):
        redrawn = resample(table, num_replicates=num, seed=seed)
        moved = problem.y_n - table.y_n
        only_days = scheme in ("days", "folds")
        return Draws(redrawn.y_Rn + moved, scheme, np.inf if only_days else seeds)
    if freedom <= 0 or not len(pool):
        return Draws(np.zeros((0, table.num_sizes)), "nothing: no run is left over for noise", 0.0)
    drawn = pool[rng.integers(0, len(pool), (num, table.num_sizes))]
    words = "runs around the parabolas of their levels"
    return Draws(centre_n + drawn / np.sqrt(problem.weights_n), words, freedom)


def _centre(problem: Problem, kept: Kept) -> tuple[Array, Array]:
    """Return what redraws are centred at, and each point's residual, 0 outside the windows."""
    centre_n, residual_n = problem.y_n.copy(), np.zeros_like(problem.y_n)
    for members, valley in kept:
        inside = valley.weights_Rn[0] > 0
        at = members[inside]
        centre_n[at] = valley.fitted_Rn[0, inside]
        left = np.sqrt(np.maximum(1 - _leverage(problem, at), 0.05))
        residual_n[at] = (problem.y_n[at] - centre_n[at]) / left
    return centre_n, residual_n


def _leverage(problem: Problem, at: NDArray[np.int64]) -> Array:
    """Return how much each point pulls the parabola through these points to itself."""
    log_n = np.log(problem.x_nd[at, 0])
    log_n = log_n - log_n.mean()
    design = np.stack([np.ones_like(log_n), log_n, log_n**2], axis=1)
    design = np.sqrt(problem.weights_n[at])[:, None] * design
    return np.asarray((np.linalg.qr(design)[0] ** 2).sum(axis=1))


def _residuals(problem: Problem, kept: Kept) -> tuple[Array, float]:
    """Return the pooled residuals of one run, mean zero, and their degrees of freedom."""
    parts, freedom = [], 0
    for members, valley in kept:
        inside = valley.weights_Rn[0] > 0
        at = members[inside]
        leverage = _leverage(problem, at)
        residual = np.sqrt(problem.weights_n[at]) * (problem.y_n[at] - valley.fitted_Rn[0, inside])
        # a point that is fitted by itself has no residual to tell
        free = leverage < 1 - 1e-6
        parts.append(residual[free] / np.sqrt(1 - leverage[free]))
        freedom += int(inside.sum()) - 3
    pool = np.concatenate(parts) if parts else np.zeros(0)
    return pool - (pool.mean() if len(pool) else 0.0), float(freedom)
