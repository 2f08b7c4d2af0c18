"""Paired tests: against outside implementations, by counting pairs, and their size."""

import math

import numpy as np
import pytest
from scipy import stats

from finscale.errors import DataError
from finscale.evaluation.bootstrap import Resampler
from finscale.evaluation.inference import (
    bootstrap_mean_test,
    bootstrap_test,
    delong,
    diebold_mariano,
)
from finscale.evaluation.ranking import Ranking, weighted_auc
from finscale.evaluation.scores import Classified, probabilities, weighted_mean


def overlapping(rng: np.random.Generator, num_days: int, horizon: int) -> np.ndarray:
    """Return sums over the next ``horizon`` shocks: what overlapping labels do to losses."""
    shocks = rng.standard_normal(num_days + horizon - 1)
    return np.convolve(shocks, np.ones(horizon), "valid")


@pytest.mark.parametrize("horizon", [1, 3, 10])
def test_diebold_mariano_agrees_with_statsmodels(horizon):
    """A regression on a constant with a uniform kernel is the uncorrected test."""
    from statsmodels.api import OLS

    rng = np.random.default_rng(horizon)
    num_days = 300
    first = 0.2 + overlapping(rng, num_days, horizon) ** 2
    second = overlapping(rng, num_days, horizon) ** 2
    outside = OLS(first - second, np.ones(num_days)).fit(
        cov_type="HAC",
        cov_kwds={"maxlags": horizon - 1, "kernel": "uniform", "use_correction": False},
    )
    correction = (num_days + 1 - 2 * horizon + horizon * (horizon - 1) / num_days) / num_days
    test = diebold_mariano(np.arange(num_days), first, second, horizon=horizon)
    statistic = float(outside.tvalues[0]) * math.sqrt(correction)
    assert test.statistic == pytest.approx(statistic, abs=1e-8)
    assert test.p_value == pytest.approx(2 * stats.t.sf(abs(statistic), num_days - 1), abs=1e-8)
    assert test.difference.value == pytest.approx((first - second).mean(), abs=1e-12)


def test_diebold_mariano_averages_the_rows_of_a_day():
    rng = np.random.default_rng(0)
    losses = rng.standard_normal((2, 50))
    daily = diebold_mariano(np.arange(50), *losses)
    copied = diebold_mariano(np.tile(np.arange(50), 7), *np.tile(losses, 7))
    assert copied.p_value == pytest.approx(daily.p_value)


def test_a_sum_of_autocovariances_that_is_not_positive_falls_back_to_bartlett():
    alternating = np.tile([1.0, -1.0], 50) + np.linspace(0, 0.1, 100)
    test = diebold_mariano(np.arange(100), alternating, np.zeros(100), horizon=2)
    assert math.isfinite(test.statistic)
    assert 0 < test.p_value < 1


def test_identical_forecasts_do_not_differ():
    losses = np.random.default_rng(1).random(40)
    assert diebold_mariano(np.arange(40), losses, losses).p_value == 1.0
    assert delong(losses > 0.5, losses, losses).p_value == 1.0


def test_too_few_days_are_refused():
    with pytest.raises(DataError, match="5 days are too few to compare forecasts over 4 days"):
        diebold_mariano(np.arange(5), np.arange(5.0), np.zeros(5), horizon=4)
    with pytest.raises(DataError, match="events on two days at least"):
        delong([1, 0, 0, 0], [4.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0])


def ties(seed: int, num_rows: int = 150):
    rng = np.random.default_rng(seed)
    target = rng.random(num_rows) < 0.3
    first, second = np.round(target + 1.5 * rng.standard_normal((2, num_rows)), 1)
    return target.astype(float), first, second


@pytest.mark.parametrize("seed", range(5))
def test_delong_agrees_with_counting_pairs(seed):
    """The covariance matrix of DeLong (1988), eq. 5, from all pairs, without midranks."""
    target, first, second = ties(seed)
    kernels = []
    for logit in (first, second):
        events, others = logit[target == 1][:, None], logit[target == 0]
        kernels.append((events > others) + 0.5 * (events == others))
    by_event = np.cov([kernel.mean(axis=1) for kernel in kernels])
    by_other = np.cov([kernel.mean(axis=0) for kernel in kernels])
    covariance = by_event / kernels[0].shape[0] + by_other / kernels[0].shape[1]
    difference = kernels[0].mean() - kernels[1].mean()
    statistic = difference / math.sqrt(np.array([1, -1]) @ covariance @ np.array([1, -1]))
    test = delong(target, first, second)
    assert test.difference.value == pytest.approx(difference, abs=1e-12)
    assert test.statistic == pytest.approx(statistic, abs=1e-8)
    assert test.p_value == pytest.approx(2 * stats.norm.sf(abs(statistic)), abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_delong_of_one_model_agrees_with_statsmodels(seed):
    """Against a constant, DeLong's test is Brunner and Munzel's, with a normal reference."""
    from statsmodels.stats.nonparametric import rank_compare_2indep

    target, first, _ = ties(seed)
    outside = rank_compare_2indep(first[target == 1], first[target == 0], use_t=False)
    test = delong(target, first, np.zeros(len(target)))
    assert test.difference.value == pytest.approx(outside.prob1 - 0.5, abs=1e-12)
    assert test.statistic == pytest.approx(float(outside.statistic), abs=1e-8)
    assert test.p_value == pytest.approx(float(outside.pvalue), abs=1e-8)


@pytest.mark.parametrize("seed", [12, 13, 14])
def test_delong_of_two_models_agrees_with_an_outside_package(seed):
    from MLstatkit import Delong_test

    target, first, second = ties(seed)
    statistic, p_value = Delong_test(target, first, second, return_ci=False, return_auc=False)
    test = delong(target, first, second)
    # theirs is the second model's area less the first's
    assert -test.statistic == pytest.approx(statistic, abs=1e-8)
    assert test.p_value == pytest.approx(p_value, abs=1e-8)


def test_delong_by_days_is_delong_when_each_day_has_one_row():
    target, first, second = ties(9)
    assert delong(target, first, second, dates=np.arange(len(target))) == delong(
        target, first, second
    )


def test_delong_by_days_is_not_fooled_by_copies():
    """Six symbols that are copies of one: the clustered test sees one."""
    target, first, second = ties(10)
    days = np.tile(np.arange(len(target)), 6)
    single = delong(target, first, second)
    copied = [np.tile(x, 6) for x in (target, first, second)]
    clustered = delong(*copied, dates=days)
    assert clustered.statistic == pytest.approx(single.statistic, rel=0.02)
    assert abs(delong(*copied).statistic) > 2.3 * abs(single.statistic)


def test_bootstrap_test_of_means_and_areas():
    target, first, second = ties(11, 400)
    resampler = Resampler.over(np.arange(400), target, block_length=1.0)

    def area(logit: np.ndarray):
        ranking = Ranking.of(logit)
        return lambda weights: weighted_auc(ranking, target, weights)

    test = bootstrap_test(area(first), area(second), resampler)
    exact = delong(target, first, second)
    assert test.difference.value == pytest.approx(exact.difference.value)
    assert test.p_value == pytest.approx(exact.p_value, abs=0.06)
    assert bootstrap_test(area(first), area(np.zeros(400)), resampler).p_value == pytest.approx(
        1 / 1001
    )
    assert bootstrap_test(area(first), area(first), resampler).p_value == 1.0


def rejections(test, num_replicates: int) -> float:
    """Return how often ``test(rng)`` gives a p-value below .05."""
    p_values = [test(np.random.default_rng(seed)) for seed in range(num_replicates)]
    return float(np.mean(np.array(p_values) < 0.05))


def null_losses(rng, horizon=1, num_days=500):
    return overlapping(rng, num_days, horizon), overlapping(rng, num_days, horizon)


def dm_null(rng, horizon=5):
    return diebold_mariano(np.arange(500), *null_losses(rng, horizon), horizon=horizon).p_value


def delong_null(rng):
    target = rng.random(500) < 0.2
    return delong(target, *(0.5 * target + rng.standard_normal((2, 500)))).p_value


def clustered_delong_null(rng):
    """100 days of 8 symbols that share the day's market in target and in both predictions."""
    market = np.repeat(rng.standard_normal((3, 100)), 8, axis=1)
    own = rng.standard_normal((3, 800))
    truth, first, second = market + 0.5 * own
    return delong(
        truth > 0.8, 0.3 * truth + first, 0.3 * truth + second, dates=np.repeat(np.arange(100), 8)
    ).p_value


def bootstrap_null(rng):
    first, second = null_losses(rng, 5)
    resampler = Resampler.over(
        np.arange(500), first - second, overlap=5, num_replicates=400, seed=int(rng.integers(1e9))
    )
    return bootstrap_test(
        lambda w: weighted_mean(first, w), lambda w: weighted_mean(second, w), resampler
    ).p_value


def bootstrap_auc_null(rng):
    target = (rng.random(400) < 0.3).astype(float)
    rankings = [Ranking.of(z) for z in 0.5 * target + rng.standard_normal((2, 400))]
    resampler = Resampler.over(
        np.arange(400), target, block_length=1.0, num_replicates=400, seed=int(rng.integers(1e9))
    )
    first, second = (lambda w, r=r: weighted_auc(r, target, w) for r in rankings)
    return bootstrap_test(first, second, resampler).p_value


@pytest.mark.parametrize(
    ("null", "num_replicates"),
    [(dm_null, 2000), (delong_null, 1000), (clustered_delong_null, 1000)],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_size_is_five_percent(null, num_replicates):
    assert 0.03 <= rejections(null, num_replicates) <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("null", [bootstrap_null, bootstrap_auc_null], ids=lambda x: x.__name__)
def test_size_of_the_bootstrap_is_five_percent(null):
    assert 0.03 <= rejections(null, 1000) <= 0.07


@pytest.mark.parametrize("null", [bootstrap_null, bootstrap_auc_null], ids=lambda x: x.__name__)
def test_size_of_the_bootstrap_is_near_five_percent(null):
    assert rejections(null, 120) <= 0.12


def test_a_real_difference_is_seen_by_all_three():
    rng = np.random.default_rng(3)
    truth = rng.standard_normal(1500)
    target = rng.random(1500) < probabilities(truth)
    model, constant = Classified.of(target, truth), Classified.of(target, np.zeros(1500))
    dates = np.arange(1500)
    assert diebold_mariano(dates, constant.log_loss, model.log_loss).p_value < 1e-6
    assert delong(target, model.logit, constant.logit).p_value < 1e-6
    resampler = Resampler.over(dates, model.log_loss)
    test = bootstrap_test(
        lambda w: weighted_mean(constant.log_loss, w),
        lambda w: weighted_mean(model.log_loss, w),
        resampler,
    )
    assert test.p_value < 0.002
    assert test.difference.low > 0


def test_the_bootstrap_of_a_difference_of_means_needs_no_weights():
    """Two symbols on some days; the same replicates, interval and p-value."""
    rng = np.random.default_rng(8)
    dates = np.sort(rng.integers(0, 150, 220))
    first, second = rng.standard_normal((2, 220))
    resampler = Resampler.over(dates, first - second, num_replicates=300)
    expected = bootstrap_test(
        lambda w: weighted_mean(first, w), lambda w: weighted_mean(second, w), resampler
    )
    found = bootstrap_mean_test(first - second, resampler)
    assert vars(found.difference) == pytest.approx(vars(expected.difference), abs=1e-12)
    assert found.p_value == expected.p_value


def test_a_difference_that_is_the_same_on_each_day_is_beyond_doubt():
    losses = np.full(50, 0.5)
    test = diebold_mariano(np.arange(50), losses, losses - 0.25)
    assert (test.difference.value, test.statistic, test.p_value) == (0.25, math.inf, 0.0)
    same = diebold_mariano(np.arange(50), losses, losses)
    assert (same.difference.value, same.p_value) == (0.0, 1.0)
