"""Sharpe ratios: published examples and the size of what is claimed from them."""

import math

import numpy as np
import pytest

from finscale.evaluation.sharpe import (
    deflated_sharpe,
    expected_best,
    probabilistic_sharpe,
    sharpe_interval,
    sharpe_probability,
    sharpe_ratio,
)


def test_the_example_of_bailey_and_lopez_de_prado():
    """(2014), section "A numerical example": 5 years, 100 trials, annual ratio 2.5."""
    best = math.sqrt(0.5 / 250) * expected_best(100)
    assert best == pytest.approx(0.1132, abs=5e-5)
    probability = sharpe_probability(2.5 / math.sqrt(250), best, 1250, skewness=-3.0, kurtosis=10.0)
    assert probability == pytest.approx(0.9004, abs=5e-5)
    # with 46 trials it is .9505, the paper's break-even at 95 %
    fewer = math.sqrt(0.5 / 250) * expected_best(46)
    assert sharpe_probability(
        2.5 / math.sqrt(250), fewer, 1250, skewness=-3.0, kurtosis=10.0
    ) == pytest.approx(0.9505, abs=5e-5)


def test_ratio_and_interval():
    returns = np.random.default_rng(0).normal(0.0005, 0.01, 2520)
    ratio = returns.mean() / returns.std(ddof=1) * math.sqrt(252)
    interval = sharpe_interval(returns)
    assert sharpe_ratio(returns) == pytest.approx(ratio)
    assert interval.value == pytest.approx(ratio)
    # Lo (2002): the standard error of an annual ratio over ten years is about 1/√10
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / math.sqrt(10), rel=0.15)


def test_probabilistic_sharpe_is_symmetric_for_normal_returns():
    returns = np.random.default_rng(1).normal(0.0, 0.01, 1000)
    assert probabilistic_sharpe(returns, benchmark=sharpe_ratio(returns)) == pytest.approx(0.5)
    assert probabilistic_sharpe(returns, benchmark=-10) > 0.999


def test_one_trial_needs_no_deflation():
    returns = np.random.default_rng(2).normal(0.0004, 0.01, 1000)
    assert deflated_sharpe(returns, num_trials=1) == probabilistic_sharpe(returns)
    assert deflated_sharpe(returns, num_trials=100) < deflated_sharpe(returns, num_trials=10)
    assert deflated_sharpe(returns, num_trials=10, trial_variance=1.0) < deflated_sharpe(
        returns, num_trials=10
    )


def best_of_worthless(rng: np.random.Generator, num_trials: int) -> np.ndarray:
    returns = rng.standard_t(5, (num_trials, 750)) * 0.01
    return returns[np.argmax(returns.mean(axis=1) / returns.std(axis=1))]


def test_the_best_of_many_worthless_strategies_is_seldom_believed():
    """Undeflated, the best of 50 looks significant nearly always; deflated, one in twenty."""
    rng = np.random.default_rng(3)
    chosen = [best_of_worthless(rng, 50) for _ in range(500)]
    naive = np.mean([probabilistic_sharpe(returns) > 0.95 for returns in chosen])
    deflated = np.mean([deflated_sharpe(returns, num_trials=50) > 0.95 for returns in chosen])
    assert naive > 0.85
    assert deflated <= 0.07


def test_size_of_the_probabilistic_ratio_is_five_percent():
    rng = np.random.default_rng(4)
    returns = rng.standard_t(5, (1000, 750)) * 0.01
    rejected = np.mean([probabilistic_sharpe(row) > 0.95 for row in returns])
    assert 0.03 <= rejected <= 0.07
