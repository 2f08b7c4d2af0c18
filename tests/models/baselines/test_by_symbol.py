"""Baselines of single symbols beside pooled ones."""

import numpy as np
import polars as pl
import pytest

from finscale.config import TaskConfig
from finscale.models.baselines import make_baseline

TASK = TaskConfig(name="direction")


def panel(signs=(1, -1), count=600) -> tuple[pl.DataFrame, np.ndarray]:
    """Return symbols whose label follows one column, of each symbol with its own sign."""
    rng = np.random.default_rng(0)
    frames, targets = [], []
    for number, sign in enumerate(signs):
        x = rng.normal(size=count)
        frames.append(
            pl.DataFrame(
                {
                    "date": np.datetime64("2020-01-01") + np.arange(count),
                    "symbol": [f"S{number}"] * count,
                    "close": np.ones(count),
                    "rel_x": x,
                }
            )
        )
        targets.append((sign * x + rng.normal(size=count) > 0).astype(np.float32))
    return pl.concat(frames), np.concatenate(targets)


def made(name: str):
    return make_baseline(
        name, task=TASK, context_length=1, features=("rel_x",), relative=("rel_x",)
    )


def test_each_symbol_has_its_own_slope_where_the_pooled_one_sees_none() -> None:
    frame, target = panel()
    rows = np.arange(len(target))
    train, validation = rows[rows % 600 < 400], rows[rows % 600 >= 400]
    outputs = {}
    for name in ("logistic", "logistic_by_symbol"):
        baseline = made(name).fit(frame, train, target[train])
        baseline.tune(frame, validation, target[validation])
        outputs[name] = baseline.predict(frame, validation)
    x = frame["rel_x"].to_numpy()[validation]
    own = outputs["logistic_by_symbol"]
    assert np.corrcoef(own[:200], x[:200])[0, 1] > 0.9
    assert np.corrcoef(own[200:], x[200:])[0, 1] < -0.9
    assert own.std() > 3 * outputs["logistic"].std()


@pytest.mark.parametrize("name", ["base_rate_by_symbol", "logistic_by_symbol"])
def test_a_symbol_that_train_lacks_gets_the_pooled_answer(name: str) -> None:
    frame, target = panel(signs=(1, 1, 1))
    rows = np.arange(len(target))
    train = np.r_[rows[:400], rows[600:1000], rows[1200:1210]]  # ten windows of the third
    baseline = made(name).fit(frame, train, target[train])
    if name.startswith("logistic"):
        baseline.tune(frame, train, target[train])
    pooled = made(name.removesuffix("_by_symbol")).fit(frame, train, target[train])
    if name.startswith("logistic"):
        pooled.tune(frame, train, target[train])
    later = rows[1300:1400]
    np.testing.assert_array_equal(baseline.predict(frame, later), pooled.predict(frame, later))
    mixed = np.r_[later, rows[100:110]]
    np.testing.assert_array_equal(
        baseline.predict(frame, mixed)[:100], baseline.predict(frame, later)
    )


def test_a_symbol_s_own_base_rate() -> None:
    frame, target = panel()
    target[:600] = np.arange(600) % 4 == 0
    rows = np.arange(len(target))
    baseline = made("base_rate_by_symbol").fit(frame, rows, target)
    p = 1 / (1 + np.exp(-baseline.predict(frame, np.array([0, 700]))))
    assert p[0] == pytest.approx(0.25, abs=0.01)
    assert p[1] == pytest.approx(target[600:].mean(), abs=0.01)
