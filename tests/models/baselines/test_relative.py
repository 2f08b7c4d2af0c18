"""A market that doubles after train: levels mislead a linear model, relative columns do not."""

import numpy as np
import polars as pl
import pytest

from finscale.config import TaskConfig
from finscale.data.targets import label
from finscale.models.baselines import TunableBaseline, make_baseline

TASK = TaskConfig(name="direction")
LENGTH = 10
TRAIN, VALIDATION, TEST = np.arange(40, 900), np.arange(900, 1100), np.arange(1150, 1900)


@pytest.fixture(scope="module")
def market() -> pl.DataFrame:
    """Return returns that partly reverse, at a level that doubles between validation and test.

    Train ends with a long fall: a low price has been followed by falls.
    """
    rng = np.random.default_rng(0)
    count = 2000
    noise = 0.01 * rng.normal(size=count)
    drift = np.zeros(count)
    drift[300:850] = -0.002
    drift[1100:1150] = np.log(2) / 50
    returns = noise + drift
    returns[1:] -= 0.3 * noise[:-1]
    close = 100 * np.exp(np.cumsum(returns))
    frame = pl.DataFrame(
        {
            "date": np.busday_offset("2010-01-01", np.arange(count), roll="forward"),
            "symbol": ["A"] * count,
            "high": close * 1.001,
            "low": close * 0.999,
            "close": close,
            "average": pl.Series(close).rolling_mean(30, min_samples=1),
        }
    )
    move = pl.col("close").log().diff()
    return frame.with_columns(
        rel_close=move, rel_average=(pl.col("average") / pl.col("close")).log()
    )


def losses(market: pl.DataFrame, name: str, **options) -> float:
    """Return the test log loss of a baseline, tuned if it can be."""
    target_R = label(market, TASK).target_R
    model = make_baseline(
        name,
        task=TASK,
        context_length=LENGTH,
        features=("close", "high", "low", "average"),
        relative=("rel_close", "rel_average"),
        **options,
    )
    model.fit(market, TRAIN, target_R[TRAIN])
    if isinstance(model, TunableBaseline):
        model.tune(market, VALIDATION, target_R[VALIDATION])
    logit, yes = model.predict(market, TEST), target_R[TEST] > 0.5
    return float(np.logaddexp(0, np.where(yes, -logit, logit)).mean())


def test_a_logistic_on_levels_loses_to_the_base_rate_and_one_on_relative_columns_gains(market):
    base_rate = losses(market, "base_rate")
    assert losses(market, "logistic") < base_rate - 0.005
    assert losses(market, "logistic", view="level", penalty=1.0) > base_rate + 0.005


@pytest.mark.parametrize("name", ["random_forest", "random_fourier", "lightgbm"])
def test_others_read_the_relative_columns_too(market, name):
    options = {"random_forest": {"trees": 20}}.get(name, {})
    shown = losses(market, name, view="last", **options)
    halved = pl.col("close", "high", "low", "average") / 2
    assert losses(market.with_columns(halved), name, view="last", **options) == shown
    assert losses(market.with_columns(halved), name, view="level", **options) != shown


def test_the_kernel_reads_relative_columns_unless_told_otherwise(market):
    assert losses(market, "random_fourier") == losses(market, "random_fourier", view="last")
    given = {"task": TASK, "context_length": LENGTH, "features": ("close", "high")}
    forecasts = [
        make_baseline("random_fourier", **given, **options)
        .fit(market, TRAIN, label(market, TASK).target_R[TRAIN])
        .predict(market, TEST)
        for options in ({}, {"view": "window"}, {"view": "level"})
    ]
    np.testing.assert_array_equal(forecasts[0], forecasts[1])
    assert not np.array_equal(forecasts[0], forecasts[2])


def test_a_penalty_given_is_kept_and_nothing_is_tuned(market):
    given = {"task": TASK, "context_length": LENGTH, "features": ("close",)}
    assert not isinstance(make_baseline("logistic", **given, penalty=3.0), TunableBaseline)
    target_R = label(market, TASK).target_R
    model = make_baseline("logistic", **given).fit(market, TRAIN, target_R[TRAIN])
    before = model.predict(market, TEST)
    model.tune(market, VALIDATION, 1 - target_R[VALIDATION])
    assert not np.array_equal(model.predict(market, TEST), before)
    fixed = make_baseline("logistic", **given, penalty=model.head.penalty)
    fixed.fit(market, TRAIN, target_R[TRAIN])
    np.testing.assert_array_equal(fixed.predict(market, TEST), model.predict(market, TEST))
