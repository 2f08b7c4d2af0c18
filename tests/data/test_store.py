"""The data folder: bars and frames by name, verified on every read."""

import dataclasses
import datetime as dt
import resource
import signal
import subprocess
import sys

import polars as pl
import pytest

from finscale.data import Bars, DataStore
from finscale.data.bars import conform
from finscale.data.store import dataset_id
from finscale.errors import DataError

DATES = [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4)]


def _bars(symbol="SPY", close=(470.0, 471.0, 469.0), **fields):
    prices = {name: list(close) for name in ("open", "high", "low", "close")}
    frame = conform(symbol, pl.DataFrame({"date": DATES, **prices}))
    return Bars(
        **{"symbol": symbol, "frame": frame, "adjustment": "split", "source": "csv"} | fields
    )


@pytest.fixture
def store(tmp_path):
    return DataStore(tmp_path)


def test_bars_lie_where_the_design_says(store):
    entry = store.add_bars(_bars())
    assert (entry.id, entry.version, entry.path) == ("SPY.OHLCV.daily", "v1", "SPY.parquet")
    assert (entry.rows, entry.first_date, entry.last_date) == (3, DATES[0], DATES[2])
    assert (entry.adjustment, entry.source, entry.timescale) == ("split", "csv", "daily")
    assert store.bars("spy").frame.equals(_bars().frame)
    assert store.has_bars("SPY")
    assert not store.has_bars("DIA")


def test_the_same_bars_again_are_no_new_version_wherever_they_were_read(store):
    entry = store.add_bars(_bars(provenance={"file": "a.csv"}))
    assert store.add_bars(_bars(provenance={"file": "copy of a.csv"})) == entry
    second = store.add_bars(_bars(close=(470.0, 471.0, 469.5)))
    assert (second.version, second.path) == ("v2", "v2/SPY.parquet")
    assert store.bars("SPY").frame["close"][-1] == 469.5
    assert store.bars("SPY", "v1").frame["close"][-1] == 469.0
    assert store.symbols() == ("SPY",)
    other = store.add_bars(dataclasses.replace(store.bars("SPY"), adjustment="raw"))
    assert other.version == "v3"


def test_the_same_bars_with_another_calendar_are_a_new_version(store):
    assert store.add_bars(_bars(provenance={"calendar": "none"})).version == "v1"
    second = store.add_bars(_bars(provenance={"calendar": "XNYS"}))
    assert second.version == "v2"
    assert store.bars("SPY").provenance["calendar"] == "XNYS"
    assert store.add_bars(_bars(provenance={"calendar": "XNYS"})) == second


def test_no_bars_says_how_to_get_some(store):
    with pytest.raises(DataError, match="has no bars of SPY") as caught:
        store.bars("SPY")
    assert "finscale data download SPY" in caught.value.hint
    store.add_bars(_bars())
    with pytest.raises(DataError) as caught:
        store.bars("SPYY")
    assert caught.value.hint.startswith("Did you mean SPY?")


def test_a_changed_byte_is_never_read(store):
    entry = store.add_bars(_bars())
    path = store.raw.folder / entry.path
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"SPY\.parquet .* has changed since it was registered"):
        store.bars("SPY")
    assert [m.key for m in store.verify()] == ["SPY.OHLCV.daily@v1"]
    # bringing the same bars in again restores the file
    assert store.add_bars(_bars()) == entry
    assert store.bars("SPY").frame.equals(_bars().frame)


def _dataset(store, entry, frame=None, **fields):
    wanted = {
        "id": "SPY.dataset.a20",
        "kind": "dataset",
        "symbol": "SPY",
        "tier": "a20",
        "timescale": "daily",
        "parents": [entry],
    }
    frame = store.bars("SPY").adjusted() if frame is None else frame
    return store.add_frame(frame, **(wanted | fields))


def test_frames_lie_where_the_design_says_and_know_their_parents(store):
    bars = store.add_bars(_bars())
    entry = _dataset(store, bars)
    assert entry.path == "v1/SPY_dataset_a20.parquet"
    assert entry.parents == {"SPY.OHLCV.daily@v1": bars.sha256}
    assert (entry.adjustment, entry.source, entry.tier) == ("split", "csv", "a20")
    frame, again = store.frame("SPY.dataset.a20")
    assert again == entry
    assert frame.equals(store.bars("SPY").adjusted())
    assert _dataset(store, bars) == entry
    weekly = _dataset(store, bars, id="SPY.dataset.a20.weekly", timescale="weekly")
    assert weekly.path == "v1/SPY_dataset_a20_weekly.parquet"
    assert _dataset(store, bars, adjustment="split+dividend", frame=frame[1:]).adjustment == (
        "split+dividend"
    )
    assert store.verify() == []


@pytest.mark.parametrize(
    ("symbol", "name"), [("BRK/B", "BRK%2FB"), ("M&M.NS", "M%26M.NS"), ("ES1!", "ES1%21")]
)
def test_symbols_as_exchanges_write_them_have_files_of_their_own(store, symbol, name):
    bars = _bars(symbol)
    entry = store.add_bars(bars)
    assert (entry.path, entry.id) == (f"{name}.parquet", f"{symbol}.OHLCV.daily")
    assert store.bars(symbol.lower()).symbol == symbol
    frame = _dataset(
        store, entry, bars.adjusted(), id=dataset_id(symbol, "a20", "daily"), symbol=symbol
    )
    assert frame.path == f"v1/{name}_dataset_a20.parquet"
    assert store.frame(frame.id)[1] == frame
    assert store.verify() == []


def test_a_frame_without_rows_is_refused(store):
    entry = store.add_bars(_bars())
    with pytest.raises(DataError, match=r"SPY\.dataset\.a20 would have no rows"):
        _dataset(store, entry, frame=store.bars("SPY").adjusted()[:0])


def test_a_frame_whose_parents_are_gone_or_others_is_reported(store, tmp_path):
    entry = store.add_bars(_bars())
    _dataset(store, entry)
    foreign = entry.model_copy(update={"sha256": "0" * 64})
    _dataset(store, foreign, id="SPY.features.a20", kind="features")
    unknown = entry.model_copy(update={"version": "v9"})
    _dataset(store, unknown, id="SPY.features.a50", kind="features", tier="a50")
    assert [m.problem for m in store.verify()] == [
        "was made from another content of SPY.OHLCV.daily@v1",
        "was made from SPY.OHLCV.daily@v9, which is not registered",
    ]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_state(tmp_path):
    """A limit on the size of files stands in for the disk: the write fails half-way."""
    store = DataStore(tmp_path)
    store.add_bars(_bars())
    before = (tmp_path / "raw" / "manifest.json").read_bytes()
    child = """
import datetime as dt, random, sys
import polars as pl
from finscale.data.bars import PRICES, Bars, conform
from finscale.data.store import DataStore
from finscale.errors import FinscaleError
days = [dt.date(2000, 1, 1) + dt.timedelta(days=i) for i in range(5000)]
frame = pl.DataFrame({"date": days, **{n: [random.random() for _ in days] for n in PRICES}})
try:
    DataStore(sys.argv[1]).add_bars(Bars("SPY", conform("SPY", frame), "raw", "csv"))
except FinscaleError as error:
    sys.exit(error.message)
"""

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path)],
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot be written: File too large." in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "raw" / "manifest.json").read_bytes() == before
    assert store.verify() == []
    assert sorted(p.name for p in (tmp_path / "raw").iterdir() if p.suffix != ".lock") == [
        "SPY.parquet",
        "manifest.json",
    ]
