"""What a test set of this size could have seen, before anyone reads meaning into what it shows.

Everything follows from the number of *effective* days: decision days, less what overlapping labels
and correlated symbols repeat. All tests are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy import optimize
from scipy.special import ndtr, ndtri

from finscale.errors import DataError
from finscale.evaluation.bootstrap import Days, Floats
from finscale.evaluation.scores import log_losses
from finscale.evaluation.sharpe import PERIODS, expected_best

LEVEL = 0.05
POWER = 0.80
_FEWEST_DAYS = 20
#: Nodes and weights of the standard normal expectation.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(128)


def effective_days(
    num_days: int, *, overlap: int = 1, num_symbols: float = 1, correlation: float = 1.0
) -> float:
    """Return the independent observations that a test set is worth.

    Parameters
    ----------
    num_days : int
        T, decision days.
    overlap : int
        H: a mean of labels that span H days varies as one of T / H independent labels.
    num_symbols : float
        S, rows a day on average.
    correlation : float
        ρ of two symbols' outcomes on one day: S of them are worth S / (1 + (S − 1) ρ). At 1, the
        default, more symbols add nothing; see :func:`same_day_correlation`.
    """
    independent = num_symbols / (1 + (num_symbols - 1) * correlation)
    return num_days / max(1, overlap) * independent


def same_day_correlation(dates: Sequence[Any] | NDArray[Any], values: ArrayLike) -> float:
    """Return the correlation of two rows of one day, from 0 to 1; 1 where no day has two rows.

    The intraclass correlation of a one-way analysis of variance with days as groups.
    """
    values_N = np.asarray(values, dtype=np.float64)
    days = Days.of(dates)
    num_rows, num_days = len(values_N), len(days)
    if num_rows == num_days or num_days == 1:
        return 1.0
    mean_T = days.means(values_N)
    between = float(days.counts @ (mean_T - values_N.mean()) ** 2) / (num_days - 1)
    within = float(((values_N - mean_T[days.row_day]) ** 2).sum()) / (num_rows - num_days)
    per_day = (num_rows - float(days.counts @ days.counts) / num_rows) / (num_days - 1)
    total = between + (per_day - 1) * within
    return min(1.0, max(0.0, (between - within) / total)) if total > 0 else 1.0


@dataclass(frozen=True)
class Binormal:
    """A calibrated model whose log odds are normal in both classes, ``d`` apart in their own scale.

    The best that can be done with a signal of a given AUC, and so the yardstick of what an AUC is
    worth in nats.

    Attributes
    ----------
    d : float
        Distance of the classes in standard deviations; AUC = Φ(d / √2).
    base_rate : float
        Share of events.
    """

    d: float
    base_rate: float = 0.5

    @classmethod
    def of_auc(cls, auc: float, base_rate: float = 0.5) -> Binormal:
        """Return the model with this AUC."""
        return cls(math.sqrt(2) * float(ndtri(auc)), base_rate)

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""
        return float(ndtr(self.d / math.sqrt(2)))

    def _gains(self) -> tuple[Floats, Floats]:
        """Return the loss gained over the base rate at each node, for events and for others."""
        prior = math.log(self.base_rate / (1 - self.base_rate))
        shift = np.array([[self.d**2 / 2], [-(self.d**2) / 2]])
        outcome = np.array([[1.0], [0.0]])
        gain = log_losses(outcome, prior) - log_losses(outcome, prior + shift + self.d * _NODES)
        return gain[0], gain[1]

    def _mean(self, events: Floats, others: Floats) -> float:
        weights = _WEIGHTS / _WEIGHTS.sum()
        return float(self.base_rate * weights @ events + (1 - self.base_rate) * weights @ others)

    @property
    def gain(self) -> float:
        """Expected log loss gained over the base rate, nats per decision."""
        return self._mean(*self._gains())

    @property
    def gain_deviation(self) -> float:
        """Standard deviation of one decision's gain, nats; about √(2 · gain) for a weak signal."""
        events, others = self._gains()
        return math.sqrt(self._mean(events**2, others**2) - self.gain**2)


def auc_error(auc: float, num_events: float, num_others: float) -> float:
    """Return the standard error of an AUC.

    References
    ----------
    Hanley and McNeil (1982), Radiology 143.
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (num_events - 1) * (q1 - auc**2) + (num_others - 1) * (q2 - auc**2)
    return math.sqrt(spread / (num_events * num_others))


def _auc_surplus(
    auc: float, num_days: float, base_rate: float, level: float, power: float
) -> float:
    """Return by how much an AUC exceeds the smallest that is seen with this power."""
    events, others = num_days * base_rate, num_days * (1 - base_rate)
    reach = ndtri(1 - level / 2) * auc_error(0.5, events, others)
    return float(auc - 0.5 - reach - ndtri(power) * auc_error(auc, events, others))


def days_for_auc(
    auc: float, *, base_rate: float = 0.5, level: float = LEVEL, power: float = POWER
) -> int:
    """Return the independent days needed to tell an AUC from .5, 20 at least.

    Examples
    --------
    >>> days_for_auc(0.52)
    6538
    """

    def surplus(days: float) -> float:
        return _auc_surplus(auc, days, base_rate, level, power)

    if surplus(_FEWEST_DAYS) >= 0:
        return _FEWEST_DAYS
    return math.ceil(optimize.brentq(surplus, _FEWEST_DAYS, 1e12))


def smallest_auc(
    num_days: float, *, base_rate: float = 0.5, level: float = LEVEL, power: float = POWER
) -> float:
    """Return the smallest AUC above .5 that is seen with this power in so many effective days.

    NaN where none is: an event on one day of a thousand may come once, or never.
    """
    surplus = lambda auc: _auc_surplus(auc, num_days, base_rate, level, power)  # noqa: E731
    return _root(surplus, 0.5, 1 - 1e-9)


def smallest_gain(
    num_days: float, *, base_rate: float = 0.5, level: float = LEVEL, power: float = POWER
) -> float:
    """Return the smallest log-loss gain over the base rate that is seen, nats per decision.

    Of a calibrated :class:`Binormal` model, tested by the mean of its per-day gains; NaN where no
    gain is seen. Where a real comparison exists, its own standard error says more: see
    :func:`smallest_difference`.
    """
    reach = _reach(level, power)

    def surplus(d: float) -> float:
        model = Binormal(d, base_rate)
        return model.gain * math.sqrt(num_days) - reach * model.gain_deviation

    distance = _root(surplus, 1e-3, 8.0)
    return math.nan if math.isnan(distance) else Binormal(distance, base_rate).gain


def _root(surplus: Callable[[float], float], low: float, high: float) -> float:
    """Return where a surplus that rises with the effect is zero; NaN if even the highest lacks."""
    if surplus(high) < 0:
        return math.nan
    return float(optimize.brentq(surplus, low, high))


def smallest_sharpe(
    num_days: int, *, periods: float = PERIODS, level: float = LEVEL, power: float = POWER
) -> float:
    """Return the smallest annualised Sharpe ratio that is seen in so many daily returns.

    From Lo's standard error √((1 + SR²/2) / T) of a ratio per period. Returns of one day do not
    overlap, whatever the horizon of the label, so T counts in full.

    References
    ----------
    Lo (2002), The statistics of Sharpe ratios, Financial Analysts Journal 58.
    """
    reach = _reach(level, power)
    return math.sqrt(periods) * reach / math.sqrt(num_days - reach**2 / 2)


def smallest_difference(
    standard_error: float, *, level: float = LEVEL, power: float = POWER
) -> float:
    """Return the smallest difference that is seen, given the standard error of its estimate."""
    return _reach(level, power) * standard_error


def _reach(level: float, power: float) -> float:
    """Return how many standard errors a true difference must have: 2.80 for 5 % and 80 %."""
    return float(ndtri(1 - level / 2) + ndtri(power))


def best_auc_of_worthless(num_trials: int, num_days: float, *, base_rate: float = 0.5) -> float:
    """Return the AUC that the best of K models without skill is expected to show."""
    error = auc_error(0.5, num_days * base_rate, num_days * (1 - base_rate))
    return 0.5 + error * expected_best(num_trials)


def power_table(
    num_days: int,
    *,
    base_rate: float = 0.5,
    overlap: int = 1,
    num_symbols: float = 1,
    correlation: float = 1.0,
    level: float = LEVEL,
    power: float = POWER,
    periods: float = PERIODS,
    factors: Sequence[float] = (1, 2, 5, 10),
) -> pl.DataFrame:
    """Return the smallest AUC, log-loss gain and Sharpe ratio that a test set can show.

    Parameters
    ----------
    num_days : int
        T, decision days of the test set.
    base_rate : float
        Share of events.
    overlap, num_symbols, correlation
        See :func:`effective_days`.
    level, power : float
        Of the two-sided tests.
    periods : float
        Trading days in a year.
    factors : sequence of float
        Multiples of T, one line each: this test set, and what longer ones would see.

    Returns
    -------
    polars.DataFrame
        days, effective_days, auc, log_loss_gain (nats), sharpe (annualised); NaN where so many
        days cannot show any, as with very rare events.

    Raises
    ------
    DataError
        With fewer than 20 effective days, or one class only.
    """
    if not 0 < base_rate < 1:
        raise DataError(f"with a base rate of {base_rate:.3g} there is nothing to tell apart.")
    lines = []
    for factor in factors:
        days = round(num_days * factor)
        effective = effective_days(
            days, overlap=overlap, num_symbols=num_symbols, correlation=correlation
        )
        if effective < _FEWEST_DAYS:
            raise DataError(
                f"{days:,} days with labels that span {overlap} are worth {effective:.0f} "
                f"independent ones; nothing can be said of fewer than {_FEWEST_DAYS}."
            )
        options = {"base_rate": base_rate, "level": level, "power": power}
        lines.append(
            {
                "days": days,
                "effective_days": effective,
                "auc": smallest_auc(effective, **options),
                "log_loss_gain": smallest_gain(effective, **options),
                "sharpe": smallest_sharpe(days, periods=periods, level=level, power=power),
            }
        )
    return pl.DataFrame(lines)
