"""A wrong call of a public name is one sentence that names the argument and a right call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import finscale as fs
from finscale.calling import spoken
from finscale.errors import CallError, FinscaleError


def _frame(**changed: Any) -> pd.DataFrame:
    close = 100 + np.arange(60.0)
    bars = {"Open": close, "High": close + 1, "Low": close - 1, "Close": close, "Volume": 9.0}
    return pd.DataFrame({**bars, **changed}, index=pd.bdate_range("2020-01-01", periods=60))


def _dataset(frame: Any = None, **options: Any) -> fs.FinancialDataset:
    asked = {"symbol": "SPY", "context_length": 10, "task": "direction", **options}
    frame = _frame() if frame is None else frame
    return fs.FinancialDataset.from_pandas(frame, **asked)


X, Y = torch.randn(8, 4, 2), torch.tensor([0.0, 1.0] * 4)
PAIRS = [(X, Y)]
SHAPE = {"num_features": 5, "context_length": 80}


def _polars() -> pl.DataFrame:
    return pl.DataFrame({"date": [dt.date(2020, 1, 1)], "close": [1.0]})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        # datasets
        (lambda: fs.FinancialDataset.from_pandas(), "needs frames, context_length and task"),
        (lambda: fs.FinancialDataset.from_pandas(_frame(), task="direction"), "context_length"),
        (lambda: _dataset(context=3), "takes no context.*Did you mean context_length"),
        (lambda: _dataset(task="directon"), "nearest: direction"),
        (lambda: _dataset(task=3), "a task's name is needed"),
        (lambda: _dataset(context_length="20"), "'20': a whole number of 1 or more"),
        (lambda: _dataset(context_length=20.5), "20.5: a whole number"),
        (lambda: _dataset(inputs="levels"), "Did you mean level"),
        (lambda: _dataset(features="close"), r'features=\["close"\]'),
        (lambda: _dataset(features=["clse"]), "Did you mean close"),
        (lambda: _dataset(symbol=3), 'symbol="3"'),
        (lambda: _dataset(_polars()), "from_frames takes polars"),
        (lambda: _dataset("bars.csv"), "read_csv"),
        (lambda: _dataset(_frame()[:0]), "no rows"),
        (lambda: _dataset(_frame(Close="high")), "close holds str"),
        (lambda: _dataset(_frame().reset_index(names="date").assign(date="x")), "as dates"),
        (lambda: _dataset(pd.concat({"SPY": _frame()}, axis=1)), "2 levels"),
        (lambda: _dataset(pd.concat([_frame(), _frame()[["Low"]]], axis=1)), "two columns Low"),
        (lambda: fs.FinancialDataset.from_frames([_polars()]), "needs context_length and task"),
        # a network
        (lambda: fs.PatchTST(), "needs num_features, context_length, depth"),
        (lambda: fs.PatchTST(budget="2M"), "needs num_features and context_length"),
        (lambda: fs.PatchTST(budget="2M", num_featurs=5), "Did you mean num_features"),
        (lambda: fs.PatchTST(budget="two", **SHAPE), "'two' is not a count"),
        (lambda: fs.PatchTST(budget=-3, **SHAPE), "budget is -3"),
        (lambda: fs.PatchTST(budget="50k", depth=2, **SHAPE), "a budget or depth, not both"),
        (lambda: fs.PatchTST(budget="50k", dropout=3, **SHAPE), "dropout is 3"),
        (lambda: fs.PatchTST(budget="50k", norm="leyer", **SHAPE), "Did you mean layer"),
        (lambda: fs.PatchTST(budget="50k", num_features=0, context_length=80), "features is 0"),
        (lambda: fs.PatchTST("2M"), "by name"),
        (lambda: fs.solve_budget(), "needs budget, num_features and context_length"),
        # loaders
        (lambda: fs.from_loaders(PAIRS), "needs validation and task"),
        (lambda: fs.from_loaders(PAIRS, PAIRS), "needs task"),
        (lambda: fs.from_loaders(PAIRS, PAIRS, task="directon"), "nearest: direction"),
        (lambda: fs.from_loaders(PAIRS, 3, task="direction"), "validation loader is 3"),
        (lambda: fs.from_loaders([(X, ["a"] * 8)], PAIRS, task="direction"), "no number"),
        (lambda: fs.from_loaders([(X, Y + 5)], PAIRS, task="direction"), "a class is 0 or 1"),
        (lambda: fs.from_loaders([*PAIRS, (X[:, :2], Y)], PAIRS, task="direction"), "later"),
        (lambda: fs.from_loaders([(X, Y, Y)], PAIRS, task="direction"), "tuple of 3"),
        # configs
        (lambda: fs.ExperimentConfig(budget="2M"), "Did you mean model.budget"),
        (lambda: fs.ExperimentConfig(epochs=3), "Did you mean training.epochs"),
        (lambda: fs.ExperimentConfig(symbol="SPY"), "Did you mean data.symbols"),
        (lambda: fs.ExperimentConfig(model={"budgt": "2M"}), "Did you mean model.budget"),
        (lambda: fs.ExperimentConfig(task="direction"), "task: {name: direction}"),
        (lambda: fs.ExperimentConfig(model="2M"), "such as budget: 2M"),
        (lambda: fs.ExperimentConfig(seed="a"), "seed = 'a'"),
        (lambda: fs.ExperimentConfig("a.yaml"), r"from_file\('a.yaml'\) reads"),
        (lambda: fs.ExperimentConfig({"seed": 1}), r"\*\*settings"),
        (lambda: fs.ExperimentConfig.from_file(), "needs path"),
        (lambda: fs.ExperimentConfig.from_file(3), "path as Path or str, not 3"),
        (lambda: fs.StudyConfig(), "name is missing"),
        (lambda: fs.StudyConfig(name="x", axes={"paramters": [1]}), "nearest: parameters"),
        # runs, studies and the rest
        (lambda: fs.load_run(), "needs run"),
        (lambda: fs.load_run(3), "run as str or Path or Run, not 3"),
        (lambda: fs.load_run(None), "not None"),
        (lambda: fs.Study.from_file("sp500_first", quik=True), "Did you mean quick"),
        (lambda: fs.Study("sp500_first"), "config as StudyConfig"),
        (lambda: fs.run_experiment("threshold_1pct"), "config as ExperimentConfig"),
        (lambda: fs.Trainer(), "needs model, dataset, split, config and task"),
        (lambda: fs.import_frame(_frame()), "needs symbol"),
        (lambda: fs.fit_law(), "needs table"),
        (lambda: fs.audit(), "needs subject"),
    ],
)
def test_a_wrong_call_is_one_sentence(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(FinscaleError, match=f"(?s){said}") as caught:
        call()
    assert "\n" not in caught.value.message


def test_an_error_of_the_function_itself_passes() -> None:
    @spoken("half(8)")
    def half(number: int, place: list[int] | None = None) -> float:
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        half(0)
    with pytest.raises(CallError, match="number as int, not '8'"):
        half("8")  # type: ignore[arg-type]
    assert issubclass(CallError, TypeError)


def test_a_dataset_counts_and_gives_its_windows() -> None:
    dataset = _dataset()
    assert len(dataset) == 50
    x_LF, y = dataset[0]
    assert x_LF.shape == (10, 5)
    assert y in (0, 1)
    assert torch.equal(dataset[-1][0], dataset[len(dataset) - 1][0])
    x_BLF, y_B = dataset[:3]
    assert torch.equal(x_BLF[0], x_LF)
    assert y_B.shape == (3,)
    assert len(list(dataset)) == 50
    assert repr(dataset).startswith("FinancialDataset(SPY: 50 windows of 10 rows × 5 features")
    with pytest.raises(IndexError, match="the dataset has 50"):
        dataset[50]
    with pytest.raises(FinscaleError, match="not by 'close'"):
        dataset["close"]


def test_one_frame_may_hold_several_symbols() -> None:
    both = pd.concat([_frame(symbol="A"), _frame(symbol="B")])
    assert _dataset(both, symbol=None).symbols == ("A", "B")


def test_settings_may_be_one_text_or_a_dict() -> None:
    for settings in ("training.epochs=3", {"training.epochs": 3}, ["training.epochs=3"]):
        config = fs.ExperimentConfig.from_file("threshold_1pct", settings)
        assert config.training.epochs == 3
