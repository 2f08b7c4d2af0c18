"""Areas under curves over many replicates, against scikit-learn one replicate after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from finscale.evaluation.ranking import Areas, Ordered, Ranking, structural_components, weighted_auc


@given(
    num_rows=st.integers(2, 60),
    num_values=st.integers(1, 100),
    rate=st.floats(0.05, 0.95),
    seed=st.integers(0, 1000),
)
def test_areas_are_those_of_scikit_learn(num_rows, num_values, rate, seed):
    """With ties within and between classes, and rows that a replicate leaves out."""
    rng = np.random.default_rng(seed)
    target = (rng.random(num_rows) < rate).astype(float)
    logit = rng.integers(0, num_values, num_rows).astype(float)
    weights = rng.poisson(1.0, (5, num_rows)).astype(float)
    areas = Areas.of(Ordered.of(Ranking.of(logit), target, weights))
    for row, roc, precision in zip(weights, areas.roc, areas.precision, strict=True):
        events, others = row @ target, row @ (1 - target)
        if events and others:
            assert roc == pytest.approx(roc_auc_score(target, logit, sample_weight=row))
            expected = average_precision_score(target, logit, sample_weight=row)
            assert precision == pytest.approx(expected)
        else:
            assert np.isnan(roc)


def test_without_an_event_nothing_is_defined():
    areas = Areas.of(Ordered.of(Ranking.of(np.arange(4.0)), np.zeros(4), np.ones((3, 4))))
    assert np.isnan(areas.roc).all()
    assert np.isnan(areas.precision).all()


@given(seed=st.integers(0, 300))
def test_structural_components_are_the_share_of_the_other_class_outranked(seed):
    rng = np.random.default_rng(seed)
    target = np.append([0.0, 1.0], rng.integers(0, 2, 30))
    logit = rng.integers(0, 12, 32).astype(float)
    ranks = rankdata(logit)
    for is_class, sign in ((target == 1, 1), (target == 0, -1)):
        others = logit[~is_class]
        outranked = [(np.sign(sign * (own - others)) / 2 + 0.5).mean() for own in logit[is_class]]
        assert structural_components(target, logit)[is_class] == pytest.approx(outranked)
    assert weighted_auc(Ranking.of(logit), target, np.ones((1, 32)))[0] == pytest.approx(
        (ranks[target == 1].mean() - (target.sum() + 1) / 2) / (target == 0).sum()
    )


def test_sums_of_small_weights_fit_their_type_however_many_rows_there_are():
    """Sums beyond 16 bits, of weights of 16 bits, are those of doubles."""
    rng = np.random.default_rng(5)
    for num_rows in (50, 20_000):
        target = (rng.random(num_rows) < 0.2).astype(float)
        logit = rng.normal(size=num_rows).round(2)
        weights = rng.poisson(2.0, (3, num_rows)).astype(np.int16)
        small, large = (
            Areas.of(Ordered.of(Ranking.of(logit), target, own))
            for own in (weights, weights.astype(float))
        )
        assert np.array_equal(small.roc, large.roc)
        assert np.array_equal(small.precision, large.precision)
        assert small.roc[0] == pytest.approx(
            roc_auc_score(target, logit, sample_weight=weights[0]), rel=1e-12
        )
