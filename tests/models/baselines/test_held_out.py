"""Blocks of a panel's train days, and the penalty that they choose with validation."""

import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from finscale.models.baselines import linear_fit
from finscale.models.baselines.held_out import GAP, NUM_BLOCKS, held_out_blocks
from finscale.models.baselines.linear_fit import fit_linear


def panel(num_days: int, names: str = "AB") -> pl.DataFrame:
    start = date(2020, 1, 1)
    days = pl.date_range(start, interval="1d", end=date.fromordinal(start.toordinal() + num_days))
    own = pl.select(days.alias("date"))[:num_days]
    return pl.concat(own.with_columns(symbol=pl.lit(name)) for name in names)


def test_no_label_of_a_block_reaches_into_another():
    horizon, frame = 7, panel(400)
    block = held_out_blocks(frame, np.arange(800), horizon)[:400]
    for day in range(400 - horizon):
        reached = block[day : day + horizon + 1]
        if block[day] != GAP:
            assert set(reached) <= {block[day], GAP}
    assert (block == GAP).sum() == horizon * (NUM_BLOCKS - 1)
    assert block[-1] == NUM_BLOCKS - 1


def test_symbols_of_one_day_share_a_block_wherever_their_rows_lie():
    frame, rng = panel(300, "ABC"), np.random.default_rng(0)
    ends = rng.permutation(900)[:700]
    block = held_out_blocks(frame, ends, horizon=1)
    found = pl.DataFrame({"date": frame["date"].gather(ends), "block": block})
    assert found.group_by("date").agg(pl.col("block").n_unique())["block"].unique().to_list() == [1]


def test_one_symbol_and_short_panels_have_none():
    frame = panel(300)
    assert held_out_blocks(frame, np.arange(300), horizon=1) is None
    assert held_out_blocks(panel(120), np.arange(240), horizon=10) is None


@pytest.mark.parametrize("classifies", [True, False])
def test_one_year_s_luck_does_not_choose_the_penalty_alone(classifies):
    """Slopes of each day scatter about nothing; validation's days happen to agree with train."""
    rng = np.random.default_rng(3)
    slope_D = rng.normal(size=300) * 0.3
    x_DN = rng.uniform(-0.5, 0.5, (300, 100))
    y_DN = slope_D[:, None] * x_DN + 0.5 * rng.normal(size=x_DN.shape)
    y_DN = (y_DN > np.median(y_DN, axis=1, keepdims=True)) if classifies else y_DN
    x, y = x_DN.reshape(-1, 1), y_DN.reshape(-1).astype(float)
    lucky = fit_linear(x, y, classifies=classifies, penalty=1e-6)
    agreeing = np.repeat(np.sign(slope_D) == np.sign(lucky.weight_K[0]), 100)
    validation = x[agreeing][:2000], y[agreeing][:2000]
    blocks = np.repeat(np.arange(300) * NUM_BLOCKS // 300, 100)
    by_luck = fit_linear(x, y, *validation, classifies=classifies)
    by_blocks = fit_linear(x, y, *validation, classifies=classifies, blocks_B=blocks)
    assert by_luck.penalty < by_blocks.penalty
    # what is there is found: a slope of every day
    steady = y_DN + x_DN if not classifies else x_DN + rng.normal(size=x_DN.shape) > 0
    found = fit_linear(x, steady.reshape(-1), *validation, classifies=classifies, blocks_B=blocks)
    assert not math.isinf(found.penalty)
    assert found.weight_K[0] > 0


def test_a_fit_that_starts_from_another_ends_where_one_from_nothing_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 5))
    y = (x @ [1.0, 0, 0.5, 0, -1] + rng.logistic(size=3000) > 0).astype(float)
    cold, bias = linear_fit._logistic(x, y, 10.0)
    warm, warm_bias = linear_fit._logistic(x, y, 10.0, linear_fit._logistic(x, y, 1000.0))
    np.testing.assert_allclose(warm, cold, rtol=1e-6, atol=1e-8)
    assert warm_bias == pytest.approx(bias, abs=1e-8)
