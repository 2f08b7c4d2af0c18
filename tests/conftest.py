"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from finscale.config import ExperimentConfig, load_config

# speed is never asserted: on a busy machine an example may take ten times as long
settings.register_profile("finscale", deadline=None)
settings.load_profile("finscale")

# two test workers on two cores: one thread each
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """Return a data folder with bundled bars."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def tiny(root, data_root) -> ExperimentConfig:
    """Return an experiment that takes a second."""
    settings = [
        "model.budget=3k",
        "training.epochs=2",
        "training.batch_size=256",
        "training.threads=1",
        "training.thermal.enabled=false",
        f"data.root={data_root}",
    ]
    return load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)
