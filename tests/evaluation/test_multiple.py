"""Many models at once."""

import numpy as np
import pytest
from arch.bootstrap import MCS, SPA, StepM
from statsmodels.stats.multitest import multipletests

from finscale.evaluation.blocks import stationary_replicates
from finscale.evaluation.multiple import (
    benjamini_hochberg,
    confidence_set,
    holm,
    superior_models,
)

NUM_DAYS = 400
P_VALUES = [0.01, 0.04, 0.03, 0.005, 0.8, 0.04]


@pytest.mark.parametrize(("method", "adjust"), [("holm", holm), ("fdr_bh", benjamini_hochberg)])
def test_corrections_agree_with_statsmodels(method, adjust):
    assert adjust(P_VALUES) == pytest.approx(multipletests(P_VALUES, method=method)[1], abs=1e-12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])


def losses(seed: int, **gains: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(NUM_DAYS)
    return {
        name: shared - gain + 0.5 * rng.standard_normal(NUM_DAYS) for name, gain in gains.items()
    }


def test_the_good_models_are_found_among_the_worthless():
    models = losses(0, benchmark=0, worthless=0, good=0.2, bad=-0.2, better=0.3)
    benchmark = models.pop("benchmark")
    result = superior_models(np.arange(NUM_DAYS), benchmark, models)
    assert set(result.better) == {"good", "better"}
    assert result.p_value < 0.01
    assert result.block_length >= 1
    rest = {name: models[name] for name in ("worthless", "bad")}
    none = superior_models(np.arange(NUM_DAYS), benchmark, rest)
    assert none.better == ()
    assert none.p_value > 0.1


def test_all_models_may_be_better():
    models = losses(4, benchmark=0, good=0.2, better=0.5, best=0.9)
    result = superior_models(np.arange(NUM_DAYS), models.pop("benchmark"), models)
    assert result.better == ("good", "better", "best")


def test_a_noisy_model_does_not_hide_a_good_one():
    """Raw means would need a gain of the noisy model's size; studentised ones do not."""
    models = losses(5, benchmark=0, good=0.2)
    noisy = models["benchmark"] + 20 * np.random.default_rng(6).standard_normal(NUM_DAYS)
    benchmark = models.pop("benchmark")
    result = superior_models(np.arange(NUM_DAYS), benchmark, models | {"noisy": noisy})
    assert result.better == ("good",)


def test_a_copy_of_the_benchmark_is_not_better():
    benchmark = losses(7, benchmark=0)["benchmark"]
    result = superior_models(np.arange(NUM_DAYS), benchmark, {"copy": benchmark})
    assert result.better == ()


def test_the_confidence_set_keeps_what_cannot_be_told_from_the_best():
    models = losses(1, best=0.3, equal=0.3, worse=0.0, worst=-0.3)
    result = confidence_set(np.arange(NUM_DAYS), models)
    assert result.members == ("best", "equal")
    assert list(result.p_values) == list(models)
    assert result.p_values["worst"] < 0.05 < result.p_values["equal"]


def test_rows_of_one_day_are_averaged():
    models = losses(2, benchmark=0, a=0.1)
    dates = np.arange(NUM_DAYS)
    single = superior_models(dates, models["benchmark"], {"a": models["a"]})
    copied = superior_models(
        np.tile(dates, 3), np.tile(models["benchmark"], 3), {"a": np.tile(models["a"], 3)}
    )
    assert copied.p_value == single.p_value


def test_overlap_lengthens_blocks():
    models = losses(3, benchmark=0, a=0.1)
    result = confidence_set(np.arange(NUM_DAYS), models, overlap=10, num_replicates=100)
    assert result.block_length >= 40


def false_discoveries(num_replicates: int) -> tuple[float, float, float]:
    """Return how often SPA, StepM and the confidence set err when five models are equal."""
    spa = stepm = lost = 0
    for seed in range(num_replicates):
        models = losses(seed, benchmark=0, a=0, b=0, c=0, d=0)
        options = {"num_replicates": 300, "seed": seed, "block_length": 1}
        dates = np.arange(NUM_DAYS)
        lost += "a" not in confidence_set(dates, models, **options).members
        benchmark = models.pop("benchmark")
        result = superior_models(dates, benchmark, models, **options)
        spa += result.p_value < 0.05
        stepm += bool(result.better)
    return spa / num_replicates, stepm / num_replicates, lost / num_replicates


@pytest.mark.slow
def test_size_of_spa_and_stepm_is_five_percent():
    spa, stepm, lost = false_discoveries(600)
    assert 0.03 <= spa <= 0.07
    assert 0.03 <= stepm <= 0.07
    assert lost <= 0.05  # the set errs for any one model less often than for all together


def test_equal_models_are_rarely_told_apart():
    assert max(false_discoveries(25)) <= 0.2


def many_losses(num_models: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((NUM_DAYS, 1))
    own = 0.5 * rng.standard_normal((NUM_DAYS, num_models))
    return shared + own + np.linspace(0, 0.2, num_models)


@pytest.mark.parametrize(("num_models", "block_length"), [(3, 1), (8, 5), (25, 12)])
def test_the_confidence_set_is_that_of_arch(num_models, block_length):
    losses_TK = many_losses(num_models, seed=num_models)
    outside = MCS(losses_TK, size=0.05, reps=200, block_size=block_length, seed=3)
    outside.compute()
    models = {str(i): losses_K for i, losses_K in enumerate(losses_TK.T)}
    options = {"block_length": block_length, "num_replicates": 200, "seed": 3}
    result = confidence_set(np.arange(NUM_DAYS), models, **options)
    expected = outside.pvalues["Pvalue"].sort_index().tolist()
    assert list(result.p_values.values()) == pytest.approx(expected, abs=1e-12)
    assert result.members == tuple(str(i) for i in outside.included)


@pytest.mark.parametrize(("num_models", "block_length"), [(2, 4), (8, 5), (25, 12)])
def test_superior_models_are_those_of_arch_on_studentised_gains(num_models, block_length):
    losses_TK = many_losses(num_models, seed=num_models)
    benchmark = losses_TK.mean(axis=1)
    blocks = stationary_replicates(NUM_DAYS, block_length, 200, 3)
    gains_TK = benchmark[:, None] - losses_TK
    gains_TK /= gains_TK[blocks.indices()].mean(axis=1).std(axis=0)
    options = {"block_size": block_length, "reps": 200, "seed": 3}
    spa = SPA(np.zeros(NUM_DAYS), -gains_TK, **options)
    spa.compute()
    stepm = StepM(np.zeros(NUM_DAYS), -gains_TK, size=0.05, **options)
    stepm.compute()
    models = {str(i): losses_K for i, losses_K in enumerate(losses_TK.T)}
    options = {"block_length": block_length, "num_replicates": 200, "seed": 3}
    result = superior_models(np.arange(NUM_DAYS), benchmark, models, **options)
    assert result.p_value == pytest.approx(spa.pvalues["consistent"], abs=1e-12)
    assert result.better == tuple(str(i) for i in stepm.superior_models)


def test_copies_of_a_model_stay_in_the_set_together():
    """arch divides nothing by nothing here, and ends in an error."""
    models = losses(1, best=0.3, worst=-0.3)
    models["copy"] = models["best"]
    assert confidence_set(np.arange(NUM_DAYS), models).members == ("best", "copy")
