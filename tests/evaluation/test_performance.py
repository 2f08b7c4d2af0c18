"""Performance figures against quantstats, and by hand."""

import math

import numpy as np
import pytest

from finscale.evaluation.backtest import Backtest
from finscale.evaluation.block_length import optimal_block_length
from finscale.evaluation.performance import (
    break_even_cost,
    performance,
    performance_table,
    sharpe_difference,
)


def result(returns, turnover=None, name="test") -> Backtest:
    returns = np.asarray(returns, float)
    turnover = np.zeros(len(returns)) if turnover is None else np.asarray(turnover, float)
    dates = np.datetime64("2015-01-01") + np.arange(len(returns))
    return Backtest(name, dates, returns, returns, turnover, np.ones(len(returns)))


@pytest.mark.parametrize("seed", range(4))
def test_figures_agree_with_quantstats(seed):
    import pandas as pd
    import quantstats.stats as outside

    rng = np.random.default_rng(seed)
    returns = 0.0004 + 0.011 * rng.standard_t(4, 1500)
    returns[rng.random(1500) < 0.1] = 0.0
    series = pd.Series(returns, pd.bdate_range("2015-01-01", periods=1500))
    ours = performance(result(returns), num_replicates=10)
    expected = {
        "total_return": outside.comp(series),
        "cagr": outside.cagr(series),
        "volatility": outside.volatility(series),
        "sortino": outside.sortino(series),
        "max_drawdown": outside.max_drawdown(series),
        "calmar": outside.calmar(series),
        "hit_rate": outside.win_rate(series),
    }
    for name, value in expected.items():
        assert getattr(ours, name) == pytest.approx(float(value), abs=1e-10), name
    assert ours.sharpe.value == pytest.approx(float(outside.sharpe(series)), abs=1e-10)


def test_a_first_day_that_loses_is_a_drawdown():
    assert performance(result([-0.1, 0.05, 0.02])).max_drawdown == pytest.approx(-0.1)


def test_break_even_cost_by_hand():
    """Two trades of all equity and a gain of 2 %: (1 − c)² · 1.02 = 1."""
    traded = result([0.0, 0.02], [1, 1])
    cost = (1 - 1 / math.sqrt(1.02)) * 1e4
    assert break_even_cost(traded) == pytest.approx(cost)
    assert break_even_cost(traded, result([0.0, 0.02])) == 0.0
    assert break_even_cost(traded, result([0.0, 0.01])) < cost
    assert break_even_cost(result([0.0, -0.01], [1, 1])) == 0.0
    assert break_even_cost(result([0.0, 0.01])) == math.inf


def test_turnover_and_trials():
    rng = np.random.default_rng(1)
    traded = result(0.001 + 0.01 * rng.standard_normal(504), np.full(504, 0.5))
    one, many = performance(traded), performance(traded, num_trials=200)
    assert one.turnover == pytest.approx(126)
    assert one.years == 2
    assert one.deflated == one.probability > many.deflated


def test_a_strategy_that_never_trades():
    idle = performance(result(np.zeros(300)), num_replicates=10)
    assert (idle.total_return, idle.max_drawdown) == (0.0, 0.0)
    assert math.isnan(idle.sharpe.value)
    assert math.isnan(idle.hit_rate)


def test_sharpe_difference_is_paired():
    """A strategy that is another plus a little: the difference is sharp though both are not."""
    rng = np.random.default_rng(2)
    base = 0.01 * rng.standard_normal(1000)
    better = result(base + 0.0005)
    difference = sharpe_difference(better, result(base))
    assert difference.value == pytest.approx(0.0005 / base.std(ddof=1) * math.sqrt(252), rel=1e-6)
    alone = performance(better).sharpe
    assert difference.high - difference.low < 0.2 * (alone.high - alone.low)
    assert difference.low > 0


def test_table_has_one_line_a_backtest():
    rng = np.random.default_rng(3)
    results = [
        performance(result(0.01 * rng.standard_normal(300), name=name), num_replicates=50)
        for name in ("model", "hold")
    ]
    table = performance_table(results)
    assert table["name"].to_list() == ["model", "hold"]
    assert table["sharpe"][0] == results[0].sharpe.value
    assert (table["sharpe_low"] < table["sharpe_high"]).all()


def test_sharpe_difference_is_over_the_days_that_both_cover():
    rng = np.random.default_rng(4)
    first, second = 0.01 * np.cumsum(rng.standard_normal((2, 400)), axis=1) / 20
    same = sharpe_difference(result(first[:300]), result(second[:300]), num_replicates=100)
    assert sharpe_difference(result(first), result(second[:300]), num_replicates=100) == same
    # blocks are the longest that either's returns or squares call for
    columns = np.column_stack([first[:300], second[:300], first[:300] ** 2, second[:300] ** 2])
    lengths = [result(returns[:300]).block_length for returns in (first, second)]
    assert max(lengths) == pytest.approx(optimal_block_length(columns), rel=1e-12)
