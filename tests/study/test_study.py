"""A study: the grid, worker processes that may die, results and figure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import polars as pl
import pytest

from finscale.config import BaselineConfig, StudyConfig
from finscale.errors import FinscaleError
from finscale.experiment import run_experiment
from finscale.runs import RunStore
from finscale.study import Event, Job, LocalExecutor, Study
from finscale.study.grid import expand


@pytest.fixture
def config(tiny) -> StudyConfig:
    return StudyConfig(
        name="tiny",
        question="Does it pay? <script>",
        experiment=tiny,
        axes={"parameters": (3_000, 5_000)},
        seeds=(0, 1),
        baselines=("base_rate", "volatility"),
    )


def test_grid_is_baselines_then_every_size_with_every_seed(config) -> None:
    cells = expand(config)
    assert [cell.label for cell in cells] == [
        "base_rate",
        "volatility",
        "parameters3000-seed0",
        "parameters3000-seed1",
        "parameters5000-seed0",
        "parameters5000-seed1",
    ]
    assert [cell.config.seed for cell in cells] == [0, 0, 0, 1, 0, 1]
    assert isinstance(cells[0].config.model, BaselineConfig)
    assert cells[4].config.network.budget == 5_000


def test_study_from_first_run_to_figure(config, tmp_path) -> None:
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    assert len(study.missing()) == 6
    events: list[Event] = []
    assert study.run(observe=events.append) == {}
    assert study.missing() == []
    assert {event.kind for event in events} >= {"started", "progress", "done"}
    # the costliest runs are handed out first, the baselines last; two workers speak at once
    started = [event.job.label for event in events if event.kind == "started"]
    assert any(label.startswith("parameters5000") for label in started[:3])
    assert set(started[-2:]) == {"base_rate", "volatility"}

    table = study.results()
    assert len(table) == 6
    stored = pl.read_parquet(study.folder / "results.parquet")
    assert stored.equals(table)
    assert (study.folder / "tables" / "results.csv").is_file()
    assert config.hash() in (study.folder / "study.yaml").read_text()
    volatility = table.filter(pl.col("model") == "volatility").row(0, named=True)
    assert volatility["log_loss"] == pytest.approx(0.3705, abs=5e-4)
    assert volatility["skill_volatility"] == 0
    base_rate = table.filter(pl.col("model") == "base_rate").row(0, named=True)
    assert base_rate["collapsed"]
    rows = study.summary()
    assert [row["runs"] for row in rows] == ["1", "1", "2", "2"]

    # run by run alone, the bits are the same
    planned = study.plan[2]
    alone = run_experiment(planned.cell.config, runs=RunStore(tmp_path / "alone"))
    assert alone.predictions().equals(study.runs[planned.run_id].predictions())
    # nothing is computed twice
    assert study.run(observe=events.append) == {}
    assert sum(event.kind == "done" for event in events) == 6


def test_a_killed_worker_is_replaced(config, tmp_path) -> None:
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    killed: list[int] = []

    def kill_once(event: Event) -> None:
        if event.kind == "progress" and not killed:
            children = subprocess.run(
                ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            workers = [
                line for line in children.splitlines() if "finscale.experiment.worker" in line
            ]
            killed.append(int(workers[0].split()[0]))
            os.kill(killed[0], signal.SIGKILL)

    assert study.run(executor=LocalExecutor(1), observe=kill_once) == {}
    assert len(killed) == 1
    assert study.missing() == []


def test_a_run_that_cannot_work_is_recorded_and_the_rest_goes_on(tiny, tmp_path) -> None:
    good, bad = (tiny.model_copy(update={"name": name}) for name in ("good", "bad"))
    data = bad.data.model_copy(update={"symbols": ("NOWHERE",)})
    jobs = [
        Job(0, "bad", bad.model_copy(update={"data": data}), cost=2.0),
        Job(1, "good", good, cost=1.0),
    ]
    events = list(LocalExecutor(1).run(jobs, tmp_path / "runs"))
    ends = {event.job.label: event for event in events if event.kind in ("done", "failed")}
    assert ends["good"].kind == "done"
    assert ends["bad"].kind == "failed"
    assert "NOWHERE" in ends["bad"].facts["error"]
    # tried twice before it counted as failed
    assert sum(event.kind == "started" and event.job.label == "bad" for event in events) == 2


@pytest.mark.parametrize("counts", [{"workers": 0}, {"workers": -2}, {"attempts": 0}], ids=str)
def test_an_executor_without_workers_is_refused(counts) -> None:
    with pytest.raises(FinscaleError, match="need at least 1"):
        LocalExecutor(**counts)


def test_worker_process_keeps_its_channel_clean(tiny, tmp_path) -> None:
    message = f'{{"configs": [{tiny.model_dump_json()}], "runs": "{tmp_path}"}}\n'
    done = subprocess.run(
        [sys.executable, "-m", "finscale.experiment.worker"],
        input=message,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert all(line.startswith('{"kind"') for line in lines)
    assert ['"done"' in lines[-2], '"finished"' in lines[-1]] == [True, True]
