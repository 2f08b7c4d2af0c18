"""Whether every size lies within ± the smallest effect of interest of every other.

Two one-sided tests of each pair hold their level together whatever the curve (Berger 1982: all must
reject), but where sizes do not differ at all the widest of 21 pairs is far wider than one pair is
meant to be: flat worlds that the two ends alone call flat in 90 % of cases pass in 45 %. The margin
of the tests is therefore shrunk to what keeps the level at the least favourable curves: one pair of
sizes exactly the smallest effect of interest apart, all others at one of the two or between them.
There every further size has to fall within reach too, which one pair's own margin does not know.

References
----------
Berger (1982), Technometrics 24; Chen, Xiong and Lam (1993), J. Statistical Planning and Inference
36, for the least favourable means of a range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.covariance import SizeCovariance

Float = NDArray[np.float64]

#: Where sizes besides the pair may lie, as a share of the way from one to the other.
_OTHERS = (0.5, 0.0, 1.0)
#: A margin is shrunk to half at most: what is then within reach must still look so.
_LEAST_REACH = 0.5
#: Comparisons made for the calibration; beyond, fewer replicates (never below 200) serve.
_MOST_WORK = 20_000_000


@dataclass(frozen=True)
class Equivalence:
    """The test that all sizes are alike, calibrated for one design.

    ``margin_GG`` are the one-sided quantiles of Student's t of each pair, ``reach`` the part of
    them that a replicate's differences must keep from ``sesoi``, ``null_CB`` the reach of
    replicates at each least favourable curve.
    """

    sesoi: float
    margin_GG: Float
    reach: float
    null_CB: Float

    def holds(self, mean_BG: Float, covariance_BGG: Float) -> NDArray[np.bool_]:
        """Tell where every size lies surely within ± the effect of every other, ``[B]``."""
        reach_B = pair_reach(mean_BG, covariance_BGG, self.margin_GG, self.sesoi)
        return np.asarray(reach_B > self.reach)

    def p_value(self, mean_1G: Float, covariance_1GG: Float) -> float:
        """Return how often the least favourable curve would look as flat as one study does."""
        seen = pair_reach(mean_1G, covariance_1GG, self.margin_GG, self.sesoi)[0]
        as_flat_C = (self.null_CB >= seen).sum(axis=1)
        return float((1 + as_flat_C.max()) / (1 + self.null_CB.shape[1]))


def pair_margins(covariance: SizeCovariance, level: float) -> Float:
    """Return the one-sided quantile of Student's t for every pair of sizes, ``[G, G]``."""
    from scipy.stats import t

    num_sizes = len(covariance.mean_G)
    degrees_GG = np.full((num_sizes, num_sizes), np.inf)
    for first, second in zip(*np.triu_indices(num_sizes, 1), strict=True):
        degrees = covariance.difference(int(first), int(second))[2]
        degrees_GG[first, second] = degrees_GG[second, first] = degrees
    return np.asarray(t.ppf(1 - level, degrees_GG))


def calibrated(
    margin_GG: Float, flat: tuple[Float, Float], *, sesoi: float, level: float
) -> Equivalence:
    """Return the test whose level holds at the least favourable curves.

    ``flat`` are means and estimated covariances of studies redrawn around a constant.
    """
    num_sizes = len(margin_GG)
    firsts, seconds = np.triu_indices(num_sizes, 1)
    mean_BG, covariance_BGG = flat
    most = _MOST_WORK // (len(_OTHERS) * len(firsts) ** 2)
    kept = slice(max(most, 200))
    mean_BG = mean_BG[kept]
    error_BP = pair_errors(covariance_BGG[kept])
    margin_BP = margin_GG[firsts, seconds] * error_BP
    null = []
    for first, second in zip(firsts, seconds, strict=True):
        for share in _OTHERS if num_sizes > 2 else _OTHERS[:1]:
            curve_G = np.full(num_sizes, share * sesoi)
            curve_G[[first, second]] = 0.0, sesoi
            null.append(_reach(mean_BG + curve_G, margin_BP, sesoi))
    null_CB = np.array(null)
    needed = float(np.quantile(null_CB, 1 - level, axis=1).max())
    return Equivalence(sesoi, margin_GG, float(np.clip(needed, _LEAST_REACH, 1.0)), null_CB)


def pair_errors(covariance_BGG: Float) -> Float:
    """Return the standard error of every pair's difference, ``[B, P]`` (upper triangle)."""
    firsts, seconds = np.triu_indices(covariance_BGG.shape[1], 1)
    variance_BG = np.diagonal(covariance_BGG, axis1=1, axis2=2)
    variance_BP = variance_BG[:, firsts] + variance_BG[:, seconds]
    variance_BP = variance_BP - 2 * covariance_BGG[:, firsts, seconds]
    return np.sqrt(np.maximum(variance_BP, 0.0))


def pair_reach(mean_BG: Float, covariance_BGG: Float, margin_GG: Float, sesoi: float) -> Float:
    """Return the margins that fit between a study's widest difference and ``sesoi``, ``[B]``."""
    margin_P = margin_GG[np.triu_indices(len(margin_GG), 1)]
    return _reach(mean_BG, margin_P * pair_errors(covariance_BGG), sesoi)


def _reach(mean_BG: Float, margin_BP: Float, sesoi: float) -> Float:
    firsts, seconds = np.triu_indices(mean_BG.shape[1], 1)
    room_BP = sesoi - np.abs(mean_BG[:, firsts] - mean_BG[:, seconds])
    # a difference without an error is inside or outside for certain
    certain_BP = np.where(room_BP > 0, np.inf, -np.inf)
    margin_BP = np.broadcast_to(margin_BP, room_BP.shape)
    reach_BP = np.divide(room_BP, margin_BP, out=certain_BP, where=margin_BP > 0)
    return np.asarray(reach_BP.min(axis=1))
