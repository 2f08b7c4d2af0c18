"""Volatility: nine estimators of five windows, each beside its own past, and their term structure.

A window's volatility is the root of the mean of what each bar adds to the variance, as a logarithm;
below a millionth of the price a series stands still.

References
----------
Parkinson 1980; Garman and Klass 1980; Rogers and Satchell 1991; Yang and Zhang 2000; J.P. Morgan
1996 (RiskMetrics) for exponential weights; Barndorff-Nielsen and Shephard 2004 for bipower.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from finscale.features.declared import relations
from finscale.features.declared.classic import VOLATILITY
from finscale.features.declared.family import Family, by_priority
from finscale.features.declared.parts import COMMON
from finscale.features.declared.relations import lag
from finscale.features.feature import Array

#: In the order in which tiers take them in.
WINDOWS = (20, 60, 10, 120, 5)
#: Bars of its own past that a volatility is compared with, and bars over which it changes.
PAST, STEP = 250, 5
_PAIRS = ((5, 20), (20, 120))

FAMILY = Family("volatility", COMMON)
FAMILY.take(VOLATILITY)


def _log_root(mean_square: Array) -> Array:
    root = np.sqrt(np.maximum(mean_square, 0.0))
    return np.asarray(np.log(np.maximum(root, relations.LEAST)))


def _window(added: Array, *, rows: int) -> Array:
    return _log_root(relations.window_mean(added, rows))


def _exponential(added: Array, *, rows: int) -> Array:
    series = pl.Series(added).fill_nan(None)
    mean = series.ewm_mean(span=rows, adjust=True, min_samples=rows)
    return _log_root(mean.fill_null(np.nan).to_numpy())


def _square(returns: Array) -> Array:
    return returns**2


def _parkinson(high: Array, low: Array) -> Array:
    return np.asarray(np.log(high / low) ** 2 / (4 * np.log(2)))


def _garman_klass(open_: Array, high: Array, low: Array, close: Array) -> Array:
    inner = 0.5 * np.log(high / low) ** 2
    return np.asarray(inner - (2 * np.log(2) - 1) * np.log(close / open_) ** 2)


def _rogers_satchell(open_: Array, high: Array, low: Array, close: Array) -> Array:
    up = np.log(high / close) * np.log(high / open_)
    return np.asarray(up + np.log(low / close) * np.log(low / open_))


def _overnight(open_: Array, close: Array) -> Array:
    return np.log(open_ / lag(close, 1))


def _intraday(open_: Array, close: Array) -> Array:
    return np.log(close / open_)


def _yang_zhang(overnight: Array, intraday: Array, inner: Array, *, rows: int) -> Array:
    weight = 0.34 / (1.34 + (rows + 1) / (rows - 1))
    unbiased = rows / (rows - 1)
    between = relations.window_std(overnight, rows) ** 2 * unbiased
    within = relations.window_std(intraday, rows) ** 2 * unbiased
    inside = relations.window_mean(inner, rows)
    return _log_root(between + weight * within + (1 - weight) * inside)


def _down(returns: Array) -> Array:
    return np.minimum(returns, 0.0) ** 2 * 2


def _up(returns: Array) -> Array:
    return np.maximum(returns, 0.0) ** 2 * 2


def _bipower(returns: Array) -> Array:
    return np.abs(returns) * np.abs(lag(returns, 1)) * np.pi / 2


_OHLC = "open high low close"
_adds = FAMILY.part
#: Estimator → words, what its bars add, how a window takes them together, recursive.
_ESTIMATORS: dict[str, tuple[str, str, Callable[..., Array], bool]] = {
    "cc": ("close-to-close", _adds("adds_cc", "return_1", _square), _window, False),
    "gk": ("Garman and Klass", _adds("adds_gk", _OHLC, _garman_klass), _window, False),
    "down": ("downside", _adds("adds_down", "return_1", _down), _window, False),
    "ewma": ("exponentially weighted", "adds_cc", _exponential, True),
    "parkinson": ("Parkinson's", _adds("adds_parkinson", "high low", _parkinson), _window, False),
    "up": ("upside", _adds("adds_up", "return_1", _up), _window, False),
    "rs": ("Rogers and Satchell's", _adds("adds_rs", _OHLC, _rogers_satchell), _window, False),
    "bipower": ("bipower", _adds("adds_bipower", "return_1", _bipower, extra=1), _window, False),
    "yz": (
        "Yang and Zhang's",
        f"{_adds('overnight', 'open close', _overnight, extra=1)} "
        f"{_adds('intraday', 'open close', _intraday)} adds_rs",
        _yang_zhang,
        False,
    ),
}


def _estimate(estimator: str, rows: int) -> str:
    _, inputs, compute, recursive = _ESTIMATORS[estimator]
    name = f"vol_{estimator}_{rows}_log"
    return FAMILY.part(name, inputs, compute, extra=rows - 1, recursive=recursive, rows=rows)


def _itself(values: Array) -> Array:
    return values.copy()


def _difference(fast: Array, slow: Array) -> Array:
    return fast - slow


def _related(relation: str, estimator: str, rows: int) -> None:
    part, name = _estimate(estimator, rows), f"vol_{estimator}_{rows}_{relation}"
    words = f"log of {_ESTIMATORS[estimator][0]} volatility of {rows} bars"
    match relation:
        case "value":
            FAMILY.add(name, part, _itself, words)
        case "change":
            words = f"change over {STEP} bars of the {words}"
            FAMILY.add(name, part, relations.change, words, extra=STEP, rows=STEP)
        case "rank":
            words = f"share of the last {PAST} bars with a smaller {words}"
            FAMILY.add(name, part, relations.percentile, words, extra=PAST - 1, rows=PAST)
        case "z":
            words = f"deviations of the {words} from its mean of {PAST}"
            FAMILY.add(name, part, relations.zscore, words, extra=PAST - 1, rows=PAST)


for _relation, _estimator, _rows in by_priority(
    ("value", "rank", "change", "z"), tuple(_ESTIMATORS), WINDOWS
):
    _related(_relation, _estimator, _rows)
for _estimator, (_fast, _slow) in by_priority(tuple(_ESTIMATORS), _PAIRS):
    FAMILY.add(
        f"vol_{_estimator}_{_fast}_over_{_slow}",
        f"{_estimate(_estimator, _fast)} {_estimate(_estimator, _slow)}",
        _difference,
        f"log of {_ESTIMATORS[_estimator][0]} volatility of {_fast} bars over that of {_slow}",
    )
