"""Maps from logits to calibrated logits, fitted on validation rows.

Three of them are logistic regressions on functions of the logit and differ in nothing else;
isotonic regression is the fourth. All map logits to logits, so that whatever comes after still
turns logits into probabilities in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from finscale.errors import DataError
from finscale.evaluation.blocks import Floats, Integers
from finscale.evaluation.losses import probabilities
from finscale.registry import Registry

#: Line searches end at a step of this share.
_SHORTEST = 1e-12
#: Newton stops where the loss changes by less, in nats for a unit of a coefficient.
_FLAT, _MOST_STEPS = 1e-12, 200
#: A last step brings less than this share of the loss, which its rounding would hide; what is left
#: after it is the square of what was left before.
_UNSEEN = 64 * float(np.finfo(np.float64).eps)


#: A monotone map from logits to logits.
Calibrator = Callable[[ArrayLike], Floats]


@dataclass(frozen=True)
class Link:
    """A calibration map that is linear in functions of the logit.

    Attributes
    ----------
    features : callable
        Logits of shape (N,) to features of shape (N, K).
    lowest : tuple of float
        Lowest value of each coefficient; zero keeps the map monotone.
    """

    features: Callable[[Floats], Floats]
    lowest: tuple[float, ...]


@dataclass(frozen=True)
class LinkCalibrator:
    """A fitted :class:`Link`."""

    link: Link
    coefficients: Floats

    def __call__(self, logit: ArrayLike) -> Floats:
        """Return calibrated logits."""
        return self.link.features(np.asarray(logit, dtype=np.float64)) @ self.coefficients


@dataclass(frozen=True)
class StepCalibrator:
    """Isotonic regression: a rising line through ``knots``, constant beyond its ends."""

    knots: Floats
    values: Floats

    def __call__(self, logit: ArrayLike) -> Floats:
        """Return calibrated logits."""
        return np.interp(np.asarray(logit, dtype=np.float64), self.knots, self.values)


# of one inverse temperature
_TEMPERATURE = Link(lambda z: z[:, None], (0.0,))
# slope, intercept
_PLATT = Link(lambda z: np.column_stack([z, np.ones_like(z)]), (0, -np.inf))
# log p and −log(1 − p) of the uncalibrated probability, exact in logits
_BETA = Link(
    lambda z: np.column_stack([-np.logaddexp(0, -z), np.logaddexp(0, z), np.ones_like(z)]),
    (0, 0, -np.inf),
)


def _fit_link(link: Link, target_N: Floats, logit_N: Floats) -> LinkCalibrator:
    """Minimise log loss; Platt's softened targets keep separable classes finite."""
    num_events = target_N.sum()
    num_others = len(target_N) - num_events
    soft_N = np.where(target_N > 0.5, (num_events + 1) / (num_events + 2), 1 / (num_others + 2))
    features_NK, lowest_K = link.features(logit_N), np.array(link.lowest, dtype=np.float64)
    # of one size, and beside an intercept of mean zero: logits may all be −20 within 1e-4
    is_intercept_K = np.isinf(lowest_K)
    centre_K = np.where(is_intercept_K, 0.0, is_intercept_K.any() * features_NK.mean(axis=0))
    spread_K = np.sqrt(np.mean((features_NK - centre_K) ** 2, axis=0))
    spread_K[spread_K == 0] = 1.0
    fitted_K = _least_log_loss((features_NK - centre_K) / spread_K, soft_N, lowest_K) / spread_K
    return LinkCalibrator(link, fitted_K - is_intercept_K * (fitted_K @ centre_K))


def _least_log_loss(features_NK: Floats, soft_N: Floats, lowest_K: Floats) -> Floats:
    """Return the coefficients of least log loss, each at its lowest value or above: Newton's steps.

    Each step is to the least value, within the bounds, of the parabola that touches the loss: the
    way there goes downhill, however near a bound it begins. The loss is convex, so that there is
    one minimum. The first step is from the base rate: where forecasts are certain, parabolas are
    flat, and steps from there are endless.
    """

    def loss(at_K: Floats) -> float:
        z_N = features_NK @ at_K
        return float((np.logaddexp(0, z_N) - soft_N * z_N).mean())

    rate = soft_N.mean()
    at_K = np.where(np.isinf(lowest_K), np.log(rate) - np.log1p(-rate), 0.0)
    value = loss(at_K)
    for _ in range(_MOST_STEPS):
        p_N = probabilities(features_NK @ at_K)
        slope_K = features_NK.T @ (p_N - soft_N) / len(soft_N)
        if np.abs(slope_K[(at_K > lowest_K) | (slope_K < 0)]).max(initial=0.0) < _FLAT:
            break
        curvature_KK = (features_NK.T * (p_N * (1 - p_N))) @ features_NK / len(soft_N)
        step_K = _bounded_step(curvature_KK, slope_K, at_K - lowest_K)
        if -slope_K @ step_K <= _UNSEEN * value:
            last_K = np.maximum(at_K + step_K, lowest_K)
            return last_K if loss(last_K) <= (1 + _UNSEEN) * value else at_K
        size = 1.0
        while not (new := loss(new_K := np.maximum(at_K + size * step_K, lowest_K))) <= value:
            size /= 2
            if size < _SHORTEST:
                return at_K
        at_K, value = new_K, new
    return at_K


def _bounded_step(curvature_KK: Floats, slope_K: Floats, room_K: Floats) -> Floats:
    """Return the step of least slope · s + s · curvature · s / 2 with s ≥ −room.

    With two bounds at most there are four choices of those that hold it back: each is tried.
    """
    bounded = np.flatnonzero(np.isfinite(room_K))
    least, best_K = np.inf, np.zeros_like(slope_K)
    for number in range(len(bounded) + 1):
        for held in combinations(bounded, number):
            free_K = np.ones(len(slope_K), dtype=np.bool_)
            free_K[list(held)] = False
            step_K = np.where(free_K, 0.0, -room_K)
            # features that are all the same along one direction leave it where it is
            pull_K = -slope_K - curvature_KK @ step_K
            free_KK = curvature_KK[np.ix_(free_K, free_K)]
            step_K[free_K] = np.linalg.lstsq(free_KK, pull_K[free_K], rcond=None)[0]
            if (step_K < -room_K).any():
                continue
            if not held:
                return step_K
            value = float(slope_K @ step_K + step_K @ curvature_KK @ step_K / 2)
            if value < least:
                least, best_K = value, step_K
    return best_K


def _fit_isotonic(target_N: Floats, logit_N: Floats) -> StepCalibrator:
    """Pool adjacent violators, each block's frequency drawn in as far as its rows can tell.

    Three events in the top three rows are no probability of one: a block of n rows with k events
    counts as (k + 1/2) / (n + 1), after Krichevsky and Trofimov, and blocks are pooled again.
    """
    knots_U, knot_N = np.unique(logit_N, return_inverse=True)
    fitted_N = _isotonic(knot_N, target_N, np.ones_like(target_N))[knot_N]
    _, block_N, rows_B = np.unique(fitted_N, return_inverse=True, return_counts=True)
    drawn_B = (np.bincount(block_N, weights=target_N) + 0.5) / (rows_B + 1)
    p_U = _isotonic(knot_N, drawn_B[block_N], ((rows_B + 1) / rows_B)[block_N])
    return StepCalibrator(knots_U, np.log(p_U) - np.log1p(-p_U))


def _isotonic(knot_N: Integers, value_N: Floats, weight_N: Floats) -> Floats:
    """Return the rising sequence over knots that is nearest to the rows' values."""
    weight_U = np.bincount(knot_N, weights=weight_N)
    mean_U = np.bincount(knot_N, weights=weight_N * value_N) / weight_U
    return np.asarray(optimize.isotonic_regression(mean_U, weights=weight_U).x)


#: Calibration methods; each entry fits validation targets and logits.
CALIBRATORS: Registry[Callable[[Floats, Floats], Calibrator]] = Registry("calibration method")
CALIBRATORS.add("temperature", lambda target, logit: _fit_link(_TEMPERATURE, target, logit))
CALIBRATORS.add("platt", lambda target, logit: _fit_link(_PLATT, target, logit))
CALIBRATORS.add("beta", lambda target, logit: _fit_link(_BETA, target, logit))
CALIBRATORS.add("isotonic", _fit_isotonic)


def fit_calibrator(method: str, target: ArrayLike, logit: ArrayLike) -> Calibrator:
    """Return a calibrator fitted on validation rows.

    Parameters
    ----------
    method : {"temperature", "platt", "beta", "isotonic"}
        One parameter, two, three, or a free monotone map.
    target, logit : array_like of shape (N,)
        Validation rows; never test rows.

    Raises
    ------
    DataError
        If the rows hold one class only.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks; Platt (1999); Kull, Silva Filho
    and Flach (2017), Beta calibration; Zadrozny and Elkan (2002).
    """
    target_N, logit_N = np.asarray(target, np.float64), np.asarray(logit, np.float64)
    if len(np.unique(target_N)) < 2:
        raise DataError("validation holds one class only, so nothing can be calibrated on it.")
    return CALIBRATORS[method](target_N, logit_N)
