"""The test part is predicted once, when all is decided; every other look at it is counted."""

from __future__ import annotations

import numpy as np

from finscale.config import BaselineConfig, StudyConfig
from finscale.experiment import prepare, run_experiment
from finscale.models.baselines.linear import TunedLinear
from finscale.runs import RunStore
from finscale.study import Study
from finscale.training import Callback


class Peek(Callback):
    """Looks at the test windows after each epoch, as a person in a hurry would."""

    def on_epoch_end(self, trainer, record) -> None:
        trainer.predict(trainer.split.test[:5])


def made(config, folder, **options):
    return run_experiment(config, runs=RunStore(folder), **options)


def test_early_stopping_and_the_choice_of_weights_read_validation_alone(tiny, tmp_path):
    training = tiny.training.model_copy(update={"epochs": 6, "patience": 1, "learning_rate": 0.05})
    run = made(tiny.model_copy(update={"training": training}), tmp_path)
    assert run.info["training"]["stopped"]
    assert run.info["test_reads"] == 1
    assert [reading.program for reading in run.test_readings()] == ["training"]


def test_a_callback_that_looks_at_test_windows_is_counted(tiny, tmp_path):
    run = made(tiny, tmp_path, callbacks=[Peek()])
    assert run.info["test_reads"] == 1 + tiny.training.epochs


def test_a_baseline_predicts_its_test_windows_once(tiny, tmp_path):
    config = tiny.model_copy(update={"model": BaselineConfig(name="volatility")})
    run = made(config, tmp_path)
    assert run.info["test_reads"] == 1
    assert [reading.program for reading in run.test_readings()] == ["training"]


def test_a_baseline_is_tuned_on_validation_alone(tiny, tmp_path, monkeypatch):
    shown = []
    tune = TunedLinear.tune

    def watched(self, frame, ends, target):
        shown.append((ends, target))
        tune(self, frame, ends, target)

    monkeypatch.setattr(TunedLinear, "tune", watched)
    config = tiny.model_copy(update={"model": BaselineConfig(name="logistic")})
    run = made(config, tmp_path)
    prepared = prepare(config)
    ((ends, target),) = shown
    np.testing.assert_array_equal(ends, prepared.split.validation)
    np.testing.assert_array_equal(target, prepared.dataset.targets(ends))
    assert run.info["test_reads"] == 1


def test_a_run_that_was_removed_and_made_again_has_still_been_read(tiny, tmp_path, monkeypatch):
    config = tiny.model_copy(update={"model": BaselineConfig(name="base_rate")})
    monkeypatch.setenv("FINSCALE_PROGRAM", "finscale evaluate")
    run = made(config, tmp_path)
    run.predictions("test")
    RunStore(tmp_path).discard(run.id)
    again = made(config, tmp_path)
    assert again.id == run.id
    assert [reading.program for reading in again.test_readings()] == [
        "training",
        "finscale evaluate",
    ]


def test_scores_that_are_remembered_are_no_reading(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("finscale.runs.reads._noted", set())
    config = StudyConfig(
        name="remembered",
        experiment=tiny,
        axes={"parameters": (3_000,)},
        seeds=(0,),
        baselines=("base_rate",),
    )
    study = Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))
    assert study.run() == {}
    runs = [run for _, run in study.completed()]
    assert {len(run.test_readings()) for run in runs} == {1}
    monkeypatch.setenv("FINSCALE_PROGRAM", "first")
    study.results()
    assert [r.program for run in runs for r in run.test_readings()] == ["training", "first"] * 2
    monkeypatch.setenv("FINSCALE_PROGRAM", "second")
    study.results()
    assert {len(run.test_readings()) for run in runs} == {2}
