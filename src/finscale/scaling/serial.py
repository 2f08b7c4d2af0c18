r"""Errors of neighbouring points that move together: a first-order autoregression.

A fitted curve follows slow errors, so what it leaves over looks less correlated, and smaller, than
the errors are: with ρ = .9 and 120 points blocks of residuals give intervals that hold the truth
two times in three. So ρ and the variance are told from the likelihood of what no curve of this
kind can follow (restricted likelihood), and each redraw takes its own ρ and variance from it: one
run knows little of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finscale.scaling.forms.base import Array

#: Correlations that are weighed; beyond the last a run cannot tell errors from a random walk.
_GRID = 1 - np.geomspace(1.0, 0.005, 60)


@dataclass(frozen=True)
class SerialErrors:
    """Errors whose correlation is ρ^|i−j|, with what the run tells of ρ and of their variance.

    ``correlation`` and ``deviation`` are averages over that; ``num_effective`` is how many
    independent errors have a mean as uncertain as theirs.
    """

    correlation: float
    deviation: float
    num_effective: float
    weight_G: Array
    squares_G: Array
    freedom: int

    def draw(self, num_points: int, num: int, seed: int) -> Array:
        """Return ``num`` runs of errors, ``[num, num_points]``."""
        rng = np.random.default_rng(seed)
        drawn_R = rng.choice(len(_GRID), num, p=self.weight_G)
        variance_R = self.squares_G[drawn_R] / rng.chisquare(self.freedom, num)
        normal_Rn = rng.standard_normal((num, num_points))
        errors_Rn = np.empty_like(normal_Rn)
        for at in np.unique(drawn_R):
            root = np.linalg.cholesky(_correlations(num_points, _GRID[at]))
            errors_Rn[drawn_R == at] = normal_Rn[drawn_R == at] @ root.T
        return np.asarray(errors_Rn * np.sqrt(variance_R)[:, None])


def serial_errors(residual_n: Array, slope_np: Array) -> SerialErrors:
    """Return the errors behind the residuals of a fit.

    Parameters
    ----------
    residual_n : array, ``[n]``
        In order of the points; n exceeds the number of parameters.
    slope_np : array, ``[n, p]``
        Derivative of the curve by its parameters.

    References
    ----------
    Patterson and Thompson (1971), restricted likelihood; with flat priors on ρ and ln σ it is the
    posterior from which redraws are taken.
    """
    length = np.maximum(np.linalg.norm(slope_np, axis=0), 1e-300)
    left, singular, _ = np.linalg.svd(slope_np / length, full_matrices=False)
    basis_np = left[:, singular > 1e-10 * singular[0]]
    n, freedom = len(residual_n), len(residual_n) - basis_np.shape[1]
    score_G, squares_G = np.empty(len(_GRID)), np.empty(len(_GRID))
    least = max(1e-30, 1e-30 * float(residual_n @ residual_n))
    for at, correlation in enumerate(_GRID):
        root = np.linalg.cholesky(_correlations(n, correlation))
        both = np.linalg.solve(root, np.column_stack([basis_np, residual_n]))
        plane, triangle = np.linalg.qr(both[:, :-1])
        rest = both[:, -1] - plane @ (plane.T @ both[:, -1])
        squares_G[at] = max(float(rest @ rest), least)
        score_G[at] = (
            -np.log(np.diagonal(root)).sum()
            - np.log(np.abs(np.diagonal(triangle))).sum()
            - 0.5 * freedom * np.log(squares_G[at])
        )
    # the grid is denser near one: a flat prior weighs each value by the room around it
    weight_G = np.exp(score_G - score_G.max()) * np.gradient(_GRID)
    weight_G /= weight_G.sum()
    correlation = float(weight_G @ _GRID)
    deviation = float(np.sqrt(weight_G @ squares_G / max(freedom, 1)))
    worth = n**2 / float(_correlations(n, correlation).sum())
    return SerialErrors(correlation, deviation, worth, weight_G, squares_G, max(freedom, 1))


def _correlations(num_points: int, correlation: float) -> Array:
    apart = np.abs(np.subtract.outer(np.arange(num_points), np.arange(num_points)))
    return np.asarray(correlation**apart, dtype=np.float64)
