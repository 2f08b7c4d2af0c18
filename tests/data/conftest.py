"""What the tests of bars share."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

_NOBODY = 65534


@pytest.fixture
def unprivileged():
    """A folder of a user whom permissions bind: root takes another identity for the test."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def shared_data():
    """Real files for development, beside the repository; not part of it."""
    folder = Path(__file__).parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared development data are not here")
    return folder


@pytest.fixture(scope="session")
def closes():
    """Return random closes of the days of 2020 for each of some names."""

    def made(names):
        rng = np.random.default_rng(0)
        days = np.datetime64("2020-01-01") + np.arange(366)
        return [
            pl.DataFrame(
                {
                    "date": days,
                    "symbol": [name] * len(days),
                    "close": np.exp(np.cumsum(rng.normal(0, 0.01, len(days)))),
                }
            )
            for name in names
        ]

    return made
