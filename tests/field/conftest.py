"""Files in the forms that people's programs write: ``../shared/data/field`` where it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finscale.data.bars import Bars
from finscale.data.sources import fetch_bars

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "field"


@pytest.fixture
def field() -> Callable[[str], Path]:
    """Return a function from a file's name to its path; the test is skipped without the folder."""

    def path(name: str) -> Path:
        if not FOLDER.is_dir():
            pytest.skip("the shared development data are not here")
        return FOLDER / name

    return path


@pytest.fixture
def bars_of(field: Callable[[str], Path]) -> Callable[..., Bars]:
    """Return a function that imports one of the folder's files as ``data import`` does."""

    def fetch(name: str, symbol: str, **options: Any) -> Bars:
        return fetch_bars("csv", symbol, file=field(name), **options)

    return fetch
