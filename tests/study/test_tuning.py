"""Tuning per size: transfer by width, one fixed rate, or a sweep with its interior check."""

from __future__ import annotations

import math

import pytest

from finscale.config import StudyConfig
from finscale.config.study import TuningConfig
from finscale.data import DataStore
from finscale.files import read_json
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.grid import expand
from finscale.study.planned import plan_cells
from finscale.study.tuning import Trial, Tuner, _choose, extension


def make(tiny, rate: object = "auto", **changes) -> StudyConfig:
    training = tiny.training.model_copy(update={"learning_rate": rate, "epochs": 1})
    content = {
        "name": "tuned",
        "experiment": tiny.model_copy(update={"training": training}),
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


def test_transfer_follows_the_width(tiny, tmp_path) -> None:
    auto, _ = rates(make(tiny), tmp_path)
    assert auto[0] >= auto[1]
    given, widths = rates(make(tiny, 0.004), tmp_path)
    assert given[0] == 0.004
    assert given[1] == pytest.approx(0.004 * math.sqrt(widths[0] / widths[1]))
    fixed, _ = rates(make(tiny, 0.004, tuning="fixed"), tmp_path)
    assert fixed == [0.004, 0.004]


def test_a_sweep_is_extended_beyond_the_edge_where_the_best_lies() -> None:
    rule = TuningConfig(rule="sweep", rate_factors=(0.5, 1, 3))
    assert extension(rule, 3) == 9
    assert extension(rule, 0.5) == 0.25
    assert extension(rule, 1) is None


@pytest.mark.parametrize(
    ("losses", "chosen", "interior"),
    [
        ({0.5: 0.4, 1.0: 0.3, 2.0: 0.5}, 1.0, True),
        ({0.5: 0.5, 1.0: 0.4, 2.0: 0.3, 4.0: 0.35}, 2.0, True),
        ({0.5: 0.5, 1.0: 0.4, 2.0: 0.3, 4.0: 0.2}, 4.0, False),
        ({0.5: 0.4, 1.0: math.nan, 2.0: 0.5}, 0.5, False),
    ],
)
def test_the_best_has_to_be_interior(tiny, losses, chosen: float, interior: bool) -> None:
    config = make(tiny, tuning="sweep")
    data = DataStore(config.experiment.data.root)
    cell = expand(config)[1]
    planned = plan_cells([cell], data)[0]
    trials = [Trial(f, 0.001 * f, 0.05, planned, loss) for f, loss in losses.items()]
    tuned = _choose(cell, trials, extended=len(losses) > 3)
    assert tuned.learning_rate == pytest.approx(0.001 * chosen)
    assert tuned.interior is interior
    assert len(tuned.trials) == len(losses)


def test_a_sweep_runs_before_the_grid_and_is_recorded(tiny, tmp_path) -> None:
    split = {"method": "walk_forward", "folds": 2}
    config = make(
        tiny,
        axes={"parameters": (3_000,)},
        tuning={"rule": "sweep", "rate_factors": (0.1, 1, 10), "weight_decays": (0.0, 0.1)},
    )
    walking = config.experiment.split.model_validate(split)
    config = config.model_copy(
        update={"experiment": config.experiment.model_copy(update={"split": walking})}
    )
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    waiting = study.tuner.missing(study.cells)
    assert len(waiting) == 6
    # validation blocks of later folds are test blocks of earlier ones
    assert {planned.prepared.split.fold for planned in waiting} == {0}
    assert study.run() == {}
    assert study.tuner.missing(study.cells) == []
    assert study.missing() == []
    (record,) = read_json(study.folder / "tuning.json")
    best = min(record["trials"], key=lambda trial: trial["validation_loss"])
    assert record["learning_rate"] == best["learning_rate"]
    networks = [run for planned, run in study.completed() if not planned.cell.is_baseline]
    assert len(networks) == 2
    for run in networks:
        assert run.config.training.learning_rate == best["learning_rate"]
        assert run.config.training.weight_decay == best["weight_decay"]
    # the extension adds two runs, one for each weight decay
    assert len(record["trials"]) == (8 if record["extended"] else 6)
