"""Small finished runs of the tests, as a training leaves them."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import polars as pl

from finscale.config import ExperimentConfig
from finscale.files import file_digests, write_json
from finscale.runs import RunStore, partial_folder


@functools.cache
def _config() -> dict[str, Any]:
    return ExperimentConfig().model_dump(mode="json")


def info_of(seed: int, finished: str = "2026-01-02T00:00:00+00:00") -> dict[str, Any]:
    """Return the content of a ``run.json``."""
    return {
        "config": {**_config(), "seed": seed},
        "parameters": {"total": 5_000},
        "training": {"best_validation_loss": 0.4},
        "seconds": 1.5,
        "finished": finished,
        "files": {},
    }


def make_partial(store: RunStore, run_id: str, *, seed: int = 0, finished: str = "") -> Path:
    """Write what a training leaves before its run is published."""
    folder = partial_folder(store.folder, run_id)
    folder.mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame({"split": ["test"], "logit": [0.2 + seed]})
    table.write_parquet(folder / "predictions.parquet")
    file = folder / "predictions.parquet"
    info = info_of(seed, finished or "2026-01-02T00:00:00+00:00")
    info["files"] = {file.name: {"bytes": file.stat().st_size, "sha256": file_digests(file).sha256}}
    write_json(folder / "run.json", info)
    return folder


def publish_run(store: RunStore, run_id: str, *, seed: int = 0, finished: str = "") -> None:
    """Make a run of the store."""
    partial = make_partial(store, run_id, seed=seed, finished=finished)
    store.publish(run_id, partial, lambda run: 0.5)


if __name__ == "__main__":
    place, *run_ids = sys.argv[1:]
    for number, name in enumerate(run_ids):
        publish_run(RunStore(place), name, seed=number)
