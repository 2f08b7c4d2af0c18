"""The estimator: what it returns, says and draws, and whether its intervals mean what they say."""

import json

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from finscale.errors import FinscaleError
from finscale.scaling import FORMS, fit_batch, fit_law
from finscale.scaling.fit import fit_form
from finscale.scaling.law_plot import frontier, save
from finscale.scaling.problem import Problem, problem_of
from finscale.scaling.profile import confidence_region, exponent_interval
from finscale.scaling.table import read_table

mpl.use("Agg")
SIZES = np.geomspace(5e3, 5e6, 8)
TRUTH = 0.36 + 3 * SIZES**-0.45


def seeded(noise=0.004, seeds=5, seed=0):
    rng = np.random.default_rng(seed)
    x = np.repeat(SIZES, seeds)
    return {
        "parameters": x,
        "loss": np.repeat(TRUTH, seeds) + noise * rng.standard_normal(len(x)),
    }


def daily(seed=0, num_days=300, seeds=3):
    """Return daily losses: a market part shared by all, a part of each size, seeds."""
    rng = np.random.default_rng(seed)
    shape = (len(SIZES), seeds, num_days)
    losses = (
        TRUTH[:, None, None]
        + rng.gamma(2, 0.2, num_days)
        + 0.05 * rng.standard_normal((len(SIZES), 1, num_days))
        + 0.004 * rng.standard_normal((len(SIZES), seeds, 1))
    )
    i, s, d = (a.ravel() for a in np.meshgrid(*map(range, shape), indexing="ij"))
    columns = {"parameters": SIZES[i], "seed": s, "day": d, "loss": losses.ravel()}
    return pl.DataFrame(columns)


@pytest.fixture(scope="module")
def law():
    return fit_law(seeded(), holdout=1, num_replicates=500)


@pytest.fixture(scope="module")
def surface():
    rng = np.random.default_rng(0)
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e4, 1e6, 6), np.geomspace(1e3, 1e5, 6)))
    loss = (0.4 + 3 * N**-0.4 + 2 * D**-0.3) * np.exp(0.002 * rng.standard_normal(36))
    return fit_law({"N": N, "D": D, "loss": loss}, x=("N", "D"), num_replicates=300)


def test_auto_chooses_form_and_loss(law, surface):
    assert (law.form.name, law.fit.problem.loss) == ("power_floor", "least_squares")
    assert (surface.form.name, surface.fit.problem.loss) == ("hoffmann", "huber")
    by_day = fit_law(daily(), num_replicates=200)
    assert by_day.fit.problem.loss == "gls"
    assert by_day.scheme == "days and seeds"
    assert by_day.block_length >= 1


def test_intervals_hold_the_truth(law):
    for name, truth in {"E": 0.36, "A": 3.0, "alpha": 0.45}.items():
        low, high = law[name].profile if law[name].profile else law[name].percentile
        assert low < truth < high
        assert law[name].low < law[name].value < law[name].high
        assert law[name].bca[0] < law[name].value < law[name].bca[1]


def test_gain_at_ten_times_the_largest(law):
    top = SIZES[-2]  # the largest is held out
    _, A, alpha = law.params.values()
    assert law["gain_x10"].value == pytest.approx(A * top**-alpha * (1 - 10**-alpha))
    assert (
        law["gain_x10"].profile[0] < 3 * top**-0.45 * (1 - 10**-0.45) < law["gain_x10"].profile[1]
    )


def test_predict_gives_an_interval(law):
    mean, low, high = law.predict([1e4, 1e6, 1e8])
    np.testing.assert_allclose(mean, law.form.predict([1e4, 1e6, 1e8], list(law.params.values())))
    assert (low < mean).all()
    assert (mean < high).all()
    assert high[2] - low[2] > high[1] - low[1]


def test_size_for_a_loss(law):
    assert law.size_for(law.predict([3e5]).mean[0]) == pytest.approx(3e5)
    assert law.size_for(law.params["E"] - 0.01) == np.inf


def test_heldout_takes_no_part(law):
    (held,) = law.heldout
    assert held.x_d == [5e6]
    assert held.observed == pytest.approx(law.table.y_n[-1])
    assert held.error == pytest.approx(held.predicted - held.observed)
    moved = seeded()
    moved["loss"][-5:] += 0.5
    again = fit_law(moved, holdout=1, num_replicates=50)
    assert again.params == law.params


def test_summary_says_everything_in_100_columns(law, surface):
    for one in (law, surface):
        text = one.summary()
        assert max(map(len, text.splitlines())) <= 100
        for word in (
            "percentile",
            "BCa",
            "profile",
            "×10",
            "lack of fit",
            "bootstrap",
            "converged",
            "leverage",
        ):
            assert word in text
    assert "held out     at 5M the law says" in law.summary()
    assert "Huber (1e-3)" in surface.summary()


def test_repr_is_one_line(law):
    assert repr(law).startswith("Law(power_floor: E = 0.36")
    assert "\n" not in repr(law)
    assert "7 sizes" in repr(law)


def test_to_dict_is_json(law, surface):
    for one in (law, surface, fit_law(daily(), num_replicates=50)):
        content = json.loads(json.dumps(one.to_dict(), allow_nan=False))
        assert content["identified"] is True
        assert content["params"]["alpha"] == pytest.approx(one.params["alpha"])
        assert len(content["diagnostics"]["leverage"]) == content["num_sizes"]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_figure_is_written_whole_and_the_same_again(law, tmp_path, kind):
    save(law, tmp_path / f"a.{kind}")
    assert (tmp_path / f"a.{kind}").stat().st_size > 5_000
    assert [p.name for p in tmp_path.iterdir()] == [f"a.{kind}"]


def test_figure_of_another_kind_is_refused(law, tmp_path):
    with pytest.raises(FinscaleError, match=r"is no figure"):
        save(law, tmp_path / "a.gif")


def test_plot_draws_seeds_mean_heldout_curve_and_floor(law):
    ax = Figure().subplots()
    assert law.plot(ax) is ax
    labels = ax.get_legend_handles_labels()[1]
    assert labels[:2] == ["mean over seeds", "held out"]
    assert "alpha = " in labels[2]
    dots = [line for line in ax.lines if line.get_marker() == "."]
    assert sum(np.isfinite(line.get_ydata()).sum() for line in dots) == 40
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert len(ax.collections) == 1  # the band


def test_plot_of_a_surface_and_of_nothing(surface):
    ax = surface.plot()
    assert ax.get_xlabel() == "N × D"
    flat = fit_law({"parameters": SIZES, "loss": [0.7] * 8})
    ax = flat.plot()
    assert "not identified: every loss is the same" in ax.get_title(loc="left")


def test_frontier_is_the_least_loss_for_its_volume(surface):
    volume = np.array([1e9, 1e10])
    split = frontier(surface, volume)
    np.testing.assert_allclose(split.prod(axis=1), volume)
    best = surface.predict(split).mean
    for factor in (0.9, 1.1):
        assert (surface.predict(split * [factor, 1 / factor]).mean > best).all()


def test_leverage_sums_to_the_number_of_parameters(law, surface):
    for one in (law, surface, fit_law(daily(), num_replicates=20)):
        leverage = one.fit.diagnostics.leverage_n
        assert leverage.sum() == pytest.approx(one.form.num_parameters, rel=1e-8)


def test_leverage_is_how_the_fit_follows_its_point():
    x, y = SIZES, TRUTH + 0.002 * np.random.default_rng(0).standard_normal(8)
    problem = Problem(x[:, None], y, "least_squares", np.ones(8))
    leverage = fit_form(FORMS["power_floor"], problem).diagnostics.leverage_n
    step = 1e-6 * np.eye(8)
    up = fit_batch("power_floor", x, y + step).fitted_Rn
    down = fit_batch("power_floor", x, y - step).fitted_Rn
    moved = np.diagonal(up - down) / 2e-6
    np.testing.assert_allclose(moved, leverage, atol=0.05)


def test_two_roads_to_the_profile_interval_agree(law):
    fit, problem = law.fit, law.fit.problem
    by_pinning = exponent_interval(
        fit.form, problem, "alpha", fit.params["alpha"], fit.objective, 0.95
    )
    region = confidence_region(fit.form, problem, fit.objective, 0.95)
    by_region = region.exponent(lambda q: q[:, 0])
    np.testing.assert_allclose(by_pinning, by_region, rtol=2e-3)


def test_profile_of_the_floor_is_where_the_fit_worsens_by_the_cutoff(law):
    fit, problem = law.fit, law.fit.problem
    for end in law["E"].profile:
        # hold the floor at the end: what is left is a pure power of y - E
        pinned = fit_batch("power", problem.x_nd, problem.y_n - end, weights=problem.weights_n)
        rise = problem.deviance(pinned.objective_R[0]) - problem.deviance(fit.objective)
        assert rise == pytest.approx(problem.cutoff(fit.objective, 3, 0.95), rel=0.02)


def test_a_known_covariance_gives_gls_and_parametric_replicates():
    rng = np.random.default_rng(0)
    covariance = 1e-6 * (np.eye(8) + 1.0)
    y = TRUTH + np.linalg.cholesky(covariance) @ rng.standard_normal(8)
    law = fit_law(
        {"parameters": SIZES, "loss": y}, covariance=covariance, holdout=1, num_replicates=300
    )
    assert law.fit.problem.loss == "gls"
    assert law.scheme == "parametric"
    assert law["alpha"].low < 0.45 < law["alpha"].high
    # intervals from two different principles
    np.testing.assert_allclose(law["alpha"].profile, law["alpha"].percentile, rtol=0.15)


def test_gls_sees_the_pairing_that_least_squares_does_not():
    paired = fit_law(daily(), num_replicates=300)
    table = read_table(daily(), x="parameters")
    # the market's share of the loss cancels: alpha is told as if it were not there
    alone = problem_of(table, "gls").covariance_nn
    difference = np.array([1.0, -1, 0, 0, 0, 0, 0, 0])
    assert difference @ alone @ difference < 0.2 * alone[0, 0]
    assert paired["alpha"].low < 0.45 < paired["alpha"].high


def test_one_seed_with_days_is_gls_on_days_alone():
    law = fit_law(daily(seeds=1), num_replicates=100)
    assert (law.fit.problem.loss, law.scheme) == ("gls", "days")
    assert any("one seed" in flag for flag in law.fit.flags)


def test_same_seed_same_law():
    one, two = (fit_law(seeded(), num_replicates=50) for _ in range(2))
    assert one.to_dict() == two.to_dict()


def test_no_form_for_four_axes():
    columns = {name: [1.0, 2.0] for name in "abcd"} | {"loss": [1.0, 0.9]}
    with pytest.raises(FinscaleError, match="no form has 4 size axes"):
        fit_law(columns, x=list("abcd"))


def test_aicc_of_least_squares_is_that_of_the_textbook():
    y = TRUTH + 0.002 * np.random.default_rng(0).standard_normal(8)
    fit = fit_form(FORMS["power"], Problem(SIZES[:, None], y, "least_squares", np.ones(8)))
    residual = np.sum((y - fit.form.predict(SIZES, fit.theta_p)) ** 2)
    k = 3  # A, alpha and the variance
    expected = 8 * np.log(residual / 8) + 2 * k + 2 * k * (k + 1) / (8 - k - 1)
    assert fit.aicc == pytest.approx(expected)
    few = Problem(SIZES[:4, None], y[:4], "least_squares", np.ones(4))
    assert fit_form(FORMS["power"], few).aicc == np.inf


@pytest.mark.slow
def test_coverage_of_the_bootstrap_interval():
    """95 % intervals from days × seeds hold the true exponent about as often as they say."""
    inside = 0
    for seed in range(200):
        law = fit_law(daily(seed=seed), num_replicates=400, block_length=1.0)
        inside += law.identified and law["alpha"].low < 0.45 < law["alpha"].high
    assert 0.88 <= inside / 200 <= 0.99


@pytest.mark.parametrize("noise", [1e-4, 1e-5])
def test_sharp_data_have_a_profile_interval_too(noise):
    """The confidence set lay between two points of the scan."""
    rng = np.random.default_rng(1)
    loss = 0.36 + 3 * SIZES**-0.45 + noise * rng.standard_normal(8)
    problem = Problem(SIZES[:, None], loss, "least_squares", np.ones(8))
    fit = fit_form(FORMS["power_floor"], problem)
    region = confidence_region(fit.form, problem, fit.objective, 0.95)
    low, high = region.exponent(lambda q: q[:, 0])
    best = fit.params["alpha"]
    assert low < best < high
    by_pinning = exponent_interval(fit.form, problem, "alpha", best, fit.objective, 0.95)
    assert (low, high) == pytest.approx(by_pinning, rel=0.02)


def test_no_more_sizes_are_held_out_than_there_are():
    table = read_table(seeded(), x="parameters")
    for count in (8, 99, -1):
        with pytest.raises(FinscaleError, match="cannot be held out of 8"):
            table.largest(count)
