import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finscale.config import SplitConfig, TaskConfig
from finscale.config.names import CROSS_SECTIONAL, TASK_KINDS, TASK_NAMES
from finscale.data import FinancialDataset
from finscale.data.targets import TASKS, Task, label, task_reach, timeline
from finscale.errors import DataError


def bars(close: list[float], high: list[float] | None = None) -> pl.DataFrame:
    days = [dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(len(close))]
    return pl.DataFrame(
        {"date": days, "symbol": ["X"] * len(close), "high": high or close, "close": close}
    )


FRAME = bars([100.0, 101.0, 99.0, 99.0, 104.0], high=[100.5, 101.5, 101.0, 99.5, 104.5])
NAN = math.nan


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"name": "direction"}, [1, 0, 0, 1, NAN]),
        ({"name": "direction", "horizon": 2}, [0, 0, 1, NAN, NAN]),
        ({"name": "threshold_1pct"}, [1, 0, 0, 1, NAN]),
        # from 101: highs 101, 99.5, 104.5 against 102.01
        ({"name": "threshold_1pct", "horizon": 3}, [1, 1, NAN, NAN, NAN]),
        ({"name": "threshold_2pct", "horizon": 2}, [0, 0, 1, NAN, NAN]),
        ({"name": "threshold_1pct", "touch": "close"}, [1, 0, 0, 1, NAN]),
        ({"name": "threshold_1pct", "horizon": 2, "touch": "close"}, [1, 0, 1, NAN, NAN]),
        ({"name": "threshold_5pct"}, [0, 0, 0, 1, NAN]),
        ({"name": "threshold_5pct", "touch": "close"}, [0, 0, 0, 1, NAN]),
        ({"name": "regression"}, np.log([1.01, 99 / 101, 1.0, 104 / 99, NAN])),
        ({"name": "regression", "horizon": 4}, [math.log(1.04), NAN, NAN, NAN, NAN]),
    ],
)
def test_labels_by_hand(task, expected):
    labels = label(FRAME, TaskConfig(**task))
    np.testing.assert_array_equal(labels.target_R, np.asarray(expected, dtype=np.float32))
    assert labels.target_R.dtype == np.float32


def test_the_threshold_counts_when_it_is_touched_exactly():
    frame = bars([100.0, 100.0], high=[100.0, 100.0 * 1.01])
    assert label(frame, TaskConfig(name="threshold_1pct")).target_R[0] == 1
    below = bars([100.0, 100.0], high=[100.0, math.nextafter(100.0 * 1.01, 0)])
    assert label(below, TaskConfig(name="threshold_1pct")).target_R[0] == 0


def test_an_unchanged_close_is_no_rise():
    assert label(bars([5.0, 5.0]), TaskConfig(name="direction")).target_R[0] == 0


def test_reach_is_the_last_bar_that_counts():
    assert label(FRAME, TaskConfig(horizon=2)).reach_R.tolist() == [2, 3, 4, 4, 4]


def test_data_shorter_than_the_horizon_have_no_label():
    assert np.isnan(label(FRAME, TaskConfig(horizon=5)).target_R).all()
    assert np.isnan(label(FRAME, TaskConfig(horizon=9)).target_R).all()


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (
            {},
            "threshold_1pct, H = 1: decided at the close of t; yes if the high of t+1 ≥ close·1.01",
        ),
        (
            {"name": "threshold_0.5pct", "horizon": 5, "touch": "close"},
            "threshold_0.5pct, H = 5: decided at the close of t; "
            "yes if a close of t+1 … t+5 ≥ close·1.005",
        ),
        (
            {"name": "direction", "horizon": 3},
            "direction, H = 3: decided at the close of t; yes if the close of t+3 > close",
        ),
        (
            {"name": "regression"},
            "regression, H = 1: decided at the close of t; the target is log(close of t+1 / close)",
        ),
    ],
)
def test_each_task_prints_its_timeline(task, words):
    assert timeline(TaskConfig(**task)) == words
    assert label(FRAME, TaskConfig(**task)).timeline == words


def test_every_task_of_the_config_is_declared():
    assert set(TASKS) == set(TASK_NAMES.built_in) == set(TASK_KINDS)
    assert {name: task.kind for name, task in TASKS.items()} == TASK_KINDS
    assert TaskConfig(name="regression").kind == "regression"


@pytest.mark.parametrize(
    ("close", "message"),
    [
        ([1.0, None, 2.0], "X: close is nan on 2024-01-02|X: close is None on 2024-01-02"),
        ([1.0, 2.0, 0.0], "X: close is 0.0 on 2024-01-03"),
        ([1.0, -2.0, 1.0], "X: close is -2.0 on 2024-01-02"),
    ],
)
def test_a_bad_price_is_named(close, message):
    with pytest.raises(DataError, match=message):
        label(bars(close, high=[3.0, 3.0, 3.0]), TaskConfig(name="direction"))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="need the column high"):
        label(FRAME.drop("high"), TaskConfig())


@settings(max_examples=80, deadline=None)
@given(
    prices=st.lists(st.tuples(st.floats(1, 200), st.floats(1, 1.2)), min_size=2, max_size=30),
    name=st.sampled_from(sorted(set(TASKS) - CROSS_SECTIONAL)),
    horizon=st.integers(1, 6),
    touch=st.sampled_from(["high", "close"]),
    data=st.data(),
)
def test_a_label_depends_on_nothing_beyond_its_reach(prices, name, horizon, touch, data):
    close = [price for price, _ in prices]
    high = [price * factor for price, factor in prices]
    task = TaskConfig(name=name, horizon=horizon, touch=touch)
    labels = label(bars(close, high), task)
    row = data.draw(st.integers(0, len(close) - 1))
    reach = labels.reach_R[row]
    if np.isnan(labels.target_R[row]):
        assert row + horizon >= len(close)
        return
    assert reach == row + horizon
    cut = label(bars(close[: reach + 1], high[: reach + 1]), task)
    assert cut.target_R[row] == labels.target_R[row]
    # the naive definition
    after = (high if touch == "high" else close)[row + 1 : reach + 1]
    if name.startswith("threshold"):
        percent = float(name.removeprefix("threshold_").removesuffix("pct"))
        assert labels.target_R[row] == (max(after) >= close[row] * (1 + percent / 100))
    elif name == "direction":
        assert labels.target_R[row] == (close[reach] > close[row])
    else:
        assert labels.target_R[row] == np.float32(np.log(close[reach] / close[row]))


BARS = pl.DataFrame(
    {
        "date": [dt.date(2024, 1, day) for day in range(1, 7)],
        "symbol": ["A"] * 6,
        "open": [1.0, 2.0, 4.0, 3.0, 5.0, 1.0],
        "volume": [0.0, 10.0, 0.0, 5.0, 1.0, 9.0],
    }
)


@pytest.fixture
def declare(monkeypatch):
    """Return what declares a task until the test is over."""

    def add(name: str, task: Task) -> TaskConfig:
        monkeypatch.setattr(TASKS, "_entries", dict(TASKS))
        monkeypatch.setattr(TASK_NAMES, "_known", dict.fromkeys(TASK_NAMES))
        monkeypatch.setitem(TASK_KINDS, name, task.kind)
        TASKS.add(name, task)
        return TaskConfig(name=name)

    return add


def next_open_over_its_volume(prices, task):
    """Return the gain of the open from t+1 to t+3 where t+2 has volume."""
    assert list(prices) == ["open", "volume"]
    gain = prices["open"][3:] - prices["open"][1:-2]
    return gain * (prices["volume"][2:-1] > 0)


def test_a_task_gets_the_columns_that_it_declares_and_labels_reach_as_far_as_it_says(declare):
    task = Task(
        next_open_over_its_volume,
        lambda task: "the gain of the open from t+1 to t+3",
        inputs=("open", "volume"),
        reach=lambda task: task.horizon + 2,
        kind="regression",
    )
    config = declare("open_gain", task)
    labels = label(BARS, config)
    # 3 - 2 without volume on the third day, 5 - 4, 1 - 3
    assert labels.target_R[:3].tolist() == [0.0, 1.0, -2.0]
    assert np.isnan(labels.target_R[3:]).all()
    assert labels.reach_R.tolist() == [3, 4, 5, 5, 5, 5]
    assert config.kind == "regression"
    assert labels.timeline.endswith(
        "decided at the close of t; the gain of the open from t+1 to t+3"
    )


def test_the_purge_follows_the_reach_and_not_the_horizon(declare):
    far = declare(
        "far",
        Task(
            lambda prices, task: (prices["close"][5:] > prices["close"][:-5]).astype(float),
            lambda task: "yes if the close of t+5 > close",
            inputs=("close",),
            reach=lambda task: 5,
        ),
    )
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=day) for day in range(60)]
    close = np.r_[np.arange(30.0), np.arange(30.0, 0.0, -1)] + 10
    bars = pl.DataFrame({"date": days, "symbol": "A", "close": close})
    split = SplitConfig(train_end=days[29], validation_end=days[44], embargo=0)
    purged = {
        task: FinancialDataset.from_frames([bars], context_length=2, task=config)
        .split(split)
        .num_purged
        for task, config in {"far": far, "near": TaskConfig(name="direction")}.items()
    }
    # before validation and before test: the last 5 decisions, the last one
    assert purged == {"far": 10, "near": 2}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            Task(lambda prices, task: prices["close"], lambda task: "", inputs=("close",)),
            r"task odd gives labels of shape \(3,\) for 3 rows",
        ),
        (
            Task(lambda p, t: p["close"], lambda t: "", inputs=("close",), reach=lambda task: 0),
            "task odd says that its labels reach 0 bars ahead",
        ),
    ],
)
def test_a_task_that_is_not_as_it_says_is_refused(declare, task, message):
    bars = BARS[:3].with_columns(close=pl.lit(1.0))
    config = declare("odd", task)
    with pytest.raises(DataError, match=message):
        label(bars, config)


def test_a_task_reads_columns_of_bars_only(declare):
    for inputs, found in ((("close", "rsi_14"), "rsi_14"), ((), "nothing")):
        with pytest.raises(ValueError, match=f"task 'odd' reads {found}; inputs are some of open"):
            declare("odd", Task(lambda p, t: p["close"], lambda t: "", inputs=inputs))
    assert "odd" not in list(TASK_NAMES)


def test_a_horizon_is_a_reach_where_nothing_else_is_said():
    assert {name: task_reach(TaskConfig(name=name, horizon=7)) for name in TASKS} == dict.fromkeys(
        TASKS, 7
    )
