"""Scores across the section: by hand, against other libraries, and their errors by simulation."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from finscale.evaluation.backtest import FREE, Costs, Strategy, backtest, positions
from finscale.evaluation.market import Market
from finscale.evaluation.section import (
    PanelForecasts,
    fama_macbeth,
    mean_over_days,
    quantile_returns,
    rank_correlations,
)

NAN = np.nan


def panel(forecast_TS, return_TS, horizon=1) -> PanelForecasts:
    forecast_TS, return_TS = np.asarray(forecast_TS, float), np.asarray(return_TS, float)
    dates = np.datetime64("2020-01-01") + np.arange(len(forecast_TS))
    names = tuple(f"S{number}" for number in range(forecast_TS.shape[1]))
    return PanelForecasts(dates, names, forecast_TS, return_TS, horizon)


def drawn(num_days=40, num_symbols=12, seed=0, horizon=1) -> PanelForecasts:
    rng = np.random.default_rng(seed)
    forecast_TS = np.round(rng.normal(size=(num_days, num_symbols)), 1)  # with ties
    return_TS = 0.01 * (0.1 * forecast_TS + rng.normal(size=forecast_TS.shape))
    forecast_TS[rng.random(forecast_TS.shape) < 0.1] = NAN
    return_TS[rng.random(forecast_TS.shape) < 0.1] = NAN
    return panel(forecast_TS, return_TS, horizon)


def test_the_rank_correlation_is_spearman_s_of_each_day():
    found = drawn()
    ic_T = rank_correlations(found)
    for day, both in enumerate(found.both_TS):
        expected = spearmanr(found.forecast_TS[day, both], found.return_TS[day, both])[0]
        assert ic_T[day] == pytest.approx(expected)


def test_days_that_say_nothing_are_left_out():
    forecast = [[1, 1, 1, 1, 1], [1, 2, 3, 4, NAN], [1, 2, 3, 4, 5]]
    found = panel(forecast, [[1, 2, 3, 4, 5]] * 3)
    assert np.isnan(rank_correlations(found)).tolist() == [True, True, False]
    assert np.isnan(fama_macbeth(found)).tolist() == [True, True, False]
    assert np.isnan(quantile_returns(found)[1]).all()
    assert mean_over_days(rank_correlations(found)).num_days == 1


def test_quantiles_by_hand():
    found = panel([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]], [np.arange(10) / 100], horizon=2)
    expected = (np.array([0.5, 2.5, 4.5, 6.5, 8.5]) - 4.5) / 100 / 2
    np.testing.assert_allclose(quantile_returns(found)[0], expected, atol=1e-15)


def test_agrees_with_alphalens():
    performance = pytest.importorskip("alphalens.performance")
    found = drawn(30)
    days, symbols = np.nonzero(found.both_TS)
    index = pd.MultiIndex.from_arrays(
        [pd.to_datetime(found.dates[days]), np.array(found.symbols)[symbols]],
        names=["date", "asset"],
    )
    table = pd.DataFrame(
        {"1D": found.return_TS[days, symbols], "factor": found.forecast_TS[days, symbols]}, index
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ic = performance.factor_information_coefficient(table)["1D"].to_numpy()
        except (TypeError, AttributeError, ValueError, KeyError) as error:
            pytest.skip(f"alphalens does not run with pandas {pd.__version__}: {error}")
    np.testing.assert_allclose(rank_correlations(found), ic, atol=1e-12)
    # its quantiles, with the edges that ours have
    place = np.full(len(table), -1)
    for day in np.unique(days):
        own = np.flatnonzero(days == day)
        share = (table["factor"].iloc[own].rank() - 0.5).to_numpy() / len(own)
        place[own] = np.floor(share * 5) + 1
    table["factor_quantile"] = place
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            mean, _ = performance.mean_return_by_quantile(table, by_date=True, demeaned=True)
        except (TypeError, AttributeError, ValueError, KeyError) as error:
            pytest.skip(f"quantiles of alphalens do not run with pandas {pd.__version__}: {error}")
    wide = mean["1D"].unstack("factor_quantile")
    np.testing.assert_allclose(quantile_returns(found), wide.to_numpy(), atol=1e-12)


def test_agrees_with_fama_macbeth_of_linearmodels():
    panel_models = pytest.importorskip("linearmodels.panel")
    found = drawn(60)
    days, symbols = np.nonzero(found.both_TS)
    index = pd.MultiIndex.from_arrays([symbols, pd.to_datetime(found.dates[days])])
    scale = found.forecast_TS[found.both_TS].std()
    x = pd.DataFrame({"const": 1.0, "f": found.forecast_TS[days, symbols] / scale}, index)
    y = pd.Series(found.return_TS[days, symbols], index, name="y")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = panel_models.FamaMacBeth(y, x).fit(cov_type="robust")
    slope_T = fama_macbeth(found)
    np.testing.assert_allclose(slope_T, fitted.all_params["f"].to_numpy(), atol=1e-12)
    assert mean_over_days(slope_T).mean.value == pytest.approx(fitted.params["f"])
    # without overlap the errors agree up to what they are estimated from
    error = slope_T.std(ddof=1) / np.sqrt(len(slope_T))
    assert error == pytest.approx(fitted.std_errors["f"], rel=0.02)
    assert mean_over_days(slope_T).t == pytest.approx(fitted.tstats["f"], rel=0.6)


@pytest.mark.parametrize(("horizon", "most"), [(1, 0.075), (5, 0.085), (20, 0.10)])
def test_the_t_of_a_mean_rejects_a_true_null_as_often_as_it_says(horizon, most):
    rng = np.random.default_rng(horizon)
    rejected = usual = 0
    for _ in range(800):
        steps = rng.standard_normal(750 + horizon - 1)
        sums_T = np.convolve(steps, np.ones(horizon), "valid")
        rejected += mean_over_days(sums_T, horizon).p_value < 0.05
        usual += abs(sums_T.mean() / sums_T.std() * np.sqrt(750)) > 1.96
    assert 0.03 < rejected / 800 < most
    if horizon > 1:
        assert usual / 800 > 0.3  # what taking the days as independent would have said


def market(close_TS) -> Market:
    close_TS = np.asarray(close_TS, float)
    dates = np.datetime64("2020-01-01") + np.arange(len(close_TS))
    names = tuple(f"S{number}" for number in range(close_TS.shape[1]))
    return Market(dates, names, close_TS, close_TS)


def test_the_fifths_are_long_the_highest_and_short_the_lowest():
    rng = np.random.default_rng(0)
    prices = market(np.exp(np.cumsum(rng.normal(0, 0.01, (6, 10)), axis=0)))
    margin_TS = np.tile(np.arange(10.0), (6, 1))
    margin_TS[-1] = NAN
    held = positions(prices, margin_TS, Strategy("fifths"))
    np.testing.assert_allclose(held[0], [-0.25, -0.25, *[0] * 6, 0.25, 0.25])
    assert (positions(prices, np.zeros((6, 10)), Strategy("fifths")) == 0).all()
    free = backtest(prices, margin_TS, Strategy("fifths"), FREE)
    moves = prices.close[1:] / prices.close[:-1] - 1
    expected = (moves[:, -2:].mean(axis=1) - moves[:, :2].mean(axis=1)) / 2
    np.testing.assert_allclose(free.returns[1:6], expected[:5], atol=1e-12)
    paid = backtest(prices, margin_TS, Strategy("fifths"), Costs(10, 0, 0, 0))
    assert paid.returns[0] == pytest.approx(-0.001)  # one equity traded at 10 bp
    assert paid.returns.sum() < free.returns.sum()
