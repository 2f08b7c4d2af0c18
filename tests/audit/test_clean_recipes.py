"""Nothing is found where nothing is wrong: real and simulated bars, tasks and splits."""

from __future__ import annotations

import polars as pl
import pytest

from finscale.audit import CHECKS, audit
from finscale.config import ExperimentConfig, TaskConfig
from finscale.data import DataStore, FinancialDataset
from finscale.features import compute_features, relative_columns

DATES = {"train_end": "2011-12-31", "validation_end": "2014-12-31"}
FOLDS = {"method": "walk_forward", "folds": 3}
ROLLING = {"method": "walk_forward", "folds": 2, "window": "rolling", "train_days": 1000}
CHUNKS = {"method": "chunks", "chunk_days": 126}

RECIPES = {
    "sp500-threshold-dates": ("SP500", "threshold_1pct", 1, DATES),
    "sp500-direction-walk-forward": ("SP500", "direction", 1, FOLDS),
    "sp500-regression-dates": ("SP500", "regression", 5, DATES),
    "nasdaq-threshold-chunks": ("NASDAQ", "threshold_2pct", 5, CHUNKS),
    "nasdaq-rare-threshold": ("NASDAQ", "threshold_3pct", 1, DATES),
    "nasdaq-direction-rolling": ("NASDAQ", "direction", 20, ROLLING),
    "two-symbols": (("SP500", "NASDAQ"), "threshold_1pct", 1, DATES),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> DataStore:
    return DataStore(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_false_alarm_on_real_bars(recipe, store):
    symbols, task, horizon, split = RECIPES[recipe]
    config = ExperimentConfig(
        data={"symbols": symbols, "root": store.root},
        task={"name": task, "horizon": horizon},
        split=split,
    )
    certificate = audit(config, data=store)
    assert certificate.clean, str(certificate)
    assert certificate.complete, str(certificate)
    assert len(certificate.outcomes) == len(CHECKS) == 11


@pytest.mark.parametrize(
    ("market", "task"),
    [("student", "direction"), ("garch", "threshold_1pct"), ("gjr", "threshold_1pct")],
)
def test_no_false_alarm_on_random_walks(market, task, random_walk):
    bars = random_walk(market, seed=11)
    dataset = FinancialDataset.from_frames(
        [compute_features(bars, "a20")], context_length=40, task=TaskConfig(name=task)
    )
    certificate = audit(dataset, bars={"WALK": bars})
    assert certificate.clean, str(certificate)
    assert [o.check for o in certificate.outcomes if o.status == "unproven"] == ["files"]


def test_relative_channels_are_proven_and_recomputed(random_walk):
    bars = random_walk("garch", seed=5)[:1000]
    frame = relative_columns(bars)
    names = frame.columns
    rows = bars.hstack(frame)

    def certify(rows):
        dataset = FinancialDataset.from_frames(
            [rows], context_length=40, task=TaskConfig(), features=names
        )
        return audit(dataset, bars={"WALK": bars}, only=["causality", "columns"])

    assert certify(rows).clean
    assert "26 of 26 features computed" in str(certify(rows))
    shifted = rows.with_columns(pl.col("rel_obv").shift(-1))[:-1]
    assert "rel_obv is" in str(certify(shifted))


def test_weekly_bars_and_closes_alone(store):
    weekly = ExperimentConfig(
        data={"symbols": "SP500", "root": store.root, "timescale": "weekly", "context_length": 20},
        split=DATES,
    )
    assert audit(weekly, data=store).clean
    vix = ExperimentConfig(
        data={"symbols": "VIX", "tier": "c20", "root": store.root, "context_length": 20},
        task={"name": "direction"},
        split={"train_end": "2016-12-31", "validation_end": "2017-06-30"},
    )
    certificate = audit(vix, data=store)
    assert certificate.clean, str(certificate)


def test_own_features_are_proven_beside_the_declared(random_walk):
    bars = random_walk("garch", seed=3)
    own = pl.col("close").log().diff().rolling_std(21)
    frame = bars.with_columns(volatility=own.fill_null(float("nan")))
    dataset = FinancialDataset.from_frames([frame], context_length=20, task=TaskConfig())
    proven = audit(dataset, bars={"WALK": bars}, features={"volatility": own})
    assert proven["causality"].status == "proven"
    assert proven["columns"].status == "proven"
    unknown = audit(dataset, bars={"WALK": bars})
    assert unknown["causality"].unproven == ("volatility: nothing says how it is computed",)
    assert unknown.clean
    assert not unknown.complete
