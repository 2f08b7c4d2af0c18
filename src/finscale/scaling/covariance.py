r"""How sure we are of the mean loss at each size, and of the differences between sizes.

Two sources of error are estimated apart and added. *Days*: the test set is one draw of days, and
models of all sizes meet the same ones, so what counts is the long-run covariance of the daily
losses after the part common to all sizes is taken away. *Seeds*: another seed gives another model.

.. math:: \Sigma = \frac{1}{T} \hat\Omega_{\text{day}}
          + \operatorname{diag}\left(\hat\sigma^2_{\text{seed}, g} / S_g\right)

One bootstrap over days × seeds was tried first and rejects a true null 7.5–8 % of the time at 3 to
5 seeds; the two-part design keeps its level. A seed variance pooled over all sizes came next: its
intervals for the whole gain held the truth in 78 % of worlds where small models vary more, hence
the trend of :func:`seed_variances` (docs/controls.md). Daily noise that a run shares with no other
enters both parts, so where seeds of one size hardly agree the intervals are too wide, never too
narrow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finscale.errors import FinscaleError
from finscale.scaling.nested import luck_covariance, nested_correlation, shared_degrees
from finscale.scaling.seed_median import median_parts

Float = NDArray[np.float64]


@dataclass(frozen=True)
class SizeCovariance:
    """Mean loss by size and its covariance, up to a component that all sizes share.

    The covariance is right for contrasts (weights over sizes that sum to zero), and those are all
    that a verdict uses: the level of the loss is free in every curve.

    Parameters
    ----------
    mean_G : array [G]
        Loss by size, averaged over seeds and days.
    day_GG : array [G, G]
        Covariance of those means that comes from the test days.
    seed_variance_G : array [G]
        Variance over seeds of a run's mean loss at each size; see :func:`seed_variances`.
    seed_degrees_G : array [G]
        Degrees of freedom of each of these variances.
    seeds_G : array of int [G]
        Seeds of each size.
    num_days : int
        T; 0 where no daily losses were given, and then the days' part is unknown and left out.
    bandwidth : int
        Days over which losses were taken to be correlated.
    common_variance : float
        Variance of the grand mean from the test days: what all sizes share.
    seed_correlation_GG : array [G, G], optional
        How the luck of replicates correlates across sizes, where they go on from size to size
        (nestings); None: each size's are drawn anew (seeds).
    """

    mean_G: Float
    day_GG: Float
    seed_variance_G: Float
    seed_degrees_G: Float
    seeds_G: NDArray[np.int64]
    num_days: int
    bandwidth: int
    common_variance: float = 0.0
    seed_correlation_GG: Float | None = None

    @property
    def matrix_GG(self) -> Float:
        """Both parts and what all sizes share, ``[G, G]``."""
        return np.asarray(self.day_GG + self.seed_GG + self.common_variance)

    @property
    def seed_GG(self) -> Float:
        """The replicates' part, ``[G, G]``: a diagonal but for nestings."""
        if self.seed_correlation_GG is None:
            return np.diag(self.seed_variance_G / self.seeds_G)
        error_G = np.sqrt(self.seed_variance_G / self.seeds_G)
        return luck_covariance(error_G, self.seed_correlation_GG)

    @property
    def day_degrees(self) -> float:
        """Degrees of freedom of the days' part: T over the effective width of the kernel."""
        if self.num_days == 0:
            return np.inf
        # the Bartlett kernel of bandwidth m has a squared area of 2 m / 3
        return (self.num_days - 1) / max(1.0, 2 * (self.bandwidth + 1) / 3)

    def contrast(self, weight_G: ArrayLike) -> tuple[float, float, float]:
        """Return estimate, standard error and degrees of freedom of a contrast.

        The degrees of freedom are Satterthwaite's (1946) for a sum of two variances.
        """
        w_G = np.asarray(weight_G, dtype=np.float64)
        day = float(w_G @ self.day_GG @ w_G)
        seed_G = w_G**2 * self.seed_variance_G / self.seeds_G
        seed, spread = float(seed_G.sum()), float((seed_G**2 / self.seed_degrees_G).sum())
        if self.seed_correlation_GG is not None:
            # what neighbours share makes their variances' errors add up
            seed = float(w_G @ self.seed_GG @ w_G)
            least = float(self.seed_degrees_G[w_G != 0].min(initial=np.inf))
            spread = seed**2 / least
        variance = day + seed
        spread += day**2 / self.day_degrees
        return float(w_G @ self.mean_G), np.sqrt(variance), variance**2 / spread

    def difference(self, first: int, second: int) -> tuple[float, float, float]:
        """Return how much less the second size loses than the first, as :meth:`contrast` does."""
        weight_G = np.zeros(len(self.mean_G))
        weight_G[[first, second]] = 1.0, -1.0
        return self.contrast(weight_G)

    def scaled(self, *, num_days: float, num_seeds: float) -> SizeCovariance:
        """Return what another number of days and seeds would give, all else equal."""
        seeds_G = np.full(self.seeds_G.shape, max(round(num_seeds), 2), dtype=np.int64)
        freedom = (seeds_G - 1).sum() / (self.seeds_G - 1).sum()
        factor = self.num_days / num_days if self.num_days else 1.0
        return replace(
            self,
            day_GG=self.day_GG * factor,
            seed_degrees_G=self.seed_degrees_G * freedom,
            seeds_G=seeds_G,
            num_days=round(num_days) if self.num_days else 0,
            common_variance=self.common_variance * factor,
        )


def size_covariance(
    losses: ArrayLike,
    *,
    horizon: int = 1,
    seeds: Literal["mean", "median"] = "mean",
    nested: bool = False,
) -> SizeCovariance:
    """Estimate mean losses by size and their covariance.

    Parameters
    ----------
    losses : array [G, S, T] or [G, S]
        Loss of each size, seed and test day (or its mean over days). Several symbols on one day
        are averaged before. A seed that a size does not have is NaN throughout. One day tells
        nothing of the luck of days: it counts as a mean.
    horizon : int
        Bars that a label looks ahead: labels of neighbouring days overlap over ``horizon`` - 1.
    seeds : {"mean", "median"}
        What a size's loss is: over its seeds. A median is not moved by a run that blew up.
    nested : bool
        Whether replicates go on from size to size, as nestings of features do: number s of one size
        is number s of the next.

    Raises
    ------
    FinscaleError
        For a loss that is NaN or infinite within a run, for a size without a run, or when every
        size has one seed only: how much of a difference is luck of the seed is then unknown.

    References
    ----------
    Newey and West (1987), Econometrica 55, for the long-run covariance; (1994), Review of Economic
    Studies 61, for its bandwidth.
    """
    loss_GST = np.asarray(losses, dtype=np.float64)
    loss_GST = loss_GST if loss_GST.ndim == 3 else loss_GST[:, :, None]
    daily = loss_GST.shape[2] > 1
    present_GS: NDArray[np.bool_] = np.logical_not(np.isnan(loss_GST).all(axis=2))
    if not np.isfinite(loss_GST[present_GS]).all():
        raise FinscaleError("a run has a loss that is NaN or infinite on some day.")
    seeds_G = present_GS.sum(axis=1)
    if not seeds_G.all():
        raise FinscaleError(f"size number {int(np.argmin(seeds_G))} has no run.")
    if seeds_G.max() < 2:
        raise FinscaleError(
            "one seed a size tells nothing of how much another seed would change the result.",
            hint="run at least two seeds, better five",
        )
    filled_GST = np.where(present_GS[:, :, None], loss_GST, 0.0)
    daily_GT = filled_GST.sum(axis=1) / seeds_G[:, None]
    run_GS = filled_GST.mean(axis=2)
    deviation_GS = np.where(present_GS, run_GS - daily_GT.mean(axis=1)[:, None], 0.0)
    sample_G = (deviation_GS**2).sum(axis=1) / np.maximum(seeds_G - 1, 1)
    if not daily and sample_G.any():
        # seeds rounded to one number are not alike to the last digit: all of them may be off by
        # half a unit of it, which more seeds do not mend
        sample_G = np.maximum(sample_G, seeds_G * last_digit(run_GS[present_GS]) ** 2 / 12)
    seed_variance_1G, seed_degrees_1G = seed_variances(sample_G[None], seeds_G - 1)
    mean_G = daily_GT.mean(axis=1)
    if seeds == "median":
        present_GST = np.where(present_GS[:, :, None], loss_GST, np.nan)
        mean_G, daily_GT, variance_G, degrees_G = median_parts(present_GST)
        seed_variance_1G, seed_degrees_1G = variance_G[None], degrees_G[None]
    correlation_GG = None
    if nested:
        correlation_1GG = nested_correlation(deviation_GS[None], present_GS, seed_variance_1G)
        seed_degrees_1G = seed_degrees_1G * shared_degrees(correlation_1GG)[:, None]
        correlation_GG = correlation_1GG[0]
    day_GG, bandwidth, common = np.zeros((len(seeds_G), len(seeds_G))), 0, 0.0
    if daily:
        shared_1T, least = daily_GT.mean(axis=0, keepdims=True), least_bandwidth(horizon)
        day_GG, bandwidth = long_run_covariance(daily_GT - shared_1T, least)
        common = float(long_run_covariance(shared_1T, least)[0][0, 0])
    seed_parts = seed_variance_1G[0], seed_degrees_1G[0], seeds_G
    num_days = loss_GST.shape[2] if daily else 0
    return SizeCovariance(mean_G, day_GG, *seed_parts, num_days, bandwidth, common, correlation_GG)


def seed_variances(sample_BG: Float, degrees_G: NDArray[np.int64]) -> tuple[Float, Float]:
    r"""Return the seed variance at each size: pooled, with a trend over sizes where one is seen.

    With three seeds a size's own sample variance is nearly worthless, and one variance for all
    sizes is wrong where larger models vary less. So the logarithm of the variance is a straight
    line over the sizes' ranks; its slope is the weighted least-squares one, shrunk by
    :math:`(1 - 2 \operatorname{var}(b) / b^2)_+`, and the line's level is set by the pooled
    variance.

    Parameters
    ----------
    sample_BG : array [B, G]
        Sample variances of B studies.
    degrees_G : array of int [G]
        Their degrees of freedom; a size with one seed has none and takes part in the line only.

    Returns
    -------
    variance_BG, degrees_BG : array [B, G]
        Variance at each size and its degrees of freedom: all sizes' together where there is no
        trend, few at the ends of a steep one.
    """
    from scipy.special import digamma, polygamma

    pooled_B1 = (sample_BG @ degrees_G / degrees_G.sum())[:, None]
    half_G = np.maximum(degrees_G, 1) / 2
    # ln s² is biased by digamma(v/2) - ln(v/2) and has the variance trigamma(v/2)
    floor_B1 = np.maximum(1e-6 * pooled_B1, np.finfo(np.float64).tiny)
    log_BG = np.log(np.maximum(sample_BG, floor_B1)) - digamma(half_G) + np.log(half_G)
    weight_G = np.where(degrees_G > 0, 1 / polygamma(1, half_G), 0.0)
    rank_G = np.arange(len(degrees_G)) - np.average(np.arange(len(degrees_G)), weights=weight_G)
    information = float(weight_G @ rank_G**2)
    total = float(degrees_G.sum())
    if information <= 0:
        pooled_BG = np.broadcast_to(pooled_B1, sample_BG.shape).copy()
        return pooled_BG, np.full(sample_BG.shape, total)
    slope_B1 = (log_BG @ (weight_G * rank_G) / information)[:, None]
    kept_B1 = np.maximum(0.0, 1 - 2 / np.maximum(information * slope_B1**2, 1e-12))
    trend_BG = np.exp(kept_B1 * slope_B1 * rank_G)
    level_B1 = (trend_BG @ degrees_G / degrees_G.sum())[:, None]
    # the log of a variance with v degrees of freedom has itself a variance of about 2 / v
    degrees_BG = 2 / (2 / total + kept_B1**2 * rank_G**2 / information)
    return pooled_B1 * trend_BG / level_B1, degrees_BG


def last_digit(values: Float) -> float:
    """Return the unit of the last decimal in which numbers were written; 0 for unrounded ones.

    Examples
    --------
    >>> last_digit(np.array([0.45, 0.5, 1.37])), last_digit(np.array([0.1234567891]))
    (0.01, 0.0)
    """
    for decimals in range(7):
        scaled = values * 10.0**decimals
        if np.all(np.abs(scaled - np.round(scaled)) < 1e-9 * np.maximum(np.abs(scaled), 1.0)):
            return 10.0**-decimals
    return 0.0


def least_bandwidth(horizon: int) -> int:
    """Return the least bandwidth for labels that span ``horizon`` days: 4H, and 0 of one day.

    Bartlett's weights at H − 1 keep two thirds to four fifths of the variance of overlapping
    labels, at 4H nine tenths, which is also the least length of the bootstrap's blocks.
    """
    return 4 * horizon if horizon > 1 else 0


def long_run_covariance(x_GT: Float, least_bandwidth: int = 0) -> tuple[Float, int]:
    """Return the covariance ``[G, G]`` of the time means of x, and the bandwidth used.

    Bartlett kernel, bandwidth by Newey and West's plug-in rule on the direction in which x varies
    most, and never below ``least_bandwidth``.
    """
    num_days = x_GT.shape[1]
    centred_GT = x_GT - x_GT.mean(axis=1, keepdims=True)
    covariance_GG = centred_GT @ centred_GT.T
    principal_G = np.linalg.eigh(covariance_GG)[1][:, -1]
    bandwidth = max(least_bandwidth, _plug_in_bandwidth(principal_G @ centred_GT))
    bandwidth = min(bandwidth, num_days // 4)
    for lag in range(1, bandwidth + 1):
        lagged_GG = centred_GT[:, lag:] @ centred_GT[:, :-lag].T
        covariance_GG += (1 - lag / (bandwidth + 1)) * (lagged_GG + lagged_GG.T)
    return covariance_GG / (num_days * max(num_days - 1 - bandwidth, 1)), bandwidth


def _plug_in_bandwidth(x_T: Float) -> int:
    """Newey and West (1994), equations 3.8 to 3.15, Bartlett kernel."""
    num_days = len(x_T)
    reach = min(int(4 * (num_days / 100) ** (2 / 9)), num_days - 1)
    autocovariance = np.array([x_T[lag:] @ x_T[: num_days - lag] for lag in range(reach + 1)])
    level = autocovariance[0] + 2 * autocovariance[1:].sum()
    slope = 2 * (np.arange(1, reach + 1) * autocovariance[1:]).sum()
    if level <= 0:
        return reach
    return int(1.1447 * ((slope / level) ** 2 * num_days) ** (1 / 3))
