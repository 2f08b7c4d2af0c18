r"""Curves between the smallest size and the largest, fitted to many studies once the level is gone.

A curve is ``level + coefficient · s_e(x)`` (:func:`shape`). Generalised least squares with a free
level needs three sums of the data only; with them the likelihood at any exponent is a dot product.
The best exponent of a grid is off by up to half its step, and precise data see that: every maximum
is therefore refined (:meth:`Swept.refined`), in estimates and in bootstrap replicates alike, so
that the interval of a derived number holds its own estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

#: Rounds of parabolic refinement, each on an eighth of the spacing before: with two, a step of
#: 6.5 % in the exponent ends below one in ten thousand; the zoom takes as many again.
_ROUNDS, _FINER = 2, 8.0
#: Rounds of the search around the best pair of exponents, each on half the spacing before.
_ZOOMS = 8


def shape(exponent: Float, x: Float, first: float, last: float) -> Float:
    """Return ``s_e(x)``: 0 at ``first``, 1 at ``last``; exponent and x broadcast.

    NaN where both are the same size (the larger of two sizes is held out): no curve can be fitted.
    """
    if first == last:
        return np.full(np.broadcast_shapes(np.shape(exponent), np.shape(x)), np.nan)
    way_to_x, whole_way = np.log(x / first), np.log(last / first)
    return np.asarray(np.expm1(exponent * way_to_x) / np.expm1(exponent * whole_way))


@dataclass(frozen=True)
class Swept:
    """Sufficient statistics of B studies once the free level is swept out.

    ``sweep_BGG`` may have a leading dimension of one where all studies share a covariance.
    """

    size_G: Float
    mean_BG: Float
    weight_BG: Float
    sweep_BGG: Float
    target_BG: Float

    @classmethod
    def of(cls, size_G: Float, mean_BG: Float, covariance_BGG: Float) -> Swept:
        """Sweep the level out; the covariance counts up to a part that all sizes share."""
        # the curves' level is free, so adding a part that all sizes share changes nothing; it makes
        # the matrix invertible where seeds do not differ and the days' part lacks full rank
        shared_B11 = np.trace(covariance_BGG, axis1=1, axis2=2)[:, None, None]
        precision_BGG = np.linalg.inv(covariance_BGG + shared_B11)
        weight_BG = precision_BGG.sum(axis=2)
        weight_BG /= weight_BG.sum(axis=1, keepdims=True)
        # only contrasts between sizes are left
        sweep_BGG = precision_BGG - precision_BGG.sum(axis=2)[:, :, None] * weight_BG[:, None, :]
        target_BG = np.einsum("bgh,bh->bg", sweep_BGG, mean_BG)
        return cls(size_G, mean_BG, weight_BG, sweep_BGG, target_BG)

    @property
    def constant_B(self) -> Float:
        """Level of the constant, ``[B]``."""
        return np.asarray((self.mean_BG * self.weight_BG).sum(axis=1))

    @property
    def total_B(self) -> Float:
        """Generalised residual sum of squares around the constant, ``[B]``."""
        return np.asarray(np.einsum("bg,bg->b", self.mean_BG, self.target_BG))

    def level(self, fitted_BG: Float) -> Float:
        """Return the best level ``[B]`` of curves known up to it."""
        return np.asarray(((self.mean_BG - fitted_BG) * self.weight_BG).sum(axis=1))

    def shapes(self, exponents: Float) -> Float:
        """Return ``s_e`` at the sizes, ``[..., G]``."""
        return shape(exponents[..., None], self.size_G, self.size_G[0], self.size_G[-1])

    def on_grid(self, basis_AG: Float) -> tuple[Float, Float]:
        """Return basis · precision ``[B, A, G]`` and basis · target ``[B, A]``."""
        return basis_AG @ self.sweep_BGG, self.target_BG @ basis_AG.T

    def own(self, basis_BKG: Float) -> tuple[Float, Float]:
        """Return the same of a basis that each study has for itself: ``[B, K, G]``, ``[B, K]``."""
        return basis_BKG @ self.sweep_BGG, np.einsum("bkg,bg->bk", basis_BKG, self.target_BG)

    def profile(self, sign: int, exponent_BK: Float) -> tuple[Float, Float]:
        """Return coefficient (at least 0) and likelihood ratio at exponents, each ``[B, K]``."""
        basis_BKG = sign * self.shapes(exponent_BK)
        weighted_BKG, score_BK = self.own(basis_BKG)
        gained_BK = np.maximum(score_BK, 0.0)
        total_BK = gained_BK / np.einsum("bkg,bkg->bk", weighted_BKG, basis_BKG)
        return total_BK, total_BK * gained_BK

    def refined(
        self,
        sign: int,
        exponent_B: Float,
        spacing_B: Float,
        bounds: tuple[float, Float],
        *,
        zoom: bool,
    ) -> Float:
        """Return the exponents of greatest likelihood near ``exponent_B``.

        Parabolas through three points in the logarithm of the exponent, ``spacing_B`` apart at
        first. Exponents keep their sign and stay within ``bounds`` (of their absolute value; the
        upper one ``[B]``).
        """
        side_B, low, high = np.sign(exponent_B), np.log(bounds[0]), np.log(bounds[1])
        best_B = np.log(np.abs(exponent_B))
        for turn in range(_ROUNDS * (1 + zoom)):
            step_B1 = (spacing_B / _FINER**turn)[:, None]
            near_BK = best_B[:, None] + step_B1 * np.array([-1.0, 0.0, 1.0])
            _, height_BK = self.profile(sign, side_B[:, None] * np.exp(near_BK))
            before_B, here_B, after_B = height_BK.T
            bend_B = before_B - 2 * here_B + after_B
            # not a maximum: go to the higher neighbour, or stay where the curve is level
            lean_B = np.sign(after_B - before_B)
            to_top_B = np.divide(before_B - after_B, 2 * bend_B, out=lean_B, where=bend_B < 0)
            best_B = np.clip(best_B + np.clip(to_top_B, -1, 1) * step_B1[:, 0], low, high)
        found_B = side_B * np.exp(best_B)
        both_BK = np.stack([exponent_B, found_B], axis=1)
        better = self.profile(sign, both_BK)[1].argmax(axis=1)
        return np.asarray(both_BK[np.arange(len(better)), better])

    def valley(self, down_BD: Float, up_BU: Float) -> tuple[Float, Float, Float]:
        """Return fall, rise and likelihood ratio ``[B, D, U]`` of every pair of exponents.

        Non-negative least squares in two coefficients. ``down_BD`` and ``up_BU`` may have a leading
        dimension of one. Where a coefficient would be negative only one side is left, a monotone
        curve, and the ratio is 0.
        """
        shared = len(down_BD) == 1
        down_BDG, up_BUG = -self.shapes(down_BD), self.shapes(up_BU)
        products = (lambda basis: self.on_grid(basis[0])) if shared else self.own
        (weighted_BDG, score_BD), (weighted_BUG, score_BU) = products(down_BDG), products(up_BUG)
        down_BD1 = (weighted_BDG * down_BDG).sum(axis=2)[:, :, None]
        up_B1U = (weighted_BUG * up_BUG).sum(axis=2)[:, None, :]
        cross_BDU = weighted_BDG @ up_BUG.transpose(0, 2, 1)
        score_BD1, score_B1U = score_BD[:, :, None], score_BU[:, None, :]
        norm_BDU = down_BD1 * up_B1U
        # shapes that coincide at these sizes make no valley: an infinite determinant excludes them
        determinant_BDU = norm_BDU - cross_BDU**2
        determinant_BDU = np.where(determinant_BDU > 1e-9 * norm_BDU, determinant_BDU, np.inf)
        fall_BDU = (up_B1U * score_BD1 - cross_BDU * score_B1U) / determinant_BDU
        rise_BDU = (down_BD1 * score_B1U - cross_BDU * score_BD1) / determinant_BDU
        drop_BDU = fall_BDU * score_BD1 + rise_BDU * score_B1U
        return fall_BDU, rise_BDU, np.where((fall_BDU > 0) & (rise_BDU > 0), drop_BDU, 0.0)

    def best_valley(self, falls_D: Float, rises_U: Float, *, zoom: bool) -> tuple[Float, ...]:
        """Return exponents, coefficients and likelihood ratio of the best valley, each ``[B]``.

        ``zoom`` goes on from the grid, on half the spacing each time, within its bounds.
        """
        found = _best(falls_D[None], rises_U[None], self.valley(falls_D[None], rises_U[None]))
        if not zoom:
            return found
        step_D = 0.5 * abs(np.log(falls_D[0] / falls_D[1]))
        step_U = 0.5 * np.gradient(rises_U)
        step_BU = step_U[np.abs(rises_U - found[1][:, None]).argmin(axis=1)]
        around = np.array([0.0, -1.0, 1.0])
        for turn in range(_ZOOMS):
            down_BK = found[0][:, None] * np.exp(around * step_D / 2**turn)
            up_BK = found[1][:, None] + around * step_BU[:, None] / 2**turn
            down_BK = np.clip(down_BK, falls_D.min(), falls_D.max())
            up_BK = np.clip(up_BK, rises_U.min(), rises_U.max())
            found = _best(down_BK, up_BK, self.valley(down_BK, up_BK))
        return found


def _best(down_BD: Float, up_BU: Float, curves: tuple[Float, Float, Float]) -> tuple[Float, ...]:
    fall_BDU, rise_BDU, drop_BDU = curves
    rows = np.arange(len(drop_BDU))
    d_B, u_B = np.unravel_index(drop_BDU.reshape(len(rows), -1).argmax(axis=1), drop_BDU.shape[1:])
    down_BD = np.broadcast_to(down_BD, (len(rows), down_BD.shape[1]))
    up_BU = np.broadcast_to(up_BU, (len(rows), up_BU.shape[1]))
    at = rows, d_B, u_B
    return down_BD[rows, d_B], up_BU[rows, u_B], fall_BDU[at], rise_BDU[at], drop_BDU[at]
