"""Runs as parcels: whole or refused; of an unfinished one the newest undamaged point."""

from __future__ import annotations

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.experiment import run_experiment
from finscale.runs import RunStore, partial_folder
from finscale.study.execution.parcels import (
    digest,
    pack,
    pack_resume,
    position_of,
    progress,
    receive,
    unpack,
    unpack_resume,
)
from finscale.training import Callback
from finscale.training.checkpoint import CheckpointFolder


class _PauseAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer) -> None:
        if trainer.num_steps == self.step:
            trainer.request_pause("the test wants it")


def begun(config, runs, step: int) -> str:
    """Begin a run, stop it after so many steps, and return its id."""
    with pytest.raises(FinscaleError, match="the test wants it"):
        run_experiment(config, runs=RunStore(runs), callbacks=[_PauseAt(step)])
    (folder,) = runs.glob(".*.partial")
    return folder.name[1:-8]


def test_a_finished_run_arrives_whole_and_a_damaged_one_not_at_all(tiny, tmp_path):
    run = run_experiment(tiny, runs=RunStore(tmp_path / "node"))
    parcel, home = pack(run.folder), RunStore(tmp_path / "home")
    bad = {**parcel, "predictions.parquet": parcel["predictions.parquet"][:-1]}
    with pytest.raises(FinscaleError, match="came back damaged"):
        receive(bad, home.folder, run.id)
    assert home.ids() == []
    receive(parcel, home.folder, run.id)
    assert home.is_whole(run.id)
    assert home[run.id].predictions().equals(run.predictions())
    before = (home.folder / run.id).stat().st_ino
    receive(bad, home.folder, run.id)  # a twin's: what is whole stays
    assert (home.folder / run.id).stat().st_ino == before


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_parcel_writes_nothing_outside_its_folder(name, tmp_path):
    with pytest.raises(FinscaleError, match="leads out of"):
        unpack({name: np.zeros(1, np.uint8)}, tmp_path / "run")
    assert not (tmp_path / "outside").exists()


def test_a_run_goes_on_elsewhere_with_the_same_bits(tiny, tmp_path):
    whole = run_experiment(tiny, runs=RunStore(tmp_path / "calm"))
    run_id = begun(tiny, tmp_path / "lost", 3)
    parcel = pack_resume(tmp_path / "lost", run_id)
    assert position_of(parcel) == progress(tmp_path / "lost", run_id) == (0, 3)
    unpack_resume(parcel, tmp_path / "other", run_id)
    steps: list[int] = []

    class _Count(Callback):
        def on_step_end(self, trainer) -> None:
            steps.append(trainer.num_steps)

    run = run_experiment(tiny, runs=RunStore(tmp_path / "other"), callbacks=[_Count()])
    assert steps[0] == 4
    assert run.id == whole.id
    assert run.predictions().equals(whole.predictions())


def test_an_older_point_never_replaces_a_newer_one(tiny, tmp_path):
    run_id = begun(tiny, tmp_path / "early", 2)
    begun(tiny, tmp_path / "late", 5)
    early, late = (pack_resume(tmp_path / name, run_id) for name in ("early", "late"))
    unpack_resume(late, tmp_path / "home", run_id)
    unpack_resume(early, tmp_path / "home", run_id)
    assert progress(tmp_path / "home", run_id) == (0, 5)
    unpack_resume(late, tmp_path / "early", run_id)
    assert progress(tmp_path / "early", run_id) == (0, 5)
    points = partial_folder(tmp_path / "early", run_id).rglob("point-*.safetensors")
    assert len(list(points)) == 1  # the older one is gone


def test_a_damaged_point_is_not_sent(tiny, tmp_path):
    run_id = begun(tiny, tmp_path, 2)
    for path in partial_folder(tmp_path, run_id).rglob("point-*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    assert pack_resume(tmp_path, run_id) == {}


def test_of_a_run_that_has_not_begun_there_is_nothing(tmp_path):
    assert pack_resume(tmp_path, "0" * 16) == {}
    assert progress(tmp_path, "0" * 16) == (-1, -1)
    assert CheckpointFolder(tmp_path / "x", {}).load() is None


def test_a_digest_tells_parcels_apart_by_path_and_content(tmp_path):
    def packed(files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return digest(pack(folder))

    first = {"run.json": "{}", "weights/a": "12", "empty": ""}
    others = [
        {**first, "run.json": "{ }"},
        {**first, "weights/a": "", "weights/b": "12"},
        {"run.json": "{}12", "weights/a": "", "empty": ""},
        {"run.json": "{}", "weights/a": "12"},
    ]
    assert packed(first) == packed(dict(reversed(first.items())))
    assert len({packed(first), *map(packed, others)}) == 5


def test_a_node_judges_the_run_that_was_sent_not_one_of_the_same_name(tiny, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    from finscale.study.execution.ray_judging import _received

    monkeypatch.setattr(ray, "get", lambda reference: reference)
    run = run_experiment(tiny, runs=RunStore(tmp_path / "runs"))
    parcel = pack(run.folder)
    # the same science on another machine: another placement, perhaps other last bits
    elsewhere = dict(parcel) | {"notes.txt": np.frombuffer(b"elsewhere", dtype=np.uint8)}
    cache = tmp_path / "cache"
    stores = [_received({run.id: (digest(one), one)}, cache) for one in (parcel, elsewhere)]
    assert [(store[run.id].folder / "notes.txt").exists() for store in stores] == [False, True]
    again = _received({run.id: (digest(parcel), None)}, cache)  # nothing travels twice
    assert again.folder == stores[0].folder
