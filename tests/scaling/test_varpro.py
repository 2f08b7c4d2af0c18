"""The fitter: exact on clean data, equal to scipy on noisy data, the same alone or in a batch."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import curve_fit, least_squares, nnls

from finscale.scaling.batch import fit_batch
from finscale.scaling.forms import FORMS
from finscale.scaling.nnls import solve_nonnegative

X = np.geomspace(5e3, 5e6, 9)
N = np.geomspace(1e4, 1e7, 6).repeat(5)
D = np.tile(np.geomspace(1e3, 1e6, 5), 6)
CLEAN = {
    "constant": (X, [1.2]),
    "power": (X, [5.0, 0.2]),
    "power_floor": (X, [0.5, 9.0, 0.3]),
    "power_rising": (X, [2.0, 3.0, 0.2]),
    "parabola": (X, [5.0, -0.8, 0.04]),
    "broken_power": (X, [0.5, 9.0, 0.3, -0.5, 2e5, 0.4]),
    "m4": (X, [0.2, 0.7, 0.8, 30.0, -0.4]),
    "hoffmann": (np.c_[N, D], [1.8, 480.0, 2085.0, 0.35, 0.37]),
    "data_constrained": (
        np.c_[N, D, np.minimum(D, 3e4)],
        [1.8, 480.0, 2085.0, 0.35, 0.37, 5.0],
    ),
    "muennighoff": (np.c_[N, D, np.minimum(D, 3e4)], [1.8, 480.0, 0.35, 0.37, 2085.0, 4.0, 6.0]),
    "overtraining": (np.c_[N, D], [1.8, 300.0, 900.0, 0.17]),
    "overtraining_compute": (np.c_[6 * N * D, D / N], [1.8, 300.0, 900.0, 0.17]),
    "interaction": (np.c_[N, D], [1.8, 480.0, 2085.0, -9000.0, 0.35, 0.37]),
    "kaplan": (np.c_[N, D], [1.2, 480.0, 0.35, 0.37, 2085.0]),
    "routed": (np.c_[N, D / 1e3], [1.2, 90.0, 0.35, 0.4, -0.02]),
}


@settings(max_examples=60, deadline=None)
@given(
    phi=arrays(float, (7, 3), elements=st.floats(-2, 2, width=32)),
    y=arrays(float, 7, elements=st.floats(-3, 3, width=32)),
)
def test_nnls_is_that_of_scipy(phi, y):
    phi = phi + np.eye(7, 3)  # columns that differ
    if np.linalg.cond(phi) > 1e4:
        return
    c, gain = solve_nonnegative(phi.T @ phi, phi.T @ y, np.zeros(3, dtype=bool))
    expected, distance = nnls(phi, y)
    assert np.sum((y - phi @ c) ** 2) == pytest.approx(distance**2, abs=1e-7)
    np.testing.assert_allclose(c, expected, atol=1e-5)
    assert (c >= 0).all()
    assert gain == pytest.approx(y @ y - distance**2, abs=1e-7)


def test_nnls_leaves_free_columns_their_sign():
    phi = np.c_[np.ones(5), np.arange(5.0)]
    y = -1.0 + 2.0 * np.arange(5)
    c, _ = solve_nonnegative(phi.T @ phi, phi.T @ y, np.array([True, False]))
    np.testing.assert_allclose(c, [-1.0, 2.0], atol=1e-12)


@pytest.mark.parametrize("loss", ["least_squares", "gls", "huber"])
@pytest.mark.parametrize("name", CLEAN)
def test_clean_laws_come_back(name, loss):
    x, theta = CLEAN[name]
    y = FORMS[name].predict(x, theta)
    covariance = 1e-4 * (np.eye(len(y)) + 0.5) if loss == "gls" else None
    fit = fit_batch(name, x, y, loss=loss, covariance=covariance)
    np.testing.assert_allclose(fit.params_Rp[0], theta, rtol=1e-6)
    np.testing.assert_allclose(fit.fitted_Rn[0], y, rtol=1e-10)
    assert fit.converged_R.all()
    assert not fit.at_bound_Rp.any()


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.34, 0.7, 1.5])
@pytest.mark.parametrize("floor", [0.0, 0.6931, 1.8])
def test_agrees_with_curve_fit_on_clean_power_laws(alpha, floor):
    x = np.geomspace(1e4, 1e8, 12)
    y = floor + 0.3 * (x / 1e4) ** -alpha

    def law(x, E, A, exponent):
        return E + A * (x / 1e4) ** -exponent

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no residual, so scipy knows no covariance
        scipy_p, _ = curve_fit(
            law, x, y, p0=[floor + 0.01, 0.25, alpha * 1.1], ftol=1e-15, xtol=1e-15, gtol=1e-15
        )
    E, A, exponent = fit_batch("power_floor", x, y).params_Rp[0]
    ours = [E, A * 1e4**-exponent, exponent]
    np.testing.assert_allclose(ours, scipy_p, rtol=1e-8, atol=1e-8)


def test_no_worse_than_scipy_from_many_starts_on_noise():
    rng = np.random.default_rng(3)
    y = 0.5 + 9 * X**-0.3 + 0.02 * rng.standard_normal((20, len(X)))
    ours = fit_batch("power_floor", X, y)
    for r in range(20):
        best = min(
            least_squares(
                lambda p, r=r: p[0] + p[1] * (X / 1e5) ** -p[2] - y[r],
                [0.5, 0.3, start],
                bounds=([0, 0, 0.01], [9, 99, 4]),
                xtol=1e-14,
                ftol=1e-14,
                gtol=1e-14,
            ).cost
            for start in (0.05, 0.3, 1.0, 2.5)
        )
        assert ours.objective_R[r] <= 2 * best * (1 + 1e-9)
    assert ours.converged_R.all()


def test_gls_is_least_squares_of_whitened_points():
    rng = np.random.default_rng(0)
    y = 0.5 + 9 * X**-0.3 + 0.01 * rng.standard_normal(len(X))
    root = rng.standard_normal((9, 9)) * 0.1 + np.eye(9)
    covariance = root @ root.T
    fit = fit_batch("power_floor", X, y, loss="gls", covariance=covariance)
    residual = y - fit.fitted_Rn[0]
    assert fit.objective_R[0] == pytest.approx(residual @ np.linalg.solve(covariance, residual))
    slope = fit.form.jacobian(fit.form.columns(X) / fit.x0_d, fit.internal_Rp[0])
    normal = slope.T @ np.linalg.solve(covariance, residual)
    scale = np.linalg.norm(slope, axis=0) * np.linalg.norm(residual)
    np.testing.assert_allclose(normal / scale, 0, atol=1e-7)


def test_a_common_shift_of_the_covariance_moves_the_floor_only():
    rng = np.random.default_rng(1)
    y = 0.5 + 9 * X**-0.3 + 0.01 * rng.standard_normal(len(X))
    alone = fit_batch("power_floor", X, y, loss="gls", covariance=1e-4 * np.eye(9))
    shared = fit_batch("power_floor", X, y, loss="gls", covariance=1e-4 * (np.eye(9) + 5.0))
    np.testing.assert_allclose(alone["alpha"], shared["alpha"], rtol=1e-7)


@pytest.mark.parametrize("loss", ["least_squares", "huber"])
def test_a_batch_is_its_members(loss):
    rng = np.random.default_rng(2)
    y = 0.5 + 9 * X**-0.3 + 0.01 * rng.standard_normal((6, len(X)))
    weights = rng.integers(0, 3, (6, len(X))) + 0.5
    together = fit_batch("power_floor", X, y, loss=loss, weights=weights)
    for r in range(6):
        alone = fit_batch("power_floor", X, y[r], loss=loss, weights=weights[r])
        np.testing.assert_allclose(alone.params_Rp[0], together.params_Rp[r], rtol=1e-6)


def test_a_weight_of_two_is_a_point_given_twice():
    rng = np.random.default_rng(4)
    y = 0.5 + 9 * X**-0.3 + 0.01 * rng.standard_normal(len(X))
    weights = np.array([1.0, 2, 1, 1, 2, 1, 1, 1, 2])
    twice = np.repeat(np.arange(9), weights.astype(int))
    weighted = fit_batch("power_floor", X, y, weights=weights)
    repeated = fit_batch("power_floor", X[twice], y[twice])
    np.testing.assert_allclose(weighted.params_Rp, repeated.params_Rp, rtol=1e-7)


def test_one_covariance_a_replicate():
    rng = np.random.default_rng(5)
    y = 0.5 + 9 * X**-0.3 + 0.01 * rng.standard_normal(len(X))
    covariances = np.stack([np.diag(rng.uniform(0.5, 2, 9)) for _ in range(4)])
    fits = fit_batch("power_floor", X, y, loss="gls", covariance=covariances)
    weights = 1 / np.diagonal(covariances, axis1=1, axis2=2)
    same = fit_batch("power_floor", X, y, weights=weights)
    np.testing.assert_allclose(fits.params_Rp, same.params_Rp, rtol=1e-7)


def test_rising_losses_rest_on_the_bound_of_a_falling_law():
    fit = fit_batch("power_floor", X, 2 - 3 * X**-0.2)
    assert fit["A"][0] == 0.0
    assert fit.at_bound_Rp[0, 1]


def test_units_of_size_do_not_matter():
    rng = np.random.default_rng(6)
    y = 0.5 + 9 * X**-0.3 + 0.01 * rng.standard_normal(len(X))
    small, large = fit_batch("power_floor", X, y), fit_batch("power_floor", X * 1e6, y)
    np.testing.assert_allclose(small["alpha"], large["alpha"], rtol=1e-7)
    np.testing.assert_allclose(small["E"], large["E"], rtol=1e-7)
    np.testing.assert_allclose(large["A"], small["A"] * 1e6 ** small["alpha"], rtol=1e-6)


def test_predict_of_a_batch():
    fit = fit_batch("power_floor", X, 0.5 + 9 * X**-0.3)
    np.testing.assert_allclose(fit.predict([1e7, 1e8])[0], 0.5 + 9 * np.array([1e7, 1e8]) ** -0.3)


def test_gls_wants_its_covariance():
    with pytest.raises(ValueError, match="go together"):
        fit_batch("power", X, X**-0.1, loss="gls")


@pytest.mark.parametrize(
    ("num_sizes", "num_seeds", "low", "high"), [(8, 3, 0.16, 0.45), (8, 10, 0.22, 0.39)]
)
def test_what_sizes_and_seeds_buy(num_sizes, num_seeds, low, high):
    """Sampling interval of alpha = .3 over three decades, noise 10 % of the range."""
    ends = _sampling_interval(num_sizes, num_seeds)
    np.testing.assert_allclose(ends, [low, high], atol=0.015)


def test_four_sizes_with_one_seed_identify_nothing():
    low, high = _sampling_interval(4, 1)
    assert high - low > 0.6


def _sampling_interval(num_sizes, num_seeds):
    x = np.geomspace(1, 1000, num_sizes)
    y = 1 + x**-0.3
    noise = 0.1 * (y[0] - y[-1]) / np.sqrt(num_seeds)
    draws = y + noise * np.random.default_rng(0).standard_normal((4000, num_sizes))
    return np.percentile(fit_batch("power_floor", x, draws)["alpha"], [2.5, 97.5])


def test_a_broken_law_is_found_in_whichever_valley_it_lies():
    """The three best grid points lay in one valley: 39 of 40 fits were worse than the truth."""
    sizes = np.geomspace(1e4, 1e8, 16)
    bend = (1 + (sizes / 1.44e6) ** (1 / 0.344)) ** (-0.347 * 0.344)
    truth = 0.35 + 0.1 * (sizes / 1e6) ** -0.27 * bend
    noise = [1e-3 * np.random.default_rng(seed).standard_normal(16) for seed in range(12)]
    fitted = fit_batch("broken_power", sizes, truth + np.stack(noise))
    assert (fitted.objective_R <= np.sum(np.square(noise), axis=1)).all()
    assert fitted.converged_R.all()


def test_a_step_that_a_bound_cut_uphill_is_no_rest():
    """Seed 96 of a surface at 1 % noise rested at 1.587e-4, converged and identified."""
    from finscale.scaling import fit_law

    first, second = (
        axis.ravel()
        for axis in np.meshgrid(np.geomspace(1e5, 1e7, 5), np.geomspace(1e4, 1e6, 5), indexing="ij")
    )
    clean = 0.4 + 0.05 * (first / 1e6) ** -0.35 + 0.05 * (second / 1e5) ** -0.37
    noise = 0.01 * np.random.default_rng(96).standard_normal(25)
    table = {"N": first, "D": second, "loss": clean * np.exp(noise)}
    law = fit_law(table, ("N", "D"), num_replicates=20)
    assert law.fit.objective == pytest.approx(1.470e-4, rel=1e-3)
    assert law["alpha"].value == pytest.approx(0.343, abs=2e-3)
