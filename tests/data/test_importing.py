"""Frames in memory are read, checked and registered as files are."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

import finscale as fs
from finscale.data.keywords import as_keywords
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


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="Adj Close").reset_index()


def _spike(frame: pd.DataFrame, column: str, times: float) -> pd.DataFrame:
    spoilt = frame.copy()
    spoilt.loc[spoilt.index[30], column] *= times
    return spoilt


def _split(frame: pd.DataFrame) -> pd.DataFrame:
    spoilt = frame.copy()
    prices = ["Open", "High", "Low", "Close"]
    spoilt.loc[spoilt.index[30] :, prices] /= 4
    return spoilt


@pytest.mark.parametrize(
    ("frame", "options"),
    [
        (_named(yahoo()), {}),
        (_named(yahoo()).rename(columns={"Open": "A1", "High": "B1"}), {}),
        (_named(yahoo()).assign(Settle=1.0), {}),
        (_spike(_named(yahoo()), "High", 1.5), {"adjustment": "split"}),
        (_split(_named(yahoo())), {"adjustment": "raw"}),
        (_named(yahoo()).assign(Open=0.0), {"adjustment": "split"}),
        (_named(yahoo()).assign(Volume=0, TickVolume=5), {"adjustment": "split"}),
        (_named(yahoo()).rename(columns={"Volume": "Trd_Qty_X"}), {"adjustment": "split"}),
        (yahoo(), {"format": "nobody"}),
        (yahoo(), {"calendar": "XTKS"}),
        (yahoo(), {"where": "Volume=x"}),
    ],
)
def test_what_python_is_told_is_python(frame, options, store) -> None:
    with pytest.raises(DataError) as error:
        fs.import_frame(frame, "SPY", store=store, **options)
    assert "--" not in str(error.value)


def test_the_way_out_that_is_named_works(store) -> None:
    frame = _spike(_named(yahoo()), "High", 1.5)
    with pytest.raises(DataError) as error:
        fs.import_frame(frame, "SPY", store=store, adjustment="split")
    written = re.search(r"`(real_moves=\[[^`]*\])`", error.value.hint)[1]
    options = eval(f"dict({written})")
    entry = fs.import_frame(frame, "SPY", store=store, adjustment="split", **options)
    assert entry.rows == len(frame)
    split = _split(_named(yahoo()))
    with pytest.raises(DataError) as error:
        fs.import_frame(split, "SPY", store=store, adjustment="raw")
    written = re.search(r"`(splits=\[[^`]*\])`", error.value.hint)[1]
    options = eval(f"dict({written})")
    assert fs.import_frame(split, "QQQ", store=store, **options).rows == len(split)
    with pytest.raises(DataError, match="'soon' is not a date"):
        fs.import_frame(split, "QQQ", store=store, real_moves=["soon"])


@pytest.mark.parametrize(
    ("said", "python"),
    [
        ("--columns 'open=Px Open' (a", 'columns="open=Px Open" (a'),
        ("name it: --columns close=Settle, or", 'name it: columns="close=Settle", or'),
        ("--columns volume= goes without", 'columns="volume=" goes without'),
        ("`--drop 2024-01-02:2024-01-05` to", '`drop=[("2024-01-02", "2024-01-05")]` to'),
        ("--split 2023-03-15:4:3; look", 'splits=[("2023-03-15", 4 / 3)]; look'),
        (
            "say so: --adjustment split+dividend (most)",
            'say so: adjustment="split+dividend" (most)',
        ),
        ("--calendar none accepts", 'calendar="none" accepts'),
        ("--date-format %d/%m/%Y", 'date_format="%d/%m/%Y"'),
        ("--century 1900 reads", "century=1900 reads"),
        ("leave --format away", "leave format= away"),
        ("--ticker 'SPY US' says", 'ticker="SPY US" says'),
        ("and --strict was given", "and strict=True was given"),
        ("no option here", "no option here"),
    ],
)
def test_options_become_keywords(said, python) -> None:
    assert as_keywords(said) == python
