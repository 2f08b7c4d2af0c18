"""Pretrained forecasters: the number made of their deciles, its calibration, and each package.

Weights of the large models cannot be had where tests run: their packages are given tiny random ones
that they saved themselves, and load them with the code that loads the real ones.
"""

import importlib.util
import math
import sys

import numpy as np
import polars as pl
import pytest

from finscale.config import TaskConfig
from finscale.data.targets import label
from finscale.errors import FinscaleError
from finscale.models.baselines import BASELINES, Setting, make_baseline
from finscale.models.baselines.zero_shot import DECILES, ZeroShot, event_logit

LENGTH = 40
TASK = TaskConfig(name="threshold_1pct", horizon=2, touch="close")
#: Standard normal deciles.
NORMAL = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816])


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """Return closes whose volatility changes every hundred days."""
    rng = np.random.default_rng(0)
    spread = np.repeat([0.004, 0.02, 0.006, 0.03, 0.005, 0.02, 0.004, 0.03], 100)
    close = 100 * np.exp(np.cumsum(spread * rng.normal(size=spread.size)))
    dates = np.busday_offset("2010-01-01", np.arange(close.size), roll="forward")
    return pl.DataFrame({"date": dates, "symbol": "A", "high": close, "close": close})


def setting(task: TaskConfig = TASK) -> Setting:
    return Setting(task, LENGTH, (), seed=0)


def random_walk(path_BL: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast a walk without drift, as volatile as the window."""
    assert path_BL.dtype == np.float32
    assert path_BL.shape[1] == LENGTH
    assert (path_BL[:, -1] == 0).all()
    spread_B1 = np.diff(path_BL, axis=1).std(axis=1, keepdims=True) * horizon**0.5
    return np.asarray(spread_B1 * NORMAL, dtype=np.float64)


def log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def test_the_log_odds_of_an_event_by_hand():
    deciles = np.array([np.arange(-4.0, 5.0), np.arange(0.0, 9.0)])
    assert event_logit(deciles, 4.0) == pytest.approx([log_odds(0.1), log_odds(0.5)])
    assert event_logit(deciles, 0.5)[0] == pytest.approx((log_odds(0.5) + log_odds(0.4)) / 2)
    # beyond the outer deciles: the line through the median, up to ten times as far
    assert event_logit(deciles, 8.0) == pytest.approx([2 * log_odds(0.1), log_odds(0.1)])
    assert event_logit(deciles, -12.0)[0] == pytest.approx(3 * log_odds(0.9))
    assert event_logit(deciles, 1e9) == pytest.approx([10 * log_odds(0.1)] * 2)
    # deciles that cross are put in order; a forecast without any spread is a step
    assert event_logit(deciles[:, ::-1], 4.0) == pytest.approx(event_logit(deciles, 4.0))
    assert event_logit(np.zeros((1, 9)), 0.1) == pytest.approx([10 * log_odds(0.1)])


def test_two_parameters_calibrate_a_forecast_on_train(frame):
    target_R = label(frame, TASK).target_R
    train, later = np.arange(50, 400), np.arange(420, 790)
    model = ZeroShot(setting(), random_walk).fit(frame, train, target_R[train])
    assert model.head.weight_K.shape == (1,)
    logit, yes = model.predict(frame, later), target_R[later] > 0.5
    loss = np.logaddexp(0, np.where(yes, -logit, logit)).mean()
    rate = target_R[train].mean()
    base_rate = -(yes * np.log(rate) + ~yes * np.log(1 - rate)).mean()
    assert loss < base_rate - 0.03
    # a forecaster ten times too sure of itself is mended by the calibration
    sure = ZeroShot(setting(), lambda path, horizon: random_walk(path, horizon) * 3 + 0.01)
    mended = sure.fit(frame, train, target_R[train]).predict(frame, later)
    assert np.logaddexp(0, np.where(yes, -mended, mended)).mean() < base_rate - 0.03


def test_a_regression_is_forecast_by_the_mean_of_the_deciles(frame):
    task = TaskConfig(name="regression", horizon=2)

    def drift(path_BL, horizon):
        return path_BL[:, -5:-4].astype(np.float64) + 0.01 * NORMAL

    model = ZeroShot(setting(task), drift)
    ends = np.arange(60, 700)
    number = model.design(frame, ends)[:, 0]
    log_close = np.log(frame["close"].to_numpy())
    assert number == pytest.approx(log_close[ends - 4] - log_close[ends], abs=1e-6)
    forecast = model.fit(frame, ends, -2 * number).predict(frame, ends)
    assert np.corrcoef(forecast, -2 * number)[0, 1] == pytest.approx(1)


def test_the_calibration_is_fitted_on_few_windows_spread_over_train(frame):
    asked = []

    def counted(path_BL, horizon):
        asked.append(len(path_BL))
        return random_walk(path_BL, horizon)

    train = np.arange(50, 700)
    y = (train > 400).astype(float)
    model = ZeroShot(setting(), counted, calibrate_on=20).fit(frame, train, y)
    assert sum(asked) == 20
    last = ZeroShot(setting(), random_walk, calibrate_on=20)
    chosen = np.linspace(50, 699, 20).round().astype(int)
    last.fit(frame, chosen, y[chosen - 50])
    np.testing.assert_array_equal(model.predict(frame, train), last.predict(frame, train))
    assert model.predict(frame, train[:0]).shape == (0,)


def saved_chronos_bolt(folder) -> None:
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    config = T5Config(
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        vocab_size=2,
        pad_token_id=0,
        decoder_start_token_id=0,
    )
    config.chronos_config = {
        "context_length": 64,
        "prediction_length": 8,
        "input_patch_size": 4,
        "input_patch_stride": 4,
        "quantiles": list(DECILES),
        "use_reg_token": True,
    }
    config.chronos_pipeline_class = "ChronosBoltPipeline"
    ChronosBoltModelForForecasting(config).save_pretrained(folder)


def saved_chronos_2(folder) -> None:
    from chronos.chronos2 import Chronos2Model
    from chronos.chronos2.config import Chronos2CoreConfig

    config = Chronos2CoreConfig(d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    config.chronos_config = {
        "context_length": 64,
        "output_patch_size": 4,
        "input_patch_size": 4,
        "input_patch_stride": 4,
        "quantiles": [0.01, *DECILES, 0.99],
        "use_reg_token": True,
        "use_arcsinh": True,
        "max_output_patches": 4,
    }
    config.chronos_pipeline_class = "Chronos2Pipeline"
    Chronos2Model(config).save_pretrained(folder)


def saved_timesfm(folder) -> None:
    from timesfm3 import (
        ResidualBlockConfig,
        StackedTransformersConfig,
        TimesFM3Torch,
        TransformerConfig,
    )

    layer = TransformerConfig(
        model_dims=16,
        hidden_dims=16,
        num_heads=2,
        attention_norm="rms",
        feedforward_norm="rms",
        qk_norm="rms",
        use_bias=False,
        use_rope_seq=True,
        use_rope_var=True,
        ff_activation="relu",
        deterministic=True,
    )
    model = TimesFM3Torch(
        input_patch_len=8,
        output_patch_len=16,
        residual_block_config=ResidualBlockConfig(16, 16, False, "relu"),
        transformer_config=StackedTransformersConfig(1, layer),
    )
    model.pre_transformer_resblock.set_input_dims(2 * (8 + 16))
    model.save_pretrained(folder)


SAVED = {
    "fracast": None,  # its package holds the real ones
    "chronos_bolt": saved_chronos_bolt,
    "chronos_2": saved_chronos_2,
    "timesfm": saved_timesfm,
}


def made(name: str, folder, task: TaskConfig = TASK):
    """Return a baseline with tiny random weights, or a skip where its package is missing."""
    import torch

    if not BASELINES[name].is_installed:
        pytest.skip(f"{BASELINES[name].package} is not installed")
    options = {}
    if (save := SAVED[name]) is not None:
        torch.manual_seed(0)
        save(folder)
        options["weights"] = str(folder)
    return make_baseline(name, task=task, context_length=LENGTH, features=(), **options)


@pytest.mark.parametrize("name", SAVED)
def test_each_package_forecasts_from_the_window_alone(name, frame, tmp_path, capfd):
    model = made(name, tmp_path, TaskConfig(name="regression", horizon=2))
    train, later = np.arange(100, 104), np.array([300, 305])
    forecast = model.fit(frame, train, np.array([0.01, -0.01, 0.02, 0])).predict(frame, later)
    assert forecast.shape == (2,)
    assert np.isfinite(forecast).all()
    assert capfd.readouterr().out == ""  # a program's JSON stays JSON
    # neither what is after the decision or before the window is seen, nor the price's unit
    expected = model.design(frame, later)
    age, close = pl.int_range(pl.len()), pl.col("close")
    other = pl.when((age > 305) | (age <= 260)).then(close * 1.3).otherwise(close)
    np.testing.assert_array_equal(model.design(frame.with_columns(close=other), later), expected)
    ten = model.design(frame.with_columns(close=close * 10), later)
    np.testing.assert_allclose(ten, expected, rtol=1e-2, atol=1e-4)
    inside = frame.with_columns(close=pl.when(age == 290).then(close * 1.3).otherwise(close))
    assert not np.allclose(model.design(inside, later), expected, rtol=1e-2, atol=1e-4)
    # alone or beside others, a window has the same forecast
    np.testing.assert_allclose(model.design(frame, later[1:]), expected[1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SAVED)
def test_deciles_come_in_their_order_and_horizons_differ(name, frame, tmp_path):
    model = made(name, tmp_path)
    path = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (3, LENGTH)), axis=1)
    path = (path - path[:, -1:]).astype(np.float32)
    one, five = (model.forecaster(path, horizon) for horizon in (1, 5))
    assert one.shape == five.shape == (3, 9)
    assert not np.array_equal(one, five)


@pytest.mark.parametrize("name", SAVED)
def test_weights_that_are_not_there_get_one_sentence(name):
    if not BASELINES[name].is_installed:
        pytest.skip(f"{BASELINES[name].package} is not installed")
    with pytest.raises(FinscaleError, match="the weights of /no/such cannot be had: ") as error:
        make_baseline(name, task=TASK, context_length=LENGTH, features=(), weights="/no/such")
    assert "\n" not in error.value.message
    assert "options.weights" in error.value.hint


@pytest.mark.parametrize("name", SAVED)
def test_without_its_package_the_extra_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, BASELINES[name].package, None)
    assert not BASELINES[name].is_installed
    with pytest.raises(FinscaleError, match="is not installed") as error:
        make_baseline(name, task=TASK, context_length=LENGTH, features=())
    assert error.value.hint == "pip install 'finscale[foundation]' brings it"


def test_none_is_asked_for_unless_named():
    assert all(BASELINES[name].pretrained for name in SAVED)
    assert not any(BASELINES[name].is_at_hand for name in SAVED)
    assert BASELINES["logistic"].is_at_hand
    assert BASELINES["lightgbm"].is_at_hand == bool(importlib.util.find_spec("lightgbm"))
