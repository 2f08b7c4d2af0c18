"""Calibration: known distortions are undone, and bands hold what they promise."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from finscale.errors import DataError, FinscaleError
from finscale.evaluation import calibrators
from finscale.evaluation.calibration import (
    calibrated,
    calibration_error,
    reliability_diagram,
)
from finscale.evaluation.calibrators import CALIBRATORS, fit_calibrator
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.scores import log_losses, probabilities


def world(seed: int = 0, num_rows: int = 4000):
    """Return targets and the true log odds."""
    rng = np.random.default_rng(seed)
    truth = -1.0 + rng.standard_normal(num_rows)
    return (rng.random(num_rows) < probabilities(truth)).astype(float), truth


def test_temperature_undoes_overconfidence():
    target, truth = world()
    calibrator = fit_calibrator("temperature", target, 3 * truth)
    assert calibrator.coefficients[0] == pytest.approx(1 / 3, rel=0.07)


def test_platt_agrees_with_scikit_learn():
    target, truth = world(1)
    distorted = 2 * truth + 1.5
    outside = LogisticRegression(C=np.inf).fit(distorted[:, None], target)
    calibrator = fit_calibrator("platt", target, distorted)
    slope, intercept = calibrator.coefficients
    assert slope == pytest.approx(outside.coef_[0, 0], rel=5e-3)
    assert intercept == pytest.approx(outside.intercept_[0], rel=5e-3)


def test_beta_undoes_a_beta_distortion():
    """A map of the family: a = 2, b = .5, c = .3."""
    target, truth = world(2, 20_000)
    # distort so that log odds = 2 ln p − .5 ln(1 − p) + .3 of what the model says
    p = np.linspace(1e-4, 1 - 1e-4, 20_001)
    says = np.interp(truth, 2 * np.log(p) - 0.5 * np.log1p(-p) + 0.3, p)
    calibrator = fit_calibrator("beta", target, np.log(says / (1 - says)))
    assert calibrator.coefficients == pytest.approx([2.0, 0.5, 0.3], abs=0.35)
    error = calibrator(np.log(says / (1 - says))) - truth
    assert np.sqrt(np.mean(error**2)) < 0.05


@pytest.mark.parametrize("method", list(CALIBRATORS))
def test_every_method_helps_a_distorted_model_on_new_data(method):
    target, truth = world(3)
    calibrator = fit_calibrator(method, target, 2.5 * truth)
    target, truth = world(4)
    before = log_losses(target, 2.5 * truth).mean()
    after = log_losses(target, calibrator(2.5 * truth)).mean()
    best = log_losses(target, truth).mean()
    assert best - 0.002 < after < before - 0.05
    assert after - best < 0.01


@pytest.mark.parametrize("method", list(CALIBRATORS))
@given(seed=st.integers(0, 200), sign=st.sampled_from([-1, 1]))
def test_calibration_never_reverses_an_order(method, seed, sign):
    target, truth = world(seed, 80)
    calibrator = fit_calibrator(method, target, sign * truth)
    grid = np.linspace(-6, 6, 50)
    assert (np.diff(calibrator(grid)) >= -1e-9).all()


@pytest.mark.parametrize("method", list(CALIBRATORS))
def test_separable_validation_stays_finite(method):
    logit = np.linspace(-3, 3, 40)
    calibrator = fit_calibrator(method, logit > 0, logit)
    assert np.isfinite(calibrator([-50.0, 0.0, 50.0])).all()
    assert log_losses([0.0], calibrator([3.0]))[0] < 10


@pytest.mark.parametrize("ties", [1, 3])
def test_isotonic_agrees_with_scikit_learn(ties):
    """Pooled, drawn in by half an event and a row, and pooled again."""
    target, truth = world(6, 300)
    logit = truth.round(ties)
    fitted = IsotonicRegression().fit_transform(logit, target)
    _, block, rows = np.unique(fitted, return_inverse=True, return_counts=True)
    drawn = (np.bincount(block, weights=target) + 0.5) / (rows + 1)
    again = IsotonicRegression(out_of_bounds="clip")
    again.fit(logit, drawn[block], sample_weight=((rows + 1) / rows)[block])
    thresholds = again.y_thresholds_
    grid = np.linspace(-9, 9, 500)
    outside = np.interp(grid, again.X_thresholds_, np.log(thresholds / (1 - thresholds)))
    assert fit_calibrator("isotonic", target, logit)(grid) == pytest.approx(outside, abs=1e-9)


def assert_least_loss(method, target, logit):
    """Hold the fit of a link against scipy's bounded minimiser."""
    calibrator = fit_calibrator(method, target, logit)
    num_events, num_others = target.sum(), (1 - target).sum()
    soft = np.where(target > 0.5, (num_events + 1) / (num_events + 2), 1 / (num_others + 2))
    features = calibrator.link.features(logit)

    def loss(coefficients):
        z = features @ coefficients
        return float((np.logaddexp(0, z) - soft * z).mean())

    bounds = [(low, None) for low in calibrator.link.lowest]
    outside = minimize(loss, np.zeros(len(bounds)), method="L-BFGS-B", bounds=bounds, tol=1e-12)
    assert loss(calibrator.coefficients) <= outside.fun + 1e-10
    assert (calibrator.coefficients >= calibrator.link.lowest).all()


@pytest.mark.parametrize("method", ["temperature", "platt", "beta"])
@pytest.mark.parametrize("distortion", [0.2, 1.0, -1.0, 30.0])
def test_links_reach_the_least_loss_that_scipy_finds(method, distortion):
    """Also where a coefficient ends at zero: of a model that ranks the wrong way round."""
    target, truth = world(7, 400)
    assert_least_loss(method, target, distortion * truth)


@pytest.mark.parametrize("method", ["temperature", "platt", "beta"])
@pytest.mark.parametrize("seed", range(20))
def test_links_reach_the_least_loss_of_a_model_that_hugs_another_prior(method, seed):
    """Steps once stuck a hair above a bound, a tenth of a nat away from the least loss."""
    rng = np.random.default_rng(seed)
    target = (rng.random(750) < 0.14).astype(float)
    assert_least_loss(method, target, -0.6 + 0.04 * rng.standard_normal(750))


@pytest.mark.parametrize("method", ["temperature", "platt", "beta"])
@pytest.mark.parametrize("centre", [-20.0, 5.0, 100.0])
@pytest.mark.parametrize("scale", [1e-3, 10.0, 300.0])
def test_links_reach_the_least_loss_of_a_model_that_is_too_certain(method, centre, scale):
    """Where probabilities are 0 or 1 in floating point, steps once ended where they began."""
    target, truth = world(8, 250)
    assert_least_loss(method, target, centre + scale * truth)


@pytest.mark.parametrize("method", ["temperature", "platt", "beta"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_newton_does_not_go_round_in_the_rounding(method, sign, monkeypatch):
    """Two fits in a hundred took all 200 steps, at a loss that no longer changed."""
    steps = []

    def counted(logit):
        steps[-1] += 1
        return probabilities(logit)

    monkeypatch.setattr(calibrators, "probabilities", counted)
    for seed in range(60):
        target, truth = world(seed, 80)
        steps.append(0)
        fit_calibrator(method, target, sign * truth)
    assert max(steps) <= 20


def test_isotonic_by_hand():
    """Blocks of 3 rows with 0, 2 and 3 events: 1/8, 5/8 and 7/8."""
    logit = np.arange(9.0)
    target = [0, 0, 0, 1, 1, 0, 1, 1, 1]
    calibrator = fit_calibrator("isotonic", target, logit)
    assert probabilities(calibrator([-9.0, 0, 2, 3, 5, 6, 8, 99])).tolist() == pytest.approx(
        [1 / 8, 1 / 8, 1 / 8, 5 / 8, 5 / 8, 7 / 8, 7 / 8, 7 / 8]
    )


def predictions(num_folds: int = 2) -> pl.DataFrame:
    frames = []
    for fold in range(num_folds):
        target, truth = world(10 + fold, 1000)
        days = [dt.date(2000 + 5 * fold, 1, 1) + dt.timedelta(days=i) for i in range(1000)]
        frames.append(
            pl.DataFrame(
                {
                    "date": days,
                    "symbol": "A",
                    "fold": fold,
                    "split": ["validation"] * 500 + ["test"] * 500,
                    "target": target,
                    "logit": truth * (2 + 2 * fold),
                }
            )
        )
    return pl.concat(frames)


def test_each_fold_is_calibrated_on_its_own_validation():
    before = predictions()
    after = calibrated(Predictions(before), "temperature").table.sort("fold", "date")
    ratio = (after["logit"] / before["logit"]).to_numpy()
    assert ratio[:1000] == pytest.approx(ratio[0])
    assert ratio[1000:] == pytest.approx(ratio[1000])
    assert ratio[0] == pytest.approx(0.5, abs=0.1)
    assert ratio[1000] == pytest.approx(0.25, abs=0.05)


def test_test_targets_change_nothing():
    before = predictions()
    upside = before.with_columns(
        target=pl.when(pl.col("split") == "test").then(1 - pl.col("target")).otherwise("target")
    )
    for method in CALIBRATORS:
        one, other = (calibrated(Predictions(table), method) for table in (before, upside))
        assert one.table["logit"].equals(other.table["logit"])


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(DataError, match="one class only"):
        fit_calibrator("platt", np.zeros(10), np.arange(10))
    with pytest.raises(DataError, match="fold 0 has no validation rows"):
        calibrated(Predictions(predictions(1).filter(split="test")), "platt")
    with pytest.raises(FinscaleError, match="Did you mean isotonic"):
        fit_calibrator("isotonc", [0, 1], [0.0, 1.0])


def test_reliability_bands_hold_a_calibrated_model():
    inside = []
    for seed in range(60):
        diagram = reliability_diagram(*world(seed, 800), num_replicates=200, level=0.9)
        inside += (
            diagram.select(pl.col("frequency").is_between("band_low", "band_high"))
            .to_series()
            .to_list()
        )
    assert np.mean(inside) == pytest.approx(0.90, abs=0.04)


def test_reliability_diagram_of_an_overconfident_model():
    target, truth = world(5)
    diagram = reliability_diagram(target, 3 * truth, num_replicates=200)
    assert diagram["count"].to_list() == [400] * 10
    assert diagram["frequency"][0] > diagram["band_high"][0]
    assert diagram["frequency"][-1] < diagram["band_low"][-1]
    assert diagram["forecast"].is_sorted()


def test_calibration_error_against_what_noise_alone_gives():
    target, truth = world(6, 1500)
    dates = np.arange(1500)
    good = calibration_error(target, truth, dates, num_replicates=300)
    assert good.p_value > 0.05
    assert good.error.value == pytest.approx(good.expected, abs=0.012)
    bad = calibration_error(target, 3 * truth, dates, num_replicates=300)
    assert bad.p_value < 0.01
    assert bad.error.low > bad.expected
    p = probabilities(3 * truth)
    order = np.argsort(p).reshape(10, 150)
    by_hand = np.abs(p[order].mean(axis=1) - target[order].mean(axis=1)).mean()
    assert bad.error.value == pytest.approx(by_hand, abs=1e-3)
