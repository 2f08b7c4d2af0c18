"""Differences that hold all at once: known gains are found, copies and equals are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.study.family_differences import SeedLuck, cell_deviations, separate, simultaneous

DAYS = 400
#: Every pair of three cells: what the first saves over the second.
PAIRS = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, -1.0, 1.0]])
EXACT = [SeedLuck(np.zeros(3), np.ones(3), is_known=False)]


def losses(gap: float, rng: np.random.Generator, noise: float = 0.05) -> np.ndarray:
    """Return three cells' daily losses: hard days are hard for all, the last is worse by a gap."""
    shared_T1 = rng.normal(0.7, 0.4, (DAYS, 1))
    return shared_T1 + rng.normal(0.0, noise, (DAYS, 3)) + np.array([0.0, 0.0, gap])


def compared(loss_TK: np.ndarray, luck=EXACT, pairs: np.ndarray = PAIRS):
    deviation_RK = cell_deviations(np.arange(len(loss_TK)), loss_TK, luck, pairs)
    return simultaneous(pairs @ loss_TK.mean(axis=0), deviation_RK @ pairs.T)


def test_a_gain_is_found_although_days_vary_more_than_it() -> None:
    loss_TK = losses(0.02, np.random.default_rng(7))
    same, first, second = compared(loss_TK)
    # the days' own spread would hide it: .4 / √400 = .02
    for one in (first, second):
        assert one.difference.low > 0
        assert one.difference.low < 0.02 < one.difference.high
        assert one.p_value < 0.01
    assert first.difference.value == pytest.approx((loss_TK[:, 2] - loss_TK[:, 0]).mean())
    assert same.difference.low < 0 < same.difference.high
    assert same.p_value > 0.05


def test_an_interval_leaves_out_zero_where_its_p_value_says_so() -> None:
    rng = np.random.default_rng(1)
    for gap in (0.0, 0.005, 0.01, 0.02):
        for one in compared(losses(gap, rng)):
            outside = one.difference.low > 0 or one.difference.high < 0
            assert outside == (one.p_value < 0.05) or one.p_value == pytest.approx(0.05, abs=1e-3)


def test_among_equals_hardly_ever_one_is_found_and_more_so_without_the_correction() -> None:
    rng = np.random.default_rng(2)
    cells = 6
    pairs = np.array([np.eye(cells)[b] - np.eye(cells)[a] for a in range(cells) for b in range(a)])
    luck = [SeedLuck(np.zeros(cells), np.ones(cells), is_known=False)]
    together = alone = 0
    for world in range(40):
        loss_TK = rng.normal(0.0, 0.05, (150, cells))
        deviation_RK = cell_deviations(
            np.arange(150), loss_TK, luck, pairs, num_replicates=1000, seed=world
        )
        value_C, deviation_RC = pairs @ loss_TK.mean(axis=0), deviation_RK @ pairs.T
        together += any(one.p_value < 0.05 for one in simultaneous(value_C, deviation_RC))
        alone += any(one.low > 0 or one.high < 0 for one in separate(value_C, deviation_RC))
    # 5 % of 40 is 2; of 15 pairs one by one, about a third of the worlds
    assert together <= 6
    assert alone >= 8


def test_a_model_and_its_copy_do_not_differ() -> None:
    loss_TK = losses(0.02, np.random.default_rng(3))
    loss_TK[:, 1] = loss_TK[:, 0]
    same, first, _ = compared(loss_TK)
    assert (same.difference.value, same.difference.low, same.difference.high) == (0, 0, 0)
    assert same.p_value == 1.0
    # and they take nothing from the others
    assert first.difference.low > 0


def test_the_luck_of_seeds_widens_and_one_noisy_pair_leaves_the_others_alone() -> None:
    loss_TK = losses(0.02, np.random.default_rng(4))
    days_alone = compared(loss_TK)
    wild = SeedLuck(np.array([0.0, 0.5, 0.0]), np.array([2.0, 2.0, 2.0]), is_known=True)
    same, first, second = compared(loss_TK, [wild])
    width = [one.difference.high - one.difference.low for one in (*days_alone, same, first, second)]
    assert width[3] > 20 * width[0]
    assert width[5] > 20 * width[2]
    # the pair without the wild cell is hardly touched by two that know too little
    assert width[4] == pytest.approx(width[1], rel=0.2)
    assert first.difference.low > 0


def test_seed_luck_is_that_of_a_mean_over_seeds() -> None:
    rng = np.random.default_rng(5)
    runs = [rng.normal(0.0, 0.01, 50) for _ in range(3)]
    luck = SeedLuck.of(runs)
    assert luck.is_known
    assert luck.error_G == pytest.approx(0.01 / np.sqrt(50), rel=0.25)
    unknown = SeedLuck.of([np.array([0.3]), np.array([0.4])])
    assert not unknown.is_known
    assert unknown.error_G.tolist() == [0, 0]
