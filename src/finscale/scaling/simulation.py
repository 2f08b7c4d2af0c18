"""Simulate studies around a true curve and decide each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from finscale.scaling.covariance import SizeCovariance
from finscale.scaling.decision import (
    Decisions,
    decide_batch,
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
    exact = axis.fit(truth_G[None], covariance.matrix_GG[None])
    monotone_G = exact.monotone(falls=exact.falls_B[0]).predict(axis.size_G)[0]
    flat, monotone = (
        redraw(covariance, curve_G, num_replicates, rng)
        for curve_G in (np.zeros_like(monotone_G), monotone_G)
    )
    if_monotone = axis.fit(*monotone)
    limits = thresholds(
        axis,
        covariance,
        monotone_G,
        if_flat=axis.fit(*flat),
        if_monotone=if_monotone,
        if_turning=if_monotone,  # nothing here turns
        level=level,
        sesoi=sesoi,
    )
    drawn = redraw(covariance, truth_G, num_replicates, rng)
    return decide_batch(axis, *drawn, limits)


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
