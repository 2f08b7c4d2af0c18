"""Training on part of a panel: drawn symbols and newest days, judged on the whole."""

import datetime as dt

import numpy as np
import pytest

from finscale.config import ExperimentConfig, SplitConfig, TaskConfig
from finscale.data import FinancialDataset
from finscale.data.train_part import train_part_words, train_symbols
from finscale.data.unseen import unseen_symbols
from finscale.errors import ConfigError, DataError

NAMES = [f"S{number}" for number in range(12)]
ENDS = {"train_end": dt.date(2020, 6, 30), "validation_end": dt.date(2020, 9, 30)}
METHODS = {
    "dates": ENDS,
    "shares": {"method": "shares"},
    "walk_forward": {
        "method": "walk_forward",
        "folds": 2,
        "validation_days": 40,
        "test_days": 40,
    },
    "chunks": {"method": "chunks", "chunk_days": 20},
}


@pytest.fixture(scope="module", params=["direction", "outperform"])
def dataset(request, closes) -> FinancialDataset:
    frames = [frame[number:] for number, frame in enumerate(closes(NAMES))]
    task = TaskConfig(name=request.param, horizon=2)
    return FinancialDataset.from_frames(frames, context_length=3, task=task)


def config(method: str, **changes) -> SplitConfig:
    return SplitConfig.model_validate({**METHODS[method], **changes})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("changes", [{"train_symbols": 4}, {"train_symbols": 4, "train_draw": 3}])
def test_train_has_the_drawn_symbols_alone_and_the_rest_stays(dataset, method, changes):
    folds, whole = dataset.splits(config(method, **changes)), dataset.splits(config(method))
    drawn = train_symbols(NAMES, config(method, **changes))
    assert len(drawn) == 4
    for own, all_of in zip(folds, whole, strict=True):
        assert set(dataset.symbol_names(own.train)) == set(drawn)
        kept = np.isin(dataset.symbol_names(all_of.train), drawn)
        np.testing.assert_array_equal(own.train, all_of.train[kept])
        np.testing.assert_array_equal(own.validation, all_of.validation)
        np.testing.assert_array_equal(own.test, all_of.test)
        # every window is counted once
        assert own.num_unused - all_of.num_unused == all_of.train.size - own.train.size
        assert own.num_purged == all_of.num_purged
        assert own.num_embargoed == all_of.num_embargoed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_newest_share_of_days_is_cut_alike_for_all_symbols(dataset, method, share):
    folds = dataset.splits(config(method, train_share=share))
    for own, all_of in zip(folds, dataset.splits(config(method)), strict=True):
        days, kept = (np.unique(dataset.dates(one.train)) for one in (all_of, own))
        np.testing.assert_array_equal(kept, days[-round(share * len(days)) :])
        assert own.ranges[0][0] == kept[0].astype(object)
        np.testing.assert_array_equal(own.test, all_of.test)
        both = dataset.splits(config(method, train_share=share, train_symbols=3))[own.fold]
        expected = np.isin(
            dataset.symbol_names(own.train),
            train_symbols(NAMES, config(method, train_symbols=3)),
        )
        np.testing.assert_array_equal(both.train, own.train[expected])


@pytest.mark.parametrize("draw", [0, 1, 9])
@pytest.mark.parametrize("kind", ["all", "unseen", "both"])
def test_fewer_symbols_of_a_draw_are_among_more_and_none_is_held_out(draw, kind):
    names = {
        num: train_symbols(
            NAMES, SplitConfig(train_symbols=num, train_draw=draw, symbols=kind, symbol_seed=1)
        )
        for num in (1, 2, 4, 8)
    }
    held = unseen_symbols(NAMES, SplitConfig(symbols=kind, symbol_seed=1))
    for num, drawn in names.items():
        assert len(drawn) == num
        assert not set(drawn) & set(held)
        assert list(drawn) == sorted(drawn, key=NAMES.index)
    assert set(names[1]) < set(names[2]) < set(names[4]) < set(names[8])


def test_draws_differ_and_a_symbol_that_joins_moves_no_other():
    draws = {
        train_symbols(NAMES, SplitConfig(train_symbols=3, train_draw=draw)) for draw in range(20)
    }
    assert len(draws) > 15
    before = set(train_symbols(NAMES, SplitConfig(train_symbols=4)))
    after = set(train_symbols([*NAMES, "NEW"], SplitConfig(train_symbols=4)))
    assert len(before & after) >= 3
    assert after <= before | {"NEW"}


@pytest.mark.parametrize("kind", ["unseen", "both"])
def test_it_goes_with_symbols_that_are_held_out(dataset, kind):
    split = SplitConfig(symbols=kind, train_symbols=5, **ENDS)
    fold, wider = dataset.split(split), dataset.split(SplitConfig(symbols=kind, **ENDS))
    held = unseen_symbols(NAMES, split)
    assert not set(dataset.symbol_names(fold.train)) & set(held)
    np.testing.assert_array_equal(fold.validation, wider.validation)
    np.testing.assert_array_equal(fold.test, wider.test)


@pytest.mark.parametrize(
    ("kind", "num", "said"),
    [("all", 13, "there are 12 to train on"), ("unseen", 12, "unseen holds out 2")],
)
def test_more_symbols_than_there_are_is_refused(kind, num, said):
    with pytest.raises(DataError, match=said) as caught:
        train_symbols(NAMES, SplitConfig(symbols=kind, train_symbols=num))
    assert "split.train_symbols" in caught.value.hint


@pytest.mark.parametrize("wrong", [{"train_symbols": 0}, {"train_share": 0}, {"train_share": 1.2}])
def test_what_is_no_part_is_refused(wrong):
    with pytest.raises(ConfigError):
        SplitConfig(**wrong)


def test_symbols_without_a_train_window_are_refused(dataset):
    early = SplitConfig(train_end=dt.date(2020, 1, 6), validation_end=dt.date(2020, 9, 30))
    late = next(
        draw
        for draw in range(200)
        if train_symbols(NAMES, SplitConfig(train_symbols=1, train_draw=draw)) == ("S11",)
    )
    changes = {"train_symbols": 1, "train_draw": late, "embargo": 0}
    with pytest.raises(DataError, match="train is left without a window"):
        dataset.split(early.model_copy(update=changes))


def test_it_is_science_and_runs_without_it_keep_their_identity():
    plain = ExperimentConfig().identity()["split"]
    assert not {"train_symbols", "train_draw", "train_share"} & set(plain)
    assert ExperimentConfig(split={"train_draw": 7}).hash() == ExperimentConfig().hash()
    part = ExperimentConfig(split={"train_symbols": 3, "train_draw": 1}).identity()["split"]
    assert part == {**plain, "train_symbols": 3, "train_draw": 1}
    newest = ExperimentConfig(split={"train_share": 0.5}).identity()["split"]
    assert newest == {**plain, "train_share": 0.5}
    shares = ExperimentConfig(split={"method": "shares", "train_symbols": 3}).identity()["split"]
    assert shares["train_symbols"] == 3
    assert "train_symbols" not in ExperimentConfig(split={"method": "shares"}).identity()["split"]


def test_a_run_says_what_it_trains_on():
    assert train_part_words(NAMES, SplitConfig()) == ""
    said = train_part_words(NAMES, SplitConfig(train_symbols=5, symbols="both", train_share=0.25))
    assert said.startswith("trained on 5 of 10 symbols (draw 0: ")
    assert said.endswith("…) and the newest 25 % of the days")
