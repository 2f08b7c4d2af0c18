"""What judging finished runs costs: the results table of a study, and ``finscale evaluate``.

Trains 100 real small runs once (about half a minute), then measures

- the command itself, ``finscale evaluate`` on all networks among them, and with ``--json``: wall
  seconds of a new process, imports included (the goal: 5 s for 100 runs);
- ``study.results()`` with nothing remembered, and again from what is remembered, a run;
- ``judge``, the core of ``finscale evaluate``, a run beside others on the same windows;
- ``judge_pairs`` of ten runs, a pair, and of all runs, each with the best.

    python benchmarks/evaluate.py
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import write_results

from finscale.config import ExperimentConfig, StudyConfig, load_config
from finscale.judging import judge as room
from finscale.judging.bench import Bench
from finscale.runs import RunStore
from finscale.study import LocalExecutor, Study

RECIPE = Path(__file__).parent.parent / "configs/daily/threshold_1pct.yaml"
BASELINES = ("base_rate", "volatility")


def make_study(folder, num_networks):
    """Train networks of two sizes, and fit baselines."""
    settings = [
        "training.epochs=1",
        "training.batch_size=256",
        "training.threads=1",
        "training.thermal.enabled=false",
        f"data.root={folder / 'data'}",
    ]
    config = StudyConfig(
        name="evaluate",
        experiment=load_config(ExperimentConfig, RECIPE, settings),
        axes={"parameters": (3_000, 5_000)},
        seeds=num_networks // 2,
        baselines=BASELINES,
    )
    study = Study(config, studies=folder / "studies", runs=RunStore(folder / "runs"))
    assert study.run(executor=LocalExecutor()) == {}
    return study


def timed(function):
    """Wall and processor seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def medians(function, repeats, share, before=lambda: None):
    """Median wall and processor seconds of several calls, divided by ``share``."""
    seconds = []
    for _ in range(repeats):
        before()
        seconds.append(timed(function))
    wall, cpu = (statistics.median(column) / share for column in zip(*seconds, strict=True))
    return {"wall_s": round(wall, 5), "cpu_s": round(cpu, 5)}


def command_seconds(folder, runs, *options, repeats):
    """Median wall seconds of ``finscale evaluate`` in a process of its own."""
    command = "import sys; from finscale.cli.app import app; sys.argv[0] = 'finscale'; app()"
    words = [sys.executable, "-c", command, "evaluate", *(run.id for run in runs)]
    words += ["--runs", folder / "runs", "--out", folder / "evaluations", *options]
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(list(map(str, words)), check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return round(statistics.median(seconds), 3)


def measure(folder, study, repeats):
    """Return the figures."""
    completed = study.completed()
    networks = [run for planned, run in completed if not planned.cell.is_baseline]
    remembered = study.folder / ".scores.json"
    models = room.join_folds(networks)
    bench = Bench(study.runs)
    room.judge(models[0], study.runs, bench=bench)  # fits the baselines that are missing
    few, others = models[:10], itertools.cycle(models[1:])
    command = {
        "text_wall_s": command_seconds(folder, networks, repeats=repeats),
        "json_wall_s": command_seconds(folder, networks, "--json", repeats=repeats),
        "one_run_wall_s": command_seconds(folder, networks[:1], repeats=repeats),
    }
    return {
        "runs": len(networks),
        "command": command,
        "results_first": medians(
            study.results,
            repeats,
            len(completed),
            before=lambda: remembered.unlink(missing_ok=True),
        ),
        "results_again": medians(study.results, repeats, len(completed)),
        "judge": medians(
            lambda: [room.judge(next(others), study.runs, bench=bench) for _ in range(10)],
            repeats,
            10,
        ),
        "judge_pairs": medians(
            lambda: room.judge_pairs(few, bench), 1, len(few) * (len(few) - 1) / 2
        ),
        "judge_with_best": medians(lambda: room.judge_pairs(models, bench), 1, len(models)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = make_study(Path(name), arguments.runs)
        figures = measure(Path(name), study, arguments.repeats)
    path = write_results("evaluate", figures)
    print(path.read_text())


if __name__ == "__main__":
    main()
