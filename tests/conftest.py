"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep remembered batch sizes of this machine out of the tests, and the tests' out of it."""
    monkeypatch.setenv("FINSCALE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
