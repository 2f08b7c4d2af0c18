"""What a run costs on Ray beyond its own time: 1,000 queued tiny runs.

    python benchmarks/ray_overhead.py [--runs 1000] [--workers 2]

Each run is a base rate of its own, some hundredths of a second. A node's process is busy with one
run at a time; what of its time is no run's own, from the first start to the last end, is overhead:
queueing, shipping, packing, bringing home and publishing. Goal: under 50 ms a run. Measured through
the run store that nodes see, through Ray's object store where they do not, and beside it worker
processes on this machine. Ray's own start is told apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import write_results

from finscale.config import BaselineConfig, ExperimentConfig, load_config
from finscale.experiment import run_experiment
from finscale.runs import RunStore
from finscale.study import Executor, Job, LocalExecutor, RayExecutor

RECIPE = Path(__file__).resolve().parents[1] / "configs" / "daily" / "threshold_1pct.yaml"
GOAL_MS = 50.0


def jobs(count: int, data: Path) -> list[Job]:
    """Return so many runs that differ by their seed."""
    settings = [f"data.root={data}", "training.threads=1"]
    config = load_config(ExperimentConfig, RECIPE, settings)
    base = config.model_copy(update={"model": BaselineConfig(name="base_rate")})
    return [
        Job(seed, f"base_rate-{seed}", base.model_copy(update={"seed": seed}), 0.0)
        for seed in range(count)
    ]


@contextmanager
def executors(workers: int) -> Iterator[dict[str, Executor]]:
    with RayExecutor(workers=workers, store_bytes=150 * 2**20) as seen:
        apart = RayExecutor(workers=workers, shared=False)
        apart._connection = seen.cluster  # one instance of Ray will do
        yield {"shared folder": seen, "object store": apart, "local": LocalExecutor(workers)}


def measure(executor: Executor, wanted: list[Job], folder: Path, workers: int) -> dict[str, Any]:
    """Run all jobs; return seconds in total and what each costs."""
    asked = time.perf_counter()
    began, own, done = 0.0, 0.0, 0
    for event in executor.run(wanted, folder):
        began = began or time.perf_counter()
        done += event.kind == "done"
        own += event.facts.get("seconds", 0.0) if event.kind == "done" else 0.0
    seconds = time.perf_counter() - began
    assert done == len(wanted)
    assert len(RunStore(folder).ids()) == len(wanted)
    found = {
        "runs": done,
        "seconds": seconds,
        "seconds to the first start": began - asked,
        "ms a run": 1000 * seconds / done,
    }
    if own:
        found["own ms a run"] = 1000 * own / done
        found["overhead ms a run"] = 1000 * (seconds * workers - own) / done
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    chosen = parser.parse_args()
    content: dict[str, Any] = {"workers": chosen.workers, "goal ms": GOAL_MS, "measured": {}}
    with tempfile.TemporaryDirectory() as name, executors(chosen.workers) as engines:
        folder = Path(name)
        wanted = jobs(chosen.runs, folder / "data")
        run_experiment(wanted[0].config, runs=RunStore(folder / "first"))  # builds the dataset
        for what, engine in engines.items():
            # processes start and import before anything is counted
            warm = jobs(2 * chosen.workers, folder / "data")
            measure(engine, warm, folder / f"warm {what}", chosen.workers)
            found = measure(engine, wanted, folder / what, chosen.workers)
            content["measured"][what] = found
            print(what, *(f"{key} {value:.1f}" for key, value in found.items()), sep=" · ")
    content["load"] = os.getloadavg()[0]
    print(f"written {write_results('ray_overhead', content)}")


if __name__ == "__main__":
    main()
