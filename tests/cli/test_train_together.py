"""``finscale train`` in several processes, as a person types it: killed, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest

from finscale.runs import RunStore

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(900)]

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
#: Seconds that a step of a test may take on a machine that others use, too.
PATIENCE = 240


@pytest.fixture
def train(root, tmp_path):
    """Start ``finscale train`` on a tiny model; its runs lie in a folder of their own."""
    started: list[subprocess.Popen[str]] = []

    def start(runs: str, *options: str, starter: tuple[str, ...] = (), epochs: int = 3):
        command = [
            *(starter or (sys.executable,)),
            *("-m", "finscale", "train", str(root / "configs/daily/threshold_1pct.yaml")),
            *("--budget=20k", f"--epochs={epochs}", "--json"),
            *("--set=training.thermal.enabled=false", "--set=training.batch_size=128"),
            f"--runs={tmp_path / runs}",
            f"--data-root={tmp_path / 'data'}",
            *options,
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()


def finished(process: subprocess.Popen[str]) -> dict[str, object]:
    said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    content: dict[str, object] = json.loads(said)
    return content


def ranks_of(process: subprocess.Popen[str]) -> dict[str, psutil.Process]:
    """Return the processes that train, by rank, once a resume point is written."""
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        rank = child.environ().get("RANK")
        if rank is not None and "finscale" in child.cmdline():
            found[rank] = child
    return found


def wait_for_point(runs: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not list(runs.rglob("resume.json")):
        assert time.monotonic() < deadline, "no resume point in time"
        time.sleep(0.05)


def predictions(folder: object) -> np.ndarray:
    return pl.read_parquet(Path(str(folder)) / "predictions.parquet")["logit"].to_numpy()


def test_a_killed_process_ends_all_and_the_run_goes_on_elsewhere(train, tmp_path) -> None:
    alone = finished(train("alone"))
    options = ("--set=training.strategy=fsdp", "--set=training.checkpoint_minutes=0")
    process = train("shared", "--devices=2", *options)
    wait_for_point(tmp_path / "shared")
    ranks = ranks_of(process)
    assert ranks.keys() == {"0", "1"}
    ranks["1"].kill()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    lines = errors.strip().splitlines()
    assert "Process 2 of 2 killed by signal 9" in errors
    assert "--devices=2" in lines[-1]
    assert "goes on from the last resume point: finscale train" in lines[-1]
    assert "Traceback" not in errors
    assert not any(rank.is_running() for rank in ranks.values())
    # shares of two, read by one process
    run = finished(train("shared"))
    assert run["run"] == alone["run"]
    np.testing.assert_allclose(
        predictions(run["folder"]), predictions(alone["folder"]), rtol=1e-3, atol=1e-4
    )
    about = json.loads((Path(str(run["folder"])) / "run.json").read_text())
    before = about["earlier_placements"][0]["training"]
    assert (before["devices"], before["strategy"]) == (2, "fsdp")


def test_torchrun_makes_the_same_run_and_says_so_when_one_is_killed(train, tmp_path) -> None:
    alone = finished(train("alone"))
    process = train("shared", "--set=training.checkpoint_minutes=0", starter=tuple(TORCHRUN))
    wait_for_point(tmp_path / "shared")
    ranks_of(process)["0"].kill()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode
    assert errors.count("goes on from the last resume point") == 1
    assert "torchrun --nproc-per-node 2 -m finscale train" in errors
    again = train("shared", "--set=training.checkpoint_minutes=0", starter=tuple(TORCHRUN))
    run = finished(again)
    assert run["run"] == alone["run"]
    folder = Path(str(run["folder"]))
    np.testing.assert_allclose(
        predictions(folder), predictions(alone["folder"]), rtol=1e-3, atol=1e-4
    )
    about = json.loads((folder / "run.json").read_text())["placement"]["training"]
    assert (about["devices"], about["strategy"]) == (2, "ddp")
    # a folder like any other
    assert RunStore(tmp_path / "shared").is_whole(str(run["run"]))


def test_no_process_outlives_the_one_that_started_it(train, tmp_path) -> None:
    process = train("runs", "--devices=2", epochs=2000)
    wait_for_point(tmp_path / "runs")
    ranks = ranks_of(process)
    assert len(ranks) == 2
    process.kill()
    gone, alive = psutil.wait_procs(list(ranks.values()), timeout=60)
    assert len(gone) == 2
    assert not alive


def test_ctrl_c_writes_a_resume_point(train, tmp_path) -> None:
    # the first epoch's end writes a resume point, the next one is five minutes away
    process = train("runs", "--devices=2", epochs=2000)
    wait_for_point(tmp_path / "runs")
    (index,) = (tmp_path / "runs").rglob("resume.json")
    before = json.loads(index.read_text())["points"][0]["serial"]
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert errors.count("a resume point is written") == 1
    assert json.loads(index.read_text())["points"][0]["serial"] > before
