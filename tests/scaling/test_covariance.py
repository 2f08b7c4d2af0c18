from __future__ import annotations

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.scaling.covariance import (
    SizeCovariance,
    long_run_covariance,
    seed_variances,
    size_covariance,
)


def test_parts_of_independent_noise():
    rng = np.random.default_rng(0)
    own, seed = 0.02, 0.01
    estimates = []
    for _ in range(60):
        losses = 0.3 * rng.standard_normal(400) + own * rng.standard_normal((5, 1, 400))
        losses = losses + seed * rng.standard_normal((5, 4, 1))
        found = size_covariance(losses)
        contrast = np.array([1.0, 0, 0, 0, -1.0])
        estimates.append(found.contrast(contrast)[1] ** 2)
    # what days and seeds put into the difference of two sizes
    assert np.mean(estimates) == pytest.approx(2 * (own**2 / 400 + seed**2 / 4), rel=0.15)
    assert found.num_days == 400
    # what all sizes share shows in the level, not in differences
    level = np.full(5, 0.2) @ found.matrix_GG @ np.full(5, 0.2)
    assert np.sqrt(level) == pytest.approx(0.3 / 20, rel=0.3)


def test_means_are_those_of_each_size_with_unequal_seeds():
    losses = np.array([[1.0, 3.0, np.nan], [2.0, 4.0, 6.0], [5.0, 7.0, 9.0]])
    found = size_covariance(losses)
    np.testing.assert_allclose(found.mean_G, [2, 4, 7])
    np.testing.assert_array_equal(found.seeds_G, [2, 3, 3])
    assert found.num_days == 0
    assert np.isinf(found.day_degrees)
    # three sizes' own sample variances are 2, 4 and 4: no trend, so one pooled variance
    np.testing.assert_allclose(found.seed_variance_G, (2 + 2 * 4 + 2 * 4) / 5)
    np.testing.assert_allclose(found.matrix_GG, np.diag(18 / 5 / found.seeds_G))


@pytest.mark.parametrize(("memory", "inflation"), [(0.0, 1.0), (0.5, 3.0)])
def test_long_run_covariance_of_an_autoregression(memory: float, inflation: float):
    from scipy.signal import lfilter

    noise = np.random.default_rng(1).standard_normal((40, 2, 3000))
    series = np.sqrt(1 - memory**2) * lfilter([1.0], [1.0, -memory], noise, axis=-1)
    found = np.mean([long_run_covariance(x)[0] for x in series], axis=0)
    # (1 + memory) / (1 - memory) times the variance over T
    assert np.diag(found).mean() * 3000 == pytest.approx(inflation, rel=0.12)
    assert abs(found[0, 1]) * 3000 < 0.15


def test_bandwidth_covers_overlapping_labels():
    losses = np.random.default_rng(2).standard_normal((3, 2, 200))
    assert size_covariance(losses, horizon=8).bandwidth >= 7
    few = size_covariance(losses, horizon=8)
    assert few.day_degrees == pytest.approx(199 / (2 * (few.bandwidth + 1) / 3))


def test_seed_variance_is_pooled_without_a_trend_and_follows_a_steep_one():
    rng = np.random.default_rng(3)
    degrees = np.full(7, 4)
    flat = rng.chisquare(4, (500, 7)) / 4
    variance, freedom = seed_variances(flat, degrees)
    assert np.median(freedom) == 28
    assert np.mean(np.ptp(variance, axis=1) < 1e-9) > 0.8
    steep = flat * np.exp(-np.arange(7.0))
    variance, freedom = seed_variances(steep, degrees)
    truth = np.exp(-np.arange(7.0))
    np.testing.assert_allclose(np.exp(np.log(variance).mean(axis=0)), truth, rtol=0.25)
    assert freedom[:, 0].mean() < 15 < freedom[:, 3].mean()
    # the pooled level is kept exactly
    np.testing.assert_allclose(variance.mean(axis=1), steep.mean(axis=1))


def test_seed_variance_of_a_single_repeated_size_is_pooled():
    variance, freedom = seed_variances(np.array([[0.5, 0.0, 0.0]]), np.array([3, 0, 0]))
    np.testing.assert_allclose(variance, 0.5)
    np.testing.assert_allclose(freedom, 3)


def test_more_days_and_seeds_shrink_their_own_part():
    rng = np.random.default_rng(4)
    found = size_covariance(rng.standard_normal((4, 3, 300)))
    more = found.scaled(num_days=1200, num_seeds=12)
    np.testing.assert_allclose(more.day_GG, found.day_GG / 4)
    np.testing.assert_array_equal(more.seeds_G, [12] * 4)
    assert more.num_days == 1200
    np.testing.assert_allclose(more.seed_degrees_G, found.seed_degrees_G * 44 / 8)
    assert isinstance(more, SizeCovariance)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (np.full((3, 2, 5), np.nan), "size number 0 has no run"),
        (np.array([[[1.0, np.nan]] * 2] * 3), "NaN or infinite on some day"),
        (np.ones((3, 1, 5)), "one seed a size"),
        (np.array([[1.0, np.inf], [1.0, 2.0]]), "NaN or infinite"),
    ],
)
def test_refuses_what_cannot_be_judged(losses: np.ndarray, message: str):
    with pytest.raises(FinscaleError, match=message):
        size_covariance(losses)


def test_overlapping_labels_keep_their_variance():
    """At a bandwidth of about H a quarter of it was lost: 12.5 % of true nulls were refused."""
    rng = np.random.default_rng(0)
    horizon, num_days = 20, 1000
    kernel = np.ones(horizon) / np.sqrt(horizon)
    contrast = np.array([1.0, 0, 0, 0, 0, -1.0])
    ratios = []
    for _ in range(200):
        shocks = rng.standard_normal((6, 1, num_days + horizon - 1))
        losses = np.apply_along_axis(np.convolve, -1, shocks, kernel, "valid")
        losses = losses + 1e-3 * rng.standard_normal((6, 3, 1))
        found = size_covariance(losses, horizon=horizon)
        ratios.append(contrast @ losses.mean(axis=(1, 2)) / found.contrast(contrast)[1])
    assert found.bandwidth == 4 * horizon
    assert np.mean(np.abs(ratios) > 1.96) < 0.1
