from __future__ import annotations

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.features import FEATURES, VIEWS, Feature
from finscale.features.feature import INPUTS
from finscale.features.views import log_of_usual, log_ratio, log_return, log_volatility
from finscale.models.baselines.volatility import LOG_VOLATILITY

NAN = np.nan


def seen(view, values, *, close=100.0, volume=50.0):
    """One view of values on bars whose price and volume do not move, or are given."""
    values = np.array(values, dtype=float)
    bars = {name: np.full(len(values), close) for name in INPUTS}
    return VIEWS[view].compute(values, bars | {"volume": np.broadcast_to(volume, len(values)) * 1})


@pytest.mark.parametrize(
    ("view", "values", "expected"),
    [
        ("price", [110.0, NAN, 0.0, -5.0, 1e9], [np.log(1.1), NAN, *np.log([0.01, 0.01, 100])]),
        ("spread", [-2.0, NAN, 0.0, 500.0, -1e300], [-0.02, NAN, 0.0, 1.0, -1.0]),
        ("volatility", [2.0, NAN, 0.0], [np.log(0.02), NAN, np.log(1e-6)]),
        ("bounded", [70.0, NAN, 0.0], [70.0, NAN, 0.0]),
    ],
)
def test_each_bars_own_views_by_hand(view, values, expected):
    np.testing.assert_allclose(seen(view, values), expected, rtol=1e-15)


def test_volume_is_compared_with_its_mean_of_twenty_bars():
    usual = seen("volume", [NAN, *[10.0] * 19, 30.0, 0.0])
    assert np.isnan(usual[:20]).all()
    assert usual[20] == pytest.approx(np.log(30 / 11))
    assert usual[21] == np.log(0.01)
    assert log_of_usual(np.array([0.0] * 19 + [7.0]))[-1] == np.log(20)
    assert log_of_usual(np.zeros(21))[19:].tolist() == [0.0, 0.0]


def test_a_flow_is_the_share_of_what_was_traded():
    rising = seen("flow", np.arange(25) * 25.0, volume=50.0)
    assert np.isnan(rising[:20]).all()
    np.testing.assert_allclose(rising[20:], 0.5)
    assert seen("flow", np.arange(25) * 25.0, volume=0.0)[20:].tolist() == [0.0] * 5
    assert seen("flow", np.arange(25) * -1e9, volume=1.0)[20:].tolist() == [-1.0] * 5


def test_pressure_is_counted_in_mean_volumes():
    pressure = seen("pressure", np.full(22, 75.0), volume=50.0)
    assert np.isnan(pressure[:19]).all()
    assert pressure[19:].tolist() == [1.5] * 3
    assert seen("pressure", np.full(22, 75.0), volume=0.0)[19:].tolist() == [0.0] * 3
    assert seen("pressure", np.full(22, -75.0), volume=1.0)[19:].tolist() == [-10.0] * 3


def test_returns_are_of_one_bar_and_held():
    returns = log_return(np.array([100.0, 110.0, 1.0, 1e9]))
    np.testing.assert_allclose(returns, [NAN, np.log(1.1), np.log(1 / 100), np.log(100)])
    assert np.isnan(log_return(np.array([3.0]))).tolist() == [True]
    assert log_ratio(np.array([1e300]), np.array([1e-300])).tolist() == [np.log(100)]


def test_volatility_is_the_baselines_input(sp500):
    expected = sp500.select(LOG_VOLATILITY).to_series().to_numpy()
    np.testing.assert_allclose(log_volatility(sp500["close"].to_numpy()), expected, rtol=1e-12)
    assert log_volatility(np.full(3, 7.0))[1:].tolist() == [np.log(1e-6)] * 2


def _feature(name, **settings):
    return Feature(name, ("close",), np.sqrt, lookback=0, source="by hand", **settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "mine",
            {},
            r"mine does not say how a model sees[\s\S]*price \(log ratio to the close",
        ),
        ("mine", {"seen": "prize"}, r"'prize' is not a view[\s\S]*price"),
        ("rel_mine", {"seen": "price"}, "cannot be called rel_mine"),
        ("volatility", {"seen": "price"}, "cannot be called volatility"),
        ("close", {"seen": "price"}, "cannot be called close"),
    ],
)
def test_a_feature_without_a_relative_column_is_refused(name, settings, message):
    with pytest.raises(FinscaleError, match=message):
        FEATURES.add(name, _feature(name, **settings))
    assert name not in FEATURES
