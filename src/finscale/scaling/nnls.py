"""Non-negative least squares for a handful of columns, exact and for many problems at once."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from finscale.scaling.forms.base import Array

#: A pivot below this share of its column's scale: the columns are linearly dependent.
_SINGULAR = 1e-13


def solve_nonnegative(gram: Array, moment: Array, free_K: NDArray[np.bool_]) -> tuple[Array, Array]:
    r"""Minimise :math:`c^\top G c - 2 m^\top c` with :math:`c_k \ge 0` for every k not free.

    With the three columns of a scaling law there are at most eight sets of active columns, so all
    are solved and the best feasible one is kept: exact, without iterations, and one array
    operation for any number of problems (Lawson and Hanson's optimum, 1974, chapter 23).

    Parameters
    ----------
    gram, moment : array, ``[..., K, K]`` and ``[..., K]``
        Normal matrices and right-hand sides; leading dimensions broadcast.
    free_K : array of bool, ``[K]``
        Columns without a sign.

    Returns
    -------
    c, gain : array, ``[..., K]`` and ``[...]``
        Coefficients, exactly 0.0 where the bound is active; and :math:`m^\top c`, by how much the
        columns lower the sum of squares.
    """
    num_columns = moment.shape[-1]
    shape = np.broadcast_shapes(gram.shape[:-2], moment.shape[:-1])
    best_c = np.zeros((num_columns, *shape))
    # No column at all is a candidate only where every column has a sign.
    best_gain = np.full(shape, -np.inf if free_K.any() else 0.0)
    scale = [np.sqrt(np.maximum(gram[..., k, k], 1e-300)) for k in range(num_columns)]
    G = [
        [gram[..., k, j] / (scale[k] * scale[j]) for j in range(num_columns)]
        for k in range(num_columns)
    ]
    m = [moment[..., k] / scale[k] for k in range(num_columns)]
    for chosen in product((True, False), repeat=num_columns):
        active = [k for k in range(num_columns) if chosen[k]]
        if not active or any(free_K[k] and not chosen[k] for k in range(num_columns)):
            continue
        c, regular = _solve_spd([[G[k][j] for j in active] for k in active], [m[k] for k in active])
        gain = np.asarray(sum(m[k] * c[i] for i, k in enumerate(active)))
        better = np.asarray(regular & (gain > best_gain))
        for i, k in enumerate(active):
            if not free_K[k]:
                better &= c[i] >= 0.0
        best_gain = np.where(better, gain, best_gain)
        for k in range(num_columns):
            value = c[active.index(k)] / scale[k] if k in active else 0.0
            best_c[k] = np.where(better, value, best_c[k])
    return np.moveaxis(best_c, 0, -1), best_gain


def _solve_spd(G: list[list[Array]], m: list[Array]) -> tuple[list[Array], NDArray[np.bool_]]:
    """Solve G c = m by an unrolled Cholesky factorisation over components."""
    size = len(m)
    L: list[list[Array]] = [[np.zeros(())] * size for _ in range(size)]
    regular = np.asarray(True)
    for j in range(size):
        pivot = G[j][j] - sum(L[j][k] ** 2 for k in range(j))
        regular = regular & (pivot > _SINGULAR)
        L[j][j] = np.sqrt(np.maximum(pivot, _SINGULAR))
        for i in range(j + 1, size):
            L[i][j] = (G[i][j] - sum(L[i][k] * L[j][k] for k in range(j))) / L[j][j]
    forward: list[Array] = []
    for i in range(size):
        forward.append((m[i] - sum(L[i][k] * forward[k] for k in range(i))) / L[i][i])
    c: list[Array] = [np.zeros(())] * size
    for i in reversed(range(size)):
        c[i] = (forward[i] - sum(L[k][i] * c[k] for k in range(i + 1, size))) / L[i][i]
    return c, np.asarray(regular, dtype=np.bool_)
