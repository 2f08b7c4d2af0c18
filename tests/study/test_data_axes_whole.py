"""Data as an axis from the file to the report, on a small simulated panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from finscale.config import StudyConfig
from finscale.data import DataStore, fetch_bars
from finscale.data.train_part import train_symbols
from finscale.experiment import preparation
from finscale.experiment.experiment import run_experiment
from finscale.report import write_findings
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.execution.local import Event, Job
from finscale.study.findings import find
from finscale.study.power_plan import panel_size

NAMES = [f"S{number:03}" for number in range(12)]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> DataStore:
    store = DataStore(tmp_path_factory.mktemp("panel"))
    for name in NAMES:
        store.add_bars(fetch_bars("synthetic:garch", name, num_days=500))
    return store


class Here:
    """Computes in this process, one run after another."""

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        for job in jobs:
            yield Event("started", job)
            run_experiment(job.config, runs=RunStore(runs))
            yield Event("done", job)


def make(store, folder, axes, **changes) -> Study:
    experiment = {
        "data": {
            "symbols": NAMES,
            "tier": "c20",
            "cross_section": "ranks",
            "context_length": 2,
            "root": store.root,
        },
        "task": {"name": "outperform"},
        "split": {"method": "shares", "validation_fraction": 0.2, "test_fraction": 0.4},
        "model": {"kind": "mlp", "budget": 2000},
        "training": {
            "epochs": 1,
            "batch_size": 512,
            "threads": 1,
            "learning_rate": 1e-3,
            "thermal": {"enabled": False},
        },
    }
    content = {"experiment": experiment, "axes": axes, "baselines": ["base_rate"], **changes}
    config = StudyConfig(**content)
    return Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"), data=store)


def test_a_study_of_symbols_trains_on_them_and_judges_the_panel(store, tmp_path):
    changes = {"name": "symbols", "draws": 2, "seeds": 1, "baselines": []}
    study = make(store, tmp_path, {"assets": [2, 4, 8, 12]}, **changes)
    # labels are counted in the whole panel, whatever a size trains on
    networks = [one for one in study.plan if not one.cell.is_baseline]
    panel = panel_size(networks)
    assert panel.words(study.config).startswith("12 symbols a day")
    # a plan holds no rows of the panel: they are read again where they are asked for
    assert all(isinstance(one.prepared.read, partial) for one in networks)
    assert study.run(executor=Here()) == {}

    tested = {}
    for one, run in study.completed():
        split, windows = run.config.split, run.info["windows"]
        assert windows["train"] == len(one.prepared.split.train)
        tested.setdefault(windows["test"], []).append(run)
        assert set(run.predictions("test")["symbol"]) == set(NAMES)
        assert len(train_symbols(NAMES, split)) == split.train_symbols
    assert len(tested) == 1
    table = study.results()
    sizes = table.filter(role="network").group_by("size_assets").agg(pl.col("train_windows").mean())
    windows = dict(sizes.iter_rows())
    assert windows[12] == pytest.approx(6 * windows[2], rel=0.02)
    assert sorted(table.filter(role="network")["seed"].unique()) == [0, 100]
    whole = table.filter(role="network", size_assets=12)
    # of all symbols both draws train on the same windows, and are told apart by their seeds
    assert whole["train_windows"].n_unique() == 1
    assert whole["run_id"].n_unique() == 2

    verdict = study.verdict()
    assert "The replicates of a size are its 2 draws, each the mean of 1 seed." in verdict.sentence
    assert verdict.statement.sizes == (2.0, 4.0, 8.0, 12.0)


def test_a_plan_reads_a_panel_once_for_its_networks_and_once_for_its_baselines(
    store, tmp_path, monkeypatch
):
    """Their cells alternate in the grid, and of a panel one data set alone stays in memory."""
    preparation._DATASETS.clear()
    preparation._WINDOWS.clear()
    monkeypatch.setattr(preparation._DATASETS, "_most_bytes", 0)
    read = []
    unhindered = preparation._read_dataset
    monkeypatch.setattr(
        preparation, "_read_dataset", lambda *key: read.append(key) or unhindered(*key)
    )
    axes = {"data": [0.05, 0.1, 0.3, 1], "parameters": ["1k", "16k"]}
    baselines = ["base_rate", "logistic"]
    study = make(store, tmp_path, axes, name="reads", draws=2, seeds=1, baselines=baselines)
    assert len(study.plan) > 16
    assert sorted(whole for *_, whole in read) == [False, True]


@pytest.mark.slow
def test_a_study_of_parameters_and_asset_days_ends_in_a_report(store, tmp_path):
    axes = {"data": [0.05, 0.1, 0.3, 1], "parameters": ["1k", "16k"]}
    study = make(store, tmp_path, axes, name="surface", draws=2, seeds=1)
    assert study.run(executor=Here()) == {}
    table = study.results().filter(role="network")
    most = table.filter(size_data="100%")["train_windows"][0]
    for size, share in {"5%": 0.05, "10%": 0.1, "30%": 0.3, "100%": 1.0}.items():
        own = table.filter(size_data=size)["train_windows"]
        assert np.allclose(own / most, share, rtol=0.15)
    findings = find(study)
    assert len(findings.surface.sentences) == 3
    assert findings.surface.most_windows == most
    assert findings.economic is not None
    assert findings.economic.table["flops"].is_sorted()
    text = write_findings(findings, study.folder).with_suffix(".md").read_text(encoding="utf-8")
    assert findings.seeds["draw"].to_list() == [0, 1] * 8
    assert "in each of the draws 0, 1 (each with seeds of its own)" in text
    assert "Over parameters N and training windows U" in text
    assert "-inf" not in text
    assert "Does more compute earn more?" in text
    assert "per tenfold of training compute" in text
