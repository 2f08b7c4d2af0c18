"""Runs on a few real bars, trained once for all files of this folder."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

import finscale as fs
from finscale.config import ExperimentConfig, load_config
from finscale.data import DataStore, fetch_bars
from finscale.experiment import TrainedRun
from finscale.runs import RunStore

NUM_BARS = 1_100


@pytest.fixture(scope="session")
def desk(root, tmp_path_factory):
    """Return what trains a run on some real bars in a second or two, each once."""
    folder = tmp_path_factory.mktemp("predicting")
    sp500 = fetch_bars("bundled", "SP500")
    mini = replace(
        sp500, symbol="MINI", frame=sp500.frame[-NUM_BARS:].with_columns(symbol=pl.lit("MINI"))
    )
    DataStore(folder / "data").add_bars(mini)
    made: dict[tuple[str, ...], TrainedRun] = {}

    def train(*settings: str):
        if settings not in made:
            common = [
                "data.symbols=MINI",
                "data.context_length=24",
                f"data.root={folder / 'data'}",
                "split.train_end=2016-12-30",
                "split.validation_end=2017-12-29",
                "model.budget=5k",
                "training.epochs=1",
                "training.batch_size=128",
                "training.threads=1",
                "training.thermal.enabled=false",
            ]
            config = load_config(
                ExperimentConfig,
                root / "configs/daily/threshold_1pct.yaml",
                [*common, *settings],
            )
            run = fs.run_experiment(config, runs=RunStore(folder / "runs"))
            made[settings] = fs.load_run(run)
        return made[settings]

    train.folder = folder
    train.bars = mini
    return train
