"""Positions that only the past decides, and costs to the last basis point."""

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finscale.errors import DataError, FinscaleError
from finscale.evaluation.backtest import (
    FREE,
    RULES,
    Costs,
    Strategy,
    backtest,
    buy_and_hold,
    positions,
)
from finscale.evaluation.losses import probabilities
from finscale.evaluation.market import Market, ewma_volatility
from finscale.evaluation.predictions import Predictions


def market(open_prices, close_prices) -> Market:
    """Return a market of one symbol, or of several as columns."""
    close_TS = np.asarray(close_prices, float).reshape(len(close_prices), -1)
    open_TS = np.asarray(open_prices, float).reshape(close_TS.shape)
    dates = np.datetime64("2020-01-01") + np.arange(len(close_TS))
    return Market(dates, tuple(f"S{i}" for i in range(close_TS.shape[1])), open_TS, close_TS)


def random_market(seed: int, num_days: int = 80, num_symbols: int = 3):
    """Return prices and margins with gaps in both."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.02 * rng.standard_normal((num_days, num_symbols)), axis=0))
    open_ = close * np.exp(0.01 * rng.standard_normal(close.shape))
    gone = rng.random(close.shape) < 0.05
    close[gone] = open_[gone] = np.nan
    margin = rng.standard_normal(close.shape)
    margin[rng.random(close.shape) < 0.2] = np.nan
    return market(open_, close), margin


# closes 100, 110, 99, 108.9: returns +10 %, −10 %, +10 %
RISE_FALL = market([100, 104, 108, 100], [100, 110, 99, 108.9])
IN_OUT_IN = np.array([[1.0], [-1.0], [1.0], [np.nan]])


def test_long_flat_at_the_close_by_hand():
    result = backtest(RISE_FALL, IN_OUT_IN, costs=FREE)
    assert result.returns.tolist() == pytest.approx([0, 0.10, 0, 0.10])
    assert result.turnover.tolist() == pytest.approx([1, 1, 1, 1])
    assert result.exposure.tolist() == [1, 0, 1, 0]
    assert result.name == "long_flat"


def test_long_short_at_the_close_by_hand():
    result = backtest(RISE_FALL, IN_OUT_IN, Strategy("long_short"), FREE)
    assert result.returns.tolist() == pytest.approx([0, 0.10, 0.10, 0.10])
    # short −1 drifts to −0.9 / 1.1 of equity before it is turned to +1
    assert result.turnover.tolist() == pytest.approx([1, 2, 1 + 0.9 / 1.1, 1])


def test_entry_at_the_next_open_by_hand():
    """Bought at 104, sold at 108 (decided at 110, a day late), bought at 100."""
    result = backtest(RISE_FALL, IN_OUT_IN, Strategy(entry="open"), FREE)
    assert result.returns.tolist() == pytest.approx(
        [0, 110 / 104 - 1, 108 / 110 - 1, 108.9 / 100 - 1]
    )
    assert result.turnover.tolist() == pytest.approx([0, 1, 1, 2])


def test_costs_are_charged_where_the_trade_is():
    costs = Costs(commission=1, half_spread=2, slippage=7, borrow=0)
    assert costs.one_way == pytest.approx(0.001)
    result = backtest(RISE_FALL, IN_OUT_IN, costs=costs)
    free = backtest(RISE_FALL, IN_OUT_IN, costs=FREE)
    assert result.returns == pytest.approx((1 + free.returns) * (1 - 0.001) - 1)
    assert result.gross == pytest.approx(free.returns)


def test_borrowing_is_paid_on_shorts_only():
    costs = Costs(0, 0, 0, borrow=252)
    result = backtest(RISE_FALL, IN_OUT_IN, Strategy("long_short"), costs)
    free = backtest(RISE_FALL, IN_OUT_IN, Strategy("long_short"), FREE)
    assert (free.returns - result.returns).tolist() == pytest.approx([0, 0, 0.0001, 0])


def test_a_position_held_pays_once():
    always = np.array([[1.0], [1.0], [1.0], [np.nan]])
    result = backtest(RISE_FALL, always, costs=FREE)
    assert result.turnover.tolist() == pytest.approx([1, 0, 0, 1])


def test_symbols_with_a_decision_share_the_equity():
    two = market(np.ones((4, 2)), [[1, 1], [1.2, 1.0], [1.2, 1.0], [1.2, 1.0]])
    margin = np.array([[1, 1], [1, 1], [1, np.nan], [np.nan, np.nan]])
    weights = positions(two, margin, Strategy())
    assert weights.tolist() == [[0.5, 0.5], [0.5, 0.5], [1.0, 0.0], [0.0, 0.0]]
    result = backtest(two, margin, costs=FREE)
    assert result.returns[1] == pytest.approx(0.10)
    # .6/1.1 and .5/1.1 are traded back to halves
    assert result.turnover[1] == pytest.approx(0.1 / 1.1)


def test_a_decision_may_last_longer_than_a_session():
    flat = market(np.ones(8), np.ones(8))
    margin = np.full((8, 1), np.nan)
    margin[:4] = [[1.0], [-1.0], [-1.0], [1.0]]
    weights = positions(flat, margin, Strategy(holding=2))
    assert weights[:, 0].tolist() == [0.5, 0.5, 0, 0.5, 0.5, 0, 0, 0]
    assert len(backtest(flat, margin, Strategy(holding=2)).returns) == 6


def test_volatility_scaling_by_hand():
    rng = np.random.default_rng(0)
    returns = 0.01 * rng.standard_normal(60)
    prices = np.append(100, 100 * np.cumprod(1 + returns))
    volatility = ewma_volatility(prices[:, None])[:, 0]
    weights = 0.94 ** np.arange(60)[::-1]
    expected = math.sqrt(252 * (weights @ returns**2) / weights.sum())
    assert volatility[-1] == pytest.approx(expected)
    assert np.isnan(volatility[0])
    strategy = Strategy("volatility_scaled", target_volatility=0.05)
    sized = positions(market(prices, prices), np.ones((61, 1)), strategy)
    assert sized[-1, 0] == pytest.approx(0.05 / expected)
    capped = positions(
        market(prices, prices),
        np.ones((61, 1)),
        Strategy("volatility_scaled", target_volatility=9, most=1.5),
    )
    assert capped[1:] == pytest.approx(1.5)
    assert capped[0, 0] == 0  # no volatility is known yet


@pytest.mark.parametrize("entry", ["close", "open"])
@pytest.mark.parametrize("rule", list(RULES))
@given(seed=st.integers(0, 500), day=st.integers(1, 78))
def test_nothing_depends_on_what_was_not_known(rule, entry, seed, day):
    """Change every price and prediction after ``day``: what was before stays, to the bit."""
    prices, margin = random_market(seed)
    strategy = Strategy(rule, entry=entry, holding=1 + seed % 3)
    other, other_margin = random_market(seed + 1000)
    changed = Market(prices.dates, prices.symbols, prices.open.copy(), prices.close.copy())
    changed_margin = margin.copy()
    changed.open[day + 1 :], changed.close[day + 1 :] = (
        other.open[day + 1 :],
        other.close[day + 1 :],
    )
    changed_margin[day + 1 :] = other_margin[day + 1 :]
    before, after = (
        positions(prices, margin, strategy),
        positions(changed, changed_margin, strategy),
    )
    assert np.array_equal(before[: day + 1], after[: day + 1])
    # the last session closes positions, so that compared sessions must not be the last of either
    first = backtest(prices, margin, strategy)
    second = backtest(changed, changed_margin, strategy)
    known = np.searchsorted(first.dates, prices.dates[day])
    known = min(known, len(first.returns) - 1, len(second.returns) - 1)
    assert np.array_equal(first.returns[:known], second.returns[:known])


@pytest.mark.parametrize("entry", ["close", "open"])
def test_an_entry_price_that_moves_changes_the_next_return_only(entry):
    """The position does not look at the price it is taken at, when that is the next open."""
    prices, margin = random_market(3)
    strategy = Strategy(entry=entry)
    moved = Market(prices.dates, prices.symbols, prices.open * 1.01, prices.close)
    assert np.array_equal(positions(prices, margin, strategy), positions(moved, margin, strategy))


@given(seed=st.integers(0, 1000))
def test_equity_is_what_an_account_would_hold(seed):
    """Keep shares and cash by hand, session by session; the vectorised equity is the same."""
    prices, margin = random_market(seed, 40, 3)
    strategy, costs = Strategy("long_short"), Costs(2, 3, 5, 100)
    result = backtest(prices, margin, strategy, costs)
    first = int(np.searchsorted(prices.dates, result.dates[0]))
    target = positions(prices, margin, strategy)[first : first + len(result.returns)].copy()
    target[-1] = 0
    close = prices.close[: first + len(result.returns)].copy()
    for t in range(1, len(close)):
        close[t] = np.where(np.isfinite(close[t]), close[t], close[t - 1])
    close = close[first:]
    close = np.where(np.isfinite(close), close, 1.0)  # never traded while unknown
    equity, cash, shares = 1.0, 1.0, np.zeros(3)
    for t in range(len(close)):
        before = cash + shares @ close[t]
        value = shares * close[t]
        if t:
            short = np.maximum(-target[t - 1], 0).sum()
            interest = equity * short * costs.borrow * 1e-4 / 252
            before -= interest
            # weights drift with prices alone; borrowing is taken from equity at the same close
            value = value * before / (before + interest)
        fee = costs.one_way * np.abs(target[t] * before - value).sum()
        equity = before - fee
        shares = target[t] * equity / close[t]
        cash = equity - shares @ close[t]
        assert equity == pytest.approx(np.prod(1 + result.returns[: t + 1]), rel=1e-9)


def test_buy_and_hold_trades_twice_and_drifts():
    two = market(np.ones((4, 2)), [[1, 1], [2, 1], [2, 1], [4, 1]])
    margin = np.array([[1, -1], [1, 1], [-1, 1], [np.nan, np.nan]])
    result = buy_and_hold(two, margin, FREE)
    assert np.cumprod(1 + result.returns).tolist() == pytest.approx([1, 1.5, 1.5, 2.5])
    assert result.turnover.tolist() == pytest.approx([1, 0, 0, 1])


def frame() -> pl.DataFrame:
    days = [dt.date(2020, 1, d) for d in (2, 3, 6)]
    return pl.DataFrame(
        {
            "date": days * 2,
            "symbol": ["B"] * 3 + ["A"] * 3,
            "open": [1.0, 2, 3, 4, 5, 6],
            "close": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
        }
    )[:-1]


def predictions() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [dt.date(2020, 1, 2), dt.date(2020, 1, 3), dt.date(2020, 1, 3)],
            "symbol": ["A", "A", "B"],
            "fold": [0, 1, 0],
            "split": "test",
            "target": [1.0, 0, 0],
            "logit": [0.5, -0.5, 2.0],
        }
    )


def test_bars_and_predictions_become_arrays():
    prices = Market.of(frame())
    assert prices.symbols == ("B", "A")
    assert prices.close.tolist() == [
        [1.5, 4.5],
        [2.5, 5.5],
        [3.5, pytest.approx(math.nan, nan_ok=True)],
    ]
    margin = prices.margins(Predictions(predictions()))
    assert np.isnan(margin).tolist() == [[True, False], [False, False], [True, True]]
    assert margin[1].tolist() == [2.0, -0.5]
    by_fold = prices.margins(Predictions(predictions()), {0: 0.5, 1: 1 / (1 + math.exp(1))})
    assert by_fold[1].tolist() == pytest.approx([2.0, 0.5])


def test_what_cannot_be_traded_is_refused():
    prices = Market.of(frame())
    unknown = predictions().with_columns(symbol=pl.lit("C"))
    with pytest.raises(DataError, match="C has a prediction but no bar on 2020-01-02"):
        prices.margins(Predictions(unknown))
    late = predictions().with_columns(date=pl.lit(dt.date(2021, 1, 1)))
    with pytest.raises(DataError, match="no bar on 2021-01-01"):
        prices.margins(Predictions(late))
    margin = np.full((4, 1), np.nan)
    margin[3] = 1.0
    with pytest.raises(DataError, match="no prediction is followed by a session"):
        backtest(RISE_FALL, margin)
    with pytest.raises(FinscaleError, match="Did you mean long_flat"):
        backtest(RISE_FALL, IN_OUT_IN, Strategy("long_flt"))


def weekdays_and_all_days(num_days: int = 730) -> Market:
    """An exchange's share that gains 1 % a bar from Monday to Friday, and a coin that stands."""
    dates = np.datetime64("2020-01-01") + np.arange(num_days)
    trades = np.is_busday(dates)
    share = np.where(trades, 1.01 ** np.cumsum(trades), np.nan)
    close = np.column_stack([share, np.ones(num_days)])
    return Market(dates, ("SPY", "BTC"), close, close)


def test_a_symbol_keeps_its_value_over_another_exchanges_weekend():
    """It was sold each Friday at no gain and bought back after Monday's rise."""
    prices = weekdays_and_all_days()
    margin = np.where(np.isfinite(prices.close), 1.0, np.nan)
    result = backtest(prices, margin, Strategy("always_long"), FREE)
    trading = np.is_busday(result.dates)
    # both halves are set anew each day: half of each bar's gain, on the days of the share's bars
    assert result.returns[trading][1:] == pytest.approx(0.005)
    assert result.returns[~trading] == pytest.approx(0)
    assert result.turnover[~trading] == pytest.approx(0)
    held, share = buy_and_hold(prices, margin, FREE), prices.close[:, 0]
    assert np.prod(1 + held.returns) == pytest.approx(0.5 + 0.5 * np.nanmax(share) / share[0])


def test_a_halted_symbol_bears_the_loss_of_its_reopening_and_a_gone_one_is_let_go():
    close = np.full((60, 2), 1.0)
    close[10:20, 0] = np.nan
    close[20:30, 0] = 0.5
    close[30:, 0] = np.nan
    prices = market(close, close)
    margin = np.where(np.isfinite(close), 1.0, np.nan)
    result = backtest(prices, margin, costs=FREE)
    assert result.returns[20] == pytest.approx(-0.25)
    assert result.returns.sum() == pytest.approx(-0.25)
    weights = positions(prices, margin, Strategy())
    assert weights[50].tolist() == [0.5, 0.5]
    assert weights[51].tolist() == [0.0, 1.0]


def test_years_are_measured_where_sessions_are_not_those_of_an_exchange():
    days = np.datetime64("2010-01-01") + np.arange(3653)
    flat = np.ones((len(days), 1))

    def periods(dates) -> float:
        prices = Market(dates, ("A",), flat[: len(dates)], flat[: len(dates)])
        assert backtest(prices, flat[: len(dates)]).periods == prices.periods
        return prices.periods

    assert periods(days[np.is_busday(days)]) == 252
    assert periods(days) == pytest.approx(365.25)
    assert periods(days[::7]) == pytest.approx(52.18, abs=0.01)
    assert periods(days[:100:7]) == 252  # too short to tell


def test_nothing_is_earned_where_decisions_pause():
    """Between the chunks of a chunked split lie years that other models were trained on."""
    prices = market(np.ones(100), 1.01 ** np.arange(100.0))
    margin = np.full((100, 1), np.nan)
    margin[10:20] = margin[60:70] = 1.0
    for result in (
        backtest(prices, margin, costs=FREE),
        backtest(prices, margin, Strategy("always_long"), FREE),
        buy_and_hold(prices, margin, FREE),
    ):
        assert result.dates.tolist() == [
            *prices.dates[10:21].tolist(),
            *prices.dates[60:71].tolist(),
        ]
        assert np.prod(1 + result.returns) == pytest.approx(1.01**20)
        assert result.turnover.sum() == pytest.approx(4)
    # a few days without a decision are no pause
    margin[13:16] = np.nan
    assert len(buy_and_hold(prices, margin, FREE).dates) == 22


@pytest.mark.parametrize("seed", range(20))
def test_what_lies_at_its_threshold_is_acted_on(seed):
    """A third of random logits lay below their own threshold, once that had been a probability."""
    logit = float(np.random.default_rng(seed).normal())
    table = pl.DataFrame(
        {
            "date": [dt.date(2020, 1, 2)],
            "symbol": ["S0"],
            "fold": [0],
            "split": ["test"],
            "target": [1.0],
            "logit": [logit],
        }
    )
    prices = market(np.ones(4), np.ones(4))
    margin = prices.margins(Predictions(table), {0: float(probabilities(logit))})
    assert margin[1, 0] == 0.0
