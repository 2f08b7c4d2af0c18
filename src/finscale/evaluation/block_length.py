"""How long blocks of days have to be, from the autocorrelation of a daily series."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def optimal_block_length(x: ArrayLike, *, overlap: int = 1) -> float:
    """Return the mean block length that Politis and White choose for a daily series.

    Parameters
    ----------
    x : array_like of shape (T,) or (T, K)
        One value a day; with K series the longest of their lengths is returned.
    overlap : int
        H, days that one label spans. With H > 1 neighbouring labels share bars and their losses
        are correlated over H − 1 days, whatever a short sample shows: blocks then average at
        least 4H days, which keeps 92 % of the variance that this correlation adds.

    Returns
    -------
    float
        Between 1 and T / 3 (three blocks are the fewest that can be reshuffled).

    References
    ----------
    Politis and White (2004), Econometric Reviews 23, with the correction of Patton, Politis and
    White (2009); see :func:`politis_white`.
    """
    x_TK = np.asarray(x, dtype=np.float64)
    return max(optimal_block_lengths(x_TK.reshape(len(x_TK), -1), overlap=overlap))


def optimal_block_lengths(x_TK: Floats, *, overlap: int = 1) -> list[float]:
    """Return what :func:`optimal_block_length` does of each of K series, (T, K), in one go."""
    floor = 1.0 if overlap <= 1 else 4.0 * overlap
    moving = np.ptp(x_TK, axis=0) > 0  # a constant has no autocorrelation to measure
    length_K = np.full(x_TK.shape[1], floor)
    if moving.any() and len(x_TK) >= 10:
        # a length that is undefined is the least
        length_K[moving] = np.fmax(politis_white(x_TK[:, moving]), floor)
    lengths: list[float] = np.clip(length_K, 1.0, max(1.0, len(x_TK) / 3)).tolist()
    return lengths


def politis_white(x_TK: Floats) -> Floats:
    """Return the mean block length of the stationary bootstrap that each series calls for.

    Autocovariances weigh in up to twice the lag after which autocorrelations stay below
    2 √(log10 T / T) for max(5, log10 T) lags, under a trapezoidal kernel.

    Parameters
    ----------
    x_TK : ndarray of shape (T, K)
        One value a day; T of 10 at least, no series constant.

    Returns
    -------
    ndarray of shape (K,)
        Days, no more than min(3 √T, T / 3) rounded up; NaN where the long-run variance is zero.

    References
    ----------
    Politis and White (2004), Automatic block-length selection for the dependent bootstrap,
    Econometric Reviews 23; Patton, Politis and White (2009), Econometric Reviews 28. The details
    are those of ``arch.bootstrap.optimal_block_length``, which the tests hold this against.
    """
    num_days = len(x_TK)
    longest = math.ceil(min(3 * math.sqrt(num_days), num_days / 3))
    quiet = max(5, int(math.log10(num_days)))
    last = math.ceil(math.sqrt(num_days)) + quiet
    centred_KT = np.ascontiguousarray((x_TK - x_TK.mean(axis=0)).T)
    covariance_KL = _autocovariances(centred_KT, last)
    # each lag's correlation is over the days that have that lag, less one at either end
    before_KT = np.cumsum(centred_KT**2, axis=1)
    lags = np.arange(last + 1)
    early_KL = before_KT[:, num_days - 2 - lags]
    late_KL = before_KT[:, -1:] - before_KT[:, lags]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation_KL = np.abs(covariance_KL) * num_days / np.sqrt(early_KL * late_KL)
        small_KL = correlation_KL < 2 * math.sqrt(math.log10(num_days) / num_days)
        quiet_KL = np.all(sliding_window_view(small_KL[:, :last], quiet, axis=1), axis=2)
        found_K = np.where(quiet_KL.any(axis=1), quiet_KL.argmax(axis=1), last)
        reach_K1 = np.minimum(2 * np.maximum(found_K, 1), last)[:, None]
        kernel_KL = np.clip(2 * (1 - lags / reach_K1), 0, 1)
        slope_K = (2 * kernel_KL * lags * covariance_KL).sum(axis=1)
        variance_K = covariance_KL[:, 0] + (2 * kernel_KL * covariance_KL)[:, 1:].sum(axis=1)
        length_K = (slope_K / variance_K) ** 2 * num_days
    return np.asarray(np.minimum(np.cbrt(length_K), longest))


def _autocovariances(centred_KT: Floats, last: int) -> Floats:
    """Return autocovariances of lags 0 to ``last`` over all days: shape (K, last + 1)."""
    num_days = centred_KT.shape[1]
    # the inverse transform of the power spectrum, of a series with a gap behind it
    length = 1 << (num_days + last).bit_length()
    spectrum_KF = np.abs(np.fft.rfft(centred_KT, length, axis=1)) ** 2
    return np.asarray(np.fft.irfft(spectrum_KF, length, axis=1)[:, : last + 1] / num_days)
