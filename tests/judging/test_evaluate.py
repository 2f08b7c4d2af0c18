"""Finished runs judged again: baselines are runs too, so that nothing here has to be trained."""

from __future__ import annotations

import datetime as dt
import json
import os
from multiprocessing import resource_tracker

import numpy as np
import polars as pl
import psutil
import pytest

from finscale.config import BaselineConfig, ExperimentConfig, SplitConfig, TaskConfig, load_config
from finscale.data import DataStore
from finscale.errors import DataError
from finscale.evaluation.operating import OperatingRule
from finscale.experiment.experiment import run_experiment
from finscale.judging import helper as room
from finscale.judging.bench import Bench
from finscale.judging.judge import (
    candidates,
    count_trials,
    judge,
    judge_all,
    judge_pairs,
    write_comparison,
    write_judgement,
)
from finscale.judging.tables import Options
from finscale.runs import RunStore

FAST = Options(num_replicates=100)


@pytest.fixture(scope="module")
def world(root, tmp_path_factory):
    """Return (run by name, store, data): a function that fits a baseline as a run of its own."""
    folder = tmp_path_factory.mktemp("evaluate")
    store, data = RunStore(folder / "runs"), DataStore(folder / "data")
    base = load_config(
        ExperimentConfig,
        root / "configs/daily/threshold_1pct.yaml",
        [f"data.root={folder / 'data'}"],
    )

    def run(name: str, **changes):
        config = base.model_copy(update={"model": BaselineConfig(name=name), **changes})
        return run_experiment(config, runs=store, data=data)

    return run, store, data


def test_a_run_is_judged_on_every_window(world):
    run, store, data = world
    (candidate,) = candidates([run("volatility_ranges")])
    judged = judge(candidate, store, data=data, options=FAST)
    evaluation = judged.evaluation
    assert (judged.title, evaluation.num_rows, evaluation.num_days) == (
        "volatility_ranges",
        1005,
        1005,
    )
    # the figures of the design notes: base rate .4594 nats, volatility .3705 and AUC .777
    table = {line["name"]: line for line in judged.baselines.to_dicts()}
    assert list(table) == ["base_rate", "volatility", "volatility_ranges", "logistic"]
    assert table["base_rate"]["log_loss"] == pytest.approx(0.4594, abs=5e-4)
    assert table["volatility"]["log_loss"] == pytest.approx(0.3705, abs=5e-4)
    assert table["volatility"]["auc"] == pytest.approx(0.777, abs=1e-3)
    assert table["volatility"]["skill_low"] > 0
    # over itself a model has no skill, and the test says so
    assert (table["volatility_ranges"]["skill"], table["volatility_ranges"]["p_value"]) == (0, 1)
    groups = evaluation.scores["group"].unique(maintain_order=True).to_list()
    assert groups == ["all", "year", "volatility"]
    assert judged.power["days"][0] == 1005


def test_calibration_coverage_and_backtest_are_tables(world):
    run, store, data = world
    (candidate,) = candidates([run("volatility")])
    options = Options(("base_rate",), OperatingRule("top", 0.2), "open", num_replicates=100)
    judged = judge(candidate, store, data=data, options=options)
    assert judged.calibration["method"].to_list() == [
        "none", "temperature", "platt", "beta", "isotonic"
    ]  # fmt: skip
    assert judged.calibration["gain"][0] == 0
    assert judged.reliability["count"].sum() == 1005
    assert judged.coverage["year"].to_list() == ["all", "2015", "2016", "2017", "2018"]
    assert judged.coverage["value"][0] == pytest.approx(0.9, abs=0.02)
    assert judged.backtest["name"].to_list() == [
        "long_flat",
        "long_short",
        "volatility_scaled",
        "volatility_timing",
        "buy and hold",
    ]
    hold = judged.backtest.filter(name="buy and hold").row(0, named=True)
    assert (hold["versus_hold_low"], hold["versus_hold_high"]) == (0, 0)
    assert hold["cagr"] == pytest.approx(0.05, abs=0.01)
    assert judged.num_trials == 3 * count_trials(candidate, store)


def test_trials_are_counted_on_the_same_windows_only(world):
    run, store, _ = world
    (candidate,) = candidates([run("volatility")])
    before = count_trials(candidate, store)
    run("momentum")
    run("momentum", task=TaskConfig(name="direction"))
    assert count_trials(candidate, store) == before + 1


def test_folds_of_a_walk_forward_are_one_candidate(world):
    run, store, data = world
    runs = []
    for fold in (0, 1):
        split = SplitConfig(method="walk_forward", folds=4, fold=fold, test_days=120)
        runs.append(run("volatility", split=split))
    (candidate,) = candidates(runs)
    assert candidate.id == f"{runs[0].id}+{runs[1].id}"
    judged = judge(candidate, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.evaluation.num_rows == 240
    assert set(judged.evaluation.thresholds) == {0, 1}
    folds = judged.evaluation.table("fold").filter(score="log_loss")
    assert folds["label"].to_list() == ["0", "1"]
    # the model and the base rate that it is held against, whatever their number of folds
    assert count_trials(candidate, store) == 2


def test_weekly_bars_make_years_of_52(world):
    """Buying and holding the S&P 500 from 2012 to 2018 seemed to gain 50 % a year."""
    run, store, data = world
    config = run("volatility").config.data.model_copy(update={"timescale": "weekly"})
    (candidate,) = candidates([run("volatility", data=config)])
    judged = judge(candidate, store, data=data, options=Options(("base_rate",), num_replicates=100))
    hold = judged.backtest.filter(name="buy and hold").row(0, named=True)
    assert hold["years"] == pytest.approx(4, abs=0.1)
    assert hold["cagr"] == pytest.approx(0.05, abs=0.02)
    assert 0.1 < hold["volatility"] < 0.2
    timing = judged.backtest.filter(name="volatility_timing").row(0, named=True)
    assert timing["exposure"] > 0.8
    assert judged.power["sharpe"][0] == pytest.approx(1.4, abs=0.1)


def test_of_a_rare_event_what_can_be_told_is_told(world):
    run, store, data = world
    split = SplitConfig(
        train_end=dt.date(2007, 12, 31),
        validation_end=dt.date(2011, 11, 20),
        test_end=dt.date(2014, 12, 31),
    )
    task = TaskConfig(name="threshold_3pct")
    (candidate,) = candidates([run("volatility", task=task, split=split)])
    judged = judge(candidate, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert 0 < judged.evaluation.metric("base_rate").value < 0.005
    assert judged.power["auc"][0] > 0.7
    assert judged.coverage.height > 1


def test_chunks_are_held_against_the_market_on_their_own_days(world):
    run, store, data = world
    (candidate,) = candidates([run("volatility", split=SplitConfig(method="chunks"))])
    judged = judge(candidate, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.coverage.is_empty()
    assert any("validation days lie among the test days" in note for note in judged.notes)
    years = judged.backtest["years"]
    assert years.max() == years.min()
    assert years[0] == pytest.approx(judged.evaluation.num_days / 252, rel=0.1)


def test_an_event_that_never_came_is_noted_and_the_rest_stands(world, tmp_path):
    """The S&P 500 never rose 5 % within a day from 2012 to 2018."""
    run, store, data = world
    (candidate,) = candidates([run("volatility", task=TaskConfig(name="threshold_5pct"))])
    judged = judge(candidate, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.notes == (
        "validation holds one class only, so nothing can be calibrated on it.",
        "with a base rate of 0 there is nothing to tell apart.",
    )
    content = json.loads(write_judgement(judged, tmp_path).read_text())
    scores = {line["score"]: line["value"] for line in content["evaluation"]["scores"][:16]}
    assert scores["auc"] is None
    assert scores["base_rate"] == 0
    assert judged.backtest.height == 5


def test_regression_is_judged_by_its_errors(world):
    run, store, data = world
    task = TaskConfig(name="regression", horizon=5)
    (candidate,) = candidates([run("logistic", task=task)])
    judged = judge(candidate, store, data=data, options=Options(("base_rate",), num_replicates=100))
    assert judged.baselines.columns[1:3] == ["rmse", "rank_correlation"]
    assert judged.evaluation.metric("r2_oos").value < 0.1
    assert judged.calibration.is_empty()
    assert judged.power.is_empty()
    assert judged.coverage["value"][0] == pytest.approx(0.9, abs=0.03)
    assert judged.evaluation.block_length >= 20


def test_models_are_compared_on_the_same_windows(world, tmp_path):
    run, store, data = world
    judged = candidates([run("volatility"), run("base_rate"), run("volatility_ranges")])
    options = Options(("base_rate", "logistic"), num_replicates=100)
    comparison = judge_pairs(judged, store, data=data, options=options)
    assert comparison.pairs.height == 12
    best = judged[2].id
    assert comparison.confidence is not None
    assert comparison.confidence.members == (best,)
    assert comparison.superior["base_rate"].better == (judged[0].id, best)
    assert comparison.superior["logistic"].better == ()
    path = write_comparison(judged, comparison, tmp_path)
    content = json.loads(path.read_text())
    assert content["models"][best] == "volatility_ranges"
    assert len(content["pairs"]) == 12
    assert content["superior"]["logistic"]["p_value"] > 0.05
    other = candidates([run("volatility", task=TaskConfig(name="direction"))])
    with pytest.raises(DataError, match="answers direction over 1"):
        judge_pairs([*judged, *other], store, data=data, options=options)


def test_many_are_judged_as_one_by_one(world, monkeypatch):
    """With the helper: on another process, each model has the numbers that it has alone."""
    run, store, data = world
    names = ("volatility", "base_rate", "volatility_ranges", "logistic", "momentum")
    runs = [run(name) for name in names]
    runs.append(run("volatility", task=TaskConfig(name="direction")))
    judged, options = candidates(runs), Options(("base_rate",), num_replicates=100)
    alone = [judge(one, store, data=data, options=options).to_json() for one in judged]
    for fewest in (100, 2):
        monkeypatch.setattr(room, "_FEWEST_SHARED", fewest)
        together = list(judge_all(judged, Bench(store, data, options)))
        assert [one.to_json() for one in together] == alone


def test_a_helper_compares_as_this_process_does(world, monkeypatch):
    run, store, data = world
    judged = candidates([run(name) for name in ("volatility", "base_rate", "volatility_ranges")])
    bench = Bench(store, data, Options(("base_rate",), num_replicates=100))
    monkeypatch.setattr(room, "_FEWEST_SHARED", 2)
    before = tracker_and_others()
    with room.Helper(len(judged)) as helper:
        # nothing has to be fitted, so that it begins before the first is judged
        assert bench.windows(judged[0].runs).are_fitted()
        list(judge_all(judged, bench, helper=helper))
        found = helper.comparison()
        assert judge_pairs(judged, store, bench=bench, helper=helper) is found
    own = judge_pairs(judged, store, bench=bench)
    assert psutil.wait_procs(set(psutil.Process().children()) - before, timeout=30)[1] == []
    assert found is not None
    assert found.pairs.equals(own.pairs)
    assert (found.confidence, found.superior) == (own.confidence, own.superior)


def test_models_of_a_helper_that_died_are_judged_here(world, monkeypatch):
    run, store, data = world
    judged = candidates([run(name) for name in ("volatility", "base_rate", "volatility_ranges")])
    options = Options(("base_rate",), num_replicates=100)
    monkeypatch.setattr(room, "_FEWEST_SHARED", 2)
    # what the helper is to do first ends its process
    monkeypatch.setattr(room, "_prepare_helper", dying)
    before = set(psutil.Process().children())
    together = list(judge_all(judged, Bench(store, data, options)))
    assert [one.id for one in together] == [one.id for one in judged]
    with room.Helper(len(judged)) as helper:
        list(judge_all(judged, Bench(store, data, options), helper=helper))
        assert helper.comparison() is None
        assert judge_pairs(judged, store, data=data, options=options, helper=helper).pairs.height
    # not even its entry in the process table is left
    left = set(psutil.Process().children()) - before
    assert [child for child in left if child.status() == psutil.STATUS_ZOMBIE] == []


def tracker_and_others() -> set[psutil.Process]:
    """Return this process's children, with multiprocessing's own, which outlives all helpers."""
    resource_tracker.ensure_running()
    return set(psutil.Process().children())


def dying(*_: object) -> None:
    os._exit(9)


def test_a_judgement_is_written_beside_the_sealed_run(world, tmp_path):
    run, store, data = world
    (candidate,) = candidates([run("base_rate")])
    sealed = sorted(path.name for path in candidate.runs[0].folder.iterdir())
    judged = judge(candidate, store, data=data, options=FAST)
    path = write_judgement(judged, tmp_path)
    assert path == tmp_path / candidate.id / "evaluation.json"
    content = json.loads(path.read_text())
    assert content["evaluation"]["collapsed"] is True
    assert content["evaluation"]["num_rows"] == 1005
    assert {line["method"] for line in content["calibration"]} >= {"none", "platt"}
    assert sorted(path.name for path in candidate.runs[0].folder.iterdir()) == sealed


def test_predictions_that_lost_windows_are_refused(world):
    run, store, data = world
    whole = run("persistence")
    path = whole.folder / "predictions.parquet"
    table = pl.read_parquet(path)
    try:
        table.filter(pl.int_range(pl.len()) != table.height - 1).write_parquet(path)
        with pytest.raises(DataError, match="1,004 windows were tested, 1,005 should have been"):
            judge(candidates([whole])[0], store, data=data, options=Options((), num_replicates=100))
    finally:
        table.write_parquet(path)
    assert np.isfinite(table["logit"].to_numpy()).all()
