"""The arithmetic of indicators: float64 arrays in, one float64 array of the same length out.

TA-Lib computes whatever it has. What a formula leaves undefined has a declared, finite value here:

=============================== ==========================================================
no price move at all            RSI, StochRSI and ADX are 0, as in TA-Lib
RSI constant over the window    StochRSI %K is 0, as in TA-Lib
high = low                      the bar adds nothing to the accumulation line (ADOSC)
bands of no width               Bollinger %B is 0.5: the close lies in the middle
no volume in the whole window   VWAP is the plain mean of the typical prices
=============================== ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from finscale.features.feature import Array


def talib_function(function: str, output: int = 0) -> Callable[..., Array]:
    """Return TA-Lib's ``function``; of several outputs, the one at ``output``."""

    def compute(*inputs: Array, **parameters: Any) -> Array:
        # imported here: TA-Lib takes half a second, and listing features needs none of it
        import talib

        result = getattr(talib, function)(*inputs, **parameters)
        values: Array = result[output] if isinstance(result, tuple) else result
        return values

    return compute


def bollinger_percent_b(close: Array, *, timeperiod: int, deviations: float) -> Array:
    """Return where the close lies between its Bollinger bands: 0 at the lower, 1 at the upper.

    Bands that coincide give 0.5.

    References
    ----------
    Bollinger (2002), *Bollinger on Bollinger Bands*: %b = (last − lower) / (upper − lower).
    """
    import talib

    upper, _, lower = talib.BBANDS(close, timeperiod, nbdevup=deviations, nbdevdn=deviations)
    width = upper - lower
    percent = np.full_like(close, 0.5)
    np.divide(close - lower, width, out=percent, where=width != 0)
    return percent


def rolling_vwap(high: Array, low: Array, close: Array, volume: Array, *, window: int) -> Array:
    """Return the volume-weighted mean of the typical price over the last ``window`` bars.

    The typical price of a bar is (high + low + close) / 3. Without any volume in the window, each
    bar counts the same.
    """
    typical = (high + low + close) / 3.0
    traded = window_sum(volume, window)
    value = window_sum(typical * volume, window)
    if (traded == 0).any():
        value = np.where(traded == 0, window_sum(typical, window), value)
        traded = np.where(traded == 0, float(window), traded)
    return value / traded


def window_sum(values: Array, window: int) -> Array:
    """Return the sum of the last ``window`` values at each row, NaN before there are so many.

    Sums of 1, 2, 4, 8 … rows are built from one another and joined to ``window``. Unlike a running
    total it keeps no rounding error of rows that have left the window: a window of zeros sums to 0.
    """
    result = np.full_like(values, np.nan)
    count = len(values) - window + 1
    if count < 1:
        return result
    total = np.zeros(count)
    power, size, offset = values, 1, 0  # power[i] = values[i] + … + values[i + size − 1]
    while size <= window:
        if window & size:
            total += power[offset : offset + count]
            offset += size
        power = power[:-size] + power[size:]
        size *= 2
    result[window - 1 :] = total
    return result
