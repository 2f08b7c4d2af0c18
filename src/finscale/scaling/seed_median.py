"""The median over a size's seeds, and how sure it is: for grids in which some runs blew up."""

from __future__ import annotations

from functools import cache

import numpy as np

from finscale.scaling.outliers import Float, stand_apart

#: The noise from differences of two runs is as sure as a variance with this share of its degrees
#: of freedom: the efficiency of Shamos's estimator (Rousseeuw and Croux 1993, table 2).
_EFFICIENCY = 0.86


def median_parts(losses_GST: Float) -> tuple[Float, Float, Float, Float]:
    """Return medians over seeds, of each day too, and the seeds' part of their error.

    Parameters
    ----------
    losses_GST : array, ``[G, S, T]``
        Losses; NaN throughout for a seed that a size lacks.

    Returns
    -------
    median_G, daily_GT : array
        Median of the runs' means, and of the runs on each day.
    variance_G, degrees_G : array
        Variance that, divided by the number of seeds, is the variance of the median; and its
        degrees of freedom.
    """
    runs_GS = losses_GST.mean(axis=2)
    seeds_G = (~np.isnan(runs_GS)).sum(axis=1)
    noise_G = np.nan_to_num(stand_apart(runs_GS).noise_n)
    wider_G = np.array([median_variance(int(count)) * count for count in seeds_G])
    degrees = max(_EFFICIENCY * float((seeds_G - 1).sum()), 1.0)
    return (
        np.asarray(np.nanmedian(runs_GS, axis=1)),
        np.asarray(np.nanmedian(losses_GST, axis=1)),
        noise_G**2 * wider_G,
        np.full(len(seeds_G), degrees),
    )


@cache
def median_variance(count: int) -> float:
    """Return the variance of the median of so many standard normals: .449 of 3, .287 of 5."""
    if count > 50:
        return float(np.pi / 2 / count)
    rng = np.random.default_rng(0)
    return float(np.median(rng.standard_normal((200_000, count)), axis=1).var())
