"""What a test set can see: the figures of the design notes, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from finscale.errors import DataError
from finscale.evaluation.inference import diebold_mariano
from finscale.evaluation.score_power import (
    Binormal,
    auc_error,
    best_auc_of_worthless,
    days_for_auc,
    effective_days,
    power_table,
    same_day_correlation,
    smallest_auc,
    smallest_difference,
    smallest_gain,
    smallest_sharpe,
)
from finscale.evaluation.scores import log_losses


@pytest.mark.parametrize(("base_rate", "days"), [(0.5, 6538), (0.15, 12_891)])
def test_days_to_see_an_auc_of_52_percent(base_rate, days):
    assert days_for_auc(0.52, base_rate=base_rate) == days
    assert smallest_auc(days, base_rate=base_rate) == pytest.approx(0.52, abs=1e-6)


@pytest.mark.parametrize(("auc", "gain"), [(0.52, 0.000628), (0.55, 0.00393), (0.60, 0.0158)])
def test_bayes_loss_below_ln_2(auc, gain):
    model = Binormal.of_auc(auc)
    assert model.gain == pytest.approx(gain, rel=2e-3)
    assert model.auc == pytest.approx(auc)


@pytest.mark.parametrize(("num_trials", "auc"), [(1, 0.5), (10, 0.529), (100, 0.546)])
def test_the_best_of_worthless_models(num_trials, auc):
    assert best_auc_of_worthless(num_trials, 1000) == pytest.approx(auc, abs=5e-4)


def test_gain_at_an_uneven_base_rate_by_simulation():
    rng = np.random.default_rng(0)
    model = Binormal(1.0, 0.2)
    target = rng.random(400_000) < 0.2
    prior = math.log(0.25)
    logit = prior + np.where(target, 0.5, -0.5) + rng.standard_normal(len(target))
    gain = log_losses(target, np.full(len(target), prior)) - log_losses(target, logit)
    assert model.gain == pytest.approx(gain.mean(), abs=0.002)
    assert model.gain_deviation == pytest.approx(gain.std(), rel=0.01)


def test_a_weak_signal_has_a_variance_of_twice_its_gain():
    model = Binormal.of_auc(0.52)
    assert model.gain_deviation**2 == pytest.approx(2 * model.gain, rel=0.01)
    reach = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert smallest_gain(50_000) == pytest.approx(2 * reach**2 / 50_000, rel=0.01)


def test_the_smallest_gain_is_seen_four_times_in_five():
    """Simulated: a calibrated model with just that gain, tested by Diebold and Mariano."""
    num_days, base_rate = 1000, 0.25
    gain = smallest_gain(num_days, base_rate=base_rate)
    d = next(d for d in np.linspace(0.01, 2, 4000) if Binormal(d, base_rate).gain >= gain)
    prior = math.log(base_rate / (1 - base_rate))
    seen = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        target = rng.random(num_days) < base_rate
        logit = prior + np.where(target, d**2 / 2, -(d**2) / 2) + d * rng.standard_normal(num_days)
        constant = np.full(num_days, prior)
        test = diebold_mariano(
            np.arange(num_days), log_losses(target, constant), log_losses(target, logit)
        )
        seen += test.p_value < 0.05 and test.difference.value > 0
    assert seen / 400 == pytest.approx(0.80, abs=0.06)


def test_the_smallest_sharpe_is_seen_four_times_in_five():
    ratio = smallest_sharpe(1008) / math.sqrt(252)
    returns = np.random.default_rng(1).standard_normal((4000, 1008)) + ratio
    statistic = returns.mean(axis=1) / returns.std(axis=1, ddof=1) * math.sqrt(1008)
    assert np.mean(statistic > 1.96) == pytest.approx(0.80, abs=0.02)
    assert smallest_sharpe(1008) == pytest.approx(1.40, abs=0.01)


def test_error_of_an_auc_by_simulation():
    rng = np.random.default_rng(2)
    areas = [
        (rng.standard_normal((60, 1)) + 0.5 > rng.standard_normal(140)).mean() for _ in range(2000)
    ]
    assert auc_error(Binormal(0.5).auc, 60, 140) == pytest.approx(np.std(areas), rel=0.06)


def test_a_difference_needs_two_point_eight_standard_errors():
    assert smallest_difference(0.01) == pytest.approx(0.02802, abs=1e-5)


def test_effective_days():
    assert effective_days(1000) == 1000
    assert effective_days(1000, overlap=20) == 50
    assert effective_days(1000, num_symbols=500) == 1000
    assert effective_days(1000, num_symbols=500, correlation=0.0) == 500_000
    assert effective_days(1000, num_symbols=500, correlation=0.3) == pytest.approx(3318, abs=1)


def test_same_day_correlation():
    rng = np.random.default_rng(3)
    market, own = rng.standard_normal((800, 1)), rng.standard_normal((800, 20))
    values = math.sqrt(0.3) * market + math.sqrt(0.7) * own
    dates = np.repeat(np.arange(800), 20)
    assert same_day_correlation(dates, values.ravel()) == pytest.approx(0.3, abs=0.03)
    assert same_day_correlation(dates, own.ravel()) == pytest.approx(0.0, abs=0.01)
    assert same_day_correlation(np.arange(800), market.ravel()) == 1.0


def test_power_table_of_the_bundled_test_set():
    table = power_table(1005, base_rate=0.15)
    assert table["days"].to_list() == [1005, 2010, 5025, 10_050]
    this = table.row(0, named=True)
    assert this["auc"] == pytest.approx(0.5718, abs=5e-4)
    assert this["log_loss_gain"] == pytest.approx(0.016, abs=0.002)
    assert this["sharpe"] == pytest.approx(1.41, abs=0.01)
    for column in ("auc", "log_loss_gain", "sharpe"):
        assert table[column].is_sorted(descending=True)
    overlapping = power_table(1005, base_rate=0.15, overlap=5).row(0, named=True)
    assert overlapping["effective_days"] == 201
    assert overlapping["auc"] > this["auc"]
    assert overlapping["sharpe"] == this["sharpe"]


def test_what_cannot_be_tabulated_is_refused():
    with pytest.raises(DataError, match="worth 10 independent ones"):
        power_table(200, overlap=20)
    with pytest.raises(DataError, match="nothing to tell apart"):
        power_table(1000, base_rate=1.0)


def test_what_no_model_could_show_is_not_a_number():
    """Two events in a thousand days: even a perfect ranking might be luck."""
    table = power_table(1005, base_rate=0.002, factors=(1, 10))
    assert math.isnan(table["log_loss_gain"][0])
    assert table["auc"][0] > 0.9
    assert math.isnan(smallest_auc(500, base_rate=0.002))
    assert 0 < table["log_loss_gain"][1] < 0.1
    assert 0.5 < table["auc"][1] < table["auc"][0]
    assert power_table(1005, base_rate=0.998, factors=(1,)).row(0)[2] == pytest.approx(
        table["auc"][0], abs=0.1
    )


def test_an_obvious_signal_still_needs_twenty_days():
    assert days_for_auc(0.99) == 20
