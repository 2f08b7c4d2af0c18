"""Risk-adjusted measures of the last bars' returns: ratios, drawdowns, tails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finscale.features.declared import relations
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.feature import Array

#: In the order in which tiers take them in.
WINDOWS = (60, 20, 120, 250)
#: A return's size is taken to be this at least (a hundredth of a basis point).
_LEAST = relations.LEAST
#: Ratios are held within ± this.
_MOST = 10.0

FAMILY = Family("risk", COMMON)


def _windows(values: Array, rows: int) -> Array:
    """Return the last ``rows`` values at each row from ``rows`` − 1 on."""
    return sliding_window_view(values, rows)


def _filled(values: Array, rows: int, of_windows: Callable[[Array], Array]) -> Array:
    result = np.full_like(values, np.nan)
    if rows <= len(values):
        result[rows - 1 :] = of_windows(_windows(values, rows))
    return result


def _held(numerator: Array, denominator: Array) -> Array:
    return np.clip(numerator / np.maximum(denominator, _LEAST), -_MOST, _MOST)


def _sharpe(w: Array) -> Array:
    return _held(w.mean(axis=1), w.std(axis=1))


def _sortino(w: Array) -> Array:
    return _held(w.mean(axis=1), np.sqrt((np.minimum(w, 0.0) ** 2).mean(axis=1)))


def _value_at_risk(w: Array) -> Array:
    return _held(np.quantile(w, 0.05, axis=1), w.std(axis=1))


def _shortfall(w: Array) -> Array:
    """Return the mean of the worst twentieth over the deviation."""
    count = max(w.shape[1] // 20, 1)
    worst = np.partition(w, count - 1, axis=1)[:, :count]
    return _held(worst.mean(axis=1), w.std(axis=1))


def _best(w: Array) -> Array:
    count = max(w.shape[1] // 20, 1)
    best = np.partition(w, w.shape[1] - count, axis=1)[:, -count:]
    return _held(best.mean(axis=1), w.std(axis=1))


def _hits(w: Array) -> Array:
    return np.asarray(np.sign(w).mean(axis=1))


def _gain_to_pain(w: Array) -> Array:
    gains, pains = np.maximum(w, 0.0).sum(axis=1), np.maximum(-w, 0.0).sum(axis=1)
    return relations.ratio(gains, pains)


def _tail_ratio(w: Array) -> Array:
    upper, lower = np.quantile(w, (0.95, 0.05), axis=1)
    return relations.ratio(np.maximum(upper, _LEAST), np.maximum(-lower, _LEAST))


def _path(w: Array) -> Array:
    return np.cumsum(w, axis=1)


def _fallen(w: Array) -> Array:
    """Return the log drawdowns along each window's path, ``[n, rows]``."""
    path = _path(w)
    return path - np.maximum(np.maximum.accumulate(path, axis=1), 0.0)


def _deepest(w: Array) -> Array:
    return np.asarray(_fallen(w).min(axis=1))


def _now(w: Array) -> Array:
    return _fallen(w)[:, -1].copy()


def _ulcer(w: Array) -> Array:
    return np.asarray(np.sqrt((_fallen(w) ** 2).mean(axis=1)))


def _calmar(w: Array) -> Array:
    return _held(w.sum(axis=1), -_deepest(w))


def _longest_fall(w: Array) -> Array:
    """Return the share of the window that lies below its earlier peak."""
    fallen = _fallen(w)
    return np.where(np.isnan(fallen[:, -1]), np.nan, (fallen < -1e-12).mean(axis=1))


def _rebound(w: Array) -> Array:
    """Return how far the path stands above its lowest point."""
    path = _path(w)
    return np.asarray(path[:, -1] - np.minimum(path.min(axis=1), 0.0))


def _autocorrelated(w: Array) -> Array:
    """Return variance of 5-bar over 5 × that of 1-bar returns, as a log (Lo and MacKinlay 1988)."""
    five = np.cumsum(w, axis=1)
    five = five[:, 5:] - five[:, :-5]
    return relations.ratio(five.var(axis=1), 5 * w.var(axis=1))


_MEASURES: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "sharpe": ("mean over deviation (Sharpe)", _sharpe),
    "drawdown": ("log drawdown now", _now),
    "var": ("5 % quantile over the deviation (value at risk)", _value_at_risk),
    "deepest": ("deepest log drawdown", _deepest),
    "sortino": ("mean over downside deviation (Sortino)", _sortino),
    "hits": ("share of rises less that of falls", _hits),
    "cvar": ("mean of the worst twentieth over the deviation (expected shortfall)", _shortfall),
    "rebound": ("log of the close over the lowest close", _rebound),
    "ulcer": ("root mean square drawdown (ulcer index; Martin 1987)", _ulcer),
    "gain_pain": ("log of gains over losses (omega at 0)", _gain_to_pain),
    "best": ("mean of the best twentieth over the deviation", _best),
    "calmar": ("return over the deepest drawdown (Calmar)", _calmar),
    "tails": ("log of the 95 % over the 5 % quantile (tail ratio)", _tail_ratio),
    "under_water": ("share of bars below an earlier peak", _longest_fall),
    "variance_ratio": ("log variance ratio of 5 bars to 1", _autocorrelated),
}


def _measure(returns: Array, *, rows: int, measure: str) -> Array:
    return _filled(returns, rows, _MEASURES[measure][1])


for _name, _rows in by_priority(tuple(_MEASURES), WINDOWS):
    FAMILY.add(
        f"risk_{_name}_{_rows}",
        "return_1",
        _measure,
        f"{_MEASURES[_name][0]} of {_rows} returns",
        extra=_rows - 1,
        rows=_rows,
        measure=_name,
    )
