"""Symbols held out of training."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from finscale.config import ExperimentConfig, SplitConfig, TaskConfig
from finscale.data import FinancialDataset
from finscale.data.unseen import unseen_symbols
from finscale.errors import DataError

NAMES = [f"S{number}" for number in range(10)]
ENDS = {"train_end": dt.date(2020, 6, 30), "validation_end": dt.date(2020, 9, 30)}


@pytest.fixture(scope="module")
def dataset(closes) -> FinancialDataset:
    frames = closes(NAMES)
    task = TaskConfig(name="outperform", horizon=2)
    return FinancialDataset.from_frames(frames, context_length=3, task=task)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_train_and_validation_never_see_a_symbol_that_is_unseen(dataset, seed):
    split = SplitConfig(symbols="unseen", symbol_seed=seed, **ENDS)
    fold, whole = dataset.split(split), dataset.split(SplitConfig(**ENDS))
    unseen = unseen_symbols(NAMES, split)
    assert len(unseen) == 2
    for ends in (fold.train, fold.validation):
        assert set(dataset.symbol_names(ends)) == set(NAMES) - set(unseen)
    assert set(dataset.symbol_names(fold.test)) == set(unseen)
    assert dataset.dates(fold.train).max() < dataset.dates(fold.test).min()
    parts = ("train", "validation", "test")
    kept, all_of = (sum(getattr(one, part).size for part in parts) for one in (fold, whole))
    assert fold.num_unused == all_of - kept


def test_both_tests_all_symbols_and_trains_on_the_same_as_unseen(dataset):
    unseen = dataset.split(SplitConfig(symbols="unseen", **ENDS))
    both = dataset.split(SplitConfig(symbols="both", **ENDS))
    np.testing.assert_array_equal(unseen.train, both.train)
    np.testing.assert_array_equal(both.test, dataset.split(SplitConfig(**ENDS)).test)


def test_the_draw_is_of_names_and_seeds():
    split = SplitConfig(symbols="unseen", unseen_fraction=0.3)
    assert unseen_symbols(NAMES, split) == unseen_symbols(NAMES, split)
    backwards = unseen_symbols(NAMES[::-1], split)
    assert set(backwards) == set(unseen_symbols(NAMES, split))
    draws = {
        unseen_symbols(NAMES, SplitConfig(symbols="unseen", symbol_seed=seed)) for seed in range(9)
    }
    assert len(draws) > 4


def test_one_symbol_cannot_be_held_out():
    with pytest.raises(DataError, match="none is left to train on"):
        unseen_symbols(["SPY"], SplitConfig(symbols="both"))


def test_it_is_science():
    plain, other = ExperimentConfig(), ExperimentConfig(split={"symbols": "both"})
    assert "symbols" not in plain.identity()["split"]
    assert other.identity()["split"]["symbols"] == "both"
    shares = ExperimentConfig(split={"method": "shares", "symbols": "unseen"})
    assert shares.identity()["split"]["symbol_seed"] == 0


def test_evaluate_shows_the_kinds_apart():
    from finscale.evaluation.evaluation import groups_of

    test = pl.DataFrame(
        {
            "date": [dt.date(2020, 1, 1)] * 3,
            "symbol": ["A", "B", "C"],
            "fold": np.zeros(3, np.int32),
        }
    )
    kinds = {"A": "seen", "B": "unseen", "C": "seen"}
    groups = {label: rows.tolist() for _, label, rows in groups_of(test, None, kinds)}
    assert groups == {
        "all": [True] * 3,
        "seen": [True, False, True],
        "unseen": [False, True, False],
    }
