"""Stacks in a study: which runs are trained together, and that nobody can tell afterwards."""

from __future__ import annotations

import pytest

from finscale.config import StudyConfig
from finscale.experiment.experiment import run_experiment, run_experiments
from finscale.runs import RunStore
from finscale.study import Event, Job, LocalExecutor, Study
from finscale.study.planning import plan_study
from finscale.study.stacking import Stacking

WEIGHTS = "model.safetensors"


@pytest.fixture
def study(tiny, tmp_path) -> Study:
    config = StudyConfig(
        name="stacked",
        experiment=tiny,
        axes={"parameters": (3_000, 5_000)},
        seeds=(0, 1, 2),
        baselines=("base_rate",),
    )
    return Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))


class Measured(Stacking):
    """What a size gains in a stack is given, not measured."""

    def __init__(self, given: float) -> None:
        super().__init__()
        self.given = given

    def names(self, wanted, **options):
        names = super().names(wanted, **options)
        self.gains = dict.fromkeys(self.gains, self.given)
        return super().names(wanted, **options) if self.gains else names


def test_runs_alike_but_for_the_seed_share_a_stack(study) -> None:
    names = Measured(2.0).names(study.plan, workers=2)
    by_label = {one.cell.label: name for one, name in zip(study.plan, names, strict=True)}
    assert by_label["base_rate"] == ""
    small = {by_label[f"parameters3000-seed{seed}"] for seed in range(3)}
    large = {by_label[f"parameters5000-seed{seed}"] for seed in range(3)}
    assert len(small) == len(large) == 1
    assert small.isdisjoint(large)


def test_no_stack_where_it_does_not_pay(study) -> None:
    assert set(Measured(1.0).names(study.plan, workers=2)) == {""}


def test_one_group_is_shared_among_the_workers(study) -> None:
    group = [one for one in study.plan if one.cell.sizes == {"parameters": 3_000}]
    names = Measured(2.0).names(group, workers=2)
    assert sorted(names.count(name) for name in set(names)) == [1, 2]


def test_a_plan_counts_the_memory_of_a_stack_and_shares_its_time(study) -> None:
    study.stacking = Measured(1.0)
    alone = plan_study(study, seconds=0.01)
    study.stacking = Measured(1e6)
    together = plan_study(study, seconds=0.01)
    assert [size.stack for size in alone.sizes if size.parameters] == [1, 1]
    assert [size.stack for size in together.sizes if size.parameters] == [3, 3]
    for one, other in zip(together.sizes, alone.sizes, strict=True):
        if one.parameters:
            assert one.memory > other.memory
            assert one.seconds < other.seconds


def test_several_threads_are_not_stacked(study) -> None:
    settings = study.config.experiment.training.model_copy(update={"threads": 2})
    experiment = study.config.experiment.model_copy(update={"training": settings})
    study.config = study.config.model_copy(update={"experiment": experiment})
    assert set(Measured(2.0).names(study.plan, workers=2)) == {""}


def test_what_is_measured_is_a_ratio_of_speeds(study) -> None:
    stacking = Stacking(seconds=0.05)
    stacking.names(study.plan, workers=1)
    assert len(stacking.gains) == 2
    assert all(0.2 < gain < 20 for gain in stacking.gains.values())


def test_a_stacked_study_ends_with_the_bits_of_single_runs(study, tmp_path) -> None:
    study.stacking = Measured(2.0)
    events: list[Event] = []
    assert study.run(executor=LocalExecutor(1), observe=events.append) == {}
    stacks = {event.job.stack for event in events if event.kind == "started"}
    assert len(stacks - {""}) == 2
    alone = RunStore(tmp_path / "alone")
    for planned in study.plan:
        expected = run_experiment(planned.cell.config, runs=alone)
        found = study.runs[planned.run_id]
        assert found.id == expected.id
        assert found.predictions().equals(expected.predictions())
        if not planned.cell.is_baseline:
            both = ((store.folder / found.id / WEIGHTS) for store in (alone, study.runs))
            assert len({path.read_bytes() for path in both}) == 1


def test_a_member_that_cannot_work_leaves_the_others(tiny, tmp_path, monkeypatch) -> None:
    good = tiny.model_copy(update={"name": "good"})
    wild = tiny.training.model_copy(update={"learning_rate": 1e38, "clip_norm": None})
    good = good.model_copy(
        update={"training": tiny.training.model_copy(update={"clip_norm": None})}
    )
    bad = tiny.model_copy(update={"name": "bad", "training": wild})
    jobs = [Job(0, "bad", bad, 1.0, "both"), Job(1, "good", good, 1.0, "both")]
    events = list(LocalExecutor(1).run(jobs, tmp_path / "runs"))
    ends = {event.job.label: event for event in events if event.kind in ("done", "failed")}
    assert ends["good"].kind == "done"
    assert ends["bad"].kind == "failed"
    assert "loss is" in ends["bad"].facts["error"]
    assert "Traceback" in ends["bad"].facts["traceback"]


def test_members_that_are_there_are_not_computed_again(tiny, tmp_path) -> None:
    store = RunStore(tmp_path)
    first = run_experiment(tiny, runs=store)
    written = (store.folder / first.id / "run.json").read_bytes()
    told: dict[int, object] = {}
    both = [tiny, tiny.model_copy(update={"seed": 1})]
    runs = run_experiments(both, runs=store, done=told.__setitem__)
    assert [run.id for run in runs] == [told[0].id, told[1].id]
    assert (store.folder / first.id / "run.json").read_bytes() == written
