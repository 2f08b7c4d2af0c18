"""Another symbol under a recipe's dates: the split fits its bars, and it is said."""

from __future__ import annotations

import json

import pytest

from finscale.cli.fitting import load_fitting
from finscale.config import ExperimentConfig
from finscale.data import DataStore, fetch_bars
from finscale.errors import DataError


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> DataStore:
    """Bars of two years from 1990 on, far from the recipe's dates."""
    store = DataStore(tmp_path_factory.mktemp("fitting") / "data")
    store.add_bars(fetch_bars("synthetic:garch", "MINE", num_days=700))
    return store


def fitted(root, store, *changes):
    settings = [f"data.root={store.root}", *changes]
    return load_fitting(root / "configs/daily/threshold_1pct.yaml", settings)


def test_the_recipes_own_symbol_keeps_its_dates(root, store):
    experiment, note = fitted(root, store)
    assert (experiment.split.method, note) == ("dates", "")


def test_other_bars_are_split_by_shares_and_it_is_said(root, store):
    experiment, note = fitted(root, store, "data.symbols=MINE", "split.embargo=3")
    assert (experiment.split.method, experiment.split.embargo) == ("shares", 3)
    assert "do not fit MINE (validation is left without a window)" in note
    assert "split.method: shares instead" in note


def test_a_split_that_was_asked_for_stays(root, store):
    experiment, note = fitted(
        root,
        store,
        "data.symbols=MINE",
        "split.train_end=1991-06-28",
        "split.validation_end=1992-02-28",
    )
    assert (experiment.split.method, note) == ("dates", "")


def test_a_symbol_that_is_not_there_is_named_with_the_nearest(root, store):
    with pytest.raises(DataError, match="has no bars of NASDQ") as refused:
        fitted(root, store, "data.symbols=NASDQ")
    assert "Did you mean NASDAQ (finscale data download NASDAQ --source bundled)?" in (
        refused.value.hint
    )
    with pytest.raises(DataError) as refused:
        fitted(root, store, "data.symbols=MIEN")
    assert refused.value.hint.startswith("Did you mean MINE?")
    with pytest.raises(DataError) as refused:
        fitted(root, store, "data.symbols=QQQ")
    assert refused.value.hint.startswith("Here: MINE. finscale data download QQQ")


def test_a_recipe_by_name_and_a_runs_own_file_are_read_as_training_reads_them(
    tmp_path, monkeypatch, store
):
    monkeypatch.chdir(tmp_path)
    settings = [f"data.root={store.root}", "data.symbols=MINE"]
    experiment, note = load_fitting("threshold_1pct", settings)
    assert experiment.split.method == "shares"
    assert note.startswith("note      the dates of threshold_1pct do not fit MINE")
    config = ExperimentConfig.from_file("threshold_1pct", [*settings, "split.method=dates"])
    run = {"id": "0" * 16, "config": config.model_dump(mode="json")}
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert load_fitting(tmp_path / "run.json", []) == (config, "")


def test_what_a_split_says_of_symbols_stays_when_its_dates_give_way(root, store):
    settings = ["split.symbols=both", "split.unseen_fraction=0.4", "split.symbol_seed=3"]
    store.add_all_bars(
        [fetch_bars("synthetic:garch", f"S{i}", num_days=700, seed=i) for i in range(5)]
    )
    experiment, note = fitted(root, store, "data.symbols=[S0,S1,S2,S3,S4]", *settings)
    assert "split.method: shares instead" in note
    split = experiment.split
    assert (split.symbols, split.unseen_fraction, split.symbol_seed) == ("both", 0.4, 3)


def test_the_dates_beside_a_files_own_universe_are_its_own(tmp_path, store):
    store.add_all_bars(
        [fetch_bars("synthetic:garch", f"S{i}", num_days=700, seed=i) for i in range(5)]
    )
    (tmp_path / "u.csv").write_text("symbol\nS0\nS1\nS2\nS3\nS4\n")
    (tmp_path / "t.yaml").write_text(
        f"data: {{universe: {tmp_path}/u.csv, root: {store.root}, context_length: 20}}\n"
        # more test than train windows: no reason to overrule what the file says
        "split: {method: dates, train_end: 1991-01-31, validation_end: 1991-06-28}\n"
    )
    experiment, note = load_fitting(tmp_path / "t.yaml", [])
    assert (experiment.split.method, note) == ("dates", "")
    other, note = load_fitting(tmp_path / "t.yaml", ["data.symbols=[S0,S1]"])
    assert (other.split.method, "do not fit" in note) == ("shares", True)
