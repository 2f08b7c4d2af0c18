"""An estimate with its interval, from replicates of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from finscale.evaluation.blocks import Floats

#: Replicates behind every interval unless a caller asks for another number.
NUM_REPLICATES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Metric:
    """An estimate and its interval, both in the metric's own unit."""

    value: float
    low: float
    high: float

    def columns(self, name: str) -> dict[str, float]:
        """Return the columns of a table that hold this metric: name, name_low, name_high."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


class Bootstrap(TypedDict, total=False):
    """Options of a bootstrap of decision days.

    Attributes
    ----------
    overlap : int
        H, days that one label spans; see ``evaluation.block_length``. 1 when absent.
    num_replicates : int
        :data:`NUM_REPLICATES` when absent; 0 gives values without intervals (NaN), at no cost.
    level : float
        Of the interval, :data:`LEVEL` when absent.
    seed : int
        0 when absent.
    """

    overlap: int
    num_replicates: int
    level: float
    seed: int


@lru_cache(maxsize=1024)
def small_sample_stretch(num_days: int, block_length: float, level: float = LEVEL) -> float:
    """Return how much wider than its replicates an interval has to be.

    T days in blocks of b hold about T / b independent pieces. Replicates spread too little by
    √(1 − 2b / T), because they are drawn round the sample's own mean, and their spread is itself
    an estimate with T / b degrees of freedom, for which Student's t stands instead of the normal.
    Both vanish as T grows. Without it a nominal 5 % test of overlapping labels (H = 5, T = 500)
    rejects a true null 8.5 % of the time, with it 5.3 %.
    """
    # scipy.special: to import scipy.stats takes a second
    from scipy.special import ndtri, stdtrit

    tail, pieces = (1 + level) / 2, num_days / block_length
    return float(stdtrit(pieces, tail) / ndtri(tail) / np.sqrt(max(1 / 3, 1 - 2 / pieces)))


def percentile_interval(
    value: float, replicates: ArrayLike, *, level: float = LEVEL, stretch: float = 1.0
) -> Metric:
    """Return ``value`` with the central interval of its replicates; undefined ones are left out.

    ``stretch`` widens both arms; see :func:`small_sample_stretch`.
    """
    replicates_1R = np.asarray(replicates, dtype=np.float64)[None]
    return percentile_intervals([value], replicates_1R, level=level, stretch=stretch)[0]


def percentile_intervals(
    values_K: Sequence[float] | Floats,
    replicates_KR: Floats,
    *,
    level: float = LEVEL,
    stretch: float = 1.0,
) -> list[Metric]:
    """Return K values, each with the interval of its row of replicates, as one by one.

    Quantiles interpolate linearly between order statistics, like ``numpy.quantile``.
    """
    values_K1 = np.asarray(values_K, dtype=np.float64)[:, None]
    bounds_K2 = np.full((len(values_K1), 2), np.nan)
    if replicates_KR.shape[1]:
        finite_KR = np.isfinite(replicates_KR)
        # what is undefined sorts last
        ordered_KR = np.sort(np.where(finite_KR, replicates_KR, np.nan), axis=1)
        last_K1 = np.maximum(finite_KR.sum(axis=1, keepdims=True) - 1, 0)
        place_K2 = np.array([[(1 - level) / 2, (1 + level) / 2]]) * last_K1
        below_K2 = place_K2.astype(np.intp)
        low_K2 = np.take_along_axis(ordered_KR, below_K2, axis=1)
        high_K2 = np.take_along_axis(ordered_KR, np.minimum(below_K2 + 1, last_K1), axis=1)
        quantile_K2 = low_K2 + (high_K2 - low_K2) * (place_K2 - below_K2)
        bounds_K2 = values_K1 + stretch * (quantile_K2 - values_K1)
    return [Metric(*row) for row in np.hstack([values_K1, bounds_K2]).tolist()]


def centre(value: float, replicates_R: Floats) -> Floats:
    """Return replicates moved to have the value as their mean.

    See ``Resampler.metrics`` for what needs it.
    """
    return replicates_R + (value - np.nanmean(replicates_R)) if len(replicates_R) else replicates_R
