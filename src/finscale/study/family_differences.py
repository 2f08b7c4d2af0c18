"""Differences between cells of a study, paired by day, with intervals that hold all at once.

Days are resampled in blocks, the same ones for every cell; to each cell's mean is added the luck of
its seeds. All comparisons of a study are one family of tests: their intervals are widened until all
of them hold together with the stated confidence, so that the largest of many differences between
equals is not taken for a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.bootstrap import Floats, Metric, Resampler
from finscale.evaluation.inference import PairedTest
from finscale.evaluation.simultaneous import balanced_intervals
from finscale.scaling.covariance import seed_variances

#: More than an interval by itself needs: all at once reach far into the tails.
NUM_REPLICATES = 5000


@dataclass(frozen=True)
class SeedLuck:
    """Standard error that the luck of its seeds gives each of G cells' means.

    Attributes
    ----------
    error_G : ndarray of shape (G,)
        Standard errors; 0 where nothing is known.
    degrees_G : ndarray of shape (G,)
        Their degrees of freedom.
    is_known : bool
        Whether any cell has two seeds.
    """

    error_G: Floats
    degrees_G: Floats
    is_known: bool

    @classmethod
    def of(cls, runs: Sequence[Floats]) -> SeedLuck:
        """Estimate it from the mean of each seed, one array a cell, sizes of one family rising.

        Variances are pooled over the cells as a verdict pools them, with a trend over sizes where
        one is seen (:func:`finscale.scaling.covariance.seed_variances`).
        """
        seeds_G = np.array([len(run_S) for run_S in runs])
        if seeds_G.max() < 2:
            return cls(np.zeros(len(runs)), np.ones(len(runs)), is_known=False)
        sample_G = np.array([run_S.var(ddof=1) if len(run_S) > 1 else 0.0 for run_S in runs])
        variance_1G, degrees_1G = seed_variances(sample_G[None], seeds_G - 1)
        return cls(np.sqrt(variance_1G[0] / seeds_G), degrees_1G[0], is_known=True)


def cell_deviations(
    days: NDArray[Any],
    loss_TK: Floats,
    luck: Sequence[SeedLuck],
    contrast_CK: Floats,
    *,
    overlap: int = 1,
    num_replicates: int = NUM_REPLICATES,
    level: float = 0.95,
    seed: int = 0,
) -> Floats:
    """Return by how much the mean of each cell is off by chance, in each replicate (R, K).

    Parameters
    ----------
    days : array of shape (T,)
        Decision days.
    loss_TK : array of shape (T, K)
        Each cell's loss on each day, averaged over its seeds.
    luck : sequence of SeedLuck
        Of all K cells, in their order.
    contrast_CK : array of shape (C, K)
        The comparisons, whose dependence over days the length of the blocks is chosen for.
    overlap : int
        H, days that one label spans.
    num_replicates, level, seed
        Of the bootstrap.
    """
    resampler = Resampler.over(
        days,
        loss_TK @ contrast_CK.T,
        overlap=overlap,
        num_replicates=num_replicates,
        level=level,
        seed=seed,
    )
    total_K, sums_RK = resampler.row_sums(loss_TK)
    # a replicate has as many days as the sample
    deviation_RK = resampler.stretch * (sums_RK - total_K) / len(days)
    error_K = np.concatenate([one.error_G for one in luck])
    degrees_K = np.concatenate([one.degrees_G for one in luck])
    rng = np.random.default_rng(seed)
    drawn_RK = rng.standard_t(degrees_K, size=deviation_RK.shape)
    return np.asarray(deviation_RK + error_K * drawn_RK)


def separate(value_C: Floats, deviation_RC: Floats, *, level: float = 0.95) -> list[Metric]:
    """Return values with an interval each that holds for itself alone."""
    reach_C = np.quantile(np.abs(deviation_RC), level, axis=0)
    bounds = zip(value_C, value_C - reach_C, value_C + reach_C, strict=True)
    return [Metric(*map(float, row)) for row in bounds]


def simultaneous(value_C: Floats, deviation_RC: Floats, *, level: float = 0.95) -> list[PairedTest]:
    """Return differences with intervals that hold all at once, and p-values that belong to them.

    An interval leaves out zero exactly where its p-value, adjusted for all comparisons, is below
    1 − ``level``.

    Parameters
    ----------
    value_C : array of shape (C,)
        Observed differences.
    deviation_RC : array of shape (R, C)
        By how much they are off by chance.
    level : float
        Probability that all intervals hold.

    References
    ----------
    Beran (1988), Balanced simultaneous confidence sets, JASA 83: every interval is as likely to
    fail as any other, so that one pair of noisy models does not widen the rest. The p-values are
    Westfall and Young's (1993) single-step minimum.
    """
    metrics, p_C = balanced_intervals(value_C, deviation_RC, level=level)
    return [PairedTest(metric, np.nan, float(p)) for metric, p in zip(metrics, p_C, strict=True)]
