r"""Replicates that go on from size to size: nestings of features, of symbols, of samples.

A seed is drawn anew at each size. A nesting is not: the features of a small tier are among those of
the next, so a lucky choice stays lucky for some sizes. Then the replicates' part of the covariance
is no diagonal, and the variances of neighbouring sizes say the same thing twice:

.. math:: \Sigma_{\text{luck}} = \hat\sigma_g \hat\sigma_h\, r^{|g - h|} / S, \qquad
          \nu = \nu_0 \, G / \textstyle\sum_{gh} r^{2|g - h|}

with r the correlation of neighbouring sizes, pooled over them (an autoregression over the sizes'
ranks, held within 0 and .95), and ν the degrees of freedom left of ν₀ pooled ones. Simulated with 3
nestings × 3 seeds of 5 tiers, luck of nestings 0 to 4 times that of seeds and r of 0 to .95: the 95
% interval of the slope holds the truth in 94 to 99 % (a diagonal: 90.6 to 98), that of the gain in
95 to 99; they are 8 % narrower to 21 % wider than by a diagonal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

#: Beyond it the matrix could hardly be inverted.
_MOST = 0.95


def nested_correlation(
    deviation_BGS: Float, present_GS: NDArray[np.bool_], variance_BG: Float
) -> Float:
    """Return how the luck of replicates correlates across sizes, ``[B, G, G]``.

    Parameters
    ----------
    deviation_BGS : array [B, G, S]
        Of B studies: each replicate's mean loss less its size's; 0 where there is none. Replicate s
        is the same nesting at every size.
    present_GS : array of bool [G, S]
        Which replicates a size has.
    variance_BG : array [B, G]
        Variance over replicates at each size.
    """
    num_sizes = deviation_BGS.shape[1]
    scale_BG = np.sqrt(np.maximum(variance_BG, np.finfo(np.float64).tiny))
    z_BGS = deviation_BGS / scale_BG[:, :, None]
    both_HS = present_GS[1:] & present_GS[:-1]
    product_B = (z_BGS[:, 1:] * z_BGS[:, :-1] * both_HS).sum(axis=(1, 2))
    square_B = ((z_BGS[:, 1:] ** 2 + z_BGS[:, :-1] ** 2) * both_HS).sum(axis=(1, 2)) / 2
    ratio_B = np.divide(product_B, square_B, out=np.zeros_like(product_B), where=square_B > 0)
    rank_G = np.arange(num_sizes)
    lag_GG = np.abs(rank_G[:, None] - rank_G)
    return np.asarray(np.clip(ratio_B, 0.0, _MOST)[:, None, None] ** lag_GG)


def shared_degrees(correlation_BGG: Float) -> Float:
    """Return the share of pooled degrees of freedom that correlated sizes leave, ``[B]``."""
    num_sizes = correlation_BGG.shape[-1]
    return np.asarray(num_sizes / (correlation_BGG**2).sum(axis=(-2, -1)))


def luck_covariance(error_BG: Float, correlation_BGG: Float) -> Float:
    """Return the covariance ``[B, G, G]`` of the sizes' means that replicates bring.

    ``error_BG`` are the standard errors of the means.
    """
    return error_BG[..., :, None] * correlation_BGG * error_BG[..., None, :]
