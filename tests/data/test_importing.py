"""Frames in memory are read, checked and registered as files are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import finscale as fs
from finscale.data.store import DataStore
from finscale.errors import DataError


def yahoo(num: int = 60) -> pd.DataFrame:
    """Return daily bars as yfinance returns them for one symbol."""
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2024-01-02", periods=num, tz="America/New_York", name="Date")
    days = days[~days.strftime("%Y-%m-%d").isin(["2024-01-15", "2024-02-19", "2024-03-29"])]
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
    return pd.DataFrame(
        {
            "Open": close * 0.999,
            "High": close * 1.01,
            "Low": close * 0.99,
            "Close": close,
            "Adj Close": close,
            "Volume": rng.integers(1_000, 9_000, len(days)),
        },
        index=days,
    )


@pytest.fixture
def store(tmp_path) -> DataStore:
    return DataStore(tmp_path / "data")


def closes(store: DataStore, symbol: str) -> np.ndarray:
    return store.bars(symbol).frame["close"].to_numpy()


def test_pandas_and_polars_give_the_same_bars(store) -> None:
    frame = yahoo()
    entry = fs.import_frame(frame, "spy", store=store, adjustment="split+dividend")
    assert (entry.symbol, entry.rows, entry.source) == ("SPY", len(frame), "frame")
    np.testing.assert_array_equal(closes(store, "SPY"), frame["Close"].to_numpy())
    plain = pl.from_pandas(frame.reset_index())
    again = fs.import_frame(plain, "SPY", store=store, adjustment="split+dividend")
    assert again.version == entry.version


def test_one_of_several_symbols_above_the_columns(store) -> None:
    frame, other = yahoo(), yahoo() * 2
    both = pd.concat({"SPY": frame, "QQQ": other}, axis=1).swaplevel(axis=1)
    fs.import_frame(both, "QQQ", store=store, adjustment="split+dividend")
    np.testing.assert_array_equal(closes(store, "QQQ"), other["Close"].to_numpy())


def test_one_of_several_symbols_in_the_rows(store) -> None:
    parts = [yahoo().assign(ticker="SPY"), (yahoo() * 2).assign(ticker="QQQ")]
    fs.import_frame(pd.concat(parts), "SPY", store=store, adjustment="split+dividend")
    np.testing.assert_array_equal(closes(store, "SPY"), yahoo()["Close"].to_numpy())


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([1, 2], "a pandas or polars frame is needed, not list"),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), "the frame has no column"),
        (yahoo().iloc[:0], "the frame has no rows"),
    ],
)
def test_what_holds_no_bars_is_refused(frame, words, store) -> None:
    with pytest.raises(DataError, match=words):
        fs.import_frame(frame, "SPY", store=store)
    assert not store.has_bars("SPY")
