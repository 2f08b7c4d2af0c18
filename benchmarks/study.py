"""The default study by the engine, against the same runs one after another the plain torch way.

    python benchmarks/study.py [--seeds 3] [--folds 2] [--epochs 4] [--full] [--threads 2]

``configs/studies/sp500_parameters.yaml``, all six sizes and its baselines; seeds, folds and epochs
are cut and the controls left out, but with ``--full``. *Engine*: ``Study.run`` as it is, one worker
a core; the file asks for fp32, *in bf16* asks for bf16 at all sizes. *Plain*:
the same configs in one process on all cores (``--threads``), one after another, in eager fp32, with
``training.kernels: torch``, windows gathered and normalised anew in each step, and freed memory
that goes back to the kernel. Loop, optimiser, resume points and run folders are the package's own
in both. Wall time is that of ``Study.run``, from the registered data to the last run folder; each
in a process of its own, the engine first. Then the verdicts, and the law's exponent and gain with
their intervals. Goal: 2.5 × on two cores, the same verdict.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from machine import precisions, write_results
from workers import Worker, serve

from finscale.runs import RunStore
from finscale.study.execution.local import Event, Job
from finscale.study.study import Study

FILE = Path(__file__).parents[1] / "configs/studies/sp500_parameters.yaml"


#: The engine as the file has it, the engine in the arithmetic that the processor is best at, and
#: the same runs without the engine.
WAYS = {
    "engine": [],
    "engine in bf16": ["experiment.training.precision=bf16-mixed"],
    "plain": [],
}


class OneAfterAnother:
    """An executor that computes each run in this process, in the order of the grid."""

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        """Compute every job."""
        from finscale.experiment import run_experiment

        for job in jobs:
            run = run_experiment(job.config, runs=RunStore(runs))
            yield Event("done", job, {"run_id": run.id})


def plain_settings(threads: int) -> list[str]:
    """Return what the plain way sets; the rest is taken out by :func:`switch_off`."""
    return [
        "experiment.training.precision=fp32",
        "experiment.training.compile=false",
        f"experiment.training.threads={threads}",
        "experiment.training.kernels=torch",
    ]


def switch_off() -> None:
    """Let this process compute as torch does by itself."""
    from finscale.training import fit, inputs

    # a name that has moved is an error here, and not a baseline that has become ours
    assert hasattr(inputs, "_LARGEST_CACHE")
    assert hasattr(fit, "keep_freed_memory")
    setattr(inputs, "_LARGEST_CACHE", 0)  # noqa: B010
    setattr(fit, "keep_freed_memory", lambda: False)  # noqa: B010


def serve_study(way: str, threads: int, settings: list[str]) -> None:
    is_plain = way == "plain"
    if is_plain:
        switch_off()

    def run(_: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            study = Study.from_file(
                FILE,
                [*settings, *(plain_settings(threads) if is_plain else [])],
                studies=Path(folder) / "studies",
                runs=RunStore(Path(folder) / "runs"),
            )
            started = time.perf_counter()
            failed = study.run(executor=OneAfterAnother() if is_plain else None)
            seconds = time.perf_counter() - started
            if failed:
                raise SystemExit(f"runs failed: {failed}")
            found = study.verdict().to_dict()
            steps = [run.info["training"].get("steps", 0) for _, run in study.completed()]
        return {
            "seconds": seconds,
            "runs": len(steps),
            "steps": sum(steps),
            **{name: found[name] for name in ("name", "sentence", "gain", "exponent", "mean")},
        }

    serve({}, run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--full", action="store_true", help="the study as the file has it")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        way, threads, *settings = arguments.worker
        serve_study(way, int(threads), settings)
        return
    settings = [] if arguments.full else [
        f"seeds={arguments.seeds}",
        f"experiment.split.folds={arguments.folds}",
        f"experiment.training.epochs={arguments.epochs}",
        "controls.kinds=[]",
    ]  # fmt: skip
    threads = str(arguments.threads)
    found: dict[str, Any] = {}
    for way in WAYS:
        if way == "engine in bf16" and "bf16" not in precisions():
            continue
        with ExitStack() as stack:
            words = [way, threads, *settings, *WAYS[way]]
            worker = Worker(__file__, words, stack, is_ours=way != "plain")
            found[way] = worker.ask("run")
        row = found[way]
        print(f"{way}: {row['seconds']:.1f} s, {row['runs']} runs, {row['steps']} steps")
        print(f"  {row['name']}: {row['sentence']}")
        for name in ("gain", "exponent"):
            print(f"  {name} {row[name]}", flush=True)
    ratios = {
        way: found["plain"]["seconds"] / row["seconds"]
        for way, row in found.items()
        if way != "plain"
    }
    same = len({row["name"] for row in found.values()}) == 1
    for way, ratio in ratios.items():
        print(f"{way} {ratio:.2f} × as fast")
    print("the same verdict" if same else "verdicts differ")
    write_results(
        "study", {"settings": settings, "ways": found, "ratios": ratios, "same verdict": same}
    )


if __name__ == "__main__":
    main()
