"""Outcomes, power and plans of panels."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from finscale.config import StudyConfig
from finscale.errors import ConfigError
from finscale.evaluation.backtest import FREE, follow
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.score_power import same_day_correlation
from finscale.study.outcome_noise import ic_noise
from finscale.study.outcomes import OUTCOMES
from finscale.study.power_plan import PanelSize

NAMES = tuple(f"S{number}" for number in range(8))


def predicted(num_days=30, horizon=2, seed=0):
    """Return a market, predictions on it whose label compares symbols, and the matrix of both."""
    rng = np.random.default_rng(seed)
    num_all = num_days + horizon
    close_TS = np.exp(np.cumsum(rng.normal(0, 0.01, (num_all, len(NAMES))), axis=0))
    dates = np.datetime64("2020-01-01") + np.arange(num_all)
    market = Market(dates, NAMES, close_TS, close_TS)
    logit_TS = rng.normal(size=(num_days, len(NAMES)))
    day_N, symbol_N = np.indices(logit_TS.shape)
    table = pl.DataFrame(
        {
            "date": dates[day_N.ravel()],
            "symbol": np.array(NAMES)[symbol_N.ravel()],
            "fold": np.zeros(logit_TS.size, np.int32),
            "split": ["test"] * logit_TS.size,
            "target": (rng.random(logit_TS.size) < 0.5).astype(np.float32),
            "logit": logit_TS.ravel(),
        }
    )
    return market, Predictions(table, horizon=horizon, compares=True), logit_TS


def test_the_rank_ic_of_a_study_is_the_mean_of_days() -> None:
    market, predictions, logit_TS = predicted()
    days, ic_T = OUTCOMES["ic"].by_day(OUTCOMES["ic"].rows(predictions, (market, FREE)))
    ahead_TS = market.close[2:] / market.close[:-2] - 1
    expected = [spearmanr(f, r)[0] for f, r in zip(logit_TS, ahead_TS, strict=True)]
    np.testing.assert_allclose(ic_T, expected)
    assert len(days) == 30
    # who says the same of all symbols ranks none of them: 0, on the same days
    flat = Predictions(predictions.table.with_columns(logit=pl.lit(0.3)), horizon=2, compares=True)
    flat_days, flat_T = OUTCOMES["ic"].by_day(OUTCOMES["ic"].rows(flat, (market, FREE)))
    assert (flat_T == 0).all()
    np.testing.assert_array_equal(days, flat_days)


def test_forecasts_that_compare_symbols_are_followed_by_fifths() -> None:
    market, predictions, _ = predicted()
    fifths = follow(predictions, market, FREE)
    assert fifths.exposure.max() <= 1.0
    rows = OUTCOMES["sharpe"].rows(predictions, (market, FREE))
    np.testing.assert_array_equal(rows["return"].to_numpy(), fifths.returns)
    # a whole market that moves earns such a portfolio nothing
    push_T1 = np.exp(np.cumsum(np.full(len(market.dates), 0.05)))[:, None]
    pushed = Market(market.dates, NAMES, market.close * push_T1, market.close * push_T1)
    again = follow(predictions, pushed, FREE)
    assert abs(again.returns.mean() - fifths.returns.mean()) < 1e-3


def study(outcome: str, **experiment) -> StudyConfig:
    content = {
        "name": "panel",
        "experiment": {"data": {"symbols": list(NAMES)}, **experiment},
        "axes": {"parameters": ["5k", "20k", "80k", "320k"]},
        "outcome": outcome,
    }
    return StudyConfig.model_validate(content)


def test_the_effect_of_interest_is_of_the_outcome_and_of_the_task() -> None:
    assert study("ic", task={"name": "outperform"}).sesoi == 0.005
    assert study("ic", task={"name": "rank"}).sesoi == 0.005
    assert study("loss", task={"name": "outperform"}).sesoi == 1e-4
    assert study("loss", task={"name": "rank"}).sesoi == 2e-4
    assert study("loss", task={"name": "direction"}).sesoi == 0.005
    assert study("sharpe", task={"name": "outperform"}).sesoi == 0.2


def test_a_rank_ic_needs_symbols_to_rank() -> None:
    with pytest.raises((ConfigError, ValueError), match="ranks a day's symbols, 5 or more"):
        study("ic", data={"symbols": ["SP500"]})


def test_a_panel_is_said_to_count_for_as_many_as_its_labels_are_worth() -> None:
    size = PanelSize(431, 0.27, 1)
    assert size.effective == pytest.approx(3.68, abs=0.01)
    words = size.words(study("loss", task={"name": "threshold_1pct"}))
    assert words.startswith("431 symbols a day, 3.7 effective")
    assert "task outperform compares the symbols of a day" in words
    assert "task rank" in size.words(study("loss", task={"name": "regression"}))
    across = PanelSize(431, 0.0, 1).words(study("loss", task={"name": "outperform"}))
    assert "431.0 effective" in across
    assert "outperform" not in across


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.3])
def test_a_day_varies_as_the_effective_symbols_say(rho: float) -> None:
    """The mean of a day's losses, where two models differ on all of its symbols alike."""
    rng = np.random.default_rng(3)
    days, symbols = 4000, 50
    # labels that correlate by rho: a common normal factor, halved at its median
    factor = np.sin(np.pi / 2 * rho)
    shared = rng.standard_normal((days, 1)) * np.sqrt(factor)
    label_TS = shared + rng.standard_normal((days, symbols)) * np.sqrt(1 - factor) > 0
    day_TS = np.broadcast_to(np.arange(days)[:, None], label_TS.shape)
    measured = same_day_correlation(day_TS.ravel(), label_TS.ravel().astype(float))
    assert measured == pytest.approx(rho, abs=0.02)
    difference_TS = (label_TS - 0.5) * 0.1  # of two models whose log odds differ by 0.1
    effective = PanelSize(symbols, measured, 1).effective
    expected = difference_TS.var() / effective
    assert difference_TS.mean(axis=1).var() == pytest.approx(expected, rel=0.1)


def test_the_noise_of_a_rank_ic_is_that_of_independent_symbols() -> None:
    rng = np.random.default_rng(1)
    ranks = np.argsort(rng.random((3000, 20)), axis=1)
    other = np.argsort(rng.random((3000, 20)), axis=1)
    ic_T = [np.corrcoef(a, b)[0, 1] for a, b in zip(ranks, other, strict=True)]
    one = ic_noise(0.5, 0.5).day_variance / (1 - 0.9)  # two sizes share .9 of it
    assert np.var(ic_T) == pytest.approx(one / 19, rel=0.1)


def test_law_power_counts_a_panel() -> None:
    from finscale.cli.app import app

    options = ["law", "power", "--days", "755", "--base-rate", "0.5", "--replicates", "50"]
    panel = ["--symbols", "431", "--label-correlation", "0.27"]
    found = CliRunner().invoke(app, [*options, *panel])
    assert found.exit_code == 0, found.output
    assert "431 symbols, 3.7 effective" in found.output
    import json

    one = json.loads(CliRunner().invoke(app, [*options, "--json"]).output)
    many = json.loads(CliRunner().invoke(app, [*options, *panel, "--json"]).output)
    assert many["effective_symbols"] == pytest.approx(3.68, abs=0.01)
    shrunk = one["smallest_fall"] / many["smallest_fall"]
    assert shrunk == pytest.approx(np.sqrt(3.68), rel=0.15)
