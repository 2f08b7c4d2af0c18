"""What a tear sheet shows: months, drawdowns, the rolling Sharpe ratio, of all seeds together."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from finscale.evaluation.backtest import FREE, Backtest
from finscale.evaluation.predictions import Predictions
from finscale.study.findings.tested import seed_ensemble
from finscale.study.findings.trading import MODEL, ROLLING, Trading


def _trading(returns: list[float], exposure: list[float] | None = None) -> Trading:
    days = np.array([np.datetime64("2019-12-30") + i for i in range(len(returns))])
    zeros = np.zeros(len(returns))
    held = np.array(exposure or zeros.tolist())
    result = Backtest(MODEL, days, np.array(returns), np.array(returns), zeros, held)
    return Trading(FREE, 1, {MODEL: result}, {}, {}, 0.0)


def test_months_compound_their_days() -> None:
    months = _trading([0.1, -0.5, 0.2, 0.25]).monthly()
    assert months.rows() == [
        (2019, 12, pytest.approx(1.1 * 0.5 - 1)),
        (2020, 1, pytest.approx(1.2 * 1.25 - 1)),
    ]


def test_a_drawdown_counts_from_the_start_and_from_every_height() -> None:
    course = _trading([-0.1, 0.5, -0.2, 0.25], [0.0, 1.0, 1.0, 0.0]).course(MODEL)
    assert course["drawdown"].to_list() == pytest.approx([-0.1, 0.0, -0.2, 0.0])
    assert course["exposure"].to_list() == [0.0, 1.0, 1.0, 0.0]


def test_the_rolling_sharpe_ratio_is_a_years() -> None:
    draws = np.random.default_rng(0).normal(0.001, 0.01, ROLLING + 40)
    sharpe = _trading(draws.tolist()).course(MODEL)["sharpe"]
    assert sharpe[: ROLLING - 1].is_null().all()
    last = draws[-ROLLING:]
    assert sharpe[-1] == pytest.approx(last.mean() / last.std(ddof=1) * np.sqrt(252))
    # cash has no Sharpe ratio
    assert _trading([0.0] * (ROLLING + 5)).course(MODEL)["sharpe"].is_null().all()


def _predictions(logits: list[float], seed: int) -> Predictions:
    days = [dt.date(2020, 1, day) for day in range(1, 5)]
    table = pl.DataFrame(
        {
            "date": days,
            "symbol": ["A"] * 4,
            "fold": [0] * 4,
            "split": ["validation", "validation", "test", "test"],
            "target": [0.0, 1.0, 1.0, 0.0],
            "logit": logits,
        }
    )
    return Predictions(table, seed=seed, runs=(f"run{seed}",))


def test_seeds_are_one_model_by_the_mean_of_their_log_odds() -> None:
    group = [_predictions([0.0, 1.0, 2.0, 3.0], 0), _predictions([2.0, 1.0, 0.0, -1.0], 1)]
    together = seed_ensemble(group)
    assert together.table["logit"].to_list() == [1.0, 1.0, 1.0, 1.0]
    assert together.table.drop("logit").equals(group[0].table.drop("logit"))
    assert seed_ensemble(group[:1]) is group[0]
    assert seed_ensemble([group[0], replace(group[0], seed=5)]).table.equals(group[0].table)
