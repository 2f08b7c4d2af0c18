r"""Falling, rising and turning curves against a constant: generalised least squares, many at once.

Every curve is written by what it does between the smallest size :math:`x_1` and the largest
:math:`x_G`,

.. math:: L(x) = c - g\,s_{-\alpha}(x) + h\,s_{\beta}(x), \qquad
          s_e(x) = \frac{(x / x_1)^e - 1}{(x_G / x_1)^e - 1},

so that g is the whole fall and h the whole rise in nats, c is the loss at :math:`x_1`, and the
exponent sets only the curvature. It is the power law with a floor, :math:`E + A x^{-\alpha}`, in
coordinates that stay well conditioned as the exponent goes to zero, where the power law becomes a
logarithm. The level c is free: the curves hold for losses and for differences of losses.

Given the exponents, c, g and h are linear, so that a likelihood over a grid of exponents is a few
matrix products; leading dimension B counts replicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms.power_law import EXPONENT_RANGE

Float = NDArray[np.float64]

#: Exponents tried between 0.01 and 4: (4 / 0.01)^(1 / 95) is a step of 6.5 %, enough for tests;
#: a reported exponent needs the finer grid (0.4 %).
NUM_EXPONENTS, FINE_EXPONENTS = 96, 1536
#: A rising loss may speed up as well as saturate: exponents up to this.
_FASTEST_RISE = 2.0
#: Exponents of a valley's two sides; a finer grid changes no decision.
_VALLEY_FALLS = -np.geomspace(0.05, 3.0, 12)
_VALLEY_RISES = np.array([0.01, 0.25, 0.5, 1.0, 2.0])


def shape(exponent: Float, x: Float, first: float, last: float) -> Float:
    """Return ``s_e(x)``: 0 at ``first``, 1 at ``last``; exponent and x broadcast.

    NaN where both are the same size (the larger of two sizes is held out): no curve can be fitted.
    """
    if first == last:
        return np.full(np.broadcast_shapes(np.shape(exponent), np.shape(x)), np.nan)
    way_to_x, whole_way = np.log(x / first), np.log(last / first)
    return np.asarray(np.expm1(exponent * way_to_x) / np.expm1(exponent * whole_way))


@dataclass(frozen=True)
class MonotoneFit:
    """The best falling (sign -1) or rising (1) power law of B replicates.

    Its exponent of x (negative for a curve that levels off), whole fall or rise from smallest to
    largest size (at least 0), loss at the smallest size, and the likelihood ratio against the
    constant (the drop in generalised residual sum of squares), also at every exponent of the grid.
    """

    sign: int
    first: float
    last: float
    exponent_A: Float
    exponent_B: Float
    total_B: Float
    level_B: Float
    statistic_B: Float
    profile_BA: Float

    def predict(self, x: Float) -> Float:
        """Return losses ``[B, X]``."""
        shape_BX = shape(self.exponent_B[:, None], x, self.first, self.last)
        return np.asarray(self.level_B[:, None] + self.sign * self.total_B[:, None] * shape_BX)

    def step(self, factor: float) -> Float:
        """Return the change of loss ``[B]`` from the largest size to ``factor`` times it."""
        ends = np.array([self.last, self.last * factor])
        loss_B2 = self.predict(ends)
        return np.asarray(loss_B2[:, 1] - loss_B2[:, 0])

    def exponent_interval(self, threshold: float) -> tuple[Float, Float]:
        """Return the exponents whose likelihood ratio to the best one stays below ``threshold``.

        An end that lies on the grid's bound means that no finite exponent is excluded there.
        """
        inside_BA = self.statistic_B[:, None] - self.profile_BA <= threshold
        last = inside_BA.shape[1] - 1
        low_B = inside_BA.argmax(axis=1)
        high_B = last - inside_BA[:, ::-1].argmax(axis=1)
        # the edge lies between the last exponent inside and the first outside: take the latter
        outside = np.maximum(low_B - 1, 0), np.minimum(high_B + 1, last)
        return self.exponent_A[outside[0]], self.exponent_A[outside[1]]

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest exponent that was tried."""
        return float(self.exponent_A[0]), float(self.exponent_A[-1])


@dataclass(frozen=True)
class TurningFit:
    """The best curve that may first fall and then rise, for B replicates."""

    first: float
    last: float
    fall_exponent_B: Float
    rise_exponent_B: Float
    fall_B: Float
    rise_B: Float
    level_B: Float
    statistic_B: Float

    def predict(self, x: Float) -> Float:
        """Return losses ``[B, X]``."""
        fall_BX = shape(self.fall_exponent_B[:, None], x, self.first, self.last)
        rise_BX = shape(self.rise_exponent_B[:, None], x, self.first, self.last)
        down_BX = self.fall_B[:, None] * fall_BX
        return np.asarray(self.level_B[:, None] - down_BX + self.rise_B[:, None] * rise_BX)

    def best_size(self) -> Float:
        """Return the size of least loss ``[B]``; a monotone curve has it at an end."""
        x = np.geomspace(self.first, self.last, 401)
        return np.asarray(x[self.predict(x).argmin(axis=1)])


@dataclass(frozen=True)
class Trends:
    """Falling, rising and turning fit of the same B replicates, and the constant's level."""

    fall: MonotoneFit
    rise: MonotoneFit
    turn: TurningFit
    constant_B: Float
    misfit_B: Float

    @property
    def falls_B(self) -> NDArray[np.bool_]:
        """Whether the falling curve fits at least as well as the rising one, ``[B]``."""
        return np.asarray(self.fall.statistic_B >= self.rise.statistic_B)

    def monotone(self, *, falls: bool) -> MonotoneFit:
        """Return the falling or the rising fit."""
        return self.fall if falls else self.rise

    @property
    def turn_over_monotone_B(self) -> Float:
        """Likelihood ratio of the turning curve against the better monotone one, ``[B]``."""
        monotone_B = np.maximum(self.fall.statistic_B, self.rise.statistic_B)
        return np.maximum(self.turn.statistic_B - monotone_B, 0.0)


@dataclass(frozen=True)
class SizeAxis:
    """The G sizes of a study, rising, with a grid of exponents for the curves through them."""

    sizes: tuple[float, ...]
    num_exponents: int = NUM_EXPONENTS

    @cached_property
    def size_G(self) -> Float:
        """The sizes as an array."""
        return np.asarray(self.sizes, dtype=np.float64)

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest size and the largest."""
        return self.sizes[0], self.sizes[-1]

    @cached_property
    def _fall_exponents(self) -> Float:
        return -np.geomspace(EXPONENT_RANGE[1], EXPONENT_RANGE[0], self.num_exponents)

    @cached_property
    def _rise_exponents(self) -> Float:
        speeding = np.geomspace(EXPONENT_RANGE[0], _FASTEST_RISE, self.num_exponents // 2)
        return np.concatenate([self._fall_exponents[::2], speeding])

    def _shapes(self, exponents: Float) -> Float:
        return shape(exponents[:, None], self.size_G, *self.ends)

    def without_largest(self) -> SizeAxis:
        """Return the axis that a fit sees when the largest size is held out."""
        return SizeAxis(self.sizes[:-1], self.num_exponents)

    def fit(self, mean_BG: Float, covariance_BGG: Float) -> Trends:
        """Fit falling, rising and turning curves by generalised least squares.

        The covariance, ``[B, G, G]`` or ``[1, G, G]``, counts up to a part that all sizes share.
        """
        # the curves' level is free, so adding a part that all sizes share changes nothing; it makes
        # the matrix invertible where seeds do not differ and the days' part lacks full rank
        shared_B11 = np.trace(covariance_BGG, axis1=1, axis2=2)[:, None, None]
        precision_BGG = np.linalg.inv(covariance_BGG + shared_B11)
        weight_BG = precision_BGG.sum(axis=2)
        weight_BG /= weight_BG.sum(axis=1, keepdims=True)
        # sweep out the level: only contrasts between sizes are left
        sweep_BGG = precision_BGG - precision_BGG.sum(axis=2)[:, :, None] * weight_BG[:, None, :]
        target_BG = np.einsum("bgh,bh->bg", sweep_BGG, mean_BG)
        swept = _Swept(self, mean_BG, weight_BG, sweep_BGG, target_BG)
        fall = swept.monotone(-1, self._fall_exponents)
        rise = swept.monotone(1, self._rise_exponents)
        turn = swept.turning(fall, rise)
        total_B = np.einsum("bg,bg->b", mean_BG, target_BG)
        misfit_B = np.maximum(total_B - turn.statistic_B, 0.0)
        constant_B = (mean_BG * weight_BG).sum(axis=1)
        return Trends(fall, rise, turn, constant_B, misfit_B)


@dataclass(frozen=True)
class _Swept:
    """Sufficient statistics of B replicates once the free level is swept out."""

    axis: SizeAxis
    mean_BG: Float
    weight_BG: Float
    sweep_BGG: Float
    target_BG: Float

    def _products(self, basis_AG: Float) -> tuple[Float, Float]:
        """Return basis · precision ``[B, A, G]`` and basis · target ``[B, A]``."""
        return basis_AG @ self.sweep_BGG, self.target_BG @ basis_AG.T

    def _level(self, fitted_BG: Float) -> Float:
        return np.asarray(((self.mean_BG - fitted_BG) * self.weight_BG).sum(axis=1))

    def monotone(self, sign: int, exponent_A: Float) -> MonotoneFit:
        basis_AG = sign * self.axis._shapes(exponent_A)
        weighted_BAG, score_BA = self._products(basis_AG)
        information_BA = np.einsum("bag,ag->ba", weighted_BAG, basis_AG)
        total_BA = np.maximum(score_BA, 0.0) / information_BA
        profile_BA = total_BA * np.maximum(score_BA, 0.0)
        best_B = profile_BA.argmax(axis=1)
        rows = np.arange(len(best_B))
        total_B = total_BA[rows, best_B]
        fitted_BG = total_B[:, None] * basis_AG[best_B]
        return MonotoneFit(
            sign,
            *self.axis.ends,
            exponent_A,
            exponent_A[best_B],
            total_B,
            self._level(fitted_BG),
            profile_BA[rows, best_B],
            profile_BA,
        )

    def turning(self, fall: MonotoneFit, rise: MonotoneFit) -> TurningFit:
        """Non-negative least squares in two coefficients, over pairs of exponents."""
        down_DG, up_UG = -self.axis._shapes(_VALLEY_FALLS), self.axis._shapes(_VALLEY_RISES)
        down_BDG, score_BD = self._products(down_DG)
        up_BUG, score_BU = self._products(up_UG)
        down_BD1 = np.einsum("bdg,dg->bd", down_BDG, down_DG)[:, :, None]
        up_B1U = np.einsum("bug,ug->bu", up_BUG, up_UG)[:, None, :]
        cross_BDU = down_BDG @ up_UG.T
        score_BD1, score_B1U = score_BD[:, :, None], score_BU[:, None, :]
        norm_BDU = down_BD1 * up_B1U
        # shapes that coincide at these sizes make no valley: an infinite determinant excludes them
        determinant_BDU = norm_BDU - cross_BDU**2
        determinant_BDU = np.where(determinant_BDU > 1e-9 * norm_BDU, determinant_BDU, np.inf)
        fall_BDU = (up_B1U * score_BD1 - cross_BDU * score_B1U) / determinant_BDU
        rise_BDU = (down_BD1 * score_B1U - cross_BDU * score_BD1) / determinant_BDU
        drop_BDU = fall_BDU * score_BD1 + rise_BDU * score_B1U
        # with a negative coefficient only one side is left: a monotone curve
        drop_BDU = np.where((fall_BDU > 0) & (rise_BDU > 0), drop_BDU, 0.0)
        rows = np.arange(len(drop_BDU))
        best_B = drop_BDU.reshape(len(rows), -1).argmax(axis=1)
        d_B, u_B = np.unravel_index(best_B, drop_BDU.shape[1:])
        drop_B = drop_BDU[rows, d_B, u_B]
        valley_B = drop_B > np.maximum(fall.statistic_B, rise.statistic_B)
        falls_B = fall.statistic_B >= rise.statistic_B
        fall_B = np.where(valley_B, fall_BDU[rows, d_B, u_B], np.where(falls_B, fall.total_B, 0.0))
        rise_B = np.where(valley_B, rise_BDU[rows, d_B, u_B], np.where(falls_B, 0.0, rise.total_B))
        fall_exponent_B = np.where(valley_B, _VALLEY_FALLS[d_B], fall.exponent_B)
        rise_exponent_B = np.where(valley_B, _VALLEY_RISES[u_B], rise.exponent_B)
        statistic_B = np.maximum.reduce([drop_B, fall.statistic_B, rise.statistic_B])
        curve = (*self.axis.ends, fall_exponent_B, rise_exponent_B, fall_B, rise_B)
        fitted_BG = TurningFit(*curve, np.zeros(len(fall_B)), statistic_B).predict(self.axis.size_G)
        return TurningFit(*curve, self._level(fitted_BG), statistic_B)
