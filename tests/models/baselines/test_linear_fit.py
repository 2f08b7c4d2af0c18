"""The linear fit: known solutions, the penalty that validation chooses, odd inputs."""

import math

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.models.baselines import linear_fit
from finscale.models.baselines.baseline import rate_logit
from finscale.models.baselines.linear_fit import (
    PENALTIES,
    RIDGE_MULTIPLES,
    LinearFit,
    Standardiser,
    fit_linear,
    mean_loss,
)


def drawn(rows: int, weights: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw normal inputs and labels from the logistic model with these weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(weights)))
    return x, (rng.random(rows) < 1 / (1 + np.exp(-x @ weights))).astype(float)


def test_a_logistic_finds_the_weights_that_labels_were_drawn_with():
    x, y = drawn(4000, [1.0, -2.0])
    fit = fit_linear(x * [1, 10] + [5, 0], y, classifies=True, penalty=1e-6)
    assert fit.weight_K == pytest.approx([1.0, -2.0], abs=0.2)
    assert fit.mean_K == pytest.approx([5, 0], abs=0.4)
    assert fit.spread_K == pytest.approx([1, 10], rel=0.05)
    assert fit(np.array([[5.0, 0.0]]))[0] == pytest.approx(0, abs=0.15)
    # at the optimum the penalty's pull equals that of the labels
    strong = fit_linear(x, y, classifies=True, penalty=300.0)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    pull = z.T @ (y - 1 / (1 + np.exp(-strong(x))))
    assert pull == pytest.approx(300 * strong.weight_K, rel=1e-4)


def test_a_ridge_by_the_primal_and_the_dual_system():
    x, _ = drawn(4000, [1.0, -2.0])
    y = x @ [1.0, -2.0] + 3
    fit = fit_linear(x, y, classifies=False)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    # 2 columns that explain 1 % together: a penalty of 2 / 1 %
    expected = np.linalg.solve(z.T @ z + 200 * np.eye(2), z.T @ (y - y.mean()))
    assert fit.weight_K == pytest.approx(expected, rel=1e-8)
    assert (fit.bias, fit.penalty) == (pytest.approx(y.mean()), 1.0)
    half = fit_linear(x, y, classifies=False, penalty=0.5).weight_K
    expected = np.linalg.solve(z.T @ z + 100 * np.eye(2), z.T @ (y - y.mean()))
    assert half == pytest.approx(expected, rel=1e-8)
    wide = np.random.default_rng(1).normal(size=(20, 50))
    weights = fit_linear(wide, wide[:, 0], classifies=False).weight_K
    z = Standardiser.fit(wide)(wide)
    target = wide[:, 0] - wide[:, 0].mean()
    z = z - z.mean(axis=0)
    primal = np.linalg.solve(z.T @ z + 5000 * np.eye(50), z.T @ target)
    np.testing.assert_allclose(weights, primal, rtol=1e-8)


@pytest.mark.parametrize(("signal", "at_least", "at_most"), [(0.5, 30, 1e3), (3.0, 1, 10)])
def test_validation_chooses_a_strong_penalty_for_weak_signals_and_a_weak_one_for_strong(
    signal, at_least, at_most
):
    weights = [signal] + [0.0] * 59
    train, validation, test = (
        drawn(n, weights, seed) for n, seed in ((300, 1), (2000, 2), (9000, 3))
    )
    fit = fit_linear(*train, *validation, classifies=True)
    assert at_least <= fit.penalty <= at_most
    # every other penalty of the grid is worse on validation, and the choice carries over to test
    others = {p: fit_linear(*train, classifies=True, penalty=p) for p in PENALTIES}
    losses = {
        p: mean_loss(other(validation[0]), validation[1], True) for p, other in others.items()
    }
    assert min(losses, key=losses.__getitem__) == fit.penalty
    np.testing.assert_array_equal(others[fit.penalty].weight_K, fit.weight_K)
    test_losses = {p: mean_loss(other(test[0]), test[1], True) for p, other in others.items()}
    assert test_losses[fit.penalty] < min(test_losses.values()) + 0.003
    if signal < 1:  # where a weak penalty overfits, it is worse than knowing nothing
        assert test_losses[1.0] > math.log(2) > test_losses[fit.penalty]


def test_validation_chooses_the_ridge():
    rng = np.random.default_rng(0)
    x, far = rng.normal(size=(2, 500, 40))
    exact, noise = x[:, 0], rng.normal(size=500)
    assert fit_linear(x, exact, far, far[:, 0], classifies=False).penalty == RIDGE_MULTIPLES[0]
    # of what is the opposite of train, nothing
    flat = fit_linear(x, noise, x, -noise, classifies=False)
    assert (flat.penalty, flat.bias, flat.weight_K.any()) == (math.inf, noise.mean(), False)


def test_the_ends_of_the_grid_can_be_chosen():
    x, y = drawn(4000, [3.0])
    assert fit_linear(x, y, x, y, classifies=True).penalty == PENALTIES[0] == 0.1
    # what train teaches is the opposite of what validation wants: then the base rate alone
    flat = fit_linear(x, y, -x, y, classifies=True)
    assert (flat.penalty, flat.bias) == (math.inf, rate_logit(y.sum(), y.size))
    assert not flat.weight_K.any()


def test_of_equals_the_strongest_is_taken():
    x, y = drawn(100, [1.0])
    constant = np.ones_like(x)
    assert fit_linear(constant, y, constant, y, classifies=True).penalty >= PENALTIES[-1]


@pytest.mark.parametrize("classifies", [True, False])
def test_a_panel_s_penalties_reach_as_far_as_its_rows(monkeypatch, classifies):
    # 150 days of 400 ranks, each day with a slope of its own: many rows that tell little
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.5, 0.5, (150, 400))
    y = 0.6 * rng.normal(size=(150, 1)) * x + rng.normal(size=x.shape)
    y = (y > np.median(y, axis=1, keepdims=True)).astype(float) if classifies else y
    train = x.reshape(-1, 1), y.reshape(-1)
    tried = []
    fit_one = "_logistic" if classifies else "_ridge"
    real = getattr(linear_fit, fit_one)

    def noted(x_BK, y_B, penalty, *start):
        tried.append(penalty)
        return real(x_BK, y_B, penalty, *start)

    monkeypatch.setattr(linear_fit, fit_one, noted)
    fit_linear(*train, *train, classifies=classifies)
    free, strongest = (
        fit_linear(*train, classifies=classifies, penalty=p) for p in (0.0, max(tried))
    )
    assert abs(strongest.weight_K[0]) < 0.21 * abs(free.weight_K[0])


def test_no_penalty_is_the_limit_of_a_small_one_and_a_negative_one_is_refused():
    x, y = drawn(500, [1.0, -1.0])
    for classifies in (True, False):
        none = fit_linear(x, y, classifies=classifies, penalty=0)
        small = fit_linear(x, y, classifies=classifies, penalty=1e-6)
        np.testing.assert_allclose(none.weight_K, small.weight_K, rtol=1e-5)
        with pytest.raises(FinscaleError, match="penalty = -1 rewards large weights"):
            fit_linear(x, y, classifies=classifies, penalty=-1)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_only_leaves_its_rate(label):
    x, _ = drawn(50, [1.0, 1.0])
    fit = fit_linear(x, np.full(50, label), x, np.full(50, label), classifies=True)
    assert fit.weight_K.tolist() == [0, 0]
    assert fit.bias == rate_logit(50 * label, 50)


def test_standardiser_counts_unknown_as_average_and_keeps_constants():
    nan, inf = math.nan, math.inf
    scale = Standardiser.fit(np.array([[1.0, 5.0], [3.0, 5.0], [nan, 5.0], [inf, 5.0]]))
    shown = scale(np.array([[3.0, 6.0], [nan, 5.0], [-inf, 5.0]]))
    np.testing.assert_array_equal(shown, [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])


def test_inputs_are_clipped_and_a_column_without_any_value_counts_for_nothing():
    x, y = drawn(500, [2.0, 0.0])
    x[:, 1] = math.nan
    fit = fit_linear(x, y, classifies=True, penalty=1.0)
    assert fit.weight_K[1] == 0
    far = fit(np.array([[1e9, 7.0], [6.0 * fit.spread_K[0] + fit.mean_K[0], math.nan]]))
    assert far[0] == pytest.approx(far[1])
    assert far[0] == pytest.approx(6 * fit.weight_K[0] + fit.bias)


def test_what_is_unknown_does_not_move_the_fit():
    x, y = drawn(400, [1.0, -1.0])
    holes = np.vstack([x, np.full((2, 2), math.nan)])
    fit = fit_linear(holes, np.r_[y, 0.0, 1.0], classifies=True, penalty=10.0)
    assert isinstance(fit, LinearFit)
    np.testing.assert_allclose(fit.mean_K, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.spread_K, x.std(axis=0), rtol=1e-12)
    plain = fit_linear(x, y, classifies=True, penalty=10.0)
    np.testing.assert_allclose(fit.weight_K, plain.weight_K, atol=1e-2)


def test_with_many_columns_the_search_ends_where_weaker_penalties_have_lost(monkeypatch):
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(600, 300)), rng.random(600) < 0.3
    tried = []
    real = linear_fit._logistic

    def counted(x_BK, y_B, penalty, *start):
        tried.append(penalty)
        return real(x_BK, y_B, penalty, *start)

    monkeypatch.setattr(linear_fit, "_logistic", counted)
    fit = fit_linear(x[:400], labels[:400], x[400:], labels[400:], classifies=True)
    strongest = sorted(PENALTIES, reverse=True)
    assert tried == strongest[: strongest.index(fit.penalty) + 4]
    assert len(tried) < len(PENALTIES)
    alone = fit_linear(x[:400], labels[:400], classifies=True, penalty=fit.penalty)
    np.testing.assert_array_equal(fit.weight_K, alone.weight_K)


def test_single_precision_inputs_give_the_same_bits_as_their_doubles():
    """A panel's rows are float32; a double of each would take hundreds of megabytes."""
    x, y = drawn(500, [1.0, -2.0, 0.5])
    single = x.astype(np.float32)
    single[3, 1] = np.nan
    half = single[:300], y[:300], single[300:], y[300:]
    one = fit_linear(*half, classifies=True)
    double = [part.astype(np.float64) for part in half]
    other = fit_linear(*double, classifies=True)
    assert np.array_equal(one.weight_K, other.weight_K)
    assert np.array_equal(one(single), other(single.astype(np.float64)))
