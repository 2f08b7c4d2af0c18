"""Intervals from replicates: percentile and BCa side by side, with a profile where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from finscale.evaluation.bootstrap import Metric
from finscale.files import null_for_nan
from finscale.scaling.forms.base import Array

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """One number of a law with its intervals.

    Parameters
    ----------
    name, meaning : str
        ``"gain_x10"`` and what it is, in words.
    value : float
        The estimate; NaN when not identified.
    percentile, bca : (float, float)
        Bootstrap intervals; an end is infinite when replicates run to a bound there.
    profile : (float, float) or None
        Profile-likelihood interval, where the loss and the form allow it.
    default : {"percentile", "profile"}
        Which of these is quoted: the one that holds the truth as often as it says when sizes and
        seeds are few (``benchmarks/law_coverage.py``).
    """

    name: str
    meaning: str
    value: float
    percentile: Interval
    bca: Interval
    profile: Interval | None = None
    default: str = "percentile"

    @property
    def interval(self) -> Interval:
        """The interval that is quoted."""
        quoted = self.profile if self.default == "profile" else self.percentile
        assert quoted is not None
        return quoted

    @property
    def low(self) -> float:
        """Lower end of the interval that is quoted."""
        return self.interval[0]

    @property
    def high(self) -> float:
        """Upper end of the interval that is quoted."""
        return self.interval[1]

    def to_dict(self) -> dict[str, Any]:
        """Return numbers that JSON can hold; None for what is not known or not bounded."""
        told = {key: value for key, value in vars(self).items() if key != "name"}
        return {key: null_for_nan(each) for key, each in told.items()} | {
            "interval": null_for_nan(self.interval)
        }


def percentile_interval(replicates_R: Array, level: float) -> Interval:
    """Return the central interval of replicates; infinite replicates may make an end infinite."""
    tail = (1 - level) / 2
    values = replicates_R[~np.isnan(replicates_R)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def percentile_metric(value: float, replicates_R: Array, level: float) -> Metric:
    """Return an estimate with the central interval of its replicates, interpolated."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(replicates_R, [tail, 1 - tail])
    return Metric(value, float(low), float(high))


def bca_interval(value: float, replicates_R: Array, jackknife_J: Array, level: float) -> Interval:
    r"""Return the bias-corrected and accelerated interval.

    .. math:: \alpha_{1,2} = \Phi\Bigl(z_0 + \frac{z_0 \pm z}{1 - a (z_0 \pm z)}\Bigr)

    with :math:`z_0` from the share of replicates below the estimate and the acceleration
    :math:`a = \sum d^3 / 6 (\sum d^2)^{3/2}`, d the jackknife deviations (Efron 1987).
    """
    values = replicates_R[~np.isnan(replicates_R)]
    if not len(values) or np.isnan(value):
        return float("nan"), float("nan")
    below = (np.count_nonzero(values < value) + 0.5 * np.count_nonzero(values == value)) / len(
        values
    )
    bias = ndtri(np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values)))
    known = jackknife_J[np.isfinite(jackknife_J)]
    deviation = known.mean() - known if len(known) else np.zeros(1)
    spread = np.sum(deviation**2)
    acceleration = np.sum(deviation**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = ndtri((1 - level) / 2)
    ends = [ndtr(bias + (bias + s) / (1 - acceleration * (bias + s))) for s in (z, -z)]
    low, high = np.quantile(values, np.clip(ends, 0.0, 1.0), method="inverted_cdf")
    return float(low), float(high)
