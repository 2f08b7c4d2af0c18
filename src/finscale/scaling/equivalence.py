"""Whether every size lies within ± the smallest effect of interest of every other.

Two one-sided tests of each pair at level α, and all must reject: they hold their level together
whatever the curve (Berger 1982), and are the same as asking that the 1 - 2α interval of every
difference lie within ± the effect. So a verdict never claims what an interval beside it denies.

A test of the widest pair alone, its margin shrunk until 5 % are wrong at the least favourable
curves (Chen, Xiong and Lam 1993), holds its level too and has more power. It was used before and
given up: where errors are as large as the effect, what it rejects are the luckiest draws, sizes
that look alike by chance, while the interval of every pair reaches far beyond the effect (a gain
of -.0014, 90 % interval [-.0086, .0059], called alike within ±.005 with p = .023).

References
----------
Berger (1982), Technometrics 24; Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.bootstrap import Metric
from finscale.scaling.covariance import SizeCovariance

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Equivalence:
    """The test that all sizes are alike within ± ``sesoi``, at ``level``.

    ``degrees_GG`` are the degrees of freedom of each pair's difference.
    """

    sesoi: float
    level: float
    degrees_GG: Float

    @classmethod
    def of(cls, covariance: SizeCovariance, *, sesoi: float, level: float) -> Equivalence:
        """Return the test for the design that a covariance describes."""
        return cls(sesoi, level, pair_degrees(covariance))

    @property
    def margin_GG(self) -> Float:
        """The one-sided quantile of Student's t of every pair of sizes, ``[G, G]``."""
        from scipy.stats import t

        return np.asarray(t.ppf(1 - self.level, self.degrees_GG))

    def holds(self, mean_BG: Float, covariance_BGG: Float) -> NDArray[np.bool_]:
        """Tell where every size lies surely within ± the effect of every other, ``[B]``."""
        pairs = np.triu_indices(len(self.degrees_GG), 1)
        half_BP = self.margin_GG[pairs] * pair_errors(covariance_BGG)
        return np.asarray((_distances(mean_BG) + half_BP < self.sesoi).all(axis=1))

    def p_value(self, mean_1G: Float, covariance_1GG: Float) -> float:
        """Return the largest p value of any pair: below ``level`` exactly where the test holds."""
        from scipy.stats import t

        pairs = np.triu_indices(len(self.degrees_GG), 1)
        room_P = self.sesoi - _distances(mean_1G)[0]
        error_P = pair_errors(covariance_1GG)[0]
        # a difference without an error is inside or outside for certain
        certain_P = np.where(room_P > 0, np.inf, -np.inf)
        ratio_P = np.divide(room_P, error_P, out=certain_P, where=error_P > 0)
        return float(np.max(t.sf(ratio_P, self.degrees_GG[pairs])))


def pair_degrees(covariance: SizeCovariance) -> Float:
    """Return the degrees of freedom of every pair's difference, ``[G, G]``; infinite with none."""
    num_sizes = len(covariance.mean_G)
    degrees_GG = np.full((num_sizes, num_sizes), np.inf)
    for first, second in zip(*np.triu_indices(num_sizes, 1), strict=True):
        degrees = covariance.difference(int(first), int(second))[2]
        degrees_GG[first, second] = degrees_GG[second, first] = degrees
    return degrees_GG


def difference_interval(
    covariance: SizeCovariance, first: int, second: int, level: float
) -> Metric:
    """Return how much less the second size loses than the first, with the interval of ``level``."""
    from scipy.stats import t

    value, error, degrees = covariance.difference(first, second)
    half = error * float(t.ppf((1 + level) / 2, degrees))
    return Metric(value, value - half, value + half)


def widest_difference(covariance: SizeCovariance, level: float) -> tuple[int, int, Metric]:
    """Return the two sizes whose difference may be largest, and its interval of ``level``."""
    pairs = zip(*np.triu_indices(len(covariance.mean_G), 1), strict=True)
    found = [
        (int(first), int(second), difference_interval(covariance, int(first), int(second), level))
        for first, second in pairs
    ]
    return max(found, key=lambda one: max(-one[2].low, one[2].high))


def pair_errors(covariance_BGG: Float) -> Float:
    """Return the standard error of every pair's difference, ``[B, P]`` (upper triangle)."""
    firsts, seconds = np.triu_indices(covariance_BGG.shape[1], 1)
    variance_BG = np.diagonal(covariance_BGG, axis1=1, axis2=2)
    variance_BP = variance_BG[:, firsts] + variance_BG[:, seconds]
    variance_BP = variance_BP - 2 * covariance_BGG[:, firsts, seconds]
    return np.sqrt(np.maximum(variance_BP, 0.0))


def _distances(mean_BG: Float) -> Float:
    """Return how far the sizes of every pair lie apart, ``[B, P]``."""
    firsts, seconds = np.triu_indices(mean_BG.shape[1], 1)
    return np.abs(mean_BG[:, firsts] - mean_BG[:, seconds])
