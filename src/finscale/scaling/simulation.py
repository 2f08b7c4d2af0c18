"""Simulate studies around a true curve and decide each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

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
    monotone_G = nearest_monotone(axis, covariance, truth_G)
    flat_G = np.zeros(len(axis.sizes))
    if_flat, if_monotone = (
        axis.fit(*redraw(covariance, curve_G, num_replicates, rng))
        for curve_G in (flat_G, monotone_G)
    )
    limits = thresholds(
        axis, covariance, monotone_G, if_flat=if_flat, if_monotone=if_monotone, level=level
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


def least(enough: Callable[[float], bool], low: float, high: float, num_steps: int) -> float:
    """Return the least value between two that is enough, by bisection on its logarithm.

    Infinite where even ``high`` is not enough.
    """
    if not enough(high):
        return math.inf
    below, above = np.log(low), np.log(high)
    for _ in range(num_steps):
        middle = (below + above) / 2
        below, above = (below, middle) if enough(float(np.exp(middle))) else (middle, above)
    return float(np.exp(above))
