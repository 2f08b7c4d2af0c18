"""A data folder with bundled bars, and an experiment that takes a second."""

from __future__ import annotations

import pytest

from finscale.config import ExperimentConfig, load_config


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def tiny(root, data_root) -> ExperimentConfig:
    settings = [
        "model.budget=3k",
        "training.epochs=2",
        "training.batch_size=256",
        "training.threads=1",
        "training.thermal.enabled=false",
        f"data.root={data_root}",
    ]
    return load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)
