"""Open numerics are measured before a run, stand in its identity, and are not measured twice."""

from __future__ import annotations

import pytest

from finscale.config import StudyConfig
from finscale.experiment import prepare, run_experiment
from finscale.experiment.announce import announcement
from finscale.runs import RunStore
from finscale.study import Study
from finscale.study.numerics import settled
from finscale.training import numerics
from finscale.training.numerics import Numerics


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FINSCALE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def asked(monkeypatch):
    """Make every work worth measuring and the answer known; return the shapes asked about."""
    shapes = []

    def measure(shape, *, num_steps):
        shapes.append((shape, num_steps))
        found = Numerics("fp32", "explicit", False, ("precision fp32 (faster)",), "2026-11-25")
        numerics._MEMORY.put(shape.key, {**vars(found), "reasons": list(found.reasons)})
        return found

    monkeypatch.setattr(numerics, "measure_numerics", measure)
    monkeypatch.setattr(numerics, "_WORTH", {"cpu": 0.0})
    monkeypatch.setattr(numerics, "has_bf16_units", lambda device: True)
    return shapes


@pytest.fixture
def open_config(tiny):
    training = tiny.training.model_copy(update={"precision": "auto", "epochs": 1})
    return tiny.model_copy(update={"training": training})


def test_a_run_is_measured_once_and_says_so(open_config, asked, tmp_path) -> None:
    told, heard = [], []
    for _ in range(2):
        run = run_experiment(
            open_config,
            runs=RunStore(tmp_path / "runs"),
            tell=lambda: told.append(1),
            announce=lambda one: heard.append(dict(announcement(one, verbose=True))),
        )
    assert (len(asked), len(told)) == (1, 1)
    assert (run.config.training.precision, run.config.network.attention) == ("fp32", "explicit")
    assert len(list(RunStore(tmp_path / "runs"))) == 1
    assert heard[0]["numerics"] == "measured 2026-11-25: precision fp32 (faster)"
    # the resolved config is closed: it is the same run anywhere
    again = prepare(run.config)
    assert (again.run_id, again.numerics) == (run.id, None)
    ((shape, num_steps),) = asked
    split = prepare(open_config).split
    assert num_steps == len(split.train) // int(shape.training.batch_size)


def test_a_closed_config_is_not_asked_about(tiny, asked) -> None:
    prepared = prepare(tiny)
    assert settled(tiny, prepared) is prepared
    assert asked == []
    words = dict(announcement(prepared, verbose=True))["numerics"]
    assert words.startswith("fp32, attention by its shape, not compiled")
    assert "numerics" not in dict(announcement(prepared))


def test_a_study_asks_about_each_size_once(open_config, asked, tmp_path) -> None:
    def study() -> Study:
        config = StudyConfig(
            name="numerics",
            experiment=open_config,
            axes={"parameters": (3_000, 5_000)},
            seeds=2,
            baselines=("base_rate",),
        )
        return Study(config, studies=tmp_path / "studies", runs=RunStore(tmp_path / "runs"))

    first = study()
    told: list[str] = []
    first.choose_threads(tell=told.append)
    assert len(asked) == 2
    assert [words.split()[0] for words in told] == ["arithmetic", "arithmetic"]
    networks = [one.prepared.config for one in first.plan if not one.cell.is_baseline]
    assert {one.training.precision for one in networks} == {"fp32"}
    assert {one.network.attention for one in networks} == {"explicit"}
    second = study()
    second.choose_threads()
    assert len(asked) == 2
    assert [one.run_id for one in second.plan] == [one.run_id for one in first.plan]
