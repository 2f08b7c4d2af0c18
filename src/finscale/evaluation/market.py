"""Prices of several symbols on one calendar, and the volatility that was known at each close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.evaluation.blocks import Floats, Integers
from finscale.evaluation.losses import probabilities
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.sharpe import PERIODS

_DAYS_A_YEAR = 365.25
#: How far from 252 sessions in a year an exchange's may be: holidays, and short samples.
_LIKE_AN_EXCHANGE = 0.05


@dataclass(frozen=True)
class Market:
    """Adjusted prices of all symbols on a common calendar.

    Attributes
    ----------
    dates : ndarray of shape (T,)
        Sessions, ascending.
    symbols : tuple of str
        S columns.
    open, close : ndarray of shape (T, S)
        Adjusted by one factor a bar; NaN where a symbol has no bar.
    """

    dates: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    open: Floats
    close: Floats

    @classmethod
    def of(cls, bars: pl.DataFrame) -> Market:
        """Arrange stacked bars (date, symbol, open, close) on a common calendar.

        Bars of closes alone have no open, which is NaN then.
        """
        if "open" not in bars.columns:
            bars = bars.with_columns(open=pl.lit(None, pl.Float64))
        symbols = tuple(bars["symbol"].unique(maintain_order=True))
        wide = {
            price: bars.pivot("symbol", index="date", values=price).sort("date").select(symbols)
            for price in ("open", "close")
        }
        dates = bars["date"].cast(pl.Date).unique().sort().to_numpy()
        open_TS, close_TS = (
            wide[price].cast(pl.Float64).fill_null(np.nan).to_numpy() for price in ("open", "close")
        )
        return cls(dates, symbols, open_TS, close_TS)

    @cached_property
    def periods(self) -> float:
        """Sessions in a year: 252 on the days of an exchange, else as many as the calendar has.

        Of less than a year of prices, 252.
        """
        num_days = (self.dates[-1] - self.dates[0]) / np.timedelta64(1, "D")
        if num_days < _DAYS_A_YEAR:
            return PERIODS
        measured = float((len(self.dates) - 1) / num_days * _DAYS_A_YEAR)
        return PERIODS if abs(measured / PERIODS - 1) < _LIKE_AN_EXCHANGE else measured

    @cached_property
    def last_bars(self) -> Integers:
        """Row of each symbol's last bar at each session; the first row before it has one."""
        return _last_bars(self.close)

    @cached_property
    def last_closes(self) -> Floats:
        """Closes, the last one carried over sessions without a bar; NaN before the first."""
        return np.take_along_axis(self.close, self.last_bars, axis=0)

    @cached_property
    def volatility(self) -> Floats:
        """Annualised volatility known at each close, shape (T, S); see :func:`ewma_volatility`."""
        return ewma_volatility(self.close, periods=self.periods)

    def margins(
        self, predictions: Predictions, thresholds: Mapping[int, float] | float = 0.5
    ) -> Floats:
        """Return how far each test prediction lies above its threshold, in logits: shape (T, S).

        Parameters
        ----------
        predictions : Predictions
            Test rows are taken; where there is none the result is NaN.
        thresholds : float or mapping of int to float
            Probability at which to act, of all folds or of each: chosen on validation, as in
            ``Evaluation.thresholds``.

        Raises
        ------
        DataError
            If a prediction has no bar.
        """
        test = predictions.test
        dates_N = test["date"].cast(pl.Date).to_numpy()
        day_N = np.searchsorted(self.dates, dates_N)
        column = {symbol: i for i, symbol in enumerate(self.symbols)}
        column_N = np.array([column.get(symbol, -1) for symbol in test["symbol"]], dtype=np.int64)
        lost_N = (self.dates[np.minimum(day_N, len(self.dates) - 1)] != dates_N) | (column_N < 0)
        if lost_N.any():
            first = test.row(int(np.argmax(lost_N)), named=True)
            raise DataError(f"{first['symbol']} has a prediction but no bar on {first['date']}.")
        if isinstance(thresholds, Mapping):
            limit_N = np.array([thresholds[int(fold)] for fold in test["fold"]])
        else:
            limit_N = np.full(test.height, thresholds)
        logit_N = test["logit"].to_numpy()
        margin_N = logit_N - np.log(limit_N / (1 - limit_N))
        # what lies at its threshold is acted on, which the way to a logit and back would leave open
        margin_N[probabilities(logit_N) == limit_N] = 0.0
        margin_TS = np.full(self.close.shape, np.nan)
        margin_TS[day_N, column_N] = margin_N
        return margin_TS


def ewma_volatility(close_TS: Floats, *, decay: float = 0.94, periods: float = PERIODS) -> Floats:
    """Return the annualised volatility known at each close: shape (T, S), NaN before two sessions.

    Exponentially weighted squared returns (RiskMetrics), weights normalised over the sessions since
    a symbol's first bar; without a bar its price stands still.
    """
    close_TS = np.take_along_axis(close_TS, _last_bars(close_TS), axis=0)
    squared_TS = returns_between(close_TS[:-1], close_TS[1:]) ** 2
    known_TS = np.isfinite(squared_TS)
    with np.errstate(invalid="ignore"):
        variance_TS = _decayed(np.where(known_TS, squared_TS, 0.0), decay) / _decayed(
            known_TS.astype(np.float64), decay
        )
    volatility_TS = np.full(close_TS.shape, np.nan)
    volatility_TS[1:] = np.sqrt(variance_TS * periods)
    return volatility_TS


def _decayed(values_TS: Floats, decay: float) -> Floats:
    """Return Σ decay^k · value at t − k."""
    # a loop over sessions, once a market: to import scipy.signal takes a second
    sums_TS = values_TS.copy()
    for before_S, sums_S in pairwise(sums_TS):
        sums_S += decay * before_S
    return sums_TS


def returns_between(before_TS: Floats, after_TS: Floats) -> Floats:
    """Return what each price has gained on the one before."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(after_TS / before_TS - 1.0)


def _last_bars(close_TS: Floats) -> Integers:
    row_TS = np.where(np.isfinite(close_TS), np.arange(len(close_TS))[:, None], 0)
    return np.maximum.accumulate(row_TS, axis=0)
