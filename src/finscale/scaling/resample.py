"""Resample decision days, seeds and folds: replicates of the mean loss at each size.

The hierarchy of a study is days (shared by every run, dependent in time), folds (blocks of days
with a training set of their own) and seeds (independent at every size). Each replicate draws all
three: days by the stationary bootstrap *once for all runs*, which keeps the pairing; folds with
replacement; seeds with replacement, pooled over sizes, because the three seeds of one size say
little about their spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.bootstrap import day_weights, optimal_block_length, stationary_indices
from finscale.scaling.covariance import seed_variances
from finscale.scaling.forms.base import Array
from finscale.scaling.table import LawTable

#: Below this many sizes without seeds or days, residuals are redrawn instead of points.
FEW_POINTS = 20


@dataclass(frozen=True)
class FitReplicates:
    """What a bootstrap refits.

    Mean losses ``[R, n]`` or ``[1, n]``; how often each point was drawn, ``[R, n]``, where points
    are resampled; in words what was; and the mean length of blocks of days.
    """

    y_Rn: Array
    weights_Rn: Array | None
    scheme: str
    block_length: float | None = None


def scheme_of(table: LawTable) -> str:
    """Return what the table allows to resample, the most honest first."""
    seeds = bool(table.seeds_n.max() > 1)
    cells = table.losses_nST.shape[-1] > 1
    if cells and table.has_days:
        return "days and seeds" if seeds else "days"
    if cells:
        return "folds and seeds" if seeds else "folds"
    if seeds:
        return "seeds"
    return "points" if table.num_sizes >= FEW_POINTS else "residuals"


def resample(
    table: LawTable,
    *,
    num_replicates: int,
    seed: int = 0,
    curve: int = 0,
    block_length: float | None = None,
    fitted_n: Array | None = None,
    leverage_n: Array | None = None,
    covariance_nn: Array | None = None,
    degrees: float = np.inf,
    widening: float = 1.0,
    weights_n: Array | None = None,
    is_relative: bool = False,
) -> FitReplicates:
    """Draw replicates of the losses by size.

    Parameters
    ----------
    curve : int
        Which of several curves this is: with one ``seed`` they share days and nothing else.
    block_length : float, optional
        Mean block of days; by default Politis and White's choice for the loss differences.
    fitted_n, leverage_n : array, ``[n]``
        Needed by the residual scheme: the curve, and each point's leverage.
    covariance_nn : array, ``[n, n]``, optional
        A known covariance: replicates are drawn from it around the curve.
    degrees, widening : float
        Degrees of freedom from which the spread of seeds, or of residuals, is told: each replicate
        draws that spread too, so that its losses follow Student's t and not the normal law. And by
        what all errors are multiplied, where a misfit is larger than they explain.
    weights_n : array, ``[n]``, optional
        Of the points: residuals are redrawn in units of their error, 1/sqrt(weight).
    is_relative : bool
        Whether residuals are those of ln L.

    References
    ----------
    Politis and Romano (1994), stationary bootstrap; Rao and Wu (1988), rescaling for few draws;
    Davison and Hinkley (1997), section 6.2, for residuals divided by sqrt(1 - leverage).
    """
    rng = np.random.default_rng([seed, curve] if curve else seed)
    if covariance_nn is not None and fitted_n is not None:
        normal = rng.standard_normal((num_replicates, len(fitted_n)))
        noise = normal @ np.linalg.cholesky(covariance_nn).T
        return FitReplicates(fitted_n + widening * noise, None, "parametric")
    scheme = scheme_of(table)
    spread_R1 = np.ones((num_replicates, 1))
    if np.isfinite(degrees):
        spread_R1 *= np.sqrt(degrees / rng.chisquare(degrees, size=(num_replicates, 1)))
    if scheme == "points":
        n = table.num_sizes
        counts = rng.multinomial(n, np.full(n, 1.0 / n), size=num_replicates)
        return FitReplicates(table.y_n[None], counts.astype(np.float64), scheme)
    if scheme == "residuals":
        if fitted_n is None or leverage_n is None:
            raise ValueError("residuals are resampled around a fitted curve")
        error_n = np.ones_like(fitted_n) if weights_n is None else 1.0 / np.sqrt(weights_n)
        apart_n = np.log(table.y_n / fitted_n) if is_relative else table.y_n - fitted_n
        scaled = apart_n / error_n / np.sqrt(np.maximum(1.0 - leverage_n, 0.05))
        scaled = scaled - scaled.mean()
        drawn = rng.integers(0, len(scaled), size=(num_replicates, len(scaled)))
        moved_Rn = spread_R1 * scaled[drawn] * error_n
        if is_relative:
            return FitReplicates(fitted_n * np.exp(moved_Rn), None, scheme)
        return FitReplicates(fitted_n + moved_Rn, None, scheme)
    y_Rn = np.broadcast_to(table.y_n, (num_replicates, table.num_sizes))
    if scheme != "seeds":
        daily_nT = table.daily_nT
        if not table.has_days:
            block_length = 1.0
        elif not block_length:
            block_length = optimal_block_length((daily_nT - daily_nT.mean(axis=0)).T)
        # the same draws for every run
        weights = cell_weights(table.fold_T, block_length, num_replicates, seed)
        y_Rn = weights @ daily_nT.T / weights.sum(axis=-1, keepdims=True)
    if table.seeds_n.max() > 1:
        y_Rn = y_Rn + spread_R1 * seed_replicates(table, num_replicates, rng)
    y_Rn = table.y_n + widening * (y_Rn - table.y_n)
    return FitReplicates(y_Rn, None, scheme, block_length if table.has_days else None)


def cell_weights(
    fold_T: NDArray[np.int64], block_length: float, num_replicates: int, seed: int
) -> Array:
    """Return how often each cell counts in each replicate, ``[R, T]``.

    Days are drawn in blocks within their fold; of several folds each replicate then draws as many
    as there are, with replacement.
    """
    folds = np.unique(fold_T)
    weights = np.zeros((num_replicates, len(fold_T)))
    for fold in folds:
        inside = np.flatnonzero(fold_T == fold)
        indices = stationary_indices(
            len(inside), block_length, num_replicates, seed=seed * 1009 + int(fold)
        )
        weights[:, inside] = day_weights(indices)
    if len(folds) > 1:
        rng = np.random.default_rng([seed, len(folds)])
        share = np.full(len(folds), 1.0 / len(folds))
        drawn = rng.multinomial(len(folds), share, size=num_replicates)
        weights *= drawn[:, np.searchsorted(folds, fold_T)]
    return weights


def seed_replicates(table: LawTable, num_replicates: int, rng: np.random.Generator) -> Array:
    """Return what another draw of seeds adds to each size's mean, ``[R, n]``, mean zero.

    Deviations from their size's mean are multiplied by sqrt(S/(S-1)), so that their spread is that
    of the seeds and not of the seeds around their own mean. They are divided by their size's
    standard deviation, pooled over sizes and multiplied by that of the size that draws them;
    along one axis that deviation may follow a trend, as in the covariance behind GLS.
    """
    seeds_n, runs_nS = table.seeds_n, table.runs_nS
    if table.weights_nS is not None:
        return _weighted_seed_replicates(table, table.weights_nS, num_replicates, rng)
    degrees_n = seeds_n - 1
    squares_n = np.nansum((runs_nS - table.y_n[:, None]) ** 2, axis=-1)
    variance_n = np.full(len(seeds_n), squares_n.sum() / degrees_n.sum())
    if len(table.axes) == 1:
        sample_n = squares_n / np.maximum(degrees_n, 1)
        variance_n = seed_variances(sample_n[None], degrees_n)[0][0]
    spread_n = np.sqrt(np.maximum(variance_n, np.finfo(np.float64).tiny))
    many = degrees_n > 0
    deviations = (runs_nS - table.y_n[:, None])[many] / spread_n[many, None]
    deviations = deviations * np.sqrt(seeds_n[many] / degrees_n[many])[:, None]
    if table.seeds == "median":
        # deviations from a median are zero for the middle run: differences of two runs are not
        runs_mS = runs_nS[many] / spread_n[many, None]
        deviations = (runs_mS[:, :, None] - runs_mS[:, None, :]) / np.sqrt(2)
        deviations = deviations[:, ~np.eye(runs_mS.shape[1], dtype=bool)]
    pool = deviations[~np.isnan(deviations)]
    out = np.empty((num_replicates, table.num_sizes))
    for size, num_seeds in enumerate(seeds_n):
        drawn = pool[rng.integers(0, len(pool), (num_replicates, num_seeds))]
        out[:, size] = spread_n[size] * table.over_seeds(drawn)
    return out


def _weighted_seed_replicates(
    table: LawTable, weights_nS: Array, num_replicates: int, rng: np.random.Generator
) -> Array:
    """Return what another draw of seeds adds to each weighted mean; errors are 1/sqrt(weight)."""
    here_nS = ~np.isnan(table.runs_nS)
    total_n = np.nansum(weights_nS, axis=-1)
    unit_nS = (table.runs_nS - table.y_n[:, None]) * np.sqrt(weights_nS)
    # a run's deviation from a mean that it is part of is too small by its share of the weight
    share_nS = 1.0 - weights_nS / total_n[:, None]
    several = here_nS & (table.seeds_n > 1)[:, None]
    pool = unit_nS[several] / np.sqrt(share_nS[several])
    pool = pool - pool.mean()
    out = np.empty((num_replicates, table.num_sizes))
    for size in range(table.num_sizes):
        root_S = np.sqrt(weights_nS[size, here_nS[size]])
        drawn = pool[rng.integers(0, len(pool), (num_replicates, len(root_S)))]
        out[:, size] = drawn @ root_S / total_n[size]
    return out


def left_out(table: LawTable) -> FitReplicates:
    """Return jackknife replicates for the acceleration of BCa intervals.

    One group is left out at a time: a tenth of the days, or one seed of one size, or one point.
    """
    scheme = scheme_of(table)
    y_n = table.y_n
    if scheme in ("points", "residuals"):
        return FitReplicates(y_n[None], 1.0 - np.eye(table.num_sizes), scheme)
    parts = []
    if scheme != "seeds":
        daily_nT = table.daily_nT
        num_cells = daily_nT.shape[-1]
        for block in np.array_split(np.arange(num_cells), min(num_cells, 20)):
            parts.append(np.delete(daily_nT, block, axis=-1).mean(axis=-1))
    if table.seeds_n.max() > 1:
        runs_nS = table.runs_nS
        for size, seed in zip(*np.nonzero(~np.isnan(runs_nS)), strict=True):
            if table.seeds_n[size] > 1:
                kept = y_n.copy()
                others = ~np.isnan(runs_nS[size])
                others[seed] = False
                kept[size] = table.over_seeds(
                    runs_nS[size, others],
                    None if table.weights_nS is None else table.weights_nS[size, others],
                )
                parts.append(kept)
    return FitReplicates(np.stack(parts), None, scheme)
