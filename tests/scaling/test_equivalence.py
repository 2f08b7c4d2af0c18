from __future__ import annotations

import numpy as np
import pytest

from finscale.scaling.decision import redraw
from finscale.scaling.equivalence import calibrated, pair_margins, pair_reach
from finscale.scaling.simulation import simulate_verdicts
from finscale.scaling.verdict_power import StudyDesign

SIZES = tuple(np.geomspace(1e4, 1e7, 7))
SESOI = 0.005
#: A pair of sizes has a standard error of .0014: the SESOI is 3.6 of them.
DESIGN = StudyDesign(sizes=SIZES, num_seeds=5, num_days=4500, base_rate=0.22, correlation=0.8)


def test_reach_counts_the_margins_between_the_widest_pair_and_the_effect():
    mean_1G = np.array([[0.0, 0.002, 0.001]])
    covariance_1GG = np.diag([1e-6, 3e-6, 1e-6])[None]
    margin_GG = np.full((3, 3), 1.5)
    # of 0.002 apart, with an error of .002: (.005 - .002) / (1.5 · .002)
    assert pair_reach(mean_1G, covariance_1GG, margin_GG, SESOI)[0] == pytest.approx(1.0)
    without_error = np.zeros((1, 3, 3))
    assert pair_reach(mean_1G, without_error, margin_GG, SESOI)[0] == np.inf
    assert pair_reach(3 * mean_1G, without_error, margin_GG, SESOI)[0] == -np.inf


def _test(num_replicates: int = 2000, **changes: float):
    design = StudyDesign(**({**vars(DESIGN), **changes}))
    covariance, rng = design.covariance(), np.random.default_rng(0)
    flat = redraw(covariance, np.zeros(len(design.sizes)), num_replicates, rng)
    return covariance, calibrated(pair_margins(covariance, 0.05), flat, sesoi=SESOI, level=0.05)


def test_two_sizes_are_two_one_sided_tests():
    _, alike = _test(sizes=SIZES)
    pair = np.ix_([0, 6], [0, 6])
    covariance, rng = DESIGN.covariance(), np.random.default_rng(1)
    mean_BG, covariance_BGG = redraw(covariance, np.zeros(7), 4000, rng)
    flat = mean_BG[:, [0, 6]], covariance_BGG[:, pair[0], pair[1]]
    two = calibrated(alike.margin_GG[pair], flat, sesoi=SESOI, level=0.05)
    assert two.reach == pytest.approx(1.0, abs=0.06)
    assert 0.5 <= alike.reach < 0.9


CURVES = {
    "the ends": [-0.5, 0, 0, 0, 0, 0, 0.5],
    "two inside": [0, 0, 0.5, 0, -0.5, 0, 0],
    "one size": [0, 0, 0, 1, 0, 0, 0],
    "a step": [0, 0, 0, 1, 1, 1, 1],
    "a hump": [0, 0.4, 0.9, 1, 0.8, 0.4, 0],
    "a slope": [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1],
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_that_reach_the_effect_are_called_alike_at_most_as_often_as_stated(name: str):
    covariance, alike = _test()
    curve_G = SESOI * np.array(CURVES[name])
    drawn = redraw(covariance, curve_G, 4000, np.random.default_rng(5))
    # .05 and twice the standard error of 4,000 draws and of the calibration
    assert alike.holds(*drawn).mean() <= 0.05 + 0.012


def test_unequal_errors_keep_the_level_too():
    rng = np.random.default_rng(2)
    covariance, _ = _test()
    unequal = np.diag([1.0, 9, 1, 0.1, 1, 4, 0.01]) * 2e-7
    margin_GG = pair_margins(covariance, 0.05)
    noise = rng.multivariate_normal(np.zeros(7), unequal, 4000)
    spread = np.broadcast_to(unequal, (4000, 7, 7))
    alike = calibrated(margin_GG, (noise, spread), sesoi=SESOI, level=0.05)
    for first, second in [(0, 1), (3, 6), (2, 4), (1, 5)]:
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            curve_G = np.full(7, share * SESOI)
            curve_G[[first, second]] = 0, SESOI
            again = rng.multivariate_normal(curve_G, unequal, 4000)
            assert alike.holds(again, spread).mean() <= 0.062


def test_flat_curves_are_called_alike_more_often_than_by_every_pair_for_itself():
    covariance, alike = _test()
    drawn = redraw(covariance, np.zeros(7), 2000, np.random.default_rng(6))
    whole_margin = pair_reach(*drawn, alike.margin_GG, SESOI) > 1
    # measured: 54 % and 30 %
    assert alike.holds(*drawn).mean() > whole_margin.mean() + 0.15
    assert alike.p_value(np.zeros((1, 7)), covariance.matrix_GG[None]) < 0.01
    wide = 2 * SESOI * np.eye(7)[:1]
    assert alike.p_value(wide, covariance.matrix_GG[None]) > 0.5


def test_power_tables_use_the_same_rule():
    hump_G = SESOI * 4 * np.array([0, 0.2, 0.8, 1, 0.8, 0.2, 0])
    found = simulate_verdicts(SIZES, DESIGN.covariance(), hump_G, sesoi=SESOI, num_replicates=300)
    assert found.rates()["NO-LAW"] == 0
    assert found.rates()["LAW"] == 0
    assert (~found.fits_B).mean() > 0.9
