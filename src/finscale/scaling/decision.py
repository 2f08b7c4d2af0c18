"""The rule that turns trends into one of five verdicts, for one study or for thousands at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.covariance import SizeCovariance, seed_variances
from finscale.scaling.equivalence import Equivalence
from finscale.scaling.nested import luck_covariance, nested_correlation
from finscale.scaling.trend import Float, MonotoneFit, SizeAxis, Trends

VerdictName = Literal["LAW", "TURNS", "INVERSE", "NO-LAW", "INDETERMINATE"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)
#: A misfit of all curves rarer than this bars every verdict that rests on a curve.
MISFIT_LEVEL = 0.001


@dataclass(frozen=True)
class Thresholds:
    """Critical values of the likelihood ratios, from the parametric bootstrap of their nulls.

    Of the falling and the rising power law against the constant, of the turning curve against the
    better monotone one, of any exponent against the best one (the height of the profile-likelihood
    interval), and of the sizes against the best curve of all. ``alike`` is the test that no size
    differs from another.
    """

    fall: float
    rise: float
    turn: float
    exponent: float
    misfit: float
    alike: Equivalence


@dataclass(frozen=True)
class Decisions:
    """Verdicts of B replicates and what they rest on (arrays ``[B]``).

    ``fits_B``: some curve describes the sizes. ``alone_B``: the one size without which a curve
    would, or -1. ``equivalent_B``: every size lies within ± the smallest effect of interest of
    every other.
    """

    code_B: NDArray[np.int64]
    falls_B: NDArray[np.bool_]
    rises_B: NDArray[np.bool_]
    turns_B: NDArray[np.bool_]
    pinned_B: NDArray[np.bool_]
    predicts_B: NDArray[np.bool_]
    fits_B: NDArray[np.bool_]
    alone_B: NDArray[np.int64]
    equivalent_B: NDArray[np.bool_]
    gain_B: Float
    gain_error_B: Float

    def rates(self) -> dict[VerdictName, float]:
        """Return the share of replicates with each verdict."""
        counts = np.bincount(self.code_B, minlength=len(VERDICTS))
        return dict(zip(VERDICTS, (counts / len(self.code_B)).tolist(), strict=True))


def redraw(
    covariance: SizeCovariance, truth_G: Float, num_replicates: int, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Draw studies around a true curve: their means ``[B, G]`` and *estimated* covariances.

    Each replicate estimates its own covariance (the days' part Wishart, the seeds' parts chi-square
    and smoothed over sizes like the observed ones); without that, tests would reject too often.
    """
    num_sizes = len(truth_G)
    value_G, vector_GG = np.linalg.eigh(covariance.day_GG)
    root_GG = vector_GG * np.sqrt(np.maximum(value_G, 0.0))
    shape_BG = (num_replicates, num_sizes)
    mean_BG = truth_G + rng.standard_normal(shape_BG) @ root_GG.T
    if covariance.seed_correlation_GG is None:
        luck_BG, seed_BGG = _seed_luck(covariance, shape_BG, rng)
    else:
        luck_BG, seed_BGG = _nested_luck(covariance, num_replicates, rng)
    mean_BG += luck_BG
    covariance_BGG = np.broadcast_to(covariance.day_GG, (num_replicates, num_sizes, num_sizes))
    if covariance.num_days:
        factor_BGG = root_GG @ _wishart_root(covariance.day_degrees, shape_BG, rng)
        covariance_BGG = factor_BGG @ factor_BGG.transpose(0, 2, 1)
    return mean_BG, covariance_BGG + seed_BGG


def _seed_luck(
    covariance: SizeCovariance, shape_BG: tuple[int, int], rng: np.random.Generator
) -> tuple[Float, Float]:
    """Return what seeds add to the means ``[B, G]``, and its estimated covariance ``[B, G, G]``."""
    error_G = np.sqrt(covariance.seed_variance_G / covariance.seeds_G)
    luck_BG = rng.standard_normal(shape_BG) * error_G
    degrees_G = covariance.seeds_G - 1
    # a size with one seed has no sample variance; a gamma of shape 0 is not drawn for it
    chance_BG = 2 * rng.gamma(np.maximum(degrees_G, 1) / 2, size=shape_BG)
    sample_BG = covariance.seed_variance_G * chance_BG / np.maximum(degrees_G, 1)
    diagonal_BG = seed_variances(sample_BG, degrees_G)[0] / covariance.seeds_G
    return luck_BG, diagonal_BG[:, :, None] * np.eye(shape_BG[1])


def _nested_luck(
    covariance: SizeCovariance, num_replicates: int, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Return the same of nestings: each is drawn for all sizes together."""
    assert covariance.seed_correlation_GG is not None
    seeds_G = covariance.seeds_G
    present_GS = np.arange(seeds_G.max()) < seeds_G[:, None]
    root_GG = np.linalg.cholesky(covariance.seed_correlation_GG)
    z_BGS = root_GG @ rng.standard_normal((num_replicates, *present_GS.shape))
    run_BGS = z_BGS * np.sqrt(covariance.seed_variance_G)[:, None] * present_GS
    luck_BG = run_BGS.sum(axis=2) / seeds_G
    deviation_BGS = (run_BGS - luck_BG[:, :, None]) * present_GS
    sample_BG = (deviation_BGS**2).sum(axis=2) / np.maximum(seeds_G - 1, 1)
    variance_BG = seed_variances(sample_BG, seeds_G - 1)[0]
    correlation_BGG = nested_correlation(deviation_BGS, present_GS, variance_BG)
    return luck_BG, luck_covariance(np.sqrt(variance_BG / seeds_G), correlation_BGG)


def _wishart_root(degrees: float, shape_BG: tuple[int, int], rng: np.random.Generator) -> Float:
    """Return A with A·Aᵀ Wishart(degrees) / degrees: Bartlett's decomposition, ``[B, G, G]``."""
    num_replicates, num_sizes = shape_BG
    root_BGG = np.tril(rng.standard_normal((num_replicates, num_sizes, num_sizes)), -1)
    freedom_G = np.maximum(degrees - np.arange(num_sizes), 1.0)
    diagonal = np.arange(num_sizes)
    root_BGG[:, diagonal, diagonal] = np.sqrt(rng.chisquare(freedom_G, shape_BG))
    return np.asarray(root_BGG / np.sqrt(degrees))


def thresholds(
    axis: SizeAxis,
    covariance: SizeCovariance,
    monotone_G: Float,
    *,
    if_flat: Trends,
    if_monotone: Trends,
    if_turning: Trends,
    level: float,
    sesoi: float,
) -> Thresholds:
    """Return critical values at ``level`` from studies redrawn under the null hypotheses.

    ``if_flat`` are fits to studies redrawn around a constant (:func:`redraw`); ``if_monotone`` to
    studies redrawn around ``monotone_G``, against which the turning curve is tested and at which
    the interval of the exponent is calibrated; ``if_turning`` to studies redrawn around the best
    curve of all, whose misfit is that of luck.
    """
    from scipy.stats import chi2

    upper = 1 - level
    # at least one degree of freedom: curves that pass through every size leave nothing but rounding
    least = float(chi2.isf(MISFIT_LEVEL, 1))
    return Thresholds(
        fall=float(np.quantile(if_flat.fall.statistic_B, upper)),
        rise=float(np.quantile(if_flat.rise.statistic_B, upper)),
        turn=float(np.quantile(if_monotone.turn_over_monotone_B, upper)),
        exponent=_exponent_threshold(axis, covariance, monotone_G, if_monotone, upper),
        misfit=max(least, float(np.quantile(if_turning.misfit_B, 1 - MISFIT_LEVEL))),
        alike=Equivalence.of(covariance, sesoi=sesoi, level=level),
    )


def _exponent_threshold(
    axis: SizeAxis, covariance: SizeCovariance, truth_G: Float, redrawn: Trends, upper: float
) -> float:
    """Return how far the likelihood ratio at the true exponent falls below the best one's.

    The true exponent is that of the noise-free curve. A curve without a fall or rise has none; then
    the chi-square value with one degree of freedom is used.
    """
    from scipy.stats import chi2

    at_truth = axis.fit(truth_G[None], covariance.matrix_GG[None])
    exact, drawn = (each.monotone(falls=at_truth.falls_B[0]) for each in (at_truth, redrawn))
    asymptotic = float(chi2.ppf(upper, 1))
    if exact.total_B[0] <= 0:
        return asymptotic
    drop_B = drawn.statistic_B - drawn.at(float(exact.exponent_B[0]))
    return max(asymptotic, float(np.quantile(drop_B, upper)))


def decide_batch(
    axis: SizeAxis,
    mean_BG: Float,
    covariance_BGG: Float,
    limits: Thresholds,
    *,
    trends: Trends | None = None,
) -> Decisions:
    """Return the verdict of each replicate.

    In order: TURNS, LAW, INVERSE, NO-LAW, and INDETERMINATE for what is left. See
    ``finscale.scaling.verdict`` for what each one asks.
    """
    trends = trends or axis.fit(mean_BG, covariance_BGG)
    covariance_BGG = np.broadcast_to(covariance_BGG, (len(mean_BG), *covariance_BGG.shape[1:]))
    fits_B = trends.misfit_B <= limits.misfit
    alone_B = stands_alone(axis, mean_BG, covariance_BGG, limits.misfit, ~fits_B)
    turns_B = _turns(axis, trends, mean_BG, covariance_BGG, limits, alone_B)
    falls_B = trends.fall.statistic_B > limits.fall
    rises_B = trends.rise.statistic_B > limits.rise
    side_pinned = {fit.sign: _pinned(fit, limits) for fit in (trends.fall, trends.rise)}
    side_predicts = _predicts_largest(axis, mean_BG, covariance_BGG)
    gain_B = mean_BG[:, 0] - mean_BG[:, -1]
    first_B, last_B = covariance_BGG[:, 0, 0], covariance_BGG[:, -1, -1]
    gain_error_B = np.sqrt(np.maximum(first_B + last_B - 2 * covariance_BGG[:, 0, -1], 0.0))
    equivalent_B = limits.alike.holds(mean_BG, covariance_BGG)
    law_B = falls_B & side_pinned[-1] & side_predicts[-1] & fits_B
    inverse_B = rises_B & side_pinned[1] & side_predicts[1] & fits_B
    conditions = [turns_B, law_B, inverse_B, equivalent_B & fits_B]
    codes = [VERDICTS.index(v) for v in ("TURNS", "LAW", "INVERSE", "NO-LAW")]
    code_B = np.select(conditions, codes, VERDICTS.index("INDETERMINATE")).astype(np.int64)
    return Decisions(
        code_B=code_B,
        falls_B=falls_B,
        rises_B=rises_B,
        turns_B=turns_B,
        pinned_B=np.where(trends.falls_B, side_pinned[-1], side_pinned[1]),
        predicts_B=np.where(trends.falls_B, side_predicts[-1], side_predicts[1]),
        fits_B=fits_B,
        alone_B=alone_B,
        equivalent_B=equivalent_B,
        gain_B=gain_B,
        gain_error_B=gain_error_B,
    )


def stands_alone(
    axis: SizeAxis,
    mean_BG: Float,
    covariance_BGG: Float,
    misfit: float,
    asked_B: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the size without which a curve describes the others, ``[B]``; -1 where none is.

    Of several such sizes it is one that leaves all others level; where none does, none is named.
    Fewer than four sizes are described by too many curves once one is left out.
    """
    alone_B, num_sizes = np.full(len(mean_BG), -1, dtype=np.int64), len(axis.sizes)
    rows = np.flatnonzero(asked_B)
    if num_sizes < 4 or not len(rows):
        return alone_B
    spread_RG = np.full((len(rows), num_sizes), np.inf)
    for index in range(num_sizes):
        kept = np.delete(np.arange(num_sizes), index)
        kept_RGG = covariance_BGG[rows][:, kept[:, None], kept]
        rest = axis.without(index).fit(mean_BG[rows][:, kept], kept_RGG, zoom=True)
        described_R = rest.misfit_B <= misfit
        spread_RG[described_R, index] = rest.around_constant_B[described_R]
    named_R = np.isfinite(spread_RG).sum(axis=1) == 1
    named_R |= spread_RG.min(axis=1) <= misfit
    alone_B[rows] = np.where(named_R, spread_RG.argmin(axis=1), -1)
    return alone_B


def _turns(
    axis: SizeAxis,
    trends: Trends,
    mean_BG: Float,
    covariance_BGG: Float,
    limits: Thresholds,
    alone_B: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Find valleys that beat both monotone curves and whose two sides are seen without a curve.

    The loss at the size nearest the bottom must be lower than at both ends (one-sided t tests): a
    likelihood ratio alone would take a monotone curve that is no power law for a valley. Where no
    curve describes the sizes that ratio means little: the sides then have to be twice as clear,
    also without the one size that stands out, and to be those of one valley, not of several.
    """
    fitted_BG = trends.turn.predict(np.asarray(axis.sizes))
    bottom_B = fitted_BG.argmin(axis=1)
    rows = np.arange(len(bottom_B))
    margin_GG = limits.alike.margin_GG
    turns_B = trends.turn_over_monotone_B > limits.turn
    turns_B &= valleys(mean_BG, covariance_BGG, margin_GG)[rows, bottom_B]
    clear_BG = valleys(mean_BG, covariance_BGG, 2 * margin_GG)
    misfits_B = trends.misfit_B > limits.misfit
    turns_B &= ~misfits_B | clear_BG.any(axis=1)
    for row in np.flatnonzero(turns_B & misfits_B):
        turns_B[row] = not _parted(mean_BG[row], covariance_BGG[row], margin_GG)
    for row in np.flatnonzero(turns_B & (alone_B >= 0)):
        # what is left has to turn by itself: by the curve and by its two sides
        index, one = int(alone_B[row]), (mean_BG[row], covariance_BGG[row])
        kept = np.delete(np.arange(mean_BG.shape[1]), index)
        rest = axis.without(index).fit(one[0][None, kept], one[1][None, kept[:, None], kept])
        turns_B[row] = rest.turn_over_monotone_B[0] > limits.turn
        turns_B[row] &= valley_without(index, *one, 2 * margin_GG)
    return np.asarray(turns_B)


def _parted(mean_G: Float, covariance_GG: Float, margin_GG: Float) -> bool:
    """Tell whether a hump as high as an end clearly parts the sizes into two valleys or more."""
    variance_G = np.diagonal(covariance_GG)
    variance_GG = variance_G[:, None] + variance_G - 2 * covariance_GG
    error_GG = np.sqrt(np.maximum(variance_GG, 0.0))
    above_GG = mean_G[:, None] - mean_G > 2 * margin_GG * error_GG
    left_G, right_G = np.tril(above_GG).any(axis=1), np.triu(above_GG).any(axis=1)
    below_G = valleys(mean_G[None], covariance_GG[None], margin_GG)[0]
    inner = slice(1, -1)
    return bool((left_G & right_G & ~below_G)[inner].any())


def valley_without(index: int, mean_G: Float, covariance_GG: Float, margin_GG: Float) -> bool:
    """Tell whether some size surely loses less than both ends once one size is left out."""
    kept = np.delete(np.arange(len(mean_G)), index)
    square = np.ix_(kept, kept)
    found_1G = valleys(mean_G[kept][None], covariance_GG[square][None], margin_GG[square])
    return bool(found_1G.any())


def valleys(mean_BG: Float, covariance_BGG: Float, margin_GG: Float) -> NDArray[np.bool_]:
    """Tell which sizes surely lose less than both ends, ``[B, G]``."""
    lower_BG = np.ones(mean_BG.shape, dtype=np.bool_)
    variance_BG = np.diagonal(covariance_BGG, axis1=1, axis2=2)
    for end in (0, -1):
        variance_of_BG = variance_BG + variance_BG[:, [end]] - 2 * covariance_BGG[:, end]
        error_BG = np.sqrt(np.maximum(variance_of_BG, 0.0))
        lower_BG &= mean_BG[:, [end]] - mean_BG > margin_GG[end] * error_BG
    lower_BG[:, [0, -1]] = False
    return lower_BG


def _pinned(fit: MonotoneFit, limits: Thresholds) -> NDArray[np.bool_]:
    """Tell where the exponent's interval is finite and keeps off the bounds."""
    low_B, high_B = fit.exponent_interval(limits.exponent)
    return np.asarray((low_B > fit.bounds[0]) & (high_B < fit.bounds[1]))


def _predicts_largest(
    axis: SizeAxis, mean_BG: Float, covariance_BGG: Float
) -> dict[int, NDArray[np.bool_]]:
    """Tell where a curve fitted without the largest size predicts it better than a constant."""
    inner_BGG = covariance_BGG[:, :-1, :-1]
    trends = axis.without_largest().fit(mean_BG[:, :-1], inner_BGG)
    miss_B = np.abs(mean_BG[:, -1] - trends.constant_B)
    largest = np.array([axis.sizes[-1]])
    return {
        fit.sign: np.abs(mean_BG[:, -1] - fit.predict(largest)[:, 0]) < miss_B
        for fit in (trends.fall, trends.rise)
    }
