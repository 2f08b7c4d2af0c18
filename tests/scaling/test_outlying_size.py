"""One size that stands apart where no seeds tell a bad run: a suspicion that names it."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.scaling import fit_law
from finscale.scaling.outlying_size import outlying_size
from finscale.scaling.problem import Problem

SIZES = np.geomspace(5e3, 5e6, 7)
FALL = (SIZES / SIZES[0]) ** -0.4
WAY = np.linspace(-1, 1, 7)


def problem(y_n, loss="least_squares", **more):
    return Problem(SIZES[:, None], np.asarray(y_n), loss, np.ones(len(y_n)), **more)


def noise(seed, scale=0.001):
    return scale * np.random.default_rng(seed).standard_normal(7)


@pytest.mark.parametrize("loss", ["least_squares", "log_least_squares", "gls"])
@pytest.mark.parametrize("by", [0.05, -0.05])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_a_size_off_the_curve_is_named_on_either_side(level, by, loss):
    y_n = 0.6 + level * FALL + noise(0)
    y_n[3] += by
    known = {"covariance_nn": 1e-6 * np.eye(7)} if loss == "gls" else {}
    found = outlying_size(problem(y_n, loss, **known))
    assert found.size == SIZES[3]
    assert found.value - found.expected == pytest.approx(by, abs=0.005)


@pytest.mark.parametrize(
    "curve",
    [0.1 * FALL, 0 * FALL, -0.1 * FALL, 0.1 * WAY**2, 0.1 * (SIZES / SIZES[0]) ** -1.5],
    ids=["law", "flat", "rising", "valley", "steep"],
)
def test_sound_tables_name_no_size(curve):
    named = [outlying_size(problem(0.6 + curve + noise(seed))) is not None for seed in range(20)]
    assert np.sum(named) <= 1


@pytest.mark.parametrize(
    "curve",
    [0.1 * (WAY > 0), 0.1 / (1 + np.exp(6 * WAY)), 0.1 * np.sin(3 * WAY)],
    ids=["step", "late", "wave"],
)
def test_shapes_that_are_no_law_are_not_laid_on_one_size(curve):
    assert outlying_size(problem(0.6 + curve + noise(1))) is None


def test_too_few_sizes_and_several_axes_tell_none():
    y_n = 0.6 + np.eye(7)[3] + noise(2)
    assert outlying_size(problem(y_n).subset(np.arange(7) < 5)) is None
    two = np.stack([SIZES, SIZES[::-1]], axis=1)
    assert outlying_size(Problem(two, y_n, "huber", np.ones(7))) is None


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_fit_says_which_size_and_what_to_do(seeds):
    size = np.repeat(SIZES, seeds)
    rng = np.random.default_rng(3)
    rows = {"parameters": size, "loss": 0.6 + 0.001 * rng.standard_normal(7 * seeds)}
    rows["loss"] = rows["loss"] + 0.05 * (size == SIZES[2])
    law = fit_law(rows, num_replicates=60)
    (flag,) = [flag for flag in law.fit.flags if "stands apart" in flag]
    assert "at 50k parameters the loss is 0.6" in flag
    assert "trained worse" in flag
    assert ("--drop 50k:" in flag) == (seeds == 1)
    assert law.to_dict()["outlying_size"]["size"] == pytest.approx(5e4)
    if seeds == 1:
        kept = fit_law(rows, num_replicates=60, drop=[flag.rpartition("--drop ")[2]])
        assert kept.table.num_sizes == 6
        assert kept.outlying_size is None


def test_an_accuracy_that_is_too_low_is_below_the_curve():
    rows = {"parameters": SIZES, "accuracy": 0.6 + noise(4)}
    rows["accuracy"][4] -= 0.05
    law = fit_law(rows, y="accuracy", higher_is_better=True, num_replicates=60)
    (flag,) = [flag for flag in law.fit.flags if "stands apart" in flag]
    assert "the accuracy is 0.5" in flag
    assert "below the curve" in flag
    assert "trained worse" in flag
