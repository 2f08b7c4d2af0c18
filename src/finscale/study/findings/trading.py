"""What acting on the chosen run would have earned after costs, beside the plain alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from finscale.evaluation.backtest import (
    Backtest,
    Costs,
    Strategy,
    backtest,
    buy_and_hold,
    follow,
)
from finscale.evaluation.market import Market
from finscale.evaluation.performance import (
    Performance,
    break_even_cost,
    performance,
    sharpe_difference,
)
from finscale.evaluation.predictions import Predictions

#: Names as the report shows them.
MODEL, BUY_AND_HOLD = "mean of the seeds", "buy and hold"
#: Sessions of the rolling Sharpe ratio: half a year.
ROLLING = 126
VOLATILITY_TIMING = "volatility timing"


@dataclass(frozen=True)
class Trading:
    """Backtests of the chosen size, its seeds together, and of what needs no network."""

    costs: Costs  #: What trading is taken to cost
    num_trials: int  #: Strategies that the study looked at, for the deflated Sharpe ratio
    results: dict[str, Backtest]  #: Name → daily results
    measured: dict[str, Performance]  #: Name → figures
    #: Name → Sharpe ratio less that of buy and hold, with its interval.
    over_hold: dict[str, tuple[float, float, float]]
    #: One-way cost, in basis points, at which the chosen run ends where buy and hold does.
    break_even_over_hold: float

    def equity(self) -> pl.DataFrame:
        """Return strategy, date, equity (1 at the start)."""
        return pl.concat(
            pl.DataFrame({"date": result.dates, "equity": np.cumprod(1 + result.returns)})
            .with_columns(pl.col("date").cast(pl.Date), strategy=pl.lit(name))
            .select("strategy", "date", "equity")
            for name, result in self.results.items()
        )

    def monthly(self, name: str = MODEL) -> pl.DataFrame:
        """Return year, month, return of a strategy: what its days of that month made together."""
        result = self.results[name]
        days = pl.DataFrame({"date": result.dates, "growth": 1 + result.returns})
        return (
            days.with_columns(pl.col("date").cast(pl.Date))
            .group_by(year=pl.col("date").dt.year(), month=pl.col("date").dt.month())
            .agg(value=pl.col("growth").product() - 1)
            .sort("year", "month")
        )

    def course(self, name: str) -> pl.DataFrame:
        """Return date, drawdown, rolling Sharpe ratio and exposure of a strategy, day by day.

        The drawdown is the fall from the highest value so far, the start included; the Sharpe ratio
        is a year's, of the last :data:`ROLLING` sessions, null before there are so many; exposure
        is the share of equity that is invested into the next session.
        """
        result = self.results[name]
        equity_T = np.cumprod(1 + result.returns)
        drawdown_T = equity_T / np.maximum(np.maximum.accumulate(equity_T), 1.0) - 1
        frame = pl.DataFrame(
            {
                "date": result.dates,
                "returns": result.returns,
                "drawdown": drawdown_T,
                "exposure": result.exposure,
            }
        ).with_columns(pl.col("date").cast(pl.Date))
        mean = pl.col("returns").rolling_mean(ROLLING)
        deviation = pl.col("returns").rolling_std(ROLLING)
        sharpe = pl.when(deviation > 1e-12).then(mean / deviation * np.sqrt(result.periods))
        return frame.with_columns(sharpe=sharpe).drop("returns")


def trade(
    chosen: Predictions,
    baselines: Mapping[str, Predictions],
    market: Market,
    *,
    costs: Costs,
    num_trials: int,
) -> Trading:
    """Backtest a model, the volatility baseline by the same rule, and two without models.

    See :func:`finscale.evaluation.backtest.follow` for the rule.
    """
    results = {MODEL: follow(chosen, market, costs, name=MODEL)}
    if "volatility" in baselines:
        name = "volatility baseline"
        results[name] = follow(baselines["volatility"], market, costs, name=name)
    timing = Strategy(rule="volatility_timing", holding=chosen.horizon)
    margin_TS = market.margins(chosen)
    results[VOLATILITY_TIMING] = backtest(market, margin_TS, timing, costs, name=VOLATILITY_TIMING)
    results[BUY_AND_HOLD] = buy_and_hold(market, margin_TS, costs)
    hold = results[BUY_AND_HOLD]
    differences = {
        name: sharpe_difference(result, hold) for name, result in results.items() if result != hold
    }
    return Trading(
        costs=costs,
        num_trials=num_trials,
        results=results,
        measured={name: performance(r, num_trials=num_trials) for name, r in results.items()},
        over_hold={name: (m.value, m.low, m.high) for name, m in differences.items()},
        break_even_over_hold=break_even_cost(results[MODEL], hold),
    )
