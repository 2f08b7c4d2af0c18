from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from finscale.data import DataStore, fetch_bars


def random_bars(num_rows: int, seed: int = 0) -> pl.DataFrame:
    """A random walk on weekdays, with some flat days and some days without volume."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, num_rows)))
    open_ = close * np.exp(rng.normal(0, 0.01, num_rows))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.01, num_rows)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.01, num_rows)))
    volume = rng.integers(0, 10**7, num_rows).astype(float)
    flat = rng.random(num_rows) < 0.05
    open_[flat] = high[flat] = low[flat] = close[flat]
    volume[rng.random(num_rows) < 0.05] = 0.0
    days = np.busday_offset("2020-01-01", np.arange(num_rows), roll="forward")
    return pl.DataFrame(
        {
            "date": days.astype("datetime64[D]"),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
    )


@pytest.fixture
def make_bars() -> Callable[..., pl.DataFrame]:
    return random_bars


@pytest.fixture(scope="session")
def sp500() -> pl.DataFrame:
    return fetch_bars("bundled", "SP500").adjusted()


@pytest.fixture
def store(tmp_path) -> DataStore:
    store = DataStore(tmp_path)
    store.add_bars(fetch_bars("bundled", "SP500"))
    return store


@pytest.fixture
def flat_bars() -> pl.DataFrame:
    days = [dt.date(2020, 1, 1) + dt.timedelta(day) for day in range(300)]
    prices = dict.fromkeys(("open", "high", "low", "close"), pl.Series([20.0] * 300))
    return pl.DataFrame({"date": days} | prices | {"volume": pl.Series([0.0] * 300)})
