"""How a model sees a column relatively: one declared function per kind of quantity.

Levels are not comparable: an index at 300 and at 3,000, or two stocks, give a model other numbers
for the same situation. Each view turns values into ones without a unit, so that prices times 10 and
volumes times 7 leave them as they are. Adding a view is adding an entry to ``VIEWS``.

What a formula leaves undefined has a declared, finite value here, and every floor is a ratio:

=============================== ==========================================================
a price ratio beyond 1 : 100    held at 1 : 100; also where a mean is no longer positive
a spread beyond the close       held at the close (± 1)
no volume in the whole window   the volume is as usual (0), flow and pressure are 0
a bar of almost no volume       held at a hundredth of the usual
no price move at all            volatility is held at 1e-6 of the price
=============================== ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from finscale.features.feature import Array
from finscale.features.indicators import window_sum
from finscale.registry import Registry

#: Bars that say what volume is usual, and over which a running total's change counts: a month.
WINDOW = 20

#: Prices and volumes differ by no more than this factor; a larger ratio is held there.
_LARGEST_RATIO = 100.0

#: Below this share of the price (a hundredth of a basis point) a series stands still.
_LEAST_VOLATILITY = 1e-6

#: More than one bar of the window's whole volume gives (8.5 in ADOSC): what a giant bar before the
#: window left behind.
_MOST_PRESSURE = 10.0

#: λ of RiskMetrics (J.P. Morgan 1996), which remembers about a month of days.
_DECAY = 0.94

#: Column → values [T] of open, high, low, close, volume: those that the bars have.
BarArrays = Mapping[str, Array]


@dataclass(frozen=True)
class View:
    """One way to make a column comparable across levels and symbols."""

    compute: Callable[[Array, BarArrays], Array]
    """``compute(values, bars)``: a feature's values [T], NaN in its warm-up, and the bars'
    columns; returns float64 [T] without a unit. It uses rows ≤ t only."""
    words: str
    """What comes out, for lists and messages."""
    own_rows: int = 0
    """Earlier rows of the values that it needs."""
    bar_rows: int = 0
    """Earlier bars that it needs."""
    reads: tuple[str, ...] = ()
    """Columns of bars that it needs beside the values."""

    def lookback(self, lookback: int) -> int:
        """Return the rows before the first value, of a feature that has ``lookback`` itself."""
        return max(lookback + self.own_rows, self.bar_rows)


VIEWS: Registry[View] = Registry("view")


def log_ratio(prices: Array, reference: Array) -> Array:
    """Return log(prices / reference), held within ± log 100; a price ≤ 0 gives −log 100."""
    with np.errstate(over="ignore"):
        ratio = prices / reference
    held: Array = np.log(np.clip(ratio, 1 / _LARGEST_RATIO, _LARGEST_RATIO))
    return held


def log_return(close: Array) -> Array:
    """Return the log return of each bar, held within ± log 100; NaN on the first."""
    result = np.full_like(close, np.nan)
    result[1:] = log_ratio(close[1:], close[:-1])
    return result


def log_volatility(close: Array) -> Array:
    """Return the log of the exponentially weighted root mean square of the bars' log returns.

    The weights of what has been seen add up to one, so that no starting value is needed; λ is .94
    (RiskMetrics). It is the input of the baseline ``volatility``.
    """
    result = np.full_like(close, np.nan)
    squares = pl.Series(log_return(close)[1:] ** 2)
    mean_square_R = squares.ewm_mean(alpha=1 - _DECAY, adjust=True).to_numpy()
    result[1:] = np.log(np.maximum(np.sqrt(mean_square_R), _LEAST_VOLATILITY))
    return result


def log_of_usual(volume: Array) -> Array:
    """Return the log of volume over its mean of the last 20 bars, the present one among them.

    It lies between log 1/100 (hardly any volume) and log 20 (no other bar had any).
    """
    usual = window_sum(volume, WINDOW) / WINDOW
    return np.log(np.maximum(_over(volume, usual, undefined=1.0), 1 / _LARGEST_RATIO))


def _price(values: Array, bars: BarArrays) -> Array:
    return log_ratio(values, bars["close"])


def _spread(values: Array, bars: BarArrays) -> Array:
    # over the close, as Appel's PPO is: the ATR may be 0, and MACD over it would hide volatility
    with np.errstate(over="ignore"):
        return np.clip(values / bars["close"], -1.0, 1.0)


def _volatility(values: Array, bars: BarArrays) -> Array:
    held: Array = np.log(np.maximum(values / bars["close"], _LEAST_VOLATILITY))
    return held


def _volume(values: Array, bars: BarArrays) -> Array:
    return log_of_usual(values)


def _flow(values: Array, bars: BarArrays) -> Array:
    change = np.full_like(values, np.nan)
    change[WINDOW:] = values[WINDOW:] - values[:-WINDOW]
    share = _over(change, window_sum(bars["volume"], WINDOW), undefined=0.0)
    # it cannot exceed what was traded: a larger ratio is the rounding of a total of years
    return np.clip(share, -1.0, 1.0)


def _pressure(values: Array, bars: BarArrays) -> Array:
    usual = window_sum(bars["volume"], WINDOW) / WINDOW
    return np.clip(_over(values, usual, undefined=0.0), -_MOST_PRESSURE, _MOST_PRESSURE)


def _bounded(values: Array, bars: BarArrays) -> Array:
    return values


def _over(values: Array, volume: Array, *, undefined: float) -> Array:
    """Return values / volume; ``undefined`` where there is no volume, NaN where either is NaN."""
    ratio = np.where(np.isnan(values) | np.isnan(volume), np.nan, undefined)
    with np.errstate(over="ignore"):
        np.divide(values, volume, out=ratio, where=volume > 0)
    return ratio


VIEWS.add("price", View(_price, "log ratio to the close", reads=("close",)))
VIEWS.add("spread", View(_spread, "difference of prices over the close", reads=("close",)))
VIEWS.add("volatility", View(_volatility, "log of its ratio to the close", reads=("close",)))
VIEWS.add("volume", View(_volume, "log of its ratio to its 20-bar mean", own_rows=WINDOW - 1))
VIEWS.add(
    "flow",
    View(
        _flow, "change over 20 bars per volume traded in them", own_rows=WINDOW, reads=("volume",)
    ),
)
VIEWS.add(
    "pressure",
    View(_pressure, "per mean volume of 20 bars", bar_rows=WINDOW - 1, reads=("volume",)),
)
VIEWS.add("bounded", View(_bounded, "as it is: it has no unit"))
