"""Threads of each size: measured once, remembered, never chosen twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from finscale.config import StudyConfig
from finscale.files import read_json, write_json
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.crew import Crew
from finscale.study.planning import plan_study
from finscale.study.threads import ThreadChoice, decide

CORES = 2


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch) -> None:
    monkeypatch.setattr("finscale.training.devices.available_threads", lambda: CORES)


@pytest.fixture
def config(tiny) -> StudyConfig:
    training = tiny.training.model_copy(update={"threads": "auto", "epochs": 1})
    return StudyConfig(
        name="threads",
        experiment=tiny.model_copy(update={"training": training}),
        axes={"parameters": (3_000, 5_000)},
        seeds=(0, 1),
        baselines=("base_rate",),
        controls={"kinds": ("permuted_labels",), "sizes": (3_000,), "seeds": (0,)},
    )


@pytest.fixture
def make(config, tmp_path):
    def study(**changes) -> Study:
        changed = config.model_copy(update=changes)
        return Study(changed, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))

    return study


def measured(monkeypatch, side_by_side: float | None, alone: float | None) -> list[int]:
    """Give the two ways known speeds; return a list that grows with every measurement of them."""
    calls: list[int] = []

    def speed(crew: Crew, *_) -> float | None:
        calls.append(crew.threads)
        return side_by_side if crew.threads == 1 else alone

    monkeypatch.setattr(Crew, "samples_per_second", speed)
    return calls


def threads(study: Study) -> list[int]:
    return [
        int(one.prepared.config.training.threads)
        for one in [*study.plan, *study.controls["permuted_labels"].plan]
        if not one.cell.is_baseline
    ]


@pytest.mark.parametrize(
    ("rule", "side", "alone", "chosen"),
    [
        (1, 100.0, 114.9, 1),
        (1, 100.0, 115.0, CORES),
        (1, 100.0, 50.0, 1),
        (CORES, 114.9, 100.0, CORES),
        (CORES, 115.0, 100.0, 1),
        (CORES, None, 100.0, CORES),
        (1, 100.0, None, 1),
    ],
)
def test_the_rule_stands_unless_the_other_way_is_clearly_faster(rule, side, alone, chosen) -> None:
    assert decide(rule, CORES, CORES, side, alone).threads == chosen


def test_a_choice_is_made_once_for_the_study_its_sweep_and_its_controls(make, monkeypatch) -> None:
    calls = measured(monkeypatch, 100.0, 200.0)
    study = make()
    before = {planned.run_id for planned in study.plan}
    assert threads(study) == [1] * 5
    chosen = study.choose_threads()
    assert set(chosen) == {"parameters 3000", "parameters 5000"}
    assert threads(study) == [CORES] * 5
    assert sum(planned.run_id in before for planned in study.plan) == 1  # the baseline
    assert "one on 2 cores 200" in chosen["parameters 3000"].reason
    made = len(calls)

    # another day, when the machine would say something else
    measured(monkeypatch, 200.0, 100.0)
    again = make()
    assert threads(again) == [CORES] * 5
    assert again.choose_threads() == chosen
    assert len(calls) == made
    # a size that is added is measured, the others keep their choice
    longer = make(axes={"parameters": (3_000, 5_000, 9_000)})
    assert [one.threads for one in longer.choose_threads().values()] == [CORES, CORES, 1]


def test_finished_runs_say_what_a_lost_record_said(make, monkeypatch) -> None:
    measured(monkeypatch, 100.0, 200.0)
    study = make(controls={"kinds": ()})
    study = make(axes={"parameters": (3_000,)}, seeds=(0,))
    assert study.run() == {}
    (network,) = (run for planned, run in study.completed() if not planned.cell.is_baseline)
    assert network.config.training.threads == CORES
    study.threads.path.unlink()
    calls = measured(monkeypatch, 200.0, 100.0)
    again = make(axes={"parameters": (3_000,)}, seeds=(0,))
    assert [one.why for one in again.choose_threads().values()] == ["kept"]
    assert calls == []
    assert again.missing() == []


def test_a_number_is_not_measured(make, config, monkeypatch) -> None:
    calls = measured(monkeypatch, 100.0, 200.0)
    training = config.experiment.training.model_copy(update={"threads": 1})
    study = make(experiment=config.experiment.model_copy(update={"training": training}))
    assert study.choose_threads() == {}
    assert not study.threads.path.exists()
    assert plan_study(study, seconds=0.01).sizes[0].threads_why == "set in the file"
    assert calls == []


def test_runs_that_do_not_fit_side_by_side_take_all_cores(make, monkeypatch) -> None:
    calls = measured(monkeypatch, 200.0, 100.0)
    monkeypatch.setattr("finscale.training.devices.free_memory", lambda device: 2**20)
    chosen = make().choose_threads()
    assert [(one.threads, one.why) for one in chosen.values()] == [(CORES, "memory")] * 2
    assert "2 side by side need" in chosen["parameters 3000"].reason
    assert calls == []


def test_the_plan_says_where_threads_come_from(make, monkeypatch) -> None:
    measured(monkeypatch, 200.0, 100.0)
    first, again = (plan_study(make(), seconds=0.01) for _ in range(2))
    assert [size.threads for size in first.sizes[:2]] == [1, 1]
    assert first.sizes[0].threads_why.startswith("measured: 2 side by side 200 samples/s")
    assert again.sizes[0].threads_why.startswith("remembered: 2 side by side 200 samples/s")
    assert "batch size held: 256" in first.tuning


def test_two_calls_at_once_come_to_one_choice(make, monkeypatch) -> None:
    calls = measured(monkeypatch, 100.0, 200.0)
    studies = [make(), make()]
    plans = [study.plan for study in studies]
    with ThreadPoolExecutor(2) as pool:
        pairs = zip(studies, plans, strict=True)
        futures = [pool.submit(s.threads.choose, plan, s.runs) for s, plan in pairs]
        first, second = (future.result() for future in futures)
    assert first == second
    # two ways in two rounds: both sizes here are of another architecture
    assert len(calls) == 8


def test_real_workers_are_measured_together(make) -> None:
    planned = make().plan[1]
    with Crew(2, 1) as crew:
        speed = crew.samples_per_second(planned.prepared.config, 0.05)
        assert speed is not None
        assert speed > 0
        # a training that cannot be made is no speed, and the crew goes on
        broken = planned.prepared.config.data.model_copy(update={"symbols": ("NOWHERE",)})
        config = planned.prepared.config.model_copy(update={"data": broken})
        assert crew.samples_per_second(config, 0.05) is None
        assert crew.samples_per_second(planned.prepared.config, 0.05) is not None


def test_the_record_is_plain(make, monkeypatch) -> None:
    measured(monkeypatch, 100.0, 200.0)
    study = make()
    study.choose_threads()
    record = read_json(study.threads.path)
    assert record["parameters 3000"]["threads"] == CORES
    assert study.threads.read()["parameters 3000"] == ThreadChoice(**record["parameters 3000"])
    write_json(study.threads.path, record)
    assert threads(make()) == [CORES] * 5
