"""The run list's cache, damaged runs, and what may be cleared away."""

from __future__ import annotations

import datetime as dt
import os

import polars as pl
import pytest

from finscale.config import ExperimentConfig
from finscale.errors import FinscaleError
from finscale.files import file_digests, read_json, write_json
from finscale.runs import RunStore, exclusive, partial_folder
from finscale.runs.garbage import find_garbage, used_by_studies
from finscale.runs.index import summaries

A, B, C = "aaaa000000000000", "bbbb000000000000", "cccc000000000000"


def make_run(store: RunStore, run_id: str, finished: str, *, seed: int = 0) -> None:
    folder = store.folder / run_id
    folder.mkdir(parents=True)
    table = pl.DataFrame({"split": ["test"], "logit": [0.2]})
    table.write_parquet(folder / "predictions.parquet")
    file = folder / "predictions.parquet"
    files = {file.name: {"bytes": file.stat().st_size, "sha256": file_digests(file).sha256}}
    info = {
        "config": ExperimentConfig(seed=seed).model_dump(mode="json"),
        "parameters": {"total": 5_000},
        "training": {"best_validation_loss": 0.4},
        "seconds": 1.5,
        "finished": finished,
        "files": files,
    }
    write_json(folder / "run.json", info)


@pytest.fixture
def store(tmp_path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    make_run(store, A, "2026-01-02T00:00:00+00:00")
    make_run(store, B, "2026-01-01T00:00:00+00:00", seed=1)
    return store


def test_rows_are_the_newest_last_and_come_from_the_cache(store) -> None:
    rows = summaries(store)
    assert [row["id"] for row in rows] == [B, A]
    assert rows[0]["seed"] == 1
    assert rows[0]["parameters"] == 5_000
    index = store.folder / ".index.json"
    content = read_json(index)
    content["rows"][A]["row"]["model"] = "from the cache"
    write_json(index, content)
    assert summaries(store)[1]["model"] == "from the cache"


def test_the_cache_follows_the_runs(store) -> None:
    summaries(store)
    make_run(store, C, "2026-01-03T00:00:00+00:00")
    os.utime(store.folder / A / "run.json", ns=(1, 1))
    (store.folder / B / "predictions.parquet").unlink()
    (store.folder / B / "run.json").unlink()
    assert [row["id"] for row in summaries(store)] == [A, C]
    (store.folder / ".index.json").write_text("broken")
    assert [row["id"] for row in summaries(store)] == [A, C]
    (store.folder / "dddd000000000000").mkdir()
    (store.folder / "dddd000000000000" / "run.json").write_text("{}")
    assert len(summaries(store)) == 2
    assert summaries(RunStore(store.folder / "nowhere")) == []


def test_a_run_is_whole_when_its_files_are_what_was_written(store) -> None:
    assert store.is_whole(A)
    file = store.folder / A / "predictions.parquet"
    content = bytearray(file.read_bytes())
    content[10] ^= 1
    file.write_bytes(content)
    assert A in store
    assert not store.is_whole(A)
    (store.folder / B / "run.json").write_text("{")
    assert not store.is_whole(B)
    assert not store.is_whole(C)
    store.discard(A)
    assert A not in store


def test_only_what_nobody_needs_is_garbage(store, tmp_path) -> None:
    assert find_garbage(store) == []
    partial_folder(store.folder, C).mkdir()
    (store.folder / "eeee000000000000").mkdir()
    with exclusive(store.folder, C):
        # its process is at work
        assert [g.reason for g in find_garbage(store)] == ["not whole"]
    reasons = [g.reason for g in find_garbage(store)]
    assert reasons == ["unfinished, and its process is gone", "not whole"]
    for garbage in find_garbage(store):
        garbage.remove()
    assert find_garbage(store) == []

    now = dt.datetime(2026, 1, 3, tzinfo=dt.UTC)
    old = find_garbage(store, older_than=1.5, now=now)
    assert [g.folder.name for g in old] == [B]
    assert old[0].size > 500
    assert [g.folder.name for g in find_garbage(store, used={B})] == [A]
    assert find_garbage(store, used={B}, older_than=1.5, now=now) == []


def test_studies_say_which_runs_they_need(tmp_path) -> None:
    (tmp_path / "one").mkdir()
    write_json(tmp_path / "one" / "registration.json", {})
    with pytest.raises(FinscaleError, match="does not say"):
        used_by_studies(tmp_path)
    write_json(tmp_path / "one" / "runs.json", [A])
    assert used_by_studies(tmp_path) == {A}
