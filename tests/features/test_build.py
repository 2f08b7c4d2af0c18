from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from finscale.config.tiers import note_tier, tier_key
from finscale.data import Bars, DataStore, fetch_bars
from finscale.data.bars import conform
from finscale.data.frames import relative_names
from finscale.errors import DataError, FinscaleError
from finscale.features import (
    TIERS,
    build_dataset,
    build_datasets,
    compute_features,
    dataset_columns,
    is_current,
    relative_columns,
    reuse,
)
from finscale.features import build as module
from finscale.features.reuse import side_by_side


def test_the_dataset_begins_where_every_feature_has_a_value(store):
    entry = build_dataset(store, "sp500")
    frame, _ = store.frame("SP500.dataset.a20")
    assert (entry.rows, entry.kind, entry.tier, entry.timescale) == (
        4832,
        "dataset",
        "a20",
        "daily",
    )
    assert np.isfinite(frame.drop("date", "symbol").to_numpy()).all()
    whole = compute_features(store.bars("SP500").adjusted(), "a20")
    assert frame[:, :27].equals(whole[199:])
    assert frame[:, 27:].equals(relative_columns(whole)[199:])
    assert tuple(frame.columns) == dataset_columns("a20")
    assert frame.width == 27 + 26


def test_features_keep_the_warm_up(store):
    build_dataset(store, "SP500")
    features, entry = store.frame("SP500.features.a20")
    assert entry.rows == 5031
    assert features.columns[:3] == ["date", "symbol", "dema_9"]
    assert features["sma_200"].is_nan().sum() == 199


def test_parents_carry_their_digests(store):
    dataset = build_dataset(store, "SP500")
    bars, features = store.raw.get("SP500.OHLCV.daily"), store.processed.get("SP500.features.a20")
    assert features.parents == {bars.key: bars.sha256}
    assert dataset.parents == {bars.key: bars.sha256, features.key: features.sha256}
    assert store.verify() == []


def test_building_again_registers_nothing(store):
    first = build_dataset(store, "SP500")
    assert build_dataset(store, "SP500") == first
    assert len(store.processed.entries()) == 2


def test_the_features_have_no_relative_columns(store):
    build_dataset(store, "SP500")
    assert relative_names(store.frame("SP500.features.a20")[0].columns) == ()


def test_a_short_tier_begins_where_its_relative_columns_do(store, monkeypatch):
    monkeypatch.setattr(TIERS, "_entries", {"short": ("sma_12", "obv")})
    assert build_dataset(store, "SP500", tier="short").rows == 5031 - 20
    monkeypatch.setattr(TIERS, "_entries", {"shorter": ("sma_12",)})
    assert build_dataset(store, "SP500", tier="shorter").rows == 5031 - 19


def registered_anew(store, built):
    """Register the dataset with its first 27 columns alone, as it once was."""
    frame, _ = store.frame(built.id)
    parents = [store.raw.get("SP500.OHLCV.daily"), store.processed.get("SP500.features.a20")]
    about = {"kind": "dataset", "symbol": "SP500", "tier": "a20", "timescale": "daily"}
    return store.add_frame(frame[:, :27], id=built.id, parents=parents, **about)


def test_a_dataset_of_other_columns_is_out_of_date(store, monkeypatch):
    built = build_dataset(store, "SP500")
    assert is_current(store, built)
    before = registered_anew(store, built)
    assert not is_current(store, before)
    again = build_dataset(store, "SP500")
    assert (before.version, again.version) == ("v2", "v3")
    assert is_current(store, again)
    monkeypatch.setattr(TIERS, "_entries", {"a20": TIERS["a20"][:-1]})
    assert not is_current(store, again)


def test_of_datasets_alike_one_is_looked_at(store, monkeypatch):
    """A panel's hundreds of datasets have the same columns and declarations; one of before not."""
    built = build_dataset(store, "SP500")
    older = registered_anew(store, built)
    asked: list[tuple] = []
    real = module._is_current
    monkeypatch.setattr(module, "_is_current", lambda *key: asked.append(key) or real(*key))
    judged: module.Judged = {}
    entries = [built, older, built, older, built]
    assert [is_current(store, one, judged) for one in entries] == [True, False, True, False, True]
    assert len(asked) == 2


def test_a_dataset_that_cannot_be_read_is_not_judged(store):
    built = build_dataset(store, "SP500")
    file = store.processed.folder / built.path
    file.write_bytes(b"broken")
    assert is_current(store, built)
    file.unlink()
    assert is_current(store, built)


def test_weekly_bars_are_resampled_first(store):
    entry = build_dataset(store, "SP500", timescale="weekly")
    frame, _ = store.frame("SP500.dataset.a20.weekly")
    assert entry.id == "SP500.dataset.a20.weekly"
    assert entry.rows == frame.height == 844
    assert (np.diff(frame["date"].to_numpy()) >= np.timedelta64(6, "D")).all()


def test_an_index_without_volume_has_a_whole_dataset(store):
    vix = fetch_bars("bundled", "VIX")
    flat = vix.frame.with_columns(pl.col("close").alias(name) for name in ("open", "high", "low"))
    store.add_bars(replace(vix, frame=conform("VIX", flat)))
    build_dataset(store, "VIX")
    frame, _ = store.frame("VIX.dataset.a20")
    assert frame.height == 1060
    assert (frame["obv"] == 0).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"timescale": "hourly"}, FinscaleError, "'hourly' is not a timescale"),
        ({"tier": "a3"}, FinscaleError, "'a3' is not a tier"),
    ],
)
def test_what_cannot_be_built_is_refused(options, error, message, store):
    with pytest.raises(error, match=message):
        build_dataset(store, "SP500", **options)


def test_bars_no_longer_than_the_warm_up_are_refused(store):
    bars = store.bars("SP500")
    store.add_bars(Bars(**(vars(bars) | {"frame": bars.frame[:4000]})))
    message = r"SP500 has 189 monthly bars; a20 needs more than 199[\s\S]*sma_200"
    with pytest.raises(DataError, match=message):
        build_dataset(store, "SP500", timescale="monthly")


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_a_value_that_is_not_finite_is_named(store):
    bars = store.bars("SP500")
    frame = bars.frame.with_columns(volume=bars.frame["volume"] * 1e305)
    store.add_bars(Bars(**(vars(bars) | {"frame": frame})))
    with pytest.raises(DataError, match=r"SP500 has no finite \w+ on \d{4}-"):
        build_dataset(store, "SP500")


def _add_walks(store, make_bars, count):
    symbols = [f"S{number}" for number in range(count)]
    for number, symbol in enumerate(symbols):
        frame = conform(symbol, make_bars(300 + number, seed=number))
        store.add_bars(Bars(symbol, frame, "split", "csv"))
    return symbols


def test_many_symbols_at_once_are_the_same_bytes_as_one_after_another(tmp_path, make_bars):
    one, many = DataStore(tmp_path / "one"), DataStore(tmp_path / "many")
    symbols = _add_walks(one, make_bars, 70)
    _add_walks(many, make_bars, 70)
    together = build_datasets(many, symbols)
    alone = [build_dataset(one, symbol) for symbol in symbols]
    assert [e.sha256 for e in together] == [e.sha256 for e in alone]
    assert [e.parents for e in together] == [e.parents for e in alone]
    assert many.verify() == []
    assert {e.path for e in many.processed.entries()} == {e.path for e in one.processed.entries()}


def test_symbols_before_one_that_is_refused_are_registered(tmp_path, make_bars):
    store = DataStore(tmp_path)
    first, *_, last = _add_walks(store, make_bars, 3)
    store.add_bars(Bars("SHORT", conform("SHORT", make_bars(100)), "split", "csv"))
    with pytest.raises(DataError, match="SHORT has 100 daily bars"):
        build_datasets(store, [first, "SHORT", last])
    assert {e.symbol for e in store.processed.entries()} == {first}
    assert store.verify() == []


def test_new_bars_rebuild_their_own_symbol_and_leave_every_row_that_was_there(store, tiny):
    from finscale.experiment.preparation import ensure_datasets

    whole = store.bars("SP500")
    bars = whole.frame
    early = DataStore(store.root.parent / "early")
    cut = bars.height - 40
    early.add_bars(replace(whole, frame=bars[:cut]))
    early.add_bars(fetch_bars("bundled", "NASDAQ"))
    data = tiny.data.model_copy(update={"symbols": ("SP500", "NASDAQ"), "tier": "a50"})
    config = tiny.model_copy(update={"data": data})
    ensure_datasets(config, early)
    before, entry = early.frame("SP500.dataset.a50")
    early.add_bars(whole)
    ensure_datasets(config, early)
    after, again = early.frame("SP500.dataset.a50")
    assert (entry.version, again.version) == ("v1", "v2")
    assert early.processed.get("NASDAQ.dataset.a50").version == "v1"
    # to the bit: what was there stays, and all is what a build from nothing gives
    assert after[: before.height].equals(before)
    assert after.height == before.height + 40
    build_dataset(store, "SP500", tier="a50")
    assert store.frame("SP500.dataset.a50")[1].sha256 == again.sha256


def test_what_is_unchanged_is_not_computed_again(tmp_path, make_bars, monkeypatch):
    store = DataStore(tmp_path)
    symbols = _add_walks(store, make_bars, 3)
    first = build_datasets(store, symbols)
    computed: list[str] = []
    whole = module._build

    def counted(store, symbol, *given):
        computed.append(symbol)
        return whole(store, symbol, *given)

    monkeypatch.setattr(module, "_build", counted)
    assert build_datasets(store, symbols) == first
    assert computed == []
    # given in another way, the symbol is the same
    assert build_datasets(store, [symbols[1].lower()]) == [first[1]]
    assert build_datasets(store, symbols, again=True) == first
    assert sorted(computed) == sorted(symbols)


@pytest.mark.parametrize("what", ["bars", "formula", "damage", "no digest", "features gone"])
def test_what_has_changed_is_computed_again_and_nothing_else(
    what, tmp_path, make_bars, monkeypatch
):
    store = DataStore(tmp_path)
    symbols = _add_walks(store, make_bars, 3)
    changed = symbols[1]
    entries = build_datasets(store, symbols)
    computed: list[str] = []
    whole = module._build
    monkeypatch.setattr(
        module, "_build", lambda s, name, *given: computed.append(name) or whole(s, name, *given)
    )
    if what == "bars":
        bars = store.bars(changed)
        store.add_bars(replace(bars, frame=bars.frame[:-1]))
    elif what == "formula":
        for place in (module, reuse):
            monkeypatch.setattr(place, "tier_digest", lambda tier: "3.11:another")
    elif what == "damage":
        path = store.processed.folder / entries[1].path
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    elif what == "no digest":
        monkeypatch.setattr(reuse, "tier_digest", lambda tier: "")
    else:
        (store.processed.folder / store.processed.get(f"{changed}.features.a20").path).unlink()
    again = build_datasets(store, symbols)
    everyone = what in ("formula", "no digest")
    assert sorted(computed) == sorted(symbols if everyone else [changed])
    assert store.verify() == []
    new = {"bars": [changed], "formula": list(symbols)}.get(what, [])
    assert [e.symbol for e in again if e.version == "v2"] == new
    # the same bytes as a build from nothing
    fresh = DataStore(tmp_path / "fresh")
    fresh.add_all_bars([store.bars(symbol) for symbol in symbols])
    assert [e.sha256 for e in build_datasets(fresh, symbols)] == [e.sha256 for e in again]


def test_large_tiers_are_built_by_as_many_processes_as_pay(monkeypatch):
    assert side_by_side(8, num_features=20, num_rows=8400, num_symbols=50) == 1
    assert side_by_side(2, num_features=2000, num_rows=100, num_symbols=50) == 2
    assert side_by_side(8, num_features=2000, num_rows=100, num_symbols=3) <= 3
    free = SimpleNamespace(available=3 * 2**30)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    assert side_by_side(8, num_features=2000, num_rows=8400, num_symbols=50) == 2


@pytest.mark.slow
def test_processes_build_the_same_bytes_and_refuse_in_the_same_words(tmp_path, make_bars):
    one, many = DataStore(tmp_path / "one"), DataStore(tmp_path / "many")
    symbols, frames = ("S0", "S1"), [make_bars(600, seed=seed) for seed in (0, 1)]
    for store in (one, many):
        pairs = zip(symbols, frames, strict=True)
        store.add_all_bars([Bars(s, conform(s, f), "split", "csv") for s, f in pairs])
    names = tuple(TIERS["a200"])
    key = tier_key("mine", names)
    note_tier(key, names)
    alone = build_datasets(one, symbols, tier=key)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(module, "side_by_side", lambda workers, *given: workers)
        together = build_datasets(many, symbols, tier=key, workers=2)
        assert [e.sha256 for e in together] == [e.sha256 for e in alone]
        assert many.verify() == []
        many.add_bars(Bars("SHORT", conform("SHORT", make_bars(100)), "split", "csv"))
        with pytest.raises(DataError, match="SHORT has 100 daily bars") as refused:
            build_datasets(many, ["SHORT", *symbols], tier=key, workers=2, again=True)
    assert refused.value.hint


@pytest.mark.slow
def test_a_large_tier_of_many_bars_is_built_below_two_gigabytes(tmp_path):
    """Peak memory of a process of its own: a2000 on 4,000 bars of three symbols, by one process."""
    script = """
import resource, sys
import numpy as np, polars as pl
from finscale.data import Bars, DataStore
from finscale.data.bars import conform
from finscale.features import build_datasets
store, rng = DataStore(sys.argv[1]), np.random.default_rng(0)
for symbol in "ABC":
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, 4000)))
    days = np.busday_offset("2000-01-03", np.arange(4000), roll="forward").astype("datetime64[D]")
    frame = pl.DataFrame({"date": days, "open": close, "high": close * 1.01, "low": close * 0.99,
                          "close": close, "volume": rng.integers(1, 10**7, 4000).astype(float)})
    store.add_bars(Bars(symbol, conform(symbol, frame), "split", "synthetic"))
build_datasets(store, "ABC", tier="a2000")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    # one symbol at a time, whatever their number: no more than one of 8,400 bars takes
    assert int(done.stdout) < 1.2 * 2**20
