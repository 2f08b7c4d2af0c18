"""The same file is the same run on every machine; where it was computed stands beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from finscale.config import BaselineConfig, ExperimentConfig, load_config
from finscale.errors import FinscaleWarning, TrainingError
from finscale.experiment import prepare, run_experiment
from finscale.experiment.place import note_placement, place
from finscale.experiment.resolve import resolve
from finscale.runs import RunStore
from finscale.training import devices

SHAPE = {"num_features": 25, "context_length": 80, "num_windows": 3_000}


@pytest.fixture
def config(root, data_root) -> ExperimentConfig:
    settings = ["model.budget=3k", f"data.root={data_root}"]
    return load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)


def with_training(config: ExperimentConfig, **changes) -> ExperimentConfig:
    training = config.training.model_copy(update=changes)
    return config.model_copy(update={"training": training})


PLACEMENTS = [
    {"threads": 1},
    {"threads": 3},
    {"device": "cuda"},
    {"compile": True},
    {"kernels": "torch"},
    {"evaluation_batch_size": 7},
]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_another_placement_is_the_same_run(config, placement) -> None:
    assert prepare(with_training(config, **placement)).run_id == prepare(config).run_id


@pytest.mark.parametrize(
    "science",
    [{"batch_size": 32}, {"precision": "bf16-mixed"}, {"epochs": 1}, {"learning_rate": 0.5}],
)
def test_another_science_is_another_run(config, science) -> None:
    assert prepare(with_training(config, **science)).run_id != prepare(config).run_id


def test_another_seed_is_another_run(config) -> None:
    other = config.model_copy(update={"seed": 5})
    assert prepare(other).run_id != prepare(config).run_id


def test_what_is_resolved_and_what_is_written_out_are_one_run(config) -> None:
    prepared = prepare(config)
    assert prepare(prepared.config).run_id == prepared.run_id


def test_resolving_asks_for_no_device_and_no_torch(config) -> None:
    """On a machine with another home, another number of threads and a cache of measurements."""
    code = (
        "import sys, json; from finscale.config import ExperimentConfig\n"
        "from finscale.experiment.resolve import resolve\n"
        "config = ExperimentConfig.model_validate_json(sys.stdin.read())\n"
        f"resolved = resolve(config, **{SHAPE})\n"
        "assert 'torch' not in sys.modules\n"
        "print(resolved.config.hash())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=config.model_dump_json(),
        env={**os.environ, "HOME": "/nowhere", "OMP_NUM_THREADS": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    resolved = resolve(config, **SHAPE)
    assert done.stdout.strip() == resolved.config.hash()
    assert "auto" not in resolved.config.training.part("science").values()


def test_a_cache_in_the_home_changes_nothing(config, monkeypatch, tmp_path) -> None:
    known = prepare(config).run_id
    folder = tmp_path / "finscale"
    folder.mkdir()
    everything = {"batch_size": 8, "precision": "bf16-mixed"}
    (folder / "batch_sizes.json").write_text(json.dumps({"any": everything}))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("FINSCALE_CACHE", str(folder))
    assert prepare(config).run_id == known
    assert prepare(config).config.training.batch_size == 64


def test_placing_fills_in_what_is_open_and_keeps_the_identity(config) -> None:
    prepared = prepare(config)
    placed = place(prepared)
    assert placed.run_id == prepared.run_id
    assert placed.config.hash() == prepared.config.hash()
    assert "auto" not in placed.config.training.part("placement").values()
    baseline = prepare(config.model_copy(update={"model": BaselineConfig(name="base_rate")}))
    assert place(baseline) is baseline


def test_a_plan_for_a_gpu_needs_none_and_its_computation_does(config, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    prepared = prepare(with_training(config, device="cuda"))
    with pytest.raises(TrainingError, match="torch sees no cuda device here"):
        place(prepared)


def test_a_model_too_large_for_the_machine_is_refused_before_it_is_built(
    config, monkeypatch
) -> None:
    monkeypatch.setattr(devices, "total_memory", lambda device: 10_000)
    with pytest.raises(TrainingError, match="need at least"):
        place(prepare(config))


def test_the_placement_stands_in_the_run(tiny, tmp_path) -> None:
    run = run_experiment(tiny, runs=RunStore(tmp_path))
    placement = run.info["placement"]
    assert placement == run.config.placement()
    assert placement["training"]["threads"] == 1
    assert placement["training"]["device"] in ("cpu", "cuda", "mps")
    assert run.info["earlier_placements"] == []
    # computed once, and found from anywhere: also from where it could not be computed
    elsewhere = with_training(tiny, device="cuda", threads=2)
    assert run_experiment(elsewhere, runs=RunStore(tmp_path)).info == run.info


@pytest.fixture
def placed(config) -> ExperimentConfig:
    return place(prepare(with_training(config, device="cpu"))).config


def test_a_run_that_goes_on_elsewhere_says_so(tmp_path, placed) -> None:
    other = with_training(placed, threads=5)
    assert note_placement(tmp_path, placed) == [placed.placement()]
    # nothing was kept of it: it begins anew here
    assert note_placement(tmp_path, other) == [other.placement()]
    (tmp_path / "resume.json").write_text("{}")
    assert note_placement(tmp_path, other) == [other.placement()]
    with pytest.warns(FinscaleWarning, match=r"begun with another placement \(threads 5 → 1\)"):
        had = note_placement(tmp_path, placed)
    assert had == [other.placement(), placed.placement()]
    assert note_placement(tmp_path, placed) == had


def test_a_run_is_resumed_with_another_placement(tiny, tmp_path) -> None:
    """Paused on one thread, it goes on with two."""
    from finscale.training import Callback, TrainingPaused

    class Pause(Callback):
        def on_step_end(self, trainer):
            if trainer.num_steps == 5:
                trainer.request_pause("to move")

    store = RunStore(tmp_path / "runs")
    with pytest.raises(TrainingPaused, match="to move"):
        run_experiment(tiny, runs=store, callbacks=[Pause()])
    moved = with_training(tiny, threads=2)
    with pytest.warns(FinscaleWarning, match="threads 1 → 2"):
        run = run_experiment(moved, runs=store)
    assert run.info["placement"]["training"]["threads"] == 2
    assert [one["training"]["threads"] for one in run.info["earlier_placements"]] == [1]
    alone = run_experiment(tiny, runs=RunStore(tmp_path / "alone"))
    assert alone.id == run.id
    one, other = (r.metrics()["validation_loss"].to_numpy() for r in (alone, run))
    assert one == pytest.approx(other, rel=1e-5)
