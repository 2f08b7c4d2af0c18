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
matrix products (``finscale.scaling.swept``); leading dimension B counts replicates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms.power_law import EXPONENT_RANGE
from finscale.scaling.swept import Swept, shape

Float = NDArray[np.float64]

__all__ = ["Float", "MonotoneFit", "SizeAxis", "Trends", "TurningFit", "shape"]

#: Exponents tried between 0.01 and 4: (4 / 0.01)^(1 / 95) is a step of 6.5 %, from which the best
#: one is refined; the ends of a reported interval are read off the finer grid (0.4 %).
NUM_EXPONENTS, FINE_EXPONENTS = 96, 1536
#: A rising loss may speed up as well as saturate: exponents up to this.
_FASTEST_RISE = 2.0
#: Exponents of a valley's two sides; a finer grid changes no decision.
_VALLEY_FALLS = -np.geomspace(0.05, 3.0, 12)
_VALLEY_RISES = np.array([0.01, 0.25, 0.5, 1.0, 2.0])


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
    swept: Swept = field(repr=False)

    def at(self, exponent: float) -> Float:
        """Return the likelihood ratio ``[B]`` at one exponent, on the grid or not."""
        exponent_B1 = np.full((len(self.statistic_B), 1), exponent)
        return self.swept.profile(self.sign, exponent_B1)[1][:, 0]

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
        Elsewhere it lies between the last exponent inside and the first outside, where the square
        root of the ratio, which is nearly straight, crosses that of the threshold.
        """
        drop_BA = np.maximum(self.statistic_B[:, None] - self.profile_BA, 0.0)
        inside_BA = drop_BA <= threshold
        last = inside_BA.shape[1] - 1
        # precise data may leave no exponent of the grid inside: then those around the best one
        none_B = ~inside_BA.any(axis=1)
        above_B = np.searchsorted(self.exponent_A, self.exponent_B)
        low_B = np.where(none_B, above_B, inside_BA.argmax(axis=1))
        high_B = np.where(none_B, above_B - 1, last - inside_BA[:, ::-1].argmax(axis=1))
        rows = np.arange(len(low_B))
        ends = []
        for edge_B, side in ((low_B, -1), (high_B, 1)):
            inner_B = self.exponent_A[np.clip(edge_B, 0, last)]
            drop_B = drop_BA[rows, np.clip(edge_B, 0, last)]
            best_B = none_B | ((inner_B - self.exponent_B) * side < 0)
            inner_B = np.where(best_B, self.exponent_B, inner_B)
            root_B = np.sqrt(np.where(best_B, 0.0, drop_B))
            outer = np.clip(edge_B + side, 0, last)
            way_B = np.sqrt(drop_BA[rows, outer]) - root_B
            part_B = np.divide(
                np.sqrt(threshold) - root_B, way_B, out=np.ones_like(way_B), where=way_B > 0
            )
            between_B = inner_B + np.clip(part_B, 0, 1) * (self.exponent_A[outer] - inner_B)
            ends.append(np.where(edge_B + side == outer, between_B, inner_B))
        return ends[0], ends[1]

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
    """Falling, rising and turning fit of the same B replicates, and the constant's level.

    ``late`` falls ever faster, which no power law with a floor does: it makes no law, but it is no
    misfit either. ``around_constant_B`` and ``misfit_B`` are generalised residual sums of squares:
    of the constant, and of the best curve of all.
    """

    fall: MonotoneFit
    rise: MonotoneFit
    late: MonotoneFit
    turn: TurningFit
    constant_B: Float
    around_constant_B: Float
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

    def without_largest(self) -> SizeAxis:
        """Return the axis that a fit sees when the largest size is held out."""
        return SizeAxis(self.sizes[:-1], self.num_exponents)

    def without(self, index: int) -> SizeAxis:
        """Return the axis that a fit sees when one size is left out."""
        return SizeAxis(self.sizes[:index] + self.sizes[index + 1 :], self.num_exponents)

    def fit(self, mean_BG: Float, covariance_BGG: Float, *, zoom: bool = False) -> Trends:
        """Fit falling, rising and turning curves by generalised least squares.

        The covariance, ``[B, G, G]`` or ``[1, G, G]``, counts up to a part that all sizes share.
        Monotone curves are refined between the exponents of the grid; ``zoom`` does so further, as
        the most precise data need, and finds the turning curve between those of its own grid.
        """
        swept = Swept.of(self.size_G, mean_BG, covariance_BGG)
        fall = self._monotone(swept, -1, self._fall_exponents, zoom=zoom)
        rise = self._monotone(swept, 1, self._rise_exponents, zoom=zoom)
        late = self._monotone(swept, -1, -self._fall_exponents[::-2], zoom=zoom)
        turn = self._turning(swept, fall, rise, zoom=zoom)
        best_B = np.maximum(turn.statistic_B, late.statistic_B)
        around_B = np.maximum(swept.total_B, 0.0)
        misfit_B = np.maximum(around_B - best_B, 0.0)
        return Trends(fall, rise, late, turn, swept.constant_B, around_B, misfit_B)

    def _monotone(self, swept: Swept, sign: int, exponent_A: Float, *, zoom: bool) -> MonotoneFit:
        basis_AG = sign * swept.shapes(exponent_A)
        weighted_BAG, score_BA = swept.on_grid(basis_AG)
        information_BA = np.einsum("bag,ag->ba", weighted_BAG, basis_AG)
        gained_BA = np.maximum(score_BA, 0.0)
        profile_BA = gained_BA**2 / information_BA
        best_B = profile_BA.argmax(axis=1)
        # the two sides of zero have grids of their own, each evenly spaced in the logarithm
        ends_2 = np.abs(exponent_A[[0, -1]])
        spacing_2 = np.log(ends_2 / np.abs(exponent_A[[1, -2]]))
        side_B = (exponent_A[best_B] > 0).astype(np.int64)
        spacing_B, bounds = np.abs(spacing_2[side_B]), (EXPONENT_RANGE[0], ends_2[side_B])
        exponent_B = swept.refined(sign, exponent_A[best_B], spacing_B, bounds, zoom=zoom)
        total_B1, statistic_B1 = swept.profile(sign, exponent_B[:, None])
        fitted_BG = sign * total_B1 * swept.shapes(exponent_B)
        level_B, curve = swept.level(fitted_BG), (exponent_A, exponent_B, total_B1[:, 0])
        return MonotoneFit(sign, *self.ends, *curve, level_B, statistic_B1[:, 0], profile_BA, swept)

    def _turning(
        self, swept: Swept, fall: MonotoneFit, rise: MonotoneFit, *, zoom: bool
    ) -> TurningFit:
        down_B, up_B, fallen_B, risen_B, drop_B = swept.best_valley(
            _VALLEY_FALLS, _VALLEY_RISES, zoom=zoom
        )
        valley_B = drop_B > np.maximum(fall.statistic_B, rise.statistic_B)
        falls_B = fall.statistic_B >= rise.statistic_B
        fall_B = np.where(valley_B, fallen_B, np.where(falls_B, fall.total_B, 0.0))
        rise_B = np.where(valley_B, risen_B, np.where(falls_B, 0.0, rise.total_B))
        fall_exponent_B = np.where(valley_B, down_B, fall.exponent_B)
        rise_exponent_B = np.where(valley_B, up_B, rise.exponent_B)
        statistic_B = np.maximum.reduce([drop_B, fall.statistic_B, rise.statistic_B])
        curve = (*self.ends, fall_exponent_B, rise_exponent_B, fall_B, rise_B)
        fitted_BG = TurningFit(*curve, np.zeros(len(fall_B)), statistic_B).predict(self.size_G)
        return TurningFit(*curve, swept.level(fitted_BG), statistic_B)
