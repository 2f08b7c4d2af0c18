"""Verdicts of studies that were never run: draws around a true curve, each judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finscale.scaling.covariance import SizeCovariance
from finscale.scaling.decision import (
    Decisions,
    decide_batch,
    equivalence_margin,
    redraw,
    thresholds,
)
from finscale.scaling.trend import Float, SizeAxis

#: Studies drawn for each probability.
NUM_REPLICATES = 1000


def simulate_verdicts(
    sizes: Sequence[float],
    covariance: SizeCovariance,
    truth_G: Float,
    *,
    sesoi: float,
    level: float = 0.05,
    num_replicates: int = NUM_REPLICATES,
    seed: int = 0,
) -> Decisions:
    """Draw studies around a true curve and decide each.

    Critical values come from the true covariance; each study is judged with its own estimate.
    """
    rng = np.random.default_rng(seed)
    axis = SizeAxis(tuple(float(size) for size in sizes))
    limits = thresholds(
        axis,
        covariance,
        nearest_monotone(axis, covariance, truth_G),
        level=level,
        num_replicates=num_replicates,
        rng=rng,
    )
    mean_BG, covariance_BGG = redraw(covariance, truth_G, num_replicates, rng)
    return decide_batch(
        axis,
        mean_BG,
        covariance_BGG,
        limits,
        sesoi=sesoi,
        margin=equivalence_margin(covariance, level),
    )


def nearest_monotone(axis: SizeAxis, covariance: SizeCovariance, truth_G: Float) -> Float:
    """Return the falling or rising power law nearest to a curve, ``[G]``."""
    trends = axis.fit(truth_G[None], covariance.matrix_GG[None])
    falls = trends.fall.statistic_B[0] >= trends.rise.statistic_B[0]
    best = trends.fall if falls else trends.rise
    return np.asarray(best.predict(np.asarray(axis.sizes))[0])
