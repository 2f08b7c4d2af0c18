"""Relations: how a base (a mean, a band, an oscillator) becomes a number without a unit.

Arrays [T] in and out, NaN in the warm-up, vectorised, causal to the bit: every value is computed
from its own window, never from a running total that carries the rounding of rows long gone.

What a formula leaves undefined has a declared, finite value: a ratio of prices is held within
1 : 100, a distance in ATRs within ± 100 and its ATR at a millionth of the price at least, a z-score
of a window without spread is 0.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from finscale.features.feature import Array
from finscale.features.indicators import window_sum
from finscale.features.views import log_ratio

#: A spread below this share of the price is taken for this share.
LEAST = 1e-6
#: Distances in units of a spread are held within ± this.
FAR = 100.0


def settled(values: Array) -> Array:
    """Return values to nine decimals: what differs by rounding alone is equal, in rank and sign."""
    return np.round(values, 9)


def lag(values: Array, rows: int) -> Array:
    """Return the values of ``rows`` rows earlier, NaN before there are any."""
    result = np.full_like(values, np.nan)
    if rows < len(values):
        result[rows:] = values[: len(values) - rows]
    return result


def gap(close: Array, level: Array) -> Array:
    """Return log(close / level), held within ± log 100; a level that is not positive is far below.

    Of a moving average, a band or a past price alike.
    """
    return -log_ratio(level, close)


def gap_in_spreads(close: Array, level: Array, spread: Array) -> Array:
    """Return (close − level) / spread, within ± 100: the distance in ATRs or deviations."""
    held = np.maximum(spread, LEAST * close)
    return np.clip((close - level) / held, -FAR, FAR)


def slope(close: Array, level: Array, *, rows: int) -> Array:
    """Return the log change of a level over ``rows`` rows, per row.

    It is told from the level's gaps to the close, so that a level that is not positive (a double
    or triple mean in a crash) gives a large number and no hole.
    """
    log_level = np.log(close) - gap(close, level)
    return (log_level - lag(log_level, rows)) / rows


def change(values: Array, *, rows: int) -> Array:
    """Return values less those of ``rows`` rows earlier."""
    return values - lag(values, rows)


def signed_run(values: Array, *, most: int) -> Array:
    """Return for how many rows the sign has been what it is, signed, over ``most``: −1 to 1.

    Rows are counted from the first value on; zero counts as its own sign.
    """
    sign = np.sign(settled(values))
    known = ~np.isnan(sign)
    turned = np.ones(len(values), dtype=bool)
    turned[1:] = sign[1:] != sign[:-1]
    row = np.arange(len(values))
    began = np.maximum.accumulate(np.where(turned & known, row, 0))
    return sign * np.minimum(row - began + 1, most) / most


def percentile(values: Array, *, rows: int) -> Array:
    """Return the share of the last ``rows`` values below the present one; equal ones count half."""
    series = pl.Series(settled(values)).fill_nan(None)
    ranked = series.to_frame("x").select(pl.col("x").rolling_rank(rows, method="average"))
    return (ranked.to_series().cast(pl.Float64).fill_null(np.nan).to_numpy() - 0.5) / rows


def window_mean(values: Array, rows: int) -> Array:
    """Return the mean of the last ``rows`` values."""
    return window_sum(values, rows) / rows


def window_std(values: Array, rows: int) -> Array:
    """Return the population standard deviation of the last ``rows`` values, in two passes."""
    result = np.full_like(values, np.nan)
    if rows <= len(values):
        result[rows - 1 :] = sliding_window_view(values, rows).std(axis=1)
    return result


def zscore(values: Array, *, rows: int) -> Array:
    """Return how many deviations a value lies above its mean of the last ``rows``, within ± 100."""
    values = settled(values)
    mean, spread = window_mean(values, rows), window_std(values, rows)
    away = values - mean
    # a millionth of the level is no spread
    floor = 1e-6 * np.maximum(np.abs(mean), 1e-3)
    result = np.where(np.isnan(spread), np.nan, 0.0)
    np.divide(away, spread, out=result, where=spread > floor)
    return np.clip(result, -FAR, FAR)


def ratio(values: Array, others: Array) -> Array:
    """Return log(values / others) of two positive quantities, held within ± log 100.

    Both at zero are equal: 0.
    """
    both_none = (values <= 0) & (others <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = log_ratio(values, others)
    result[(others <= 0) & (values > 0)] = np.log(100.0)
    result[both_none] = 0.0
    return result


def share(part: Array, whole: Array, *, undefined: float = 0.0) -> Array:
    """Return part / whole; ``undefined`` where the whole is not positive, NaN in the warm-up."""
    result = np.where(np.isnan(part) | np.isnan(whole), np.nan, undefined)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
