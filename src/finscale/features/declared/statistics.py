"""Characteristics of the last bars' returns, in the manner of tsfresh.

Names and definitions follow tsfresh (Christ et al. 2018), where it has them; they are vectorised
over windows here. Returns are divided by the window's deviation where a scale would show.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.declared.windows import dot, rolled
from finscale.features.feature import Array
from finscale.features.indicators import window_sum

#: In the order in which tiers take them in.
WINDOWS = (60, 20, 120, 250)

FAMILY = Family("statistics", COMMON)


def _standard(w: Array) -> Array:
    """Return windows less their mean over their deviation; one without spread is 0."""
    away, spread = w - w.mean(axis=1, keepdims=True), w.std(axis=1, keepdims=True)
    return np.asarray(np.divide(away, spread, out=np.zeros_like(w), where=spread > 1e-9))


def _autocorrelation(lag: int) -> Callable[[Array], Array]:
    def of_windows(w: Array) -> Array:
        z = _standard(w)
        return np.asarray((z[:, lag:] * z[:, :-lag]).mean(axis=1))

    return of_windows


def _size_autocorrelation(w: Array) -> Array:
    return _autocorrelation(1)(np.abs(w))


def _leverage(w: Array) -> Array:
    """Return the correlation of a return with the next one's square."""
    z, later = _standard(w[:, :-1]), _standard(w[:, 1:] ** 2)
    return np.asarray((z * later).mean(axis=1))


def _skewness(w: Array) -> Array:
    return np.asarray((_standard(w) ** 3).mean(axis=1))


def _kurtosis(w: Array) -> Array:
    return np.asarray((_standard(w) ** 4).mean(axis=1) - 3)


def _time_reversal(w: Array) -> Array:
    z = _standard(w)
    return np.asarray((z[:, 2:] ** 2 * z[:, 1:-1] - z[:, 1:-1] * z[:, :-2] ** 2).mean(axis=1))


def _c3(w: Array) -> Array:
    z = _standard(w)
    return np.asarray((z[:, 2:] * z[:, 1:-1] * z[:, :-2]).mean(axis=1))


def _cid(w: Array) -> Array:
    return np.asarray(np.sqrt((np.diff(_standard(w), axis=1) ** 2).mean(axis=1)))


def _mean_change(w: Array) -> Array:
    return np.asarray(np.abs(np.diff(_standard(w), axis=1)).mean(axis=1))


def _longest(w: NDArray[np.bool_]) -> Array:
    """Return the longest run of True in each row, over the row's length."""
    run, longest = np.zeros(len(w)), np.zeros(len(w))
    for column in w.T:
        run = (run + 1) * column
        longest = np.maximum(longest, run)
    return np.asarray(longest / w.shape[1])


def _strike_above(w: Array) -> Array:
    return _longest(_standard(w) > 0)


def _strike_below(w: Array) -> Array:
    return _longest(_standard(w) < 0)


def _crossings(w: Array) -> Array:
    above = _standard(w) > 0
    return np.asarray((above[:, 1:] != above[:, :-1]).mean(axis=1))


def _beyond(deviations: float) -> Callable[[Array], Array]:
    return lambda w: np.asarray((np.abs(_standard(w)) > deviations).mean(axis=1))


def _peaks(w: Array) -> Array:
    inner = w[:, 1:-1]
    return np.asarray(((inner > w[:, :-2]) & (inner > w[:, 2:])).mean(axis=1))


def _quantile(level: float) -> Callable[[Array], Array]:
    return lambda w: np.asarray(np.quantile(_standard(w), level, axis=1))


def _median_gap(w: Array) -> Array:
    return np.asarray(np.median(_standard(w), axis=1))


def _trend(w: Array) -> Array:
    """Return the correlation of returns with time."""
    time = np.arange(w.shape[1]) - (w.shape[1] - 1) / 2
    return np.asarray(dot(_standard(w), time) / w.shape[1] / time.std())


def _size_trend(w: Array) -> Array:
    return _trend(np.abs(w))


def _early_energy(w: Array) -> Array:
    """Return the share of squared returns that fell in the window's first half."""
    squares = w**2
    total = squares.sum(axis=1)
    first = squares[:, : w.shape[1] // 2].sum(axis=1)
    return np.asarray(np.divide(first, total, out=np.full(len(w), 0.5), where=total > 1e-18))


def _dominant(w: Array) -> Array:
    """Return the frequency with the most power, over the highest one."""
    power = np.abs(np.fft.rfft(_standard(w), axis=1))[:, 1:]
    return np.asarray((np.round(power, 9).argmax(axis=1) + 1) / power.shape[1])


def _largest_share(w: Array) -> Array:
    size = np.abs(w)
    total = size.sum(axis=1)
    return np.asarray(np.divide(size.max(axis=1), total, out=np.zeros(len(w)), where=total > 1e-9))


def _distinct_extreme(w: Array) -> Array:
    """Return where in the window the largest move was, 0 at its start and 1 at its end."""
    return np.asarray(np.abs(w).argmax(axis=1) / (w.shape[1] - 1))


def _partial(w: Array) -> Array:
    """Return the partial autocorrelation at lag 2."""
    one, two = _autocorrelation(1)(w), _autocorrelation(2)(w)
    rest = 1 - one**2
    return np.divide(two - one**2, rest, out=np.zeros(len(w)), where=rest > 1e-9)


_MEASURES: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "skewness": ("skewness", _skewness),
    "autocorrelation_1": ("autocorrelation at lag 1", _autocorrelation(1)),
    "kurtosis": ("excess kurtosis", _kurtosis),
    "size_autocorrelation": ("autocorrelation of sizes at lag 1", _size_autocorrelation),
    "leverage": ("correlation of a return with the next square", _leverage),
    "crossings": ("share of crossings of the mean", _crossings),
    "autocorrelation_5": ("autocorrelation at lag 5", _autocorrelation(5)),
    "beyond_2": ("share beyond 2 deviations", _beyond(2)),
    "time_reversal": ("time reversal asymmetry", _time_reversal),
    "quantile_10": ("10 % quantile in deviations", _quantile(0.1)),
    "quantile_90": ("90 % quantile in deviations", _quantile(0.9)),
    "size_trend": ("correlation of sizes with time", _size_trend),
    "c3": ("third-order dependence at lag 1 (c3)", _c3),
    "median": ("median in deviations from the mean", _median_gap),
    "strike_above": ("longest run above the mean", _strike_above),
    "strike_below": ("longest run below the mean", _strike_below),
    "cid": ("complexity of changes (CID)", _cid),
    "trend": ("correlation with time", _trend),
    "partial_2": ("partial autocorrelation at lag 2", _partial),
    "early_energy": ("share of squares in the first half", _early_energy),
    "peaks": ("share of local peaks", _peaks),
    "largest": ("share of the largest move", _largest_share),
    "largest_at": ("place of the largest move in the window", _distinct_extreme),
    "beyond_1": ("share beyond 1 deviation", _beyond(1)),
    "mean_change": ("mean change in deviations", _mean_change),
    "dominant": ("frequency with the most power", _dominant),
}


#: Measures that are told from sums of powers, by the power.
_OF_POWERS = {"skewness": 3, "kurtosis": 4}
#: Where the mean is larger than so many deviations, powers cancel too much of one another.
_FAR_FROM_ZERO = 10.0


def _measure(returns: Array, *, rows: int, measure: str) -> Array:
    # what differs by rounding alone is equal
    settled, of_windows = np.round(returns, 12), _MEASURES[measure][1]
    if measure not in _OF_POWERS:
        return rolled(settled, rows, of_windows)
    return _standard_moment(settled, rows, _OF_POWERS[measure], of_windows)


def _powers(returns: Array) -> tuple[Array, Array, Array]:
    squares = returns * returns  # `returns**3` takes the slow road of any exponent
    return returns, squares, squares * returns


def _standard_moment(
    returns: Array, rows: int, order: int, of_windows: Callable[[Array], Array]
) -> Array:
    """Return the third or (excess) fourth standard moment of each window, from sums of powers.

    Ten times faster than window by window, and no running total: each sum is that of its own
    window. Windows without spread, or far from zero, are left to ``of_windows``.
    """
    mean, second, third = (window_sum(powers, rows) / rows for powers in _powers(returns))
    spread = np.sqrt(np.maximum(second - mean**2, 0.0))
    apart = ~(spread > np.maximum(1e-9, np.abs(mean) / _FAR_FROM_ZERO))
    moment = third - 3 * mean * second + 2 * mean**3
    if order == 4:
        fourth = window_sum(returns**2 * returns**2, rows) / rows
        moment = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4
    found = np.full_like(returns, np.nan)
    np.divide(moment, spread**order, out=found, where=~apart)
    found = found - 3 * (order == 4)
    alone = np.flatnonzero(apart & np.isfinite(mean))
    for some in np.array_split(alone, 1 + len(alone) * rows // 2_000_000):
        found[some] = of_windows(sliding_window_view(returns, rows)[some - (rows - 1)])
    return found


for _name, _rows in by_priority(tuple(_MEASURES), WINDOWS):
    FAMILY.add(
        f"stat_{_name}_{_rows}",
        "return_1",
        _measure,
        f"{_MEASURES[_name][0]} of {_rows} returns",
        "tsfresh; Christ et al. 2018",
        extra=_rows - 1,
        rows=_rows,
        measure=_name,
    )
