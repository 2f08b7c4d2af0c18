"""Worlds in which forecasts are right: what a calibrated model shows by chance alone.

In each world rows are drawn with replacement and their outcomes from their forecasts (Bröcker and
Smith 2007, consistency resampling). Every model on the same number of rows meets the same worlds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.blocks import Floats, Integers
from finscale.evaluation.scores import Classified, ratio

#: Draws that are counted at once.
_CELLS = 1_000_000


def consistent_errors(models: Sequence[Classified], num_replicates: int, seed: int) -> Floats:
    """Return the adaptive calibration error in each world, shape (M, R).

    Parameters
    ----------
    models : sequence of Classified
        M forecasts of the same N rows; their targets are not looked at.
    num_replicates, seed : int
        R, and which worlds.
    """
    num_rows = len(models[0].target)
    parts = [
        np.stack([_error(rows, drawn_CN, uniform_CN) for rows in models])
        for drawn_CN, uniform_CN in _worlds(num_rows, num_replicates, seed)
    ]
    return np.concatenate(parts, axis=1)


def _error(rows: Classified, drawn_CN: Integers, uniform_CN: Floats) -> Floats:
    forecast_CN = rows.probability[drawn_CN]
    excess_CK = _by_bin(rows, drawn_CN, (uniform_CN < forecast_CN) - forecast_CN)
    return np.asarray(np.abs(excess_CK).sum(axis=1) / len(rows.target))


def consistent_frequencies(rows: Classified, num_replicates: int, seed: int) -> Floats:
    """Return how often events happened in each bin of the forecast in each world: (R, K).

    NaN where no row was drawn. Parameters are those of :func:`consistent_errors`.
    """
    parts = [
        ratio(
            _by_bin(rows, drawn_CN, uniform_CN < rows.probability[drawn_CN]),
            _by_bin(rows, drawn_CN, np.ones(drawn_CN.shape)),
        )
        for drawn_CN, uniform_CN in _worlds(len(rows.target), num_replicates, seed)
    ]
    return np.concatenate(parts)


def _by_bin(rows: Classified, drawn_CN: Integers, values_CN: Floats | NDArray[np.bool_]) -> Floats:
    """Return the sum of the drawn rows' values in each bin and world: (C, K)."""
    bin_N, num_bins = rows.bins.argmax(axis=1), rows.bins.shape[1]
    cell_CN = bin_N[drawn_CN] + num_bins * np.arange(len(drawn_CN))[:, None]
    size = num_bins * len(drawn_CN)
    sums = np.bincount(cell_CN.ravel(), weights=values_CN.ravel(), minlength=size)
    return sums.reshape(-1, num_bins).astype(np.float64, copy=False)


def _worlds(num_rows: int, num_replicates: int, seed: int) -> Iterator[tuple[Integers, Floats]]:
    """Yield the drawn rows and uniform numbers of all worlds, some of them at a time.

    A row's event happens where its number lies below its forecast.
    """
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // max(1, num_rows))
    for first in range(0, num_replicates, step):
        worlds = [
            (rng.integers(0, num_rows, num_rows), rng.random(num_rows))
            for _ in range(min(step, num_replicates - first))
        ]
        yield np.stack([drawn for drawn, _ in worlds]), np.stack([u for _, u in worlds])
