"""What an effect across a section is worth, against simulated forecasts of known correlation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from finscale.config import StudyConfig
from finscale.study.priced import correlation_of, priced

RHO = 0.06


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    forecast = rng.standard_normal(2_000_000)
    return forecast, RHO * forecast + np.sqrt(1 - RHO**2) * rng.standard_normal(forecast.size)


@pytest.mark.parametrize(("task", "share"), [("outperform", 0.5), ("top_fifth", 0.2)])
def test_nats_that_a_known_correlation_saves(world, task, share):
    from scipy.stats import norm

    forecast, outcome = world
    label = outcome > np.quantile(outcome, 1 - share)
    # the best possible probability
    p = norm.sf((norm.ppf(1 - share) - RHO * forecast) / np.sqrt(1 - RHO**2))
    loss = -np.where(label, np.log(p), np.log1p(-p)).mean()
    gain = -(share * np.log(share) + (1 - share) * np.log(1 - share)) - loss
    assert correlation_of(task, "loss", gain) == pytest.approx(RHO, rel=0.04)


def test_squared_scores_and_ranks(world):
    forecast, outcome = world
    gain = (outcome**2).mean() - ((outcome - RHO * forecast) ** 2).mean()
    assert correlation_of("rank", "loss", gain) == pytest.approx(RHO, rel=0.03)
    ic = spearmanr(forecast[:500_000], outcome[:500_000]).statistic
    assert correlation_of("rank", "ic", ic) == pytest.approx(RHO, rel=0.04)


def study(**content) -> StudyConfig:
    names = [f"S{number}" for number in range(40)]
    task = {"name": "outperform", "horizon": 5}
    experiment = {"data": {"symbols": names}, "task": task}
    return StudyConfig.model_validate(
        {"name": "one", "axes": {"parameters": ["3k", "5k"]}, "experiment": experiment, **content}
    )


def test_the_smallest_effect_of_interest_is_said_in_three_units():
    said = priced(study(), 431)
    # ρ = √(π · 1e-4) = .0177; √(431 · 252 / 5) = 147
    assert "1e−4" in said or ".0001" in said
    assert "a rank IC of about .017, or before costs a yearly Sharpe ratio of at most 2.6" in said
    assert "What costs take is measured on the study's runs." in said
    paid = priced(study(), 431, costs=3.14)
    assert "Costs took 3.1 off the long–short of these networks, which would leave −.53." in paid
    assert "a rank IC of about .005, is worth" in priced(study(outcome="ic"), 431)
    assert priced(study(outcome="sharpe"), 431) == ""
    absolute = {"data": {"symbols": ["A", "B"]}, "task": {"name": "direction"}}
    assert priced(study(experiment=absolute), 2) == ""
