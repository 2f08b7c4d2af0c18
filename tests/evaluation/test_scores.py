"""Scores against scikit-learn, exact identities, and what counts as collapsed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_pinball_loss,
    roc_auc_score,
)

from finscale.evaluation import resampler
from finscale.evaluation.ranking import Ranking, structural_components
from finscale.evaluation.resampler import Resampler
from finscale.evaluation.scores import (
    CLASSIFICATION,
    REGRESSION,
    Classified,
    Regressed,
    classification_scores,
    collapsed,
    log_losses,
    measure,
    pinball_losses,
    probabilities,
    regression_scores,
)

NUM_DAYS = 600


def market(seed: int = 0, skill: float = 0.8, rate: float = -1.0, decimals: int = 1):
    """Return targets and calibrated logits, with ties, for NUM_DAYS days."""
    rng = np.random.default_rng(seed)
    logit = np.round(rate + skill * rng.standard_normal(NUM_DAYS), decimals)
    target = (rng.random(NUM_DAYS) < probabilities(logit)).astype(np.float32)
    return target, logit


def weights_of(seed: int = 1, num_replicates: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (num_replicates, NUM_DAYS)).astype(float)


def test_probabilities_and_losses_where_doubles_end():
    assert probabilities([0.0, 800.0, -800.0]).tolist() == [0.5, 1.0, 0.0]
    assert log_losses([1, 0, 1, 0], [0.0, 0.0, -800.0, 800.0]).tolist() == [
        math.log(2),
        math.log(2),
        800.0,
        800.0,
    ]
    # log(1 + e^-40) is e^-40 to the last digit; through p it would be 0
    assert log_losses([1], [40.0])[0] == pytest.approx(math.exp(-40), rel=1e-12)


def test_values_agree_with_scikit_learn():
    target, logit = market()
    p = probabilities(logit)
    scores = classification_scores(target, logit, np.arange(NUM_DAYS), num_replicates=0)
    assert scores["log_loss"].value == pytest.approx(log_loss(target, p), rel=1e-12)
    assert scores["brier"].value == pytest.approx(brier_score_loss(target, p), rel=1e-12)
    assert scores["auc"].value == pytest.approx(roc_auc_score(target, p), rel=1e-12)
    assert scores["average_precision"].value == pytest.approx(
        average_precision_score(target, p), rel=1e-12
    )
    assert scores["spread"].value == pytest.approx(p.std(), rel=1e-12)
    assert (scores["prediction_min"].value, scores["prediction_max"].value) == (p.min(), p.max())
    assert math.isnan(scores["auc"].low)  # no replicates, no interval


def test_weighted_values_agree_with_scikit_learn():
    """A replicate is a sample in which rows are repeated; scikit-learn's weights say the same."""
    target, logit = market(decimals=0)
    rows, p = Classified.of(target, logit), probabilities(logit)
    for name, reference in {
        "auc": roc_auc_score,
        "average_precision": average_precision_score,
        "brier": brier_score_loss,
        "log_loss": log_loss,
    }.items():
        weights = weights_of()
        expected = [reference(target, p, sample_weight=w) for w in weights]
        assert CLASSIFICATION[name].of(rows, weights) == pytest.approx(expected, rel=1e-12), name


@given(seed=st.integers(0, 1000), decimals=st.integers(0, 3), rate=st.floats(-3, 3))
def test_murphy_identity_is_exact(seed, decimals, rate):
    """Brier = reliability − resolution + uncertainty, in every replicate and for any forecasts."""
    target, logit = market(seed, rate=rate, decimals=decimals)
    rows, weights = Classified.of(target, logit), weights_of(seed)
    part = {name: CLASSIFICATION[name].of(rows, weights) for name in CLASSIFICATION}
    assert part["reliability"] - part["resolution"] + part["uncertainty"] == pytest.approx(
        part["brier"], abs=1e-13
    )


def test_murphy_parts_of_a_forecast_with_two_values():
    """Ten days at 20 % of which 3 happen, ten at 60 % of which 6 happen: computed by hand."""
    logit = np.log(np.repeat([0.2 / 0.8, 0.6 / 0.4], 10))
    target = np.concatenate([np.repeat([1, 0], [3, 7]), np.repeat([1, 0], [6, 4])])
    scores = classification_scores(target, logit, np.arange(20), num_replicates=0)
    assert scores["reliability"].value == pytest.approx(0.5 * 0.1**2)
    assert scores["resolution"].value == pytest.approx(0.15**2)
    assert scores["uncertainty"].value == pytest.approx(0.45 * 0.55)


def test_a_model_that_always_says_the_base_rate_is_collapsed():
    target, _ = market(3)
    wobble = 0.01 * np.random.default_rng(0).standard_normal(NUM_DAYS)
    scores = classification_scores(target, -1.0 + wobble, np.arange(NUM_DAYS), num_replicates=0)
    assert scores["spread"].value == pytest.approx(0.002, abs=0.0003)
    assert collapsed(Classified.of(target, -1.0 + wobble))


def test_a_constant_of_its_own_in_each_fold_is_collapsed_too():
    target, _ = market(3)
    fold = np.repeat([0, 1, 2], NUM_DAYS // 3)
    logit = np.array([-1.5, -1.0, -0.5])[fold]
    assert collapsed(Classified.of(target, logit, fold=fold))
    assert not collapsed(Classified.of(target, logit))


def test_a_constant_is_collapsed_where_nothing_happened_either():
    assert collapsed(Classified.of(np.zeros(100), np.full(100, -3.0)))


def test_a_model_with_the_faintest_real_skill_is_not_collapsed():
    """Calibrated with AUC .52: spread .018, three and a half times the limit."""
    rng = np.random.default_rng(1)
    logit = 0.071 * rng.standard_normal(20_000)
    target = rng.random(20_000) < probabilities(logit)
    scores = classification_scores(target, logit, np.arange(20_000), num_replicates=0)
    assert scores["auc"].value == pytest.approx(0.52, abs=0.01)
    assert not collapsed(Classified.of(target, logit))


def test_intervals_shrink_with_days_and_contain_the_value():
    target, logit = market(5)
    scores = classification_scores(target, logit, np.arange(NUM_DAYS), block_length=1.0)
    for name in ("log_loss", "brier", "auc", "average_precision", "base_rate", "spread"):
        assert scores[name].low < scores[name].value < scores[name].high, name
    # DeLong's standard error of this AUC, computed independently below
    components = structural_components(target, logit)
    events, others = components[target == 1], components[target == 0]
    error = math.sqrt(events.var(ddof=1) / len(events) + others.var(ddof=1) / len(others))
    assert scores["auc"].high - scores["auc"].low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_symbols_of_one_day_are_resampled_together():
    """Five copies of the same symbol are no more evidence than one."""
    target, logit = market(6)
    days = np.arange(NUM_DAYS)
    single = classification_scores(target, logit, days, block_length=1.0)
    copies = classification_scores(
        np.tile(target, 5), np.tile(logit, 5), np.tile(days, 5), block_length=1.0
    )
    for name in ("log_loss", "auc", "reliability"):
        assert copies[name].low == pytest.approx(single[name].low, rel=1e-9)
        assert copies[name].high == pytest.approx(single[name].high, rel=1e-9)


def test_overlapping_labels_widen_the_interval():
    """Twenty-day labels on daily decisions: a twentieth of the days are independent."""
    rng = np.random.default_rng(8)
    shocks = rng.standard_normal(NUM_DAYS + 19)
    target = np.convolve(shocks, np.ones(20), "valid") > 0
    logit = np.zeros(NUM_DAYS) + 0.3
    narrow, wide = (
        classification_scores(target, logit, np.arange(NUM_DAYS), **options)["log_loss"]
        for options in ({"block_length": 1.0}, {"overlap": 20})
    )
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)


def test_one_class_has_no_auc_and_the_rest_still_stands():
    scores = classification_scores(np.zeros(30), np.linspace(-2, -1, 30), np.arange(30))
    assert math.isnan(scores["auc"].value)
    assert math.isnan(scores["average_precision"].value)
    assert scores["log_loss"].value > 0


def test_structural_components_by_counting_pairs():
    target, logit = market(9, decimals=0)
    events, others = logit[target == 1], logit[target == 0]
    outranks = (events[:, None] > others) + 0.5 * (events[:, None] == others)
    components = structural_components(target, logit)
    assert components[target == 1] == pytest.approx(outranks.mean(axis=1), abs=1e-12)
    assert components[target == 0] == pytest.approx(outranks.mean(axis=0), abs=1e-12)


def test_midranks_are_those_of_the_repeated_sample():
    values = np.array([3.0, 1.0, 3.0, 2.0, 1.0])
    weights = np.array([[2.0, 1.0, 0.0, 3.0, 1.0]])
    repeated = np.repeat(values, weights[0].astype(int))
    ranks = Ranking.of(values).midranks(weights)[0]
    expected = dict(zip(repeated, stats.rankdata(repeated), strict=True))
    assert ranks.tolist() == [expected[v] for v in values]


def forecast(seed: int = 0):
    rng = np.random.default_rng(seed)
    prediction = np.round(rng.standard_normal(NUM_DAYS) * 0.01, 3)
    return prediction + 0.02 * rng.standard_t(4, NUM_DAYS), prediction


def test_regression_values():
    target, prediction = forecast()
    days = np.arange(NUM_DAYS)
    scores = regression_scores(
        target, prediction, days, historical_mean=0.001, quantile=0.3, num_replicates=0
    )
    error = target - prediction
    assert scores["mae"].value == pytest.approx(np.abs(error).mean())
    assert scores["rmse"].value == pytest.approx(np.sqrt((error**2).mean()))
    assert scores["r2_oos"].value == pytest.approx(
        1 - (error**2).sum() / ((target - 0.001) ** 2).sum()
    )
    assert scores["rank_correlation"].value == pytest.approx(
        stats.spearmanr(target, prediction).statistic
    )
    assert scores["pinball"].value == pytest.approx(
        mean_pinball_loss(target, prediction, alpha=0.3)
    )


def test_weighted_rank_correlation_is_that_of_the_repeated_sample():
    target, prediction = forecast(1)
    target = np.round(target, 2)
    scores = regression_scores(
        target, prediction, np.arange(NUM_DAYS), historical_mean=0.0, num_replicates=200
    )
    interval = scores["rank_correlation"]
    assert interval.low < interval.value < interval.high
    assert set(scores) == set(REGRESSION)
    weights = weights_of(2, 1)
    counts = weights[0].astype(int)
    expected = stats.spearmanr(np.repeat(target, counts), np.repeat(prediction, counts)).statistic
    rows = Regressed(target, prediction, np.zeros(NUM_DAYS))
    assert REGRESSION["rank_correlation"].of(rows, weights)[0] == pytest.approx(expected)


def test_pinball_by_hand():
    assert pinball_losses([1.0, -1.0], [0.0, 0.0], 0.9).tolist() == pytest.approx([0.9, 0.1])


def test_intervals_stay_where_the_score_can_be():
    """Forty days in long blocks stretch intervals widely; a share still ends at 1."""
    target, logit = market(2)
    scores = classification_scores(target[:40], 3 * logit[:40], np.arange(40), block_length=13.0)
    for name in ("auc", "average_precision", "brier", "base_rate"):
        assert 0 <= scores[name].low <= scores[name].high <= 1, name


def test_replicates_are_scored_alike_however_many_at_a_time(monkeypatch):
    """Of a part of the days too, some of which a replicate does not draw."""
    rng = np.random.default_rng(6)
    logit = rng.normal(-1.0, 1.0, 60)
    target = (rng.random(60) < probabilities(logit)).astype(float)
    rows = Classified.of(target, logit)
    drawn = Resampler.over(np.arange(60) // 2, logit, num_replicates=50)
    for part in (np.ones(60, np.bool_), np.arange(60) < 6):
        found = []
        for cells in (2_000_000, 300):
            monkeypatch.setattr(resampler, "_CELLS", cells)
            found.append(measure(CLASSIFICATION, rows.where(part), drawn.where(part)))
        for name, one in found[0].items():
            other = found[1][name]
            assert (one.value, one.low, one.high) == pytest.approx(
                (other.value, other.low, other.high), rel=1e-12, nan_ok=True
            )
