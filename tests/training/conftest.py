"""One small real dataset and trainers on it."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
import torch

from finscale.config import ModelConfig, SplitConfig, TaskConfig, TrainingConfig
from finscale.data import FinancialDataset
from finscale.models import build_model
from finscale.training import Callback, Trainer

NETWORK = ModelConfig(depth=1, width=8, heads=2, patch_length=8, stride=4, dropout=0.2)
SPLIT = SplitConfig(train_end=dt.date(2000, 9, 5), validation_end=dt.date(2000, 11, 15))
SETTINGS = {
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "threads": 1,
    "device": "cpu",
    "patience": None,
}


def make_dataset(task: TaskConfig) -> FinancialDataset:
    """400 days of a random walk whose volatility moves, so that there is something to learn."""
    rng = np.random.default_rng(7)
    days = 400
    volatility = 0.01 * np.exp(0.9 * np.sin(np.arange(days) / 25))
    close = 100 * np.exp(np.cumsum(volatility * rng.standard_normal(days)))
    frame = pl.DataFrame(
        {
            "date": [dt.date(2000, 1, 1) + dt.timedelta(days=day) for day in range(days)],
            "symbol": ["WALK"] * days,
            "open": close,
            "high": close * (1 + volatility),
            "low": close * (1 - volatility),
            "close": close,
            "volume": rng.uniform(1e3, 1e4, days),
        }
    )
    return FinancialDataset.from_frames([frame], context_length=16, task=task)


@pytest.fixture(scope="session")
def task():
    return TaskConfig(name="threshold_1pct")


@pytest.fixture(scope="session")
def windows(task):
    """Dataset and split."""
    dataset = make_dataset(task)
    split = dataset.split(SPLIT)
    return dataset.scaled(split.train), split


@pytest.fixture
def make_regression_trainer():
    """Return a trainer of next-day returns with a given loss."""
    task = TaskConfig(name="regression")
    dataset = make_dataset(task)
    split = dataset.split(SPLIT)

    def make(loss, num_outputs):
        torch.manual_seed(0)
        model = build_model(
            NETWORK,
            num_features=5,
            context_length=16,
            head="regression",
            num_outputs=num_outputs,
        )
        config = TrainingConfig(**SETTINGS, loss=loss)
        return Trainer(model, dataset.scaled(split.train), split, config, task=task)

    return make


@pytest.fixture
def make_trainer(windows, task):
    """Return a trainer of a tiny PatchTST; keywords change its settings."""
    dataset, split = windows

    def make(
        folder=None, callbacks=(), seed=0, model=None, dataset=dataset, split=split, **settings
    ):
        torch.manual_seed(seed)
        model = model or build_model(NETWORK, num_features=5, context_length=16)
        config = TrainingConfig(**{**SETTINGS, **settings})
        return Trainer(
            model,
            dataset,
            split,
            config,
            task=task,
            seed=seed,
            callbacks=callbacks,
            folder=folder,
        )

    return make


class RuinAfter(Callback):
    """Spoil the weights after an epoch, so that no later one is the best."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer, record):
        if record["epoch"] == self.epoch:
            with torch.no_grad():
                trainer.model.head.project.weight.fill_(50.0)


@pytest.fixture
def ruin_after():
    return RuinAfter


TIMED = ("seconds", "samples_per_second")


@pytest.fixture(scope="session")
def outcome():
    """Return all that must be the same bits: weights, predictions, history without timings."""

    def describe(trainer, result):
        weights = {name: t.numpy().tobytes() for name, t in trainer.model.state_dict().items()}
        history = [
            {name: value for name, value in record.items() if name not in TIMED}
            for record in result.history
        ]
        logit = trainer.predict(trainer.split.test)
        return weights, history, logit.tobytes(), result.steps, result.stopped

    return describe
