"""Which runs train as one program: the rule, by hand; no GPU is needed to ask it."""

from __future__ import annotations

import pytest

from finscale.config import StudyConfig
from finscale.config.architectures import GRUConfig
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.execution.ensembles import ensemble_size, ensembles

GB = 2**30


@pytest.mark.parametrize(
    ("device", "parameters", "needed", "free", "expected"),
    [
        ("cuda", 50_000, GB // 64, 16 * GB, 32),
        ("cuda", 300_000, GB // 64, 16 * GB, 8),
        ("cuda", 3_000_000, GB // 64, 16 * GB, 1),
        ("cuda", 50_000, GB, 16 * GB, 8),  # half of the memory holds eight
        ("cuda", 50_000, 40 * GB, 16 * GB, 1),
        ("cpu", 50_000, GB // 64, 16 * GB, 1),
        ("mps", 50_000, GB // 64, 16 * GB, 1),
    ],
)
def test_size_by_device_parameters_and_memory(device, parameters, needed, free, expected) -> None:
    assert ensemble_size(device, parameters=parameters, needed=needed, free=free) == expected


@pytest.fixture
def study(tiny, tmp_path) -> Study:
    config = StudyConfig(
        name="stacks",
        experiment=tiny,
        axes={"parameters": (3_000, 5_000)},
        seeds=tuple(range(5)),
        baselines=("base_rate",),
    )
    return Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))


def names(study: Study, device: str, free: int = 16 * GB) -> dict[str, list[int]]:
    """Return ensemble → places of its runs, on a machine with this device."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(
        ensembles(study.plan, workers=2, choose=lambda _: device, free=lambda _: free)
    ):
        found.setdefault(name, []).append(place)
    return found


def test_seeds_of_a_size_are_one_program_on_a_gpu(study) -> None:
    found = names(study, "cuda")
    alone = found.pop("")
    assert {study.plan[place].cell.is_baseline for place in alone} == {True}
    assert sorted(map(len, found.values())) == [5, 5]
    for places in found.values():
        assert len({study.plan[place].prepared.counts.total for place in places}) == 1


def test_on_a_cpu_every_run_trains_alone(study) -> None:
    assert list(names(study, "cpu")) == [""]


def test_recurrent_cells_which_torch_cannot_stack_train_alone(tiny, tmp_path) -> None:
    network = GRUConfig(budget=3_000)
    config = StudyConfig(
        name="cells",
        experiment=tiny.model_copy(update={"model": network}),
        axes={"parameters": (3_000,)},
        seeds=(0, 1),
        baselines=("base_rate",),
    )
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    assert list(names(study, "cuda")) == [""]


def test_little_memory_makes_smaller_ensembles(study) -> None:
    from finscale.study.speed import training_bytes

    needed = max(training_bytes(one) for one in study.plan if not one.cell.is_baseline)
    # two workers, of whose half each holds two models
    found = names(study, "cuda", free=2 * 2 * 2 * needed)
    found.pop("")
    assert max(map(len, found.values())) <= 3
    assert sum(map(len, found.values())) == 10
