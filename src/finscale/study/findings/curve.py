"""The curve behind a verdict, with its band: what the scaling figure draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.bootstrap import Metric
from finscale.scaling import SizeCovariance, Verdict
from finscale.scaling.decision import redraw
from finscale.scaling.trend import FINE_EXPONENTS, SizeAxis, Trends

Floats = NDArray[np.float64]

#: Points of the drawn curve, and parametric replicates behind its band.
_NUM_POINTS, _NUM_REPLICATES = 120, 400
#: How far beyond the largest size the curve is carried on.
REACH = 10.0


@dataclass(frozen=True)
class Curve:
    """A fitted curve over sizes, carried on to ten times the largest."""

    #: The curve and its interval, pointwise; values of the study's own measure.
    x: Floats
    value: Floats
    low: Floats
    high: Floats
    null: float  #: Value of the constant: what no effect of size would look like
    #: Sizes, mean value of each, and half the width of its interval. What all sizes share (the luck
    #: of easy or hard test days) is left out: it cannot tell sizes apart.
    size_G: Floats
    mean_G: Floats
    reach_G: Floats
    foretold: float  #: Value of the largest size as the curve fitted without it has it


def fitted_curve(verdict: Verdict, *, reach: float = REACH, seed: int = 0) -> Curve:
    """Fit the verdict's own curve again and draw its band by the parametric bootstrap.

    The curve goes ``reach`` times as far as the largest size.
    """
    covariance, statement = verdict.covariance, verdict.statement
    size_G = np.asarray(statement.sizes)
    axis = SizeAxis(statement.sizes, FINE_EXPONENTS)
    mean_1G, matrix_1GG = covariance.mean_G[None], covariance.matrix_GG[None]
    observed = axis.fit(mean_1G, matrix_1GG)
    turns, falls = verdict.name == "TURNS", verdict.improves
    # a valley says nothing beyond the sizes that were run
    last = size_G[-1] * (1.0 if turns else reach)
    x = np.geomspace(size_G[0], last, _NUM_POINTS)
    loss = _predict(observed, x, turns=turns, falls=falls)[0]
    truth_G = _predict(observed, size_G, turns=turns, falls=falls)[0]
    rng = np.random.default_rng(seed)
    coarse = SizeAxis(statement.sizes)
    redrawn = coarse.fit(*redraw(covariance, truth_G, _NUM_REPLICATES, rng))
    if turns:
        drawn_RX = redrawn.turn.predict(x)
    else:
        down_R1 = (redrawn.fall.statistic_B >= redrawn.rise.statistic_B)[:, None]
        drawn_RX = np.where(down_R1, redrawn.fall.predict(x), redrawn.rise.predict(x))
    tail = statement.level / 2
    low, high = np.quantile(drawn_RX, [tail, 1 - tail], axis=0)
    # the verdict foretells the largest size on this grid
    inner = coarse.without_largest().fit(mean_1G[:, :-1], matrix_1GG[:, :-1, :-1])
    side = inner.fall if falls else inner.rise
    shown = statement.measure.shown
    edges_2X = np.stack([shown(np.minimum(low, loss)), shown(np.maximum(high, loss))])
    return Curve(
        x=x,
        value=shown(loss),
        low=edges_2X.min(axis=0),
        high=edges_2X.max(axis=0),
        null=shown(float(observed.constant_B[0])),
        size_G=size_G,
        mean_G=verdict.mean_G,
        reach_G=mean_reach(verdict),
        foretold=shown(float(side.predict(size_G[-1:])[0, 0])),
    )


def mean_reach(verdict: Verdict) -> Floats:
    """Return half the interval of each size's mean against the mean of all sizes, ``[G]``."""
    from scipy.stats import t

    covariance = verdict.covariance
    num_sizes = len(covariance.mean_G)
    contrasts = (covariance.contrast(w_G) for w_G in np.eye(num_sizes) - 1 / num_sizes)
    _, error_G, degrees_G = np.array(list(contrasts)).T
    return np.asarray(error_G * t.ppf(1 - verdict.statement.level / 2, degrees_G))


def seed_luck(judged: tuple[SizeCovariance, Floats], level: float) -> dict[float, float]:
    """Return size → half the interval that the luck of its seeds alone gives its mean."""
    from scipy.stats import t

    covariance, size_G = judged
    error_G = np.sqrt(covariance.seed_variance_G / covariance.seeds_G)
    half_G = error_G * t.ppf(1 - level / 2, covariance.seed_degrees_G)
    return dict(zip(size_G.tolist(), half_G.tolist(), strict=True))


def with_seed_luck(days: Metric, luck: Mapping[float, float], size: float) -> Metric:
    """Return an interval that days alone gave, widened by the luck of a size's seeds.

    Both are independent, so their arms add in squares.
    """
    if not luck:
        return days
    seeds = luck[min(luck, key=lambda known: abs(known - size))]
    return Metric(
        days.value,
        days.value - float(np.hypot(days.value - days.low, seeds)),
        days.value + float(np.hypot(days.high - days.value, seeds)),
    )


def _predict(trends: Trends, x: Floats, *, turns: bool, falls: bool) -> Floats:
    if turns:
        return trends.turn.predict(x)
    return (trends.fall if falls else trends.rise).predict(x)
