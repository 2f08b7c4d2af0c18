"""What a stream of daily returns is worth: growth, risk, turnover, and the cost that ends it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import optimize

from finscale.evaluation.backtest import Backtest
from finscale.evaluation.blocks import stationary_replicates
from finscale.evaluation.bootstrap import (
    LEVEL,
    NUM_REPLICATES,
    Floats,
    Metric,
    percentile_interval,
    small_sample_stretch,
)
from finscale.evaluation.sharpe import (
    PERIODS,
    deflated_sharpe,
    probabilistic_sharpe,
    sharpe_block_length,
    sharpe_interval,
    sharpe_ratio,
    sharpe_replicates,
)

_BP = 1e-4


@dataclass(frozen=True)
class Performance:
    """Figures of one backtest, net of costs.

    Attributes
    ----------
    name : str
    years : float
        Sessions over sessions a year.
    total_return, cagr : float
        Compounded, over all and a year; fractions.
    volatility : float
        Annualised standard deviation of daily returns.
    sharpe : Metric
        Annualised mean over standard deviation, cash at zero.
    probability : float
        That the true Sharpe ratio is positive, for one trial.
    deflated : float
        The same, given the number of trials.
    sortino : float
        Annualised mean over downside deviation.
    max_drawdown : float
        Largest fall from a peak, negative.
    calmar : float
        CAGR over the largest fall.
    hit_rate : float
        Share of positive days among those that are not zero.
    turnover : float
        Value traded over equity, a year.
    exposure : float
        Mean sum of absolute weights.
    break_even : float
        One-way cost in basis points at which nothing is left; 0 if nothing is there without costs,
        infinite if nothing is traded.
    """

    name: str
    years: float
    total_return: float
    cagr: float
    volatility: float
    sharpe: Metric
    probability: float
    deflated: float
    sortino: float
    max_drawdown: float
    calmar: float
    hit_rate: float
    turnover: float
    exposure: float
    break_even: float


def performance(
    result: Backtest,
    *,
    num_trials: int = 1,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Performance:
    """Measure a backtest.

    Parameters
    ----------
    result : Backtest
    num_trials : int
        Every strategy that was looked at before this one was shown; deflates the Sharpe ratio.
    num_replicates, level, seed
        Of the bootstrap.
    """
    returns_T, periods = result.returns, result.periods
    growth, fall = cagr(returns_T, periods=periods), max_drawdown(returns_T)
    traded = returns_T[returns_T != 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        calmar = float(np.divide(growth, abs(fall)))
    return Performance(
        name=result.name,
        years=len(returns_T) / periods,
        total_return=float(np.prod(1 + returns_T) - 1),
        cagr=growth,
        volatility=float(returns_T.std(ddof=1)) * math.sqrt(periods),
        sharpe=sharpe_interval(
            returns_T,
            periods=periods,
            block_length=result.block_length,
            num_replicates=num_replicates,
            level=level,
            seed=seed,
        ),
        probability=probabilistic_sharpe(returns_T, periods=periods),
        deflated=deflated_sharpe(returns_T, num_trials=num_trials, periods=periods),
        sortino=sortino_ratio(returns_T, periods=periods),
        max_drawdown=fall,
        calmar=calmar,
        hit_rate=float((traded > 0).mean()) if len(traded) else math.nan,
        turnover=float(result.turnover.sum()) * periods / len(returns_T),
        exposure=float(result.exposure[:-1].mean()),
        break_even=break_even_cost(result),
    )


def cagr(returns_T: Floats, *, periods: float = PERIODS) -> float:
    """Return the compound annual growth rate."""
    return float(np.prod(1 + returns_T) ** (periods / len(returns_T)) - 1)


def max_drawdown(returns_T: Floats) -> float:
    """Return the largest fall of equity from its peak so far, the start included; zero or less."""
    equity = np.append(1.0, np.cumprod(1 + returns_T))
    return float((equity / np.maximum.accumulate(equity)).min() - 1)


def sortino_ratio(returns_T: Floats, *, periods: float = PERIODS) -> float:
    """Return the annualised mean over the root mean square of negative returns."""
    downside = math.sqrt(float(np.mean(np.minimum(returns_T, 0) ** 2)))
    return float(returns_T.mean()) / downside * math.sqrt(periods) if downside > 0 else math.nan


def break_even_cost(result: Backtest, benchmark: Backtest | None = None) -> float:
    """Return the one-way cost in basis points at which a strategy ends where the benchmark does.

    Parameters
    ----------
    result : Backtest
    benchmark : Backtest, optional
        Its growth after its own costs; cash when absent.

    Returns
    -------
    float
        0 if the strategy is no better even without costs, infinite if it trades nothing.
    """
    wanted = 0.0 if benchmark is None else float(np.log1p(benchmark.returns).sum())
    surplus = float(np.log1p(result.gross).sum()) - wanted
    if surplus <= 0:
        return 0.0
    if not result.turnover.any():
        return math.inf

    def left(cost: float) -> float:
        return surplus + float(np.log1p(-cost * result.turnover).sum())

    highest = (1 - 1e-12) / float(result.turnover.max())
    return float(optimize.brentq(left, 0.0, highest)) / _BP


def sharpe_difference(
    first: Backtest,
    second: Backtest,
    *,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Metric:
    """Return first minus second annualised Sharpe ratio, paired: the same days for both.

    Days are those that both cover.

    References
    ----------
    Ledoit and Wolf (2008), Robust performance hypothesis testing with the Sharpe ratio, Journal of
    Empirical Finance 15.
    """
    if np.array_equal(first.dates, second.dates):
        pair_2T = np.stack([first.returns, second.returns])
        length = max(first.block_length, second.block_length)
    else:
        _, a, b = np.intersect1d(first.dates, second.dates, return_indices=True)
        pair_2T = np.stack([first.returns[a], second.returns[b]])
        length = max(sharpe_block_length(returns_T) for returns_T in pair_2T)
    periods = first.periods
    drawn = stationary_replicates(pair_2T.shape[1], length, num_replicates, seed)
    ratios_R2 = sharpe_replicates(pair_2T.T, drawn)
    value = sharpe_ratio(pair_2T[0], periods=periods) - sharpe_ratio(pair_2T[1], periods=periods)
    stretch = small_sample_stretch(pair_2T.shape[1], length, level)
    replicates_R = (ratios_R2[:, 0] - ratios_R2[:, 1]) * math.sqrt(periods)
    return percentile_interval(value, replicates_R, level=level, stretch=stretch)


def performance_table(results: Sequence[Performance]) -> pl.DataFrame:
    """Return one line a backtest, with the Sharpe ratio's interval in columns of its own."""
    return pl.DataFrame([performance_line(result) for result in results])


def performance_line(result: Performance) -> dict[str, Any]:
    """Return a line of :func:`performance_table`."""
    line = {name: value for name, value in vars(result).items() if name != "sharpe"}
    return line | result.sharpe.columns("sharpe")
