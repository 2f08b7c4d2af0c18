"""The rule that turns trends into one of five verdicts, for one study or for thousands at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.covariance import SizeCovariance, seed_variances
from finscale.scaling.trend import Float, MonotoneFit, SizeAxis, Trends

VerdictName = Literal["LAW", "TURNS", "INVERSE", "NO-LAW", "INDETERMINATE"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)


@dataclass(frozen=True)
class Thresholds:
    """Critical values of the likelihood ratios, from the parametric bootstrap of their nulls.

    Of the falling and the rising power law against the constant, of the turning curve against the
    better monotone one, and of any exponent against the best one (the height of the
    profile-likelihood interval).
    """

    fall: float
    rise: float
    turn: float
    exponent: float


@dataclass(frozen=True)
class Decisions:
    """Verdicts of B replicates and what they rest on (arrays ``[B]``)."""

    code_B: NDArray[np.int64]
    falls_B: NDArray[np.bool_]
    rises_B: NDArray[np.bool_]
    turns_B: NDArray[np.bool_]
    pinned_B: NDArray[np.bool_]
    predicts_B: NDArray[np.bool_]
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
    seed_error_G = np.sqrt(covariance.seed_variance_G / covariance.seeds_G)
    shape_BG = (num_replicates, num_sizes)
    mean_BG = truth_G + rng.standard_normal(shape_BG) @ root_GG.T
    mean_BG += rng.standard_normal(shape_BG) * seed_error_G
    degrees_G = covariance.seeds_G - 1
    # a size with one seed has no sample variance; a gamma of shape 0 is not drawn for it
    chance_BG = 2 * rng.gamma(np.maximum(degrees_G, 1) / 2, size=shape_BG)
    sample_BG = covariance.seed_variance_G * chance_BG / np.maximum(degrees_G, 1)
    seed_BG, _ = seed_variances(sample_BG, degrees_G)
    covariance_BGG = np.broadcast_to(covariance.day_GG, (num_replicates, num_sizes, num_sizes))
    if covariance.num_days:
        factor_BGG = root_GG @ _wishart_root(covariance.day_degrees, shape_BG, rng)
        covariance_BGG = factor_BGG @ factor_BGG.transpose(0, 2, 1)
    diagonal_BG = seed_BG / covariance.seeds_G
    return mean_BG, covariance_BGG + diagonal_BG[:, :, None] * np.eye(num_sizes)


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
    level: float,
) -> Thresholds:
    """Return critical values at ``level`` from studies redrawn under the two null hypotheses.

    ``if_flat`` and ``if_monotone`` are fits to studies redrawn around a constant and around
    ``monotone_G``, against which the turning curve is tested and at which the interval of the
    exponent is calibrated.
    """
    upper = 1 - level
    return Thresholds(
        fall=float(np.quantile(if_flat.fall.statistic_B, upper)),
        rise=float(np.quantile(if_flat.rise.statistic_B, upper)),
        turn=float(np.quantile(if_monotone.turn_over_monotone_B, upper)),
        exponent=_exponent_threshold(axis, covariance, monotone_G, if_monotone, upper),
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
    column = int(np.searchsorted(exact.exponent_A, exact.exponent_B[0]))
    drop_B = drawn.statistic_B - drawn.profile_BA[:, column]
    return max(asymptotic, float(np.quantile(drop_B, upper)))


def decide_batch(
    axis: SizeAxis,
    mean_BG: Float,
    covariance_BGG: Float,
    limits: Thresholds,
    *,
    sesoi: float,
    margin: float,
    trends: Trends | None = None,
) -> Decisions:
    """Return the verdict of each replicate.

    In order: TURNS, LAW, INVERSE, NO-LAW, and INDETERMINATE for what is left. See
    ``finscale.scaling.verdict`` for what each one asks. Gains within ± ``sesoi`` are taken as none;
    ``margin`` is the one-sided quantile of Student's t for the equivalence test and a valley's two
    sides.
    """
    trends = trends or axis.fit(mean_BG, covariance_BGG)
    turns_B = _turns(axis, trends, mean_BG, covariance_BGG, limits, margin)
    falls_B = trends.fall.statistic_B > limits.fall
    rises_B = trends.rise.statistic_B > limits.rise
    side_pinned = {fit.sign: _pinned(fit, limits) for fit in (trends.fall, trends.rise)}
    side_predicts = _predicts_largest(axis, mean_BG, covariance_BGG)
    gain_B = mean_BG[:, 0] - mean_BG[:, -1]
    first_B, last_B = covariance_BGG[:, 0, 0], covariance_BGG[:, -1, -1]
    variance_B = first_B + last_B - 2 * covariance_BGG[:, 0, -1]
    gain_error_B = np.sqrt(np.broadcast_to(variance_B, gain_B.shape))
    equivalent_B = np.abs(gain_B) + margin * gain_error_B < sesoi
    law_B = falls_B & side_pinned[-1] & side_predicts[-1]
    inverse_B = rises_B & side_pinned[1] & side_predicts[1]
    conditions = [turns_B, law_B, inverse_B, equivalent_B]
    codes = [VERDICTS.index(v) for v in ("TURNS", "LAW", "INVERSE", "NO-LAW")]
    code_B = np.select(conditions, codes, VERDICTS.index("INDETERMINATE")).astype(np.int64)
    return Decisions(
        code_B=code_B,
        falls_B=falls_B,
        rises_B=rises_B,
        turns_B=turns_B,
        pinned_B=np.where(trends.falls_B, side_pinned[-1], side_pinned[1]),
        predicts_B=np.where(trends.falls_B, side_predicts[-1], side_predicts[1]),
        equivalent_B=equivalent_B,
        gain_B=gain_B,
        gain_error_B=gain_error_B,
    )


def equivalence_margin(covariance: SizeCovariance, level: float) -> float:
    """Return the one-sided quantile of Student's t for the contrast of first and last size."""
    from scipy.stats import t

    return float(t.ppf(1 - level, covariance.difference(0, -1)[2]))


def _turns(
    axis: SizeAxis,
    trends: Trends,
    mean_BG: Float,
    covariance_BGG: Float,
    limits: Thresholds,
    margin: float,
) -> NDArray[np.bool_]:
    """Find valleys that beat both monotone curves and whose two sides are seen without a curve.

    The loss at the size nearest the bottom must be lower than at both ends (one-sided t tests): a
    likelihood ratio alone would take a monotone curve that is no power law for a valley.
    """
    fitted_BG = trends.turn.predict(np.asarray(axis.sizes))
    bottom_B = fitted_BG.argmin(axis=1)
    rows = np.arange(len(bottom_B))
    turns_B = trends.turn_over_monotone_B > limits.turn
    turns_B &= (bottom_B > 0) & (bottom_B < len(axis.sizes) - 1)
    covariance_BGG = np.broadcast_to(covariance_BGG, (len(rows), *covariance_BGG.shape[1:]))
    for end in (0, -1):
        side_B = mean_BG[:, end] - mean_BG[rows, bottom_B]
        variance_B = covariance_BGG[:, end, end] + covariance_BGG[rows, bottom_B, bottom_B]
        variance_B = variance_B - 2 * covariance_BGG[rows, end, bottom_B]
        turns_B &= side_B > margin * np.sqrt(np.maximum(variance_B, 0.0))
    return np.asarray(turns_B)


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
