"""Run folders of the version before placement was told from science are read as they are.

``old_run/`` holds a network of 3k parameters and a baseline, written by that version.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finscale.cli.app import app
from finscale.files import read_json, write_json
from finscale.runs import RunStore
from finscale.runs.index import summaries

NETWORK, BASELINE = "aa0d9eeac3261ec4", "06f57dee32c6b581"


@pytest.fixture
def store(tmp_path) -> RunStore:
    shutil.copytree(Path(__file__).with_name("old_run"), tmp_path / "runs")
    return RunStore(tmp_path / "runs")


@pytest.fixture
def older(store) -> RunStore:
    """Return the store with settings in the network's config that have gone since."""
    path = store.folder / NETWORK / "run.json"
    info = read_json(path)
    info["config"]["training"] |= {"recording": True, "device": "tpu"}
    info["config"]["model"] |= {"attention": "sideways", "slots": 3}
    write_json(path, info)
    return store


def test_they_are_found_whole(store) -> None:
    assert store.ids() == [BASELINE, NETWORK]
    assert store.is_whole(NETWORK)
    assert store.is_whole(BASELINE)
    rows = {row["id"]: row for row in summaries(store)}
    assert rows[NETWORK]["parameters"] == 2_997
    assert rows[BASELINE]["model"] == "base_rate"


@pytest.mark.parametrize("name", ["store", "older"])
def test_their_configs_are_read(name, request) -> None:
    run = request.getfixturevalue(name)[NETWORK]
    assert run.config.network.budget == 3_000
    assert run.config.training.batch_size == 256
    assert run.config.training.precision == "fp32"
    assert len(run.predictions("test")) == 1_005
    assert len(run.metrics()) == 2


@pytest.mark.parametrize("name", ["store", "older"])
def test_they_are_shown_and_evaluated(name, request, tmp_path) -> None:
    folder = request.getfixturevalue(name).folder
    runs = f"--runs={folder}"
    shown = CliRunner().invoke(app, ["runs", "show", NETWORK[:4], runs], catch_exceptions=False)
    assert "device: cpu" in shown.output or "device: tpu" in shown.output
    command = ["evaluate", NETWORK, BASELINE, runs, "--out", str(tmp_path / "out"), "--json"]
    command += ["--replicates", "100", "--data-root", str(tmp_path / "data")]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    # as the version that made them said: log loss of the baseline, and skill over it
    network = json.loads(done.output)["runs"][0]["baselines"][0]
    assert network["log_loss"] == pytest.approx(0.4593, abs=5e-5)
    assert network["skill"] == pytest.approx(-0.0054, abs=5e-5)
