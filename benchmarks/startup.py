"""How long one waits before anything happens: import, help, a list of runs, the first step.

    python benchmarks/startup.py [--rounds 7] [--runs 10000]

Goals: ``import finscale`` and ``finscale --help`` under 0.3 s, ``finscale runs list`` under 0.5 s
with 10,000 runs. Each figure is a process of its own, from start to end (``train``: to the end of
its first optimiser step), in interleaved rounds; ``import torch`` stands beside as the floor of
everything that trains.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import rounds, write_results

RECIPE = Path(__file__).resolve().parents[1] / "configs" / "daily" / "threshold_1pct.yaml"
FINSCALE = "from finscale.cli import main; main()"
#: Runs the command line up to the end of the first step, and says when it came to which place.
FIRST_STEP = """
import atexit, json, os, sys, time
marks = {}
def mark(name):
    marks.setdefault(name, time.time() - float(os.environ["STARTED"]))
mark("interpreter")
import finscale.cli.app
mark("command line")
import finscale.experiment.experiment as experiment
import finscale.training
from finscale.training.callbacks import Callback
prepare = experiment.prepare
def marked(*arguments):
    mark("imports of the study")
    prepared = prepare(*arguments)
    mark("data, windows, budget")
    return prepared
class FirstStep(Callback):
    def on_fit_start(self, trainer):
        mark("trainer")
    def on_step_end(self, trainer):
        mark("first step")
        marks["compiler imported"] = "torch._dynamo" in sys.modules
        print(json.dumps(marks))
        sys.stdout.flush()
        os._exit(0)
experiment.prepare = marked
finscale.training.ProgressBar = lambda terminal: FirstStep()
finscale.cli.main()
"""


def python(code: str, *arguments: str, **environment: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def many_runs(folder: Path, template: Path, count: int) -> None:
    """Fill a store with ``count`` runs, each with the template's ``run.json`` under its own id."""
    info = json.loads((template / "run.json").read_text())
    for number in range(count):
        copied = copy.deepcopy(info)
        copied["id"] = hashlib.sha256(str(number).encode()).hexdigest()[:16]
        copied["seed"] = copied["config"]["seed"] = number
        run = folder / copied["id"]
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps(copied, indent=2))
        (run / "predictions.parquet").write_bytes(b"")


def first_step(home: Path, stages: list[dict[str, float]]) -> None:
    arguments = ("train", str(RECIPE), "--budget", "250k")
    with tempfile.TemporaryDirectory(dir=home) as runs:
        printed = python(
            FIRST_STEP,
            *arguments,
            *("--runs", runs, "--set", f"data.root={home / 'data'}"),
            STARTED=repr(time.time()),
        )
    stages.append(json.loads(printed.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        baseline = ("train", str(RECIPE), "--quiet", "--set", f"data.root={home / 'data'}")
        python(FINSCALE, *baseline, "--budget", "5k", "--set", "training.epochs=1",
               "--runs", str(home / "one"))  # fmt: skip
        # the baselines that it is held against are runs too, without a training
        template = max((home / "one").glob("[0-9a-f]*"), key=lambda run: len([*run.iterdir()]))
        store = home / "many"
        many_runs(store, template, options.runs)
        started = time.perf_counter()
        python(FINSCALE, "runs", "list", "--runs", str(store))
        without_index = time.perf_counter() - started
        stages: list[dict[str, float]] = []
        found = rounds(
            {
                "python": lambda: python("pass"),
                "import finscale": lambda: python("import finscale"),
                "finscale --help": lambda: python(FINSCALE, "--help"),
                "finscale runs list": lambda: python(
                    FINSCALE, "runs", "list", "--runs", str(store)
                ),
                "import torch": lambda: python("import torch"),
                "finscale train, first step": lambda: first_step(home, stages),
            },
            options.rounds,
        )
    for name, seconds in found.items():
        print(f"{name:28} {seconds.wall:6.3f} s wall {seconds.cpu:6.3f} s CPU")
    print(f"{'runs list, no index yet':28} {without_index:6.3f} s wall")
    fastest = min(stages[1:], key=lambda marks: marks["first step"])
    print("train, fastest round, seconds since the process began:")
    print("  " + " · ".join(f"{name} {at:.2f}" for name, at in fastest.items()))
    figures = {name: vars(seconds) for name, seconds in found.items()}
    path = write_results(
        "startup",
        {
            "runs_in_store": options.runs,
            "figures": figures,
            "runs_list_without_index": without_index,
            "train_stages": fastest,
        },
    )
    print(f"written to {path}")


if __name__ == "__main__":
    main()
