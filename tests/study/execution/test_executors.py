"""Executors by name, and what runs ask of a node."""

from __future__ import annotations

import sys

import pytest

from finscale.config import StudyConfig
from finscale.errors import FinscaleError
from finscale.runs import RunStore
from finscale.study import Event, LocalExecutor, RayExecutor, Study
from finscale.study.execution.executors import EXECUTORS, make_executor
from finscale.study.execution.local import Job, KnowsDevices
from finscale.study.execution.needs import needs_of

_GIB = 2**30


def job(threads: int | str = 1, *, parameters: int = 50_000, memory: int = 0, config=None) -> Job:
    training = config.training.model_copy(update={"threads": threads})
    config = config.model_copy(update={"training": training})
    return Job(0, "a", config, 1e12, parameters=parameters, memory=memory)


@pytest.mark.parametrize(
    ("parameters", "memory", "share"),
    [
        (50_000, _GIB // 8, 0.125),
        (2_000_000, _GIB // 8, 0.25),
        (20_000_000, _GIB, 0.5),
        (200_000_000, 8 * _GIB, 1.0),
        (50_000, 3 * _GIB, 0.417),  # of 8 GiB, of which .9 are given away
        (50_000, 6 * _GIB, 1.0),
        (0, 0, 0.0),  # a baseline
    ],
)
def test_small_models_share_a_gpu(tiny, parameters, memory, share):
    one = job(config=tiny, parameters=parameters, memory=memory)
    assert needs_of([one], "cuda", 8 * _GIB).gpus == share


def test_an_ensemble_asks_for_its_models_together(tiny):
    one = job(config=tiny, parameters=250_000, memory=_GIB // 8)
    assert needs_of([one], "cuda", 80 * _GIB).gpus == 0.125
    assert needs_of([one] * 8, "cuda", 80 * _GIB).gpus == 0.25
    assert needs_of([one] * 32, "cuda", 80 * _GIB).gpus == 0.5


@pytest.mark.parametrize(("threads", "cpus"), [(1, 1), (4, 4), ("auto", 1)])
def test_cores_are_the_threads_and_memory_the_plan(tiny, threads, cpus):
    needs = needs_of([job(threads, config=tiny, memory=_GIB)], "cpu")
    assert (needs.cpus, needs.gpus) == (cpus, 0.0)
    assert _GIB < needs.memory < 2 * _GIB


def test_an_unknown_executor_is_refused_with_those_that_there_are():
    with pytest.raises(FinscaleError, match="'rayy' is not an executor") as caught:
        make_executor("rayy")
    assert "ray" in caught.value.hint


def test_the_local_executor_has_no_address():
    with pytest.raises(FinscaleError, match="has no address") as caught:
        make_executor("local", address="auto")
    assert "--executor ray" in caught.value.hint


@pytest.mark.parametrize("make", [LocalExecutor, RayExecutor])
def test_no_workers_and_no_attempts_are_refused(make):
    with pytest.raises(FinscaleError, match="workers = 0"):
        make(workers=0)
    with pytest.raises(FinscaleError, match="attempts = 0"):
        make(attempts=0)


def test_executors_know_their_devices_without_a_connection():
    assert isinstance(LocalExecutor(3), KnowsDevices)
    assert LocalExecutor(3).slots == 3
    # asking the class: an instance would connect
    assert all(hasattr(RayExecutor, name) for name in ("slots", "cores", "choose_device"))


def test_without_ray_one_sentence_says_what_brings_it(tiny, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    executor = make_executor("ray")
    with pytest.raises(FinscaleError, match="ray is not installed") as caught:
        list(executor.run([job(config=tiny)], tmp_path))
    assert "finscale[cluster]" in caught.value.hint


def test_a_plugin_s_executor_computes_a_study_by_its_name(tiny, tmp_path, monkeypatch):
    seen: list[int] = []

    class _Counting(LocalExecutor):
        def run(self, jobs, runs):
            seen.append(len(jobs))
            for job in jobs:
                yield Event("failed", job, {"error": "it only counts"})

    monkeypatch.setitem(EXECUTORS._entries, "counting", lambda options: _Counting(options.workers))
    config = StudyConfig(
        name="s",
        experiment=tiny,
        axes={"parameters": (3_000, 5_000)},
        seeds=(0,),
        baselines=("base_rate",),
    )
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    failed = study.run(executor="counting")
    assert seen == [len(failed)] == [3]
