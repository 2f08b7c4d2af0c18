"""Replicates that go on from size to size: what a lucky nesting does to neighbouring tiers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from finscale.scaling import decide, size_covariance
from finscale.scaling.decision import redraw
from finscale.scaling.nested import luck_covariance, nested_correlation, shared_degrees

TIERS = np.array([20.0, 50.0, 100.0, 200.0, 500.0])
LOG = np.log(TIERS) - np.log(TIERS).mean()
SLOPE = LOG / (LOG @ LOG)
GAIN = np.array([1.0, 0.0, 0.0, 0.0, -1.0])


def nestings_by_seeds(ratio, kept, rng):
    """Draw 5 tiers of 3 nestings × 3 seeds; ``kept`` of a nesting is in the next tier."""
    luck_GN = rng.standard_normal((5, 3))
    for size in range(1, 5):
        luck_GN[size] = kept * luck_GN[size - 1] + np.sqrt(1 - kept**2) * luck_GN[size]
    return ratio * luck_GN + rng.standard_normal((5, 3, 3)).mean(axis=2)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.8])
def test_intervals_of_slope_and_gain_cover_at_every_ratio_of_variances(ratio, kept):
    rng, draws = np.random.default_rng([int(10 * ratio), int(10 * kept)]), 200
    covered = np.zeros(2)
    for _ in range(draws):
        found = size_covariance(nestings_by_seeds(ratio, kept, rng), nested=True)
        for place, weight_G in enumerate((SLOPE, GAIN)):
            value, error, degrees = found.contrast(weight_G)
            covered[place] += abs(value) < error * t.ppf(0.975, degrees)
    # the standard error of a rate of .95 is 1.5 points
    assert (covered / draws >= 0.9).all(), covered / draws


def test_the_correlation_of_neighbours_is_found_and_taken_to_fall_off():
    rng = np.random.default_rng(0)
    run_GS = np.stack([nestings_by_seeds(5.0, 0.7, rng) for _ in range(400)])
    found = size_covariance(np.concatenate(list(run_GS), axis=1), nested=True)
    assert found.seed_correlation_GG is not None
    # seeds within a nesting take a little of the luck's .7
    assert found.seed_correlation_GG[0, 1] == pytest.approx(0.7 * 25 / (25 + 1 / 3), abs=0.05)
    one = found.seed_correlation_GG[0, 1]
    np.testing.assert_allclose(found.seed_correlation_GG[0], one ** np.arange(5))
    error_G = np.sqrt(found.seed_variance_G / found.seeds_G)
    np.testing.assert_allclose(found.matrix_GG, luck_covariance(error_G, found.seed_correlation_GG))
    # two sizes that say the same leave half of the pooled degrees
    assert shared_degrees(np.ones((1, 2, 2)))[0] == 0.5


def test_opposed_luck_is_taken_as_none_and_a_missing_nesting_is_left_out():
    deviation_1GS = np.array([[[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]]])
    whole_GS = np.ones((3, 2), bool)
    np.testing.assert_array_equal(
        nested_correlation(deviation_1GS, whole_GS, np.ones((1, 3)))[0], np.eye(3)
    )
    losses = nestings_by_seeds(1.0, 0.8, np.random.default_rng(1))
    losses[2, 1] = np.nan
    found = size_covariance(losses, nested=True)
    assert np.isfinite(found.matrix_GG).all()
    assert found.seeds_G.tolist() == [3, 3, 2, 3, 3]


def test_redrawn_studies_spread_as_the_covariance_says_and_estimate_their_own():
    rng = np.random.default_rng(2)
    found = size_covariance(nestings_by_seeds(3.0, 0.8, rng), nested=True)
    mean_BG, covariance_BGG = redraw(found, np.zeros(5), 4000, rng)
    np.testing.assert_allclose(np.cov(mean_BG.T), found.seed_GG, atol=0.1 * found.seed_GG.max())
    assert np.ptp(covariance_BGG[:, 0, 1]) > 0
    assert np.linalg.eigvalsh(covariance_BGG).min() > 0


def test_seeds_drawn_anew_at_each_size_are_judged_as_before():
    rng = np.random.default_rng(3)
    losses = nestings_by_seeds(1.0, 0.0, rng)
    plain = size_covariance(losses)
    assert plain.seed_correlation_GG is None
    np.testing.assert_array_equal(plain.seed_GG, np.diag(plain.seed_variance_G / 3))


def test_a_verdict_on_nestings_finds_the_law_by_its_own_covariance():
    rng = np.random.default_rng(4)
    truth_G = 0.6 + 0.02 * (TIERS / 20) ** -0.5
    runs_GS = truth_G[:, None] + 0.0004 * nestings_by_seeds(0.3, 0.0, rng)
    losses = runs_GS[:, :, None] + 0.001 * rng.standard_normal((5, 1, 60))
    options = {"sesoi": 0.005, "num_replicates": 200, "settle": False}
    plain, nested = (decide(losses, TIERS, nested=one, **options) for one in (False, True))
    assert plain.name == nested.name == "LAW"
    assert plain.gain.value == nested.gain.value
    assert nested.covariance.seed_correlation_GG is not None
    assert nested.exponent.low < 0.5 < nested.exponent.high
