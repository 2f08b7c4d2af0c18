"""Every baseline: causal, deterministic, finite, and able to learn what it is made for."""

import sys

import numpy as np
import polars as pl
import pytest
import torch

from finscale.config import TaskConfig
from finscale.data.targets import label
from finscale.errors import FinscaleError
from finscale.models.baselines import BASELINES, make_baseline
from finscale.models.baselines.baseline import rate_logit, symbol_slices
from finscale.models.baselines.linear_fit import mean_loss

LENGTH = 12
FEATURES = ("close", "signal", "noise")
COUNTS = (420, 380)
FAST = {"random_forest": {"trees": 20}, "random_fourier": {"complexity": 32}}
#: Pretrained ones are looked at in test_zero_shot.
EVERY = [name for name, kind in BASELINES.items() if not kind.pretrained]
BOOSTED = ("lightgbm", "lightgbm_summary", "catboost", "catboost_summary")
SEEDED = ("random_forest", *BOOSTED, "random_fourier")
READ_FEATURES = ("logistic", *SEEDED)


def panel(seed: int = 0) -> pl.DataFrame:
    """Two symbols; the feature ``signal`` foretells the next day's return."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol, count in zip("AB", COUNTS, strict=True):
        signal = rng.normal(size=count)
        returns = 0.004 * rng.standard_t(5, size=count)
        returns[1:] += 0.01 * signal[:-1]
        close = 100 * np.exp(np.cumsum(returns))
        spread = np.abs(rng.normal(0.005, 0.002, count)) + 1e-4
        frames.append(
            pl.DataFrame(
                {
                    "date": np.busday_offset("2015-01-01", np.arange(count), roll="forward"),
                    "symbol": [symbol] * count,
                    "open": close,
                    "high": close * (1 + spread),
                    "low": close * (1 - spread),
                    "close": close,
                    "signal": signal,
                    "noise": rng.normal(size=count),
                }
            )
        )
    return pl.concat(frames)


FRAME = panel()
STARTS = np.array([0, COUNTS[0]])


def windows(first: int, last: int) -> np.ndarray:
    """Decision rows first … last - 1 of each symbol."""
    return np.concatenate([start + np.arange(first, last) for start in STARTS])


TRAIN, LATER = windows(LENGTH - 1, 250), windows(260, 340)


def targets(task: TaskConfig, ends: np.ndarray) -> np.ndarray:
    parts = [label(FRAME[rows], task).target_R for rows in symbol_slices(FRAME)]
    return np.concatenate(parts)[ends]


def make(name: str, task: TaskConfig, **options):
    if not BASELINES[name].is_installed:
        pytest.skip(f"{BASELINES[name].package} is not installed")
    given = {"task": task, "context_length": LENGTH, "features": FEATURES}
    return make_baseline(name, **given, label=label, **FAST.get(name, {}), **options)


def fitted(name: str, task: TaskConfig, frame: pl.DataFrame = FRAME, **options):
    return make(name, task, **options).fit(frame, TRAIN, targets(task, TRAIN))


def changed_after(row: int) -> pl.DataFrame:
    """Return the frame with every value of every symbol after its own ``row`` changed."""
    other = panel(seed=1)
    age = np.concatenate([np.arange(count) for count in COUNTS])
    late = pl.Series(age > row)
    values = [name for name in FRAME.columns if name not in ("date", "symbol")]
    return FRAME.with_columns(
        pl.when(late).then(other[name] * 1.7).otherwise(FRAME[name]).alias(name) for name in values
    )


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("task_name", ["direction", "regression"])
def test_a_prediction_depends_on_no_later_row(name, task_name):
    task = TaskConfig(name=task_name, horizon=3)
    changed = changed_after(300)
    model, other = fitted(name, task), fitted(name, task, changed)
    known, unknown = windows(260, 301), windows(301, 340)
    expected = model.predict(FRAME, known)
    np.testing.assert_array_equal(model.predict(changed, known), expected)
    np.testing.assert_array_equal(other.predict(changed, known), expected)
    if name not in (
        "base_rate",
        "base_rate_by_symbol",
    ):  # the change is large enough to be seen by whoever may see it
        assert not np.array_equal(model.predict(changed, unknown), model.predict(FRAME, unknown))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("task_name", ["threshold_1pct", "regression"])
def test_fitting_again_gives_the_same_bits(name, task_name):
    task = TaskConfig(name=task_name)
    torch.manual_seed(1)
    first = fitted(name, task, seed=3).predict(FRAME, LATER)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002 - the global state must not matter
    model = fitted(name, task, seed=3)
    np.testing.assert_array_equal(model.predict(FRAME, LATER), first)
    assert first.dtype == np.float64
    assert first.shape == LATER.shape
    assert np.isfinite(first).all()
    # fitting the same object on other rows and back leaves nothing behind
    model.fit(FRAME, TRAIN[::2], targets(task, TRAIN[::2]))
    model.fit(FRAME, TRAIN, targets(task, TRAIN))
    np.testing.assert_array_equal(model.predict(FRAME, LATER), first)


@pytest.mark.parametrize("name", SEEDED)
def test_the_seed_matters_where_something_is_random(name):
    task = TaskConfig(name="direction")
    first, second = (fitted(name, task, seed=seed).predict(FRAME, LATER) for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", BOOSTED)
@pytest.mark.parametrize("task_name", ["direction", "regression"])
def test_boosting_keeps_as_many_rounds_as_validation_wants(name, task_name):
    task = TaskConfig(name=task_name)
    model = fitted(name, task)
    every = model.predict(FRAME, LATER)
    y = targets(task, LATER)
    model.tune(FRAME, LATER, y)
    (chosen,) = model.limit.values()
    tuned = model.predict(FRAME, LATER)
    loss = mean_loss(tuned, y, task_name == "direction")
    assert loss <= mean_loss(every, y, task_name == "direction")
    # as many rounds grown alone give the same forecasts
    alone = fitted(name, task, rounds=chosen)
    np.testing.assert_allclose(alone.predict(FRAME, LATER), tuned, rtol=1e-9)
    # noise is best forecast by next to nothing
    noise = np.random.default_rng(0).permutation(y)
    model.tune(FRAME, LATER, noise)
    assert next(iter(model.limit.values())) < chosen
    model.fit(FRAME, TRAIN, targets(task, TRAIN))
    np.testing.assert_array_equal(model.predict(FRAME, LATER), every)


@pytest.mark.parametrize("name", READ_FEATURES)
def test_a_feature_that_foretells_is_found(name):
    logit = fitted(name, TaskConfig(name="direction")).predict(FRAME, LATER)
    rises = targets(TaskConfig(name="direction"), LATER) > 0.5
    ranked_right = (logit[rises][:, None] > logit[~rises][None, :]).mean()
    # a mean or a slope of the window says little of its last row
    assert ranked_right > (0.8 if name.endswith("summary") else 0.85)
    forecast = fitted(name, TaskConfig(name="regression")).predict(FRAME, LATER)
    assert np.corrcoef(forecast, targets(TaskConfig(name="regression"), LATER))[0, 1] > 0.6


@pytest.mark.parametrize("name", EVERY)
def test_a_train_set_of_one_class_still_gives_finite_logits(name):
    model = make(name, TaskConfig(name="threshold_5pct"))
    logit = model.fit(FRAME, TRAIN, np.zeros(TRAIN.size, np.float32)).predict(FRAME, LATER)
    assert np.isfinite(logit).all()
    assert logit.max() < 0


@pytest.mark.parametrize(
    "name", ["volatility", "volatility_ranges", "volatility_garch", "momentum"]
)
def test_symbols_stacked_are_seen_as_symbols_alone(name):
    task = TaskConfig(name="direction")
    model = fitted(name, task)
    second = FRAME[COUNTS[0] :]
    own = LATER[LATER.size // 2 :]  # of the second symbol
    np.testing.assert_allclose(
        model.predict(second, own - COUNTS[0]), model.predict(FRAME, own), rtol=1e-12
    )


def test_rates_are_finite_logits():
    assert rate_logit(1, 2) == 0
    assert rate_logit(0, 10) == pytest.approx(np.log(0.5 / 10.5))
    assert rate_logit(10, 10) == -rate_logit(0, 10)


def test_slices_of_symbols():
    assert symbol_slices(FRAME) == [slice(0, 420), slice(420, 800)]


def test_mistakes_get_one_sentence(monkeypatch):
    job = {"task": TaskConfig(), "context_length": LENGTH, "features": FEATURES}
    with pytest.raises(FinscaleError, match="'volatilty' is not a baseline") as error:
        make_baseline("volatilty", **job)
    assert error.value.hint == "Did you mean volatility?"
    with pytest.raises(FinscaleError, match="persistence looks at past labels"):
        make_baseline("persistence", **job)
    with pytest.raises(FinscaleError, match="random_forest has no option 'tres'") as error:
        make_baseline("random_forest", **job, tres=3)
    assert error.value.hint == "Did you mean trees?"
    with pytest.raises(FinscaleError, match="volatility has no option 'x'"):
        make_baseline("volatility", **job, x=3)
    monkeypatch.setitem(sys.modules, "catboost", None)
    assert not BASELINES["catboost"].is_installed
    with pytest.raises(FinscaleError, match="catboost is not installed") as error:
        make_baseline("catboost", **job)
    assert error.value.hint == "pip install 'finscale[boosting]' brings it"


def test_a_library_that_cannot_be_loaded_is_said_with_the_way_out(monkeypatch, tmp_path):
    (tmp_path / "lightgbm.py").write_text("raise OSError('Library not loaded: libomp.dylib')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    with pytest.raises(FinscaleError, match=r"cannot be loaded \(Library not loaded") as error:
        make_baseline("lightgbm", task=TaskConfig(), context_length=8, features=())
    assert "brew install libomp" in error.value.hint
