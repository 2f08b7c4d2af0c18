"""What judging finished runs costs: the results table of a study, and ``finscale evaluate``.

Trains 100 real small runs once (about half a minute), then measures per run

- ``study.results()`` with nothing remembered, and again from what is remembered;
- ``judge``, the core of ``finscale evaluate``, a run;
- ``judge_pairs`` of ten runs, a pair;

in seconds of wall and of processor time. The goals: .15 s and .005 s a run for results, .05 s a run
for evaluate (100 runs in 5 s).

    python benchmarks/evaluate.py
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from finscale.config import ExperimentConfig, StudyConfig, load_config
from finscale.evaluation.evaluation import evaluate
from finscale.runs import RunStore
from finscale.study import LocalExecutor, Study
from finscale.study import evaluate as room

RECIPE = Path(__file__).parent.parent / "configs/daily/threshold_1pct.yaml"


def make_study(folder, num_runs):
    """Train ``num_runs`` runs, baselines included."""
    settings = [
        "training.epochs=1",
        "training.batch_size=256",
        "training.threads=1",
        "training.thermal.enabled=false",
        f"data.root={folder / 'data'}",
    ]
    baselines = ("base_rate", "volatility")
    config = StudyConfig(
        name="evaluate",
        experiment=load_config(ExperimentConfig, RECIPE, settings),
        axes={"parameters": (3_000, 5_000)},
        seeds=(num_runs - len(baselines)) // 2,
        baselines=baselines,
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = make_study(Path(name), arguments.runs)
        completed = study.completed()
        networks = [run for planned, run in completed if not planned.cell.is_baseline]
        remembered = study.folder / ".scores.json"
        judged = room.candidates(networks)
        room.judge(judged[0], study.runs)  # fits the baselines that are missing
        few = judged[:10]
        results = {
            "runs": len(completed),
            "results_first": medians(
                study.results,
                arguments.repeats,
                len(completed),
                before=lambda: remembered.unlink(missing_ok=True),
            ),
            "results_again": medians(study.results, arguments.repeats, len(completed)),
            "evaluate_scores_only": medians(
                lambda: [evaluate(one.predictions()) for one in few], arguments.repeats, len(few)
            ),
            "judge": medians(
                lambda: [room.judge(one, study.runs) for one in few], arguments.repeats, len(few)
            ),
            "judge_pairs": medians(
                lambda: room.judge_pairs(few, study.runs), 1, len(few) * (len(few) - 1) / 2
            ),
        }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
