"""Tuning per size: transfer by width, one fixed rate, or a sweep with its interior check."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from finscale.config import StudyConfig
from finscale.config.study import TuningConfig
from finscale.data import DataStore
from finscale.files import read_json
from finscale.models import ARCHITECTURES
from finscale.runs import RunStore
from finscale.study import Study, tuning
from finscale.study.grid import expand
from finscale.study.planned import Planned, plan_cells
from finscale.study.sweep import Trial, TuningSetting, extension, sweep
from finscale.study.tuning import Tuner
from finscale.training.resolve import learning_rate_for, transferred_rate


def make(tiny, rate: object = "auto", **changes) -> StudyConfig:
    training = tiny.training.model_copy(update={"learning_rate": rate, "epochs": 1})
    # settings that all leave a network at its linear start could not be told apart
    alone = tiny.model.model_copy(update={"linear_path": "none"})
    content = {
        "name": "tuned",
        "experiment": tiny.model_copy(update={"training": training, "model": alone}),
        "axes": {"parameters": (3_000, 30_000)},
        "seeds": (0,),
        "baselines": ("base_rate",),
        **changes,
    }
    return StudyConfig(**content)


def rates(config: StudyConfig, tmp_path) -> tuple[list[float], list[int]]:
    """Return each size's learning rate and width."""
    data = DataStore(config.experiment.data.root)
    tuner = Tuner(config, data, RunStore(tmp_path))
    planned = plan_cells(tuner.tune(expand(config)), data)
    networks = [one.prepared.config for one in planned if not one.cell.is_baseline]
    return (
        [float(network.training.learning_rate) for network in networks],
        [int(network.network.width or 0) for network in networks],
    )


def test_under_mup_one_rate_serves_all_sizes(tiny, tmp_path) -> None:
    base = ARCHITECTURES["patchtst"].base_rate
    assert rates(make(tiny), tmp_path)[0] == [base, base]
    assert rates(make(tiny, 0.004), tmp_path)[0] == [0.004, 0.004]


def test_in_the_standard_parametrisation_the_rate_follows_the_width(tiny, tmp_path) -> None:
    training = tiny.training.model_copy(update={"parametrisation": "standard"})
    standard = tiny.model_copy(update={"training": training})
    auto, widths = rates(make(standard), tmp_path)
    assert auto == [learning_rate_for(width) for width in widths]
    given, widths = rates(make(standard, 0.004), tmp_path)
    assert given == [0.004, 0.004 * widths[0] / widths[1]]
    fixed, _ = rates(make(standard, 0.004, tuning="fixed"), tmp_path)
    assert fixed == [0.004, 0.004]


def test_the_house_rule_is_the_transfer_of_one_rate() -> None:
    assert learning_rate_for(25) == 0.001
    assert [learning_rate_for(width) for width in (8, 56, 1152)] == [
        transferred_rate(0.001, 25, width) for width in (8, 56, 1152)
    ]


def test_transfer_holds_the_batch_size_of_the_smallest_model(tiny, tmp_path) -> None:
    config = make(tiny)
    training = config.experiment.training.model_copy(update={"batch_size": "auto"})
    experiment = config.experiment.model_copy(update={"training": training})
    config = config.model_copy(update={"experiment": experiment})
    tuner = Tuner(config, DataStore(experiment.data.root), RunStore(tmp_path))
    networks = [cell for cell in tuner.tune(expand(config)) if not cell.is_baseline]
    assert [cell.config.training.batch_size for cell in networks] == [64, 64]
    assert "batch size held: the smallest size's for every size" in tuner.describe()


def test_a_sweep_is_extended_beyond_the_edge_where_the_best_lies() -> None:
    assert extension((0.5, 1, 3), 3) == 9
    assert extension((0.5, 1, 3), 0.5) == 0.25
    assert extension((0.5, 1, 3), 1) is None


@dataclass(frozen=True)
class Named:
    """Stands for a planned run: what a sweep asks of it is its identity."""

    run_id: str


def swept(
    losses: Callable[[TuningSetting], float | None],
    *,
    batch_sizes: tuple[int, ...] = (),
    largest: int = 4_000,
):
    """Return the sweep of a size whose run with a setting has a known loss."""
    rule = TuningConfig(rule="sweep", rate_factors=(0.5, 1, 2), batch_sizes=batch_sizes)

    def attempt(settings: Sequence[TuningSetting]) -> list[Trial]:
        return [Trial(one, cast("Planned", Named(repr(one))), losses(one)) for one in settings]

    return sweep("size", TuningSetting(0.001, 0.05, 64), rule, attempt, largest_batch=largest)


@pytest.mark.parametrize(
    ("best", "interior", "tried"),
    [
        (0.001, True, [0.0005, 0.001, 0.002]),
        (0.002, True, [0.0005, 0.001, 0.002, 0.004]),
        (0.004, False, [0.0005, 0.001, 0.002, 0.004]),
        (0.00025, False, [0.00025, 0.0005, 0.001, 0.002]),
    ],
)
def test_the_best_rate_has_to_be_interior(best: float, interior: bool, tried) -> None:
    found = swept(lambda one: abs(math.log(one.learning_rate / best))).chosen
    assert found is not None
    assert found.learning_rate == best
    assert found.interior is interior
    assert found.extended is (len(tried) > 3)
    assert sorted(trial["learning_rate"] for trial in found.trials) == tried
    assert found.batch_interior is None
    assert found.batch_size == 64


def test_a_diverged_training_is_no_candidate() -> None:
    losses = {0.0005: 0.4, 0.001: math.nan, 0.002: 0.5, 0.00025: 0.45}
    found = swept(lambda one: losses[one.learning_rate]).chosen
    assert found is not None
    assert found.learning_rate == 0.0005


@pytest.mark.parametrize(
    ("best", "interior", "tried"),
    [
        (64, True, [32, 64, 128]),
        (128, True, [32, 64, 128, 256]),
        (512, False, [32, 64, 128, 256]),
        (16, False, [16, 32, 64, 128]),
    ],
)
def test_batch_sizes_follow_at_a_rate_that_moves_with_their_root(best, interior, tried) -> None:
    def loss(one: TuningSetting) -> float:
        # a ridge, as Adam has it: the rate belongs to the batch
        rate = 0.001 * math.sqrt(one.batch_size / 64)
        return abs(math.log2(one.learning_rate / rate)) + abs(math.log2(one.batch_size / best))

    found = swept(loss, batch_sizes=(32, 64, 128)).chosen
    assert found is not None
    assert found.batch_size == min(max(best, tried[0]), tried[-1])
    assert found.learning_rate == pytest.approx(0.001 * math.sqrt(found.batch_size / 64))
    assert found.batch_interior is interior
    assert found.interior is True
    assert sorted({trial["batch_size"] for trial in found.trials}) == tried
    # three rates, the other batch sizes, and nothing twice
    assert len(found.trials) == 3 + len(tried) - 1
    assert ("batch at the edge" in found.sentence) is not interior


def test_no_batch_is_larger_than_the_training_windows() -> None:
    found = swept(lambda one: -one.batch_size, batch_sizes=(32, 64, 128), largest=100).chosen
    assert found is not None
    assert found.batch_size == 64
    assert found.batch_interior is False
    assert found.batch_extended is False


def test_batch_sizes_wait_for_the_rates() -> None:
    found = swept(lambda one: None, batch_sizes=(32, 64, 128))
    assert found.chosen is None
    assert len(found.wanted) == 3
    # known beforehand for the price of the study
    assert [one.batch_size for one in found.later] == [32, 128]


def test_a_sweep_that_is_asked_again_plans_nothing_anew(tiny, tmp_path, monkeypatch) -> None:
    """Of a panel a plan takes seconds a trial, and a study asks a dozen times."""
    config = make(tiny, 1e-3, tuning={"rule": "sweep", "batch_sizes": []})
    tuner = Tuner(config, DataStore(config.experiment.data.root), RunStore(tmp_path))
    planned: list[int] = []

    def counted(cells, data):
        planned.append(len(cells))
        return plan_cells(cells, data)

    monkeypatch.setattr(tuning, "plan_cells", counted)
    cells = expand(config)
    wanted = tuner.missing(cells)
    assert len(wanted) == 2 * len(config.tuning.rate_factors)
    once = list(planned)
    assert tuner.missing(cells) == wanted
    assert tuner.record(cells) == []
    assert planned == once


def test_a_sweep_runs_before_the_grid_and_is_recorded(tiny, tmp_path) -> None:
    split = {"method": "walk_forward", "folds": 2}
    config = make(
        tiny,
        axes={"parameters": (3_000,)},
        tuning={
            "rule": "sweep",
            "rate_factors": (0.1, 1, 10),
            "weight_decays": (0.0, 0.1),
            "batch_sizes": (128, 256, 512),
        },
    )
    walking = config.experiment.split.model_validate(split)
    config = config.model_copy(
        update={"experiment": config.experiment.model_copy(update={"split": walking})}
    )
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    waiting = study.tuner.missing(study.cells)
    assert len(waiting) == 6
    assert len(study.tuner.forecast(study.cells)) == 8
    # validation blocks of later folds are test blocks of earlier ones
    assert {planned.prepared.split.fold for planned in waiting} == {0}
    assert study.run() == {}
    assert study.tuner.missing(study.cells) == []
    assert study.tuner.forecast(study.cells) == []
    assert study.missing() == []
    (record,) = read_json(study.folder / "tuning.json")
    best = min(record["trials"], key=lambda trial: trial["validation_loss"])
    chosen = {name: record[name] for name in ("learning_rate", "weight_decay", "batch_size")}
    assert chosen == {name: best[name] for name in chosen}
    networks = [run for planned, run in study.completed() if not planned.cell.is_baseline]
    assert len(networks) == 2
    for run in networks:
        training = run.config.training
        assert chosen == {name: getattr(training, name) for name in chosen}
    # an extension of the rates adds two runs, one for each weight decay
    rates, batches = 8 if record["extended"] else 6, 3 if record["batch_extended"] else 2
    assert len(record["trials"]) == rates + batches
    assert {trial["batch_size"] for trial in record["trials"]} >= {128, 256, 512}
    # what was chosen was chosen by validation: nobody has read a candidate's test part
    for trial in record["trials"]:
        candidate = study.runs[trial["run_id"]]
        assert [reading.program for reading in candidate.test_readings()] == ["training"]
        assert candidate.info["test_reads"] == 1


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({"rule": "sweep", "batch_sizes": (64, 128)}, "three batch_sizes"),
        ({"rule": "sweep", "batch_sizes": (64, 32, 128)}, "batch_sizes must rise"),
    ],
)
def test_batch_sizes_are_checked(tuning, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TuningConfig(**tuning)
