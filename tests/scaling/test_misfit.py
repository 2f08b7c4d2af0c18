"""A curve of the wrong shape is seen, said, and widens its intervals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, f, t

from finscale.scaling import FORMS, Problem, fit_form, fit_law
from finscale.scaling.misfit import lack_of_fit
from finscale.scaling.problem import problem_of
from finscale.scaling.table import LawTable

SIZES = np.geomspace(1e4, 1e8, 12)
POWER = FORMS["power_floor"]


def table(truth_n, seeds=5, noise=5e-4, seed=0, sizes=SIZES):
    rng = np.random.default_rng(seed)
    losses = truth_n[:, None, None] + noise * rng.standard_normal((len(sizes), seeds, 1))
    return LawTable(("N",), "loss", sizes[:, None], losses, np.zeros(1, np.int64), False)


def two_breaks(x):
    return 0.3 + 2 * x**-0.3 * (1 + (x / 1e5) ** 5) ** (-0.3 / 5) * (1 + (x / 3e6) ** 5) ** 0.1


def one_power(x=SIZES):
    return 0.3 + 5 * x**-0.4


def test_the_statistic_is_that_of_the_textbook():
    read = table(one_power(), seeds=3, noise=0.01)
    fit = fit_form(POWER, problem_of(read))
    runs_nS = read.runs_nS
    means_n = runs_nS.mean(axis=1)
    curve_n = POWER.predict(SIZES, fit.theta_p)
    misfit = 3 * np.sum((means_n - curve_n) ** 2) / (12 - 3)
    error = np.sum((runs_nS - means_n[:, None]) ** 2) / (36 - 12)
    assert fit.lack_of_fit.statistic == pytest.approx(misfit / error)
    assert fit.lack_of_fit.degrees == (9, 24)
    assert fit.lack_of_fit.p_value == pytest.approx(f.sf(misfit / error, 9, 24))


def test_a_floor_at_zero_leaves_one_more_degree():
    fit = fit_form(POWER, problem_of(table(5 * SIZES**-0.2 - 0.01, noise=1e-3)))
    assert fit.diagnostics.at_bound == ("E",)
    assert fit.lack_of_fit.degrees[0] == 12 - 3 + 1


def test_the_right_form_is_rejected_as_often_as_said():
    sizes = np.geomspace(1e4, 1e7, 7)
    problems = [problem_of(table(one_power(sizes), 3, 0.002, seed, sizes)) for seed in range(800)]
    # all tables at once: their sizes and weights are the same
    objective_R = problems[0].batch(POWER, np.stack([each.y_n for each in problems])).objective_R
    tested = [
        lack_of_fit(POWER, each, float(objective), ())
        for each, objective in zip(problems, objective_R, strict=True)
    ]
    assert 0.03 <= np.mean([each.rejected for each in tested]) <= 0.075
    assert 0.45 <= np.mean([each.p_value < 0.5 for each in tested]) <= 0.57


@pytest.mark.parametrize(
    "truth",
    [
        two_breaks(SIZES),
        one_power() + 0.02 * np.exp(-0.5 * np.log(SIZES / 1e6) ** 2),  # a hump
        one_power() - 0.02 * (SIZES > 1e6),  # a step
        np.maximum(one_power(), 0.33),  # an early end
        one_power() + 0.02 * (np.arange(12) == 5),  # one bad size
    ],
)
def test_a_wrong_shape_is_said_and_widens_the_interval(truth):
    law = fit_law(table(truth), form="power_floor", num_replicates=200)
    assert law.fit.lack_of_fit.p_value < 1e-6
    assert any("power_floor is not the shape of this curve" in flag for flag in law.fit.flags)
    assert "lack of fit  REJECTED: F(9, 48)" in law.summary()
    assert json.loads(json.dumps(law.to_dict(), allow_nan=False))["lack_of_fit"]["rejected"]
    if law.identified:
        assert "MISFIT p < .001" in repr(law)
        blind = fit_form(POWER, replace(law.fit.problem, seeds=None))
        as_if = fit_law(table(law.form.predict(SIZES, blind.theta_p)), num_replicates=50)
        assert np.ptp(law["alpha"].interval) > 4 * np.ptp(as_if["alpha"].interval)
        assert np.ptp(law["alpha"].percentile) > 4 * np.ptp(as_if["alpha"].interval)


def test_the_width_is_that_of_the_misfit():
    """Held at the end of its interval, the form worsens by t² times the misfit's mean square."""
    problem = fit_form(POWER, problem_of(table(two_breaks(SIZES)))).problem
    assert problem.error == "misfit"
    objective = 7.0
    assert problem.slack(objective, 3, 0.95) == pytest.approx(t.ppf(0.975, 9) ** 2 * objective / 9)
    told_by_seeds = replace(problem, error="seeds")
    squares, degrees = told_by_seeds.seeds.squares, told_by_seeds.seeds.degrees
    expected = t.ppf(0.975, 9 + degrees) ** 2 * (objective + squares) / (9 + degrees)
    assert told_by_seeds.slack(objective, 3, 0.95) == pytest.approx(expected)


def test_a_known_covariance_tests_by_chi_squared():
    covariance = 4e-6 * (np.eye(12) + 0.5)
    for truth, rejected in ((one_power(), False), (two_breaks(SIZES), True)):
        y = truth + np.linalg.cholesky(covariance) @ np.random.default_rng(0).standard_normal(12)
        problem = Problem(SIZES[:, None], y, "gls", np.ones(12), covariance)
        fit = fit_form(POWER, problem)
        assert fit.lack_of_fit.rejected is rejected
        assert fit.lack_of_fit.p_value == pytest.approx(chi2.sf(fit.objective, 9))


@pytest.mark.parametrize("seeds", [1, 3])
def test_days_test_the_form_too(seeds):
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e4, 1e7, 7)
    for bump, rejected in ((0.0, False), (0.05, True)):
        truth = one_power(sizes) + bump * (np.arange(7) == 3)
        losses = truth[:, None, None] + rng.gamma(2, 0.2, 400)
        losses = losses + 0.05 * rng.standard_normal((7, 1, 400))
        losses = losses + 0.002 * rng.standard_normal((7, seeds, 1)) * (seeds > 1)
        read = LawTable(("N",), "loss", sizes[:, None], losses, np.zeros(400, np.int64), True)
        fit = fit_form(POWER, problem_of(read))
        assert fit.problem.loss == "gls"
        assert fit.lack_of_fit.rejected is rejected


def test_a_surface_by_huber_is_tested_against_its_seeds():
    rng = np.random.default_rng(0)
    grid = np.meshgrid(np.geomspace(1e4, 1e6, 4), np.geomspace(1e3, 1e5, 4))
    N, D = (np.repeat(axis.ravel(), 3) for axis in grid)
    additive = 0.4 + 3 * N**-0.4 + 2 * D**-0.3
    for loss, rejected in ((additive, False), (additive + 0.1 * (N * D) ** -0.05, True)):
        rows = {"N": N, "D": D, "loss": loss * np.exp(2e-4 * rng.standard_normal(48))}
        law = fit_law(rows, x=("N", "D"), num_replicates=20)
        assert law.fit.problem.loss == "huber"
        assert law.fit.lack_of_fit.rejected is rejected


def test_nothing_is_tested_where_nothing_tells_the_error():
    law = fit_law(table(one_power(), seeds=1), num_replicates=20)
    assert law.fit.lack_of_fit is None
    assert "not tested: nothing but the curve tells" in law.summary()
    assert law.to_dict()["lack_of_fit"] is None
    copies = fit_law(table(one_power(), seeds=3, noise=0.0), num_replicates=20)
    assert copies.fit.lack_of_fit is None


def test_leverage_is_a_share_under_strong_correlation():
    scale = np.geomspace(1, 0.01, 12)
    covariance = 1e-4 * (np.outer(scale, scale) * (0.02 * np.eye(12) + 0.98))
    problem = Problem(SIZES[:, None], one_power(), "gls", np.ones(12), covariance)
    leverage_n = fit_form(POWER, problem).diagnostics.leverage_n
    assert (leverage_n >= 0).all()
    assert (leverage_n <= 1 + 1e-9).all()
    assert leverage_n.sum() == pytest.approx(3)
