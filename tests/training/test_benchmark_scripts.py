"""The scripts for a borrowed GPU and for shared memory run, at sizes of no consequence."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason="benchmarks are not part of an installed package"
)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    script = importlib.import_module("gpu")
    monkeypatch.setattr(script, "SECONDS", 0.05)
    yield script
    for name in ("gpu", "machine"):
        sys.modules.pop(name, None)


def test_the_gpu_script_measures_steps_and_ensembles_and_says_what_fails(gpu) -> None:
    case = gpu.Case("5k", 4, compiled=False)
    steps = {
        case.title: gpu.measure(case, "cpu", peak=1e11),
        "impossible": gpu.measure(gpu.Case("3", 4, compiled=False), "cpu", peak=1e11),
    }
    row = steps["5k patchtst not compiled"]
    assert row["share_of_peak"] == pytest.approx(row["flops_per_step"] / row["step_seconds"] / 1e11)
    assert row["windows_per_second"] == pytest.approx(4 / row["step_seconds"])
    together = gpu.ensemble("5k", 4, 2, "cpu")
    assert together["ratio"] == pytest.approx(
        together["together_steps_per_second"] / together["alone_steps_per_second"]
    )
    text = gpu.table(
        {
            "device": "cpu",
            "peak_flops": 1e11,
            "steps": steps,
            "ensembles": {"2 seeds": together},
            "left_out": ["20M gru"],
        }
    )
    assert "5k patchtst not compiled" in text
    assert "BudgetError" in text
    assert "left out for want of time: 20M gru" in text


def test_the_gpu_script_takes_the_most_wanted_cases_first(gpu) -> None:
    titles = [case.title for case in gpu.cases(gpu.BATCHES, compiled=True)]
    assert titles[:3] == ["2M patchtst", "2M patchtst independent", "2M transformers"]
    assert "2B patchtst" in titles[:12]
    assert len(titles) == len(set(titles))


@pytest.mark.slow
def test_the_gpu_script_runs_from_end_to_end(tmp_path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, str(FOLDER / "gpu.py"), "--tiny", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert not any("error" in row for row in found["steps"].values())
    assert "of peak" in done.stdout


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_shared_memory_is_measured_and_planned(tmp_path) -> None:
    out = tmp_path / "memory.json"
    words = ["--budget", "100M", "--batch", "8", "--out", str(out)]
    command = [sys.executable, str(FOLDER / "fsdp_memory.py"), *words]
    subprocess.run(command, timeout=580, check=True, capture_output=True)
    found = json.loads(out.read_text())
    # half of all that lasts, and the libraries, which weigh more beside half a model
    assert found["share"] < 0.7
    for one in found["bytes"]["shared"]:
        assert one["process"] < 1.15 * one["planned"]
    # the same first loss: one model, one batch
    alone, shared = found["bytes"]["alone"], found["bytes"]["shared"]
    assert {one["loss"] for one in shared} == {shared[0]["loss"]}
    assert alone["loss"] > 0
