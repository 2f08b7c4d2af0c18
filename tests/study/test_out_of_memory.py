"""A worker killed as the kernel does when memory runs out: retried once, then recorded."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from finscale.config import StudyConfig
from finscale.runs import RunStore
from finscale.study import Event, LocalExecutor, Study
from finscale.study.execution.local import start_worker
from finscale.training.oom import how_it_ended

VICTIM = "parameters5000-seed0"


@pytest.fixture
def study(tiny, tmp_path) -> Study:
    training = tiny.training.model_copy(update={"epochs": 40, "patience": None})
    config = StudyConfig(
        name="memory",
        experiment=tiny.model_copy(update={"training": training}),
        axes={"parameters": (3_000, 5_000)},
        seeds=(0,),
        baselines=("base_rate",),
    )
    return Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))


class Kernel:
    """Kills the worker whenever the victim is in the midst of its training."""

    def __init__(self, kills: int) -> None:
        self.left = kills
        self.started: list[str] = []

    def __call__(self, event: Event) -> None:
        if event.kind == "started":
            self.started.append(event.job.label)
        if event.kind == "progress" and event.job.label == VICTIM and self.left:
            self.left -= 1
            (worker,) = filter(is_worker, psutil.Process().children())
            os.kill(worker.pid, signal.SIGKILL)


def is_worker(child: psutil.Process) -> bool:
    """Tell workers from what other tests of this process have left, ended processes among it."""
    try:
        return "finscale.experiment.worker" in child.cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_a_run_that_always_runs_out_of_memory_is_recorded_and_the_study_goes_on(study) -> None:
    kernel = Kernel(kills=2)
    failed = study.run(executor=LocalExecutor(1), observe=kernel)
    assert list(failed) == [VICTIM]
    assert "killed by signal 9, as the kernel does when memory runs out" in failed[VICTIM]
    assert "--workers" in failed[VICTIM]
    # tried twice, and the others went on
    assert kernel.started.count(VICTIM) == 2
    assert len(study.completed()) == 2
    assert [planned.cell.label for planned in study.missing()] == [VICTIM]
    (record,) = study.failures.read().values()
    assert record["label"] == VICTIM
    assert "memory" in record["error"]
    # what is there can be tabled, and the next call mends it
    assert len(study.results()) == 2
    assert study.run(executor=LocalExecutor(1)) == {}
    assert study.missing() == []
    assert study.failures.read() == {}


@pytest.mark.slow
def test_a_run_that_ran_out_of_memory_once_is_as_if_nothing_had_happened(study, tmp_path) -> None:
    assert study.run(executor=LocalExecutor(1), observe=Kernel(kills=1)) == {}
    calm = Study(study.config, studies=tmp_path / "calm", runs=RunStore(tmp_path / "calm_runs"))
    assert calm.run(executor=LocalExecutor(1)) == {}
    for planned, run in study.completed():
        assert run.predictions().equals(calm.runs[planned.run_id].predictions())


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's choice is a setting of Linux")
def test_the_worker_dies_before_the_coordinator() -> None:
    worker = start_worker(1)
    score = Path(f"/proc/{worker.pid}/oom_score_adj")
    before = int(Path("/proc/self/oom_score_adj").read_text())
    try:
        assert worker.stdin is not None
        worker.stdin.write("{}\n")  # no job: it says so, and by then it has offered itself
        worker.stdin.flush()
        assert worker.stdout is not None
        assert "failed" in worker.stdout.readline()
        assert int(score.read_text()) == 1000 > before
    finally:
        worker.kill()
        worker.communicate()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-9, "killed by signal 9, as the kernel does when memory runs out"),
        (-11, "killed by signal 11"),
        (1, "ended with status 1"),
    ],
)
def test_the_end_of_a_process_in_words(status: int, words: str) -> None:
    assert how_it_ended(status) == words
