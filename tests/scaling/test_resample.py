"""Replicates keep the pairing of days and the spread of seeds."""

import numpy as np
import pytest
from scipy import stats

from finscale.scaling import read_table
from finscale.scaling.intervals import bca_interval, percentile_interval
from finscale.scaling.resample import (
    cell_weights,
    left_out,
    resample,
    scheme_of,
    seed_replicates,
)

RNG = np.random.default_rng(7)


def tidy(losses_nST, folds=None, days=True):
    """Return a mapping of columns for an array ``[n, S, T]``."""
    n, S, T = losses_nST.shape
    i, s, t = (a.ravel() for a in np.meshgrid(range(n), range(S), range(T), indexing="ij"))
    columns = {"parameters": 1000.0 * (1 + i), "seed": s, "loss": losses_nST.ravel()}
    if days:
        columns["day"] = t
    if folds is not None:
        columns["fold"] = np.asarray(folds)[t]
    return columns


def table(losses_nST, **options):
    """Read an array; days without a column are averaged, and runs may be alike."""
    columns = tidy(losses_nST, **options)
    average = "rows" if options.get("folds") is not None and "day" not in columns else ()
    return read_table(columns, x="parameters", average=average, drop_duplicates=False)


def test_scheme_is_the_most_honest_one_possible():
    many = RNG.uniform(1, 2, (4, 3, 10))
    assert scheme_of(table(many)) == "days and seeds"
    assert scheme_of(table(many[:, :1])) == "days"
    folds = np.repeat(range(5), 2)
    assert scheme_of(table(many, folds=folds, days=False)) == "folds and seeds"
    assert scheme_of(table(many[:, :1], folds=folds, days=False)) == "folds"
    assert scheme_of(table(many[..., :1], days=False)) == "seeds"
    assert scheme_of(table(many[:, :1, :1], days=False)) == "residuals"
    wide = RNG.uniform(1, 2, (25, 1, 1))
    assert scheme_of(table(wide, days=False)) == "points"


def test_days_are_shared_by_every_run():
    """What all sizes lose on a day cancels in every replicate of a difference."""
    market_T = RNG.standard_normal(200)
    losses = 5 + np.arange(4.0)[:, None, None] + market_T + np.zeros((4, 2, 1))
    drawn = resample(table(losses), num_replicates=300, block_length=5.0)
    differences = np.diff(drawn.y_Rn, axis=1)
    np.testing.assert_allclose(differences, 1.0, atol=1e-9)
    assert drawn.y_Rn[:, 0].std() > 0.03


def test_spread_of_days_is_that_of_their_mean():
    losses = 5 + RNG.standard_normal((3, 1, 400))
    drawn = resample(table(losses), num_replicates=4000, block_length=1.0)
    assert drawn.scheme == "days"
    np.testing.assert_allclose(drawn.y_Rn.std(axis=0), losses[:, 0].std(axis=-1) / 20, rtol=0.06)


def test_blocks_see_dependence_that_single_days_miss():
    shocks = RNG.standard_normal(2000)
    slow = np.convolve(shocks, np.ones(10) / np.sqrt(10), mode="valid")
    one = table(5 + slow + np.arange(2.0)[:, None, None])
    single = resample(one, num_replicates=500, block_length=1.0).y_Rn[:, 0].std()
    blocks = resample(one, num_replicates=500, block_length=40.0).y_Rn[:, 0].std()
    assert blocks > 2 * single


def test_folds_are_drawn_too():
    folds = np.repeat([0, 1, 2, 3], 25)
    losses = 5 + folds + 0.01 * RNG.standard_normal((3, 1, 100))
    drawn = resample(table(losses, folds=folds), num_replicates=2000, block_length=5.0)
    # four folds at 0, 1, 2, 3: the mean of four draws has variance 1.25 / 4
    assert drawn.y_Rn[:, 0].std() == pytest.approx(np.sqrt(1.25 / 4), rel=0.06)
    weights = cell_weights(folds, 5.0, 50, seed=1)
    assert (weights.sum(axis=1) == 100).all()


def test_seeds_have_the_spread_of_seeds_and_not_of_deviations():
    losses = 5 + RNG.standard_normal((400, 3, 1))
    drawn = seed_replicates(table(losses, days=False), 200, np.random.default_rng(0))
    # without the factor sqrt(S/(S-1)) this would come out at sqrt(2/3) of it
    assert drawn.std() == pytest.approx(1 / np.sqrt(3), rel=0.03)
    assert drawn.mean() == pytest.approx(0, abs=0.01)


def test_residuals_need_their_curve():
    few = table(RNG.uniform(1, 2, (6, 1, 1)), days=False)
    with pytest.raises(ValueError, match="around a fitted curve"):
        resample(few, num_replicates=10)


def test_residuals_are_divided_by_what_leverage_took():
    few = table(1 + 0.1 * RNG.standard_normal((8, 1, 1)), days=False)
    fitted = np.full(8, few.y_n.mean())
    drawn = resample(few, num_replicates=4000, fitted_n=fitted, leverage_n=np.full(8, 1 / 8))
    assert drawn.y_Rn.std() == pytest.approx(few.y_n.std(ddof=1), rel=0.03)


def test_a_known_covariance_is_drawn_from():
    root = np.array([[1.0, 0, 0], [0.5, 1, 0], [0.2, 0.1, 1]])
    few = table(RNG.uniform(1, 2, (3, 1, 1)), days=False)
    drawn = resample(few, num_replicates=40_000, fitted_n=few.y_n, covariance_nn=root @ root.T)
    assert drawn.scheme == "parametric"
    np.testing.assert_allclose(np.cov(drawn.y_Rn.T), root @ root.T, atol=0.05)


def test_equal_seeds_give_equal_replicates():
    many = table(RNG.uniform(1, 2, (4, 3, 30)))
    a, b, c = (resample(many, num_replicates=20, seed=s).y_Rn for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_jackknife_leaves_out_days_and_seeds():
    many = table(RNG.uniform(1, 2, (4, 3, 40)))
    left = left_out(many)
    assert left.y_Rn.shape == (20 + 12, 4)
    np.testing.assert_allclose(left.y_Rn[20], [many.runs_nS[0, 1:].mean(), *many.y_n[1:]])
    points = left_out(table(RNG.uniform(1, 2, (6, 1, 1)), days=False))
    np.testing.assert_array_equal(points.weights_Rn, 1 - np.eye(6))


def test_bca_is_that_of_scipy():
    sample = RNG.lognormal(size=40)
    theirs = stats.bootstrap(
        (sample,), np.mean, method="BCa", n_resamples=9999, random_state=np.random.default_rng(0)
    )
    jackknife = np.array([np.delete(sample, i).mean() for i in range(40)])
    ours = bca_interval(sample.mean(), theirs.bootstrap_distribution, jackknife, 0.95)
    np.testing.assert_allclose(ours, theirs.confidence_interval, rtol=2e-3)


def test_unbounded_replicates_open_an_interval():
    values = np.concatenate([np.full(100, np.inf), np.arange(900.0)])
    low, high = percentile_interval(values, 0.95)
    assert low == pytest.approx(25, abs=1)
    assert high == np.inf
    assert np.isnan(percentile_interval(np.array([np.nan]), 0.95)).all()
    assert np.isnan(bca_interval(np.nan, values, np.array([]), 0.95)).all()


def test_replicates_at_a_bound_lie_on_its_side_however_many_they_are():
    from finscale.scaling import FORMS
    from finscale.scaling.quantities import Quantity, replicate_values

    form = FORMS["power_floor"]
    at = form.names.index("alpha")
    params = np.tile([0.4, 1.0, 0.3], (10, 1))
    params[:6, at] = form.parameters[at].upper
    resting = np.zeros((10, 3), bool)
    resting[:6, at] = True
    quantity = Quantity("alpha", "", lambda theta: theta[:, at])
    values = replicate_values(quantity, form, params, resting)
    assert np.isposinf(values[:6]).all()
    assert values[6:].tolist() == [0.3] * 4
