"""What forecasts of a panel are worth from one symbol to the next on the same day.

Arrays are of days × symbols, (T, S). Forecasts are compared with what each symbol earned over the
next H sessions; a day with fewer than :data:`LEAST` of both says nothing.

The mean of a daily series whose neighbours share H − 1 sessions needs an error that knows it.
:func:`mean_over_days` takes the long-run variance from the series' lowest frequencies (equally
weighted cosines), and Student's t with as many degrees of freedom: Newey and West's estimate with
their usual lags rejects a true null too often.

References
----------
Lazarus, Lewis, Stock and Watson (2018), HAR inference, Journal of Business & Economic Statistics 36
(the estimate); Fama and MacBeth (1973), Journal of Political Economy 81 (slopes of each day);
Grinold (1989), Journal of Portfolio Management 15 (information coefficient).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit
from scipy.stats import rankdata

from finscale.evaluation.blocks import Floats
from finscale.evaluation.intervals import LEVEL, Metric
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions

#: Symbols with a forecast and a return below which a day is not judged.
LEAST = 5
#: Portfolios that the day's forecasts are sorted into.
QUANTILES = 5


@dataclass(frozen=True)
class DailyMean:
    """The mean of a daily series, with an error that holds where days overlap.

    Attributes
    ----------
    mean : Metric
        With its interval.
    t : float
        The mean over its error.
    p_value : float
        Two-sided.
    deviation : float
        Standard deviation of the series.
    num_days : int
        Days that have a value.
    """

    mean: Metric
    t: float
    p_value: float
    deviation: float
    num_days: int

    @property
    def ratio(self) -> float:
        """The mean over the standard deviation of a day: of information coefficients, the ICIR."""
        return self.mean.value / self.deviation if self.deviation > 0 else math.nan


@dataclass(frozen=True)
class PanelForecasts:
    """Forecasts of a panel beside what came.

    Attributes
    ----------
    dates : ndarray of shape (T,)
        Days with a forecast.
    symbols : tuple of str
        S columns.
    forecast_TS, return_TS : ndarray of shape (T, S)
        What was said, and the return over the next ``horizon`` sessions (a fraction); NaN where
        there is none.
    horizon : int
        H.
    """

    dates: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    forecast_TS: Floats
    return_TS: Floats
    horizon: int

    @classmethod
    def of(cls, predictions: Predictions, market: Market) -> PanelForecasts:
        """Set test predictions beside the returns that a market gave after them.

        A symbol without a bar on the last session counts with its last close, as the labels do.
        """
        forecast_TS = market.margins(predictions)
        horizon, closes_TS = predictions.horizon, market.last_closes
        return_TS = np.full(closes_TS.shape, np.nan)
        return_TS[:-horizon] = closes_TS[horizon:] / market.close[:-horizon] - 1
        days = np.isfinite(forecast_TS).any(axis=1)
        return cls(market.dates[days], market.symbols, forecast_TS[days], return_TS[days], horizon)

    @property
    def is_panel(self) -> bool:
        """Whether some day has enough symbols to be judged."""
        return bool((self.both_TS.sum(axis=1) >= LEAST).any())

    @property
    def both_TS(self) -> NDArray[np.bool_]:
        """Where there is a forecast and a return."""
        both: NDArray[np.bool_] = np.isfinite(self.forecast_TS) & np.isfinite(self.return_TS)
        return both


def mean_over_days(values_T: Floats, horizon: int = 1, *, level: float = LEVEL) -> DailyMean:
    """Return the mean of a daily series whose values span ``horizon`` days.

    The long-run variance is the mean of the series' ν lowest squared cosine coefficients, with
    ν = .4 T^(2/3) (Lazarus et al. 2018, equation 4), and at most T / 2H, so that no cosine is
    shorter than four horizons. Days without a value are left out.

    Examples
    --------
    >>> found = mean_over_days(np.tile([1.0, 3.0], 50))
    >>> found.mean.value, found.num_days
    (2.0, 100)
    """
    known_T = values_T[np.isfinite(values_T)]
    num_days = len(known_T)
    if num_days < 4 * horizon + 4:
        value = float(known_T.mean()) if num_days else math.nan
        return DailyMean(Metric(value, math.nan, math.nan), math.nan, math.nan, math.nan, num_days)
    value, deviation = float(known_T.mean()), float(known_T.std(ddof=1))
    num_waves = int(min(0.4 * num_days ** (2 / 3), num_days / (2 * horizon)))
    day_T = (np.arange(num_days) + 0.5) / num_days
    waves_BT = np.sqrt(2) * np.cos(np.pi * np.arange(1, num_waves + 1)[:, None] * day_T)
    weights_B = waves_BT @ known_T / math.sqrt(num_days)
    error = math.sqrt(float(np.mean(weights_B**2)) / num_days)
    if not error > 0:
        return DailyMean(Metric(value, value, value), math.nan, math.nan, deviation, num_days)
    reach = float(stdtrit(num_waves, (1 + level) / 2)) * error
    t = value / error
    p_value = 2 * float(stdtr(num_waves, -abs(t)))
    return DailyMean(Metric(value, value - reach, value + reach), t, p_value, deviation, num_days)


def rank_correlations(panel: PanelForecasts) -> Floats:
    """Return each day's rank correlation of forecasts and returns, (T,).

    The information coefficient: Spearman's, ties at their mean rank; NaN on a day that is not
    judged, or whose forecasts or returns are all the same.
    """
    both_TS, num_T1 = panel.both_TS, panel.both_TS.sum(axis=1, keepdims=True)
    centred = []
    for values_TS in (panel.forecast_TS, panel.return_TS):
        rank_TS = rankdata(np.where(both_TS, values_TS, np.inf), axis=1)
        centred.append(np.where(both_TS, rank_TS - (num_T1 + 1) / 2, 0.0))
    first_TS, second_TS = centred
    scale_T = np.sqrt((first_TS**2).sum(axis=1) * (second_TS**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation_T = (first_TS * second_TS).sum(axis=1) / scale_T
    return np.where((num_T1[:, 0] >= LEAST) & (scale_T > 0), correlation_T, np.nan)


def quantile_returns(panel: PanelForecasts, num_quantiles: int = QUANTILES) -> Floats:
    """Return what each quantile of the day's forecasts earned beyond all, a session, (T, Q).

    A quantile is bought in equal parts and held for H sessions; its return less the mean of all
    judged symbols is divided by H. The first holds the lowest forecasts. Equal forecasts share
    their mean rank, and so a quantile.
    """
    both_TS, num_T1 = panel.both_TS, panel.both_TS.sum(axis=1, keepdims=True)
    rank_TS = rankdata(np.where(both_TS, panel.forecast_TS, np.inf), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        place_TS = np.floor((rank_TS - 0.5) / num_T1 * num_quantiles)
        mean_T = np.where(both_TS, panel.return_TS, 0.0).sum(axis=1) / num_T1[:, 0]
        earned_TQ = np.full((len(place_TS), num_quantiles), np.nan)
        for number in range(num_quantiles):
            held_TS = both_TS & (place_TS == number)
            total_T = np.where(held_TS, panel.return_TS, 0.0).sum(axis=1)
            earned_TQ[:, number] = (total_T / held_TS.sum(axis=1) - mean_T) / panel.horizon
    return np.where(num_T1 >= LEAST, earned_TQ, np.nan)


def fama_macbeth(panel: PanelForecasts) -> Floats:
    """Return each day's slope of returns on forecasts, (T,).

    Least squares with a constant, of H-session returns on forecasts in units of their standard
    deviation over all test rows; NaN on a day that is not judged or whose forecasts are all equal.
    """
    both_TS = panel.both_TS
    scale = float(panel.forecast_TS[both_TS].std()) if both_TS.any() else math.nan
    num_T1 = np.maximum(both_TS.sum(axis=1, keepdims=True), 1)
    x_TS, y_TS = (
        np.where(both_TS, v - np.where(both_TS, v, 0.0).sum(axis=1, keepdims=True) / num_T1, 0.0)
        for v in (panel.forecast_TS, panel.return_TS)
    )
    square_T = (x_TS**2).sum(axis=1)
    # rounding of equal forecasts is no difference between them
    told_T = (both_TS.sum(axis=1) >= LEAST) & (square_T > 1e-24 * num_T1[:, 0] * scale**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope_T = scale * (x_TS * y_TS).sum(axis=1) / square_T
    return np.where(told_T, slope_T, np.nan)
