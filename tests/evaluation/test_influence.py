"""Scores written as means over days: the mean is the score, its long-run error the score's own."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.errors import DataError
from finscale.evaluation.bootstrap import day_weights, stationary_indices
from finscale.evaluation.influence import auc_by_day, r2_by_day, sharpe_by_day
from finscale.evaluation.ranking import Ranking, weighted_auc
from finscale.evaluation.scores import classification_scores
from finscale.evaluation.sharpe import sharpe_ratio
from finscale.scaling.covariance import long_run_covariance

NUM_DAYS = 1_500
_BLOCK = 10.0


def smooth(rng: np.random.Generator, *shape: int, keep: float = 0.5) -> np.ndarray:
    """Return standard normal series that remember yesterday."""
    noise = rng.standard_normal(shape)
    for day in range(1, shape[0]):
        noise[day] = keep * noise[day - 1] + np.sqrt(1 - keep**2) * noise[day]
    return noise


@pytest.fixture(scope="module")
def panel() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return days, events and two models' logits: two symbols, dependent in both directions."""
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(NUM_DAYS), 2)
    common = smooth(rng, NUM_DAYS)[:, None]
    truth = (0.7 * common + 0.7 * smooth(rng, NUM_DAYS, 2)).ravel()
    event = (rng.random(2 * NUM_DAYS) < 1 / (1 + np.exp(1.0 - truth))).astype(float)
    shared = rng.standard_normal(2 * NUM_DAYS)
    logits = np.stack(
        [truth + 0.8 * shared + noise * rng.standard_normal(2 * NUM_DAYS) for noise in (0.4, 0.9)]
    )
    return days, event, logits


def replicates(num_days: int = NUM_DAYS) -> np.ndarray:
    """Return how often each day is drawn, in many replicates."""
    return day_weights(stationary_indices(num_days, _BLOCK, 2_000, 0))


def spread(weights_RT: np.ndarray, value_T: np.ndarray) -> float:
    """Return the bootstrap's standard error of a mean over days."""
    return float((weights_RT @ value_T / weights_RT.sum(axis=1)).std(ddof=1))


def test_auc_is_the_mean_of_its_days(panel) -> None:
    days, event, logits = panel
    known, value_T = auc_by_day(days, event, logits[0])
    area = classification_scores(event, logits[0], days, num_replicates=0)["auc"].value
    assert value_T.mean() == pytest.approx(area, abs=1e-12)
    assert known.tolist() == list(range(NUM_DAYS))
    # by hand: of the pairs (0, -1), (0, .5), (2, -1), (2, .5) three are in order
    assert auc_by_day([4, 1, 3, 2], [0, 1, 0, 1], [-1.0, 0.0, 0.5, 2.0])[1].mean() == 0.75


def test_error_of_an_auc_difference_is_that_of_a_bootstrap_of_it(panel) -> None:
    days, event, logits = panel
    weights_RT = replicates()
    areas = [weighted_auc(Ranking.of(own), event, weights_RT[:, days]) for own in logits]
    direct = float((areas[0] - areas[1]).std(ddof=1))
    value_T = auc_by_day(days, event, logits[0])[1] - auc_by_day(days, event, logits[1])[1]
    assert spread(weights_RT, value_T) == pytest.approx(direct, rel=0.10)
    long_run = float(np.sqrt(long_run_covariance(value_T[None])[0][0, 0]))
    assert long_run == pytest.approx(direct, rel=0.10)
    # and of one AUC, where days remember each other
    own = auc_by_day(days, event, logits[0])[1]
    assert spread(weights_RT, own) == pytest.approx(float(areas[0].std(ddof=1)), rel=0.10)


def test_r2_is_the_mean_of_its_days_and_has_a_bootstraps_error() -> None:
    rng = np.random.default_rng(2)
    wild = np.exp(0.6 * smooth(rng, NUM_DAYS, keep=0.9))
    signal = 0.3 * smooth(rng, NUM_DAYS)
    target = wild * (signal + rng.standard_normal(NUM_DAYS))
    first = (target - wild * signal) ** 2
    second = (target - 0.5 * wild * signal - 0.1 * rng.standard_normal(NUM_DAYS)) ** 2
    mean = (target - 0.01) ** 2
    days = np.arange(NUM_DAYS)
    values = [r2_by_day(days, error, mean)[1] for error in (first, second)]
    assert values[0].mean() == pytest.approx(1 - first.sum() / mean.sum(), abs=1e-12)
    weights_RT = replicates()
    direct = float(((weights_RT @ second - weights_RT @ first) / (weights_RT @ mean)).std(ddof=1))
    assert spread(weights_RT, values[0] - values[1]) == pytest.approx(direct, rel=0.10)


def test_a_sharpe_ratio_is_the_mean_of_its_days_and_has_a_bootstraps_error() -> None:
    rng = np.random.default_rng(3)
    market = 0.0006 + 0.01 * np.exp(0.4 * smooth(rng, NUM_DAYS, keep=0.9)) * rng.standard_t(
        5, NUM_DAYS
    )
    held = [smooth(rng, NUM_DAYS, keep=0.8) > limit for limit in (-0.5, 0.2)]
    returns = [np.where(own, market, 0.0) for own in held]
    values = [sharpe_by_day(own) for own in returns]
    for own, value_T in zip(returns, values, strict=True):
        assert value_T.mean() == pytest.approx(sharpe_ratio(own), abs=1e-12)
    indices = stationary_indices(NUM_DAYS, _BLOCK, 2_000, 0)
    ratios = [
        own[indices].mean(axis=1) / own[indices].std(axis=1, ddof=1) * np.sqrt(252)
        for own in returns
    ]
    direct = float((ratios[0] - ratios[1]).std(ddof=1))
    assert spread(replicates(), values[0] - values[1]) == pytest.approx(direct, rel=0.10)
    # Lo (2002), independent normal returns: the ratio a day has the variance (1 + S² / 2) / T
    normal = 0.05 + rng.standard_normal(200_000)
    error = sharpe_by_day(normal, periods=1).std() / np.sqrt(len(normal))
    assert error == pytest.approx(np.sqrt((1 + 0.05**2 / 2) / len(normal)), rel=0.01)


def test_nothing_traded_is_nothing_earned() -> None:
    assert sharpe_by_day(np.zeros(10)).tolist() == [0.0] * 10


def test_what_is_not_defined_is_said() -> None:
    with pytest.raises(DataError, match="days with the event and days without"):
        auc_by_day([1, 2], [1, 1], [0.1, 0.2])
    with pytest.raises(DataError, match="never leave their historical mean"):
        r2_by_day([1, 2], [0.1, 0.2], [0.0, 0.0])
