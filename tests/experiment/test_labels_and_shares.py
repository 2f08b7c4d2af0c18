"""Splits that fit the bars, and labels that are all the same."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from finscale.config import BaselineConfig, ExperimentConfig, StudyConfig
from finscale.data import DataStore, fetch_bars
from finscale.errors import ConfigError, DataError
from finscale.experiment import prepare
from finscale.experiment.announce import announcement
from finscale.experiment.preparation import fitted_split
from finscale.study.planned import split_cautions


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> DataStore:
    """Bars of thirty years, of six and of two, and bars that stand still."""
    store = DataStore(tmp_path_factory.mktemp("shares") / "data")
    for symbol, days in (("LONG", 7560), ("MID", 1500), ("SHORT", 520)):
        store.add_bars(fetch_bars("synthetic:garch", symbol, num_days=days))
    still = fetch_bars("synthetic:garch", "STILL", num_days=800)
    prices = [name for name in still.frame.columns if name not in ("date", "symbol", "volume")]
    frame = still.frame.with_columns(pl.lit(100.0).alias(name) for name in prices)
    store.add_bars(replace(still, frame=frame))
    return store


def experiment(store: DataStore, symbol: str, **changes) -> ExperimentConfig:
    dates = {"method": "dates", "train_end": "2011-12-31", "validation_end": "2014-12-31"}
    return ExperimentConfig.model_validate(
        {
            "data": {"symbols": [symbol], "root": str(store.root)},
            "task": {"name": "direction"},
            "split": dates,
            "model": {"kind": "baseline", "name": "base_rate"},
            **changes,
        }
    )


def test_dates_that_fit_stay(store):
    config = experiment(store, "LONG")
    assert fitted_split(config, store) == (config, "")
    walk = experiment(store, "SHORT", split={"method": "walk_forward"})
    assert fitted_split(walk, store) == (walk, "")


def test_dates_of_other_bars_give_way_to_shares(store):
    # from 1990: six years end long before the recipe's test begins
    config, why = fitted_split(experiment(store, "MID"), store)
    assert why == "validation is left without a window"
    prepared = prepare(config, store)
    assert prepared.split.train.size > prepared.split.test.size > 150
    (said,) = [text for name, text in announcement(prepared) if name == "split"]
    assert said.startswith("70 / 15 / 15 % of the history  train 19")
    assert not any(name == "caution" for name, _ in announcement(prepared))


def test_a_split_out_of_proportion_is_announced(store):
    config, _ = fitted_split(experiment(store, "SHORT"), store)
    prepared = prepare(config, store)
    (said,) = [text for name, text in announcement(prepared) if name == "caution"]
    assert said.endswith("fewer than 100 tell little")


def test_the_rule_is_the_identity_not_the_dates_beneath_it(store):
    shares = {"method": "shares"}
    laid_over = experiment(store, "MID").model_copy(
        update={
            "split": experiment(store, "MID").split.model_copy(update=shares),
        }
    )
    fitted, _ = fitted_split(experiment(store, "MID"), store)
    assert prepare(laid_over, store).run_id == prepare(fitted, store).run_id
    other = {**shares, "test_fraction": 0.2}
    assert prepare(experiment(store, "MID", split=other), store).run_id != (
        prepare(fitted, store).run_id
    )


def test_labels_of_one_class_are_refused_before_training(store):
    shares = {"method": "shares"}
    with pytest.raises(DataError, match=r"none of the \d+ windows of train has a positive label"):
        prepare(experiment(store, "STILL", split=shares), store)
    regression = {"name": "regression"}
    with pytest.raises(DataError, match="windows of train is 0: there is nothing to learn"):
        prepare(experiment(store, "STILL", split=shares, task=regression), store)
    task = {"name": "threshold_5pct"}
    with pytest.raises(DataError, match="positive label") as refused:
        prepare(experiment(store, "SHORT", split=shares, task=task), store)
    assert "a smaller threshold, a longer task.horizon" in refused.value.hint


def test_a_study_by_shares_holds_the_same_days_out_at_every_size(store):
    shares = experiment(store, "MID", split={"method": "shares"})
    network = shares.model_copy(update={"model": ExperimentConfig().model})
    axes = {"parameters": [1000, 2000]}
    study = StudyConfig(name="shares", experiment=network, axes=axes)
    assert study.run_folds == (0,)
    with pytest.raises(ValueError, match="along axis tier the history changes"):
        StudyConfig(name="shares", experiment=network, axes={"tier": ["a20"]})


def test_cautions_of_a_plan_name_the_fold(store):
    from finscale.study.grid import Cell
    from finscale.study.planned import Planned, WindowFacts

    split = {"method": "walk_forward", "folds": 2, "test_days": 60, "validation_days": 60}
    prepared = prepare(experiment(store, "SHORT", split=split), store)
    cell = Cell(prepared.config, {}, "")
    planned = Planned(cell, prepared, WindowFacts.of(prepared))
    cautions = split_cautions([planned, planned])
    assert cautions == [f"fold 0: {prepared.split.caution}"]


def test_a_list_is_asked_for_where_a_name_is_given():
    from finscale.config import validate

    with pytest.raises(ConfigError, match=r"\[patchtst, gru\].*\.\n"):
        validate(
            StudyConfig,
            {"name": "x", "axes": {"parameters": ["1k"]}, "architectures": "gru"},
            place="x.yaml",
        )
    assert BaselineConfig(name="logistic").name == "logistic"


def test_a_fold_without_the_event_has_its_place_among_others_that_have_it():
    import numpy as np

    from finscale.data.splits import Split
    from finscale.experiment.labels import label_fault

    class Windows:
        task = ExperimentConfig().task

        def targets(self, ends):
            return np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0], dtype=np.float32)[ends]

    def split(test: list[int], fold: int) -> Split:
        parts = np.array([0, 1]), np.array([2]), np.array(test)
        return Split(*parts, fold, 0, 0, 0, ((), (), ()))

    calm, wild = split([2, 3], 0), split([4, 5], 1)
    assert label_fault(Windows(), calm, [calm, wild]) is None
    alone = label_fault(Windows(), calm, [calm])
    assert alone is not None
    assert "none of the 2 windows of test has a positive label" in alone.message
    both = label_fault(Windows(), calm, [calm, split([3], 1)])
    assert both is not None
    assert "of the test parts of all 2 folds" in both.message
