from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.data.sources import SOURCES, fetch_bars
from finscale.data.synthetic import MARKETS, Garch, StudentT, simulate
from finscale.errors import DataError, FinscaleError


def _auc(label: np.ndarray, score: np.ndarray) -> float:
    rank = np.empty(score.size)
    rank[np.argsort(score)] = np.arange(1, score.size + 1)
    positives = label.sum()
    return (rank[label].sum() - positives * (positives + 1) / 2) / (
        positives * (label.size - positives)
    )


@pytest.fixture(scope="module")
def garch():
    return simulate("garch", 20, seed=1)


@pytest.mark.parametrize("market", list(MARKETS))
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), num_days=st.integers(1, 60))
def test_every_market_gives_valid_bars(market: str, seed: int, num_days: int):
    panel = simulate(market, 3, seed=seed, num_days=num_days)
    bars = panel.bars
    assert (bars.high_TS >= np.maximum(bars.open_TS, bars.close_TS)).all()
    assert (bars.low_TS <= np.minimum(bars.open_TS, bars.close_TS)).all()
    assert (bars.low_TS > 0).all()
    assert (bars.volume_TS >= 1).all()
    assert (np.diff(panel.date_T) > np.timedelta64(0)).all()
    assert panel.frame("S002").shape == (num_days, 8)


@pytest.mark.parametrize("market", list(MARKETS))
def test_closes_realise_the_returns(market: str):
    panel = simulate(market, 2, seed=5, num_days=300)
    returns = np.diff(np.log(panel.bars.close_TS), axis=0)
    np.testing.assert_allclose(returns, panel.draw.return_TS[1:], atol=1e-12)


@pytest.mark.parametrize("market", list(MARKETS))
def test_a_symbol_does_not_depend_on_its_neighbours(market: str):
    alone = simulate(market, ["S003"], seed=7, num_days=400).frame("S003")
    among = simulate(market, 6, seed=7, num_days=400)
    assert alone.equals(among.frame("S003"))
    assert not alone["close"].equals(among.frame("S002")["close"])
    assert not alone.equals(simulate(market, ["S003"], seed=8, num_days=400).frame("S003"))


def test_volatility_alone_predicts_a_one_percent_rise_and_not_the_sign(garch):
    returns, volatility = garch.draw.return_TS.ravel(), garch.draw.volatility_TS.ravel()
    # SCIENCE.md, section 1: computed .65 to .67 and .500
    assert _auc(returns > np.log(1.01), volatility) == pytest.approx(0.65, abs=0.01)
    assert _auc(returns > 0, volatility) == pytest.approx(0.5, abs=0.005)


def test_garch_has_fat_tails_and_clustered_volatility(garch):
    returns = garch.draw.return_TS
    assert returns.std() == pytest.approx(0.011, rel=0.08)
    centred = returns - returns.mean(axis=0)
    kurtosis = (centred**4).mean(axis=0) / (centred**2).mean(axis=0) ** 2
    assert np.median(kurtosis) > 6
    size, sign = np.abs(centred), centred
    assert np.mean([np.corrcoef(s[1:], s[:-1])[0, 1] for s in size.T]) > 0.12
    assert abs(np.mean([np.corrcoef(s[1:], s[:-1])[0, 1] for s in sign.T])) < 0.02


def test_garch_variance_follows_its_recursion():
    draw = simulate(Garch(leverage=0.1, alpha=0.03), 1, seed=2, num_days=50).draw
    returns, variance = draw.return_TS[:, 0], draw.volatility_TS[:, 0] ** 2
    omega = 0.011**2 * (1 - 0.03 - 0.90 - 0.05)
    news = 0.03 + 0.1 * (returns[:-1] < 0)
    expected = omega + news * returns[:-1] ** 2 + 0.90 * variance[:-1]
    np.testing.assert_allclose(variance[1:], expected, rtol=1e-12)


def test_a_fall_raises_gjr_volatility_more_than_a_rise():
    draw = simulate("gjr", 5, seed=3).draw
    change = np.diff(draw.volatility_TS, axis=0)
    fell = draw.return_TS[:-1] < 0
    assert change[fell].mean() > 0 > change[~fell].mean()


def test_student_returns_are_independent_with_unit_scale():
    panel = simulate("student", 10, seed=4, volatility=0.02, degrees=8)
    returns = panel.draw.return_TS
    assert panel.process == StudentT(degrees=8, volatility=0.02)
    assert returns.std() == pytest.approx(0.02, rel=0.01)
    for series in (returns, np.abs(returns)):
        assert abs(np.mean([np.corrcoef(s[1:], s[:-1])[0, 1] for s in series.T])) < 0.01


def test_reversal_takes_back_its_share():
    returns = simulate("reversal", 10, seed=5, strength=0.3).draw.return_TS
    slope = (returns[1:] * returns[:-1]).sum() / (returns[:-1] ** 2).sum()
    assert slope == pytest.approx(-0.3, abs=0.02)
    assert returns.std() == pytest.approx(0.011, rel=0.02)


@pytest.mark.parametrize("market", ["regime", "reversal", "teacher", "zipf"])
def test_the_recorded_truth_is_calibrated(market: str):
    draw = simulate(market, 20, seed=6, num_days=4000).draw
    standard = (draw.return_TS - draw.mean_TS) / draw.volatility_TS
    assert standard.mean() == pytest.approx(0, abs=0.015)
    assert standard.std() == pytest.approx(1, abs=0.02)
    # a forecast that is the conditional mean has slope one
    mean = draw.mean_TS - draw.mean_TS.mean()
    slope = (mean * draw.return_TS).sum() / (mean**2).sum()
    assert slope == pytest.approx(1, abs=0.25 if market == "regime" else 0.06)


def test_extremes_of_a_day_have_the_range_of_a_brownian_motion():
    panel = simulate(StudentT(degrees=1e6), 20, seed=8)
    session = np.log(panel.bars.high_TS / panel.bars.open_TS)
    # E max of a Brownian motion of variance v over its span is sqrt(2 v / pi)
    assert session.mean() == pytest.approx(np.sqrt(2 * 0.8 / np.pi) * 0.011, rel=0.01)


def test_markets_are_sources():
    bars = fetch_bars("synthetic:garch", "spy", seed="3", num_days="100", alpha="0.05")
    assert (bars.symbol, bars.source, len(bars)) == ("SPY", "synthetic:garch", 100)
    assert bars.provenance["alpha"] == "0.05"
    direct = simulate("garch", ["SPY"], seed=3, num_days=100, alpha=0.05).frame("SPY")
    assert bars.frame["close"].equals(direct["close"])
    assert bars.adjusted()["close"].equals(bars.frame["close"])
    # as `finscale data download` asks
    assert len(fetch_bars("synthetic:garch", "spy", strict=False)) == 7560


@pytest.mark.parametrize("market", list(MARKETS))
def test_every_market_is_registered_as_a_source(market: str):
    bars = SOURCES[f"synthetic:{market}"].fetch("A", num_days=30)
    assert bars.frame.null_count().sum_horizontal()[0] == 0
    assert set(dataclasses.asdict(MARKETS[market])) <= set(bars.provenance)


def test_mistakes_are_named():
    with pytest.raises(DataError, match="no option sed"):
        fetch_bars("synthetic:garch", "A", sed=1)
    with pytest.raises(DataError, match="must be a number, not 'many'"):
        fetch_bars("synthetic:garch", "A", num_days="many")
    with pytest.raises(FinscaleError, match="'garhc' is not a synthetic market"):
        simulate("garhc")
    with pytest.raises(FinscaleError, match="strength is not a parameter of Garch"):
        simulate("garch", strength=1)
    with pytest.raises(FinscaleError, match="at least one symbol and one day"):
        simulate("garch", 0)
    with pytest.raises(FinscaleError, match="'B' is not a symbol"):
        simulate("garch", ["A"], num_days=5).frame("B")


def test_frames_hold_every_symbol_in_the_common_columns():
    frames = simulate("student", ["A", "B"], num_days=10).frames()
    assert [f["symbol"][0] for f in frames] == ["A", "B"]
    assert frames[0].columns == [
        "date", "symbol", "open", "high", "low", "close", "adj_close", "volume",
    ]  # fmt: skip
    assert frames[0].schema["date"] == pl.Date
