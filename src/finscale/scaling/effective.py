"""How many independent points the points of a few runs are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms.base import Array


def effective_points(group_n: NDArray[np.int64], residual_n: Array) -> float:
    """Return how many independent points residuals are worth whose runs move together.

    n / (1 + (m - 1)·rho): rho is the intraclass correlation of the residuals of points of one run
    (analysis of variance), m the mean number of points of a run (Kish 1965). Never fewer than runs.
    """
    found, group_n = np.unique(group_n, return_inverse=True)
    num, size_G = len(found), np.bincount(group_n)
    n = len(residual_n)
    if n <= num:
        return float(n)
    mean_G = np.bincount(group_n, residual_n) / size_G
    between = float(np.sum(size_G * (mean_G - residual_n.mean()) ** 2)) / max(num - 1, 1)
    within = float(np.sum((residual_n - mean_G[group_n]) ** 2)) / (n - num)
    typical = (n - np.sum(size_G**2) / n) / max(num - 1, 1)
    total = between + (typical - 1.0) * within
    rho = float(np.clip((between - within) / total, 0.0, 1.0)) if total > 0 else 0.0
    return max(n / (1.0 + (n / num - 1.0) * rho), float(num))
