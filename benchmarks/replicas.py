"""Many trainings at once against one after another, in model-steps a second.

    python benchmarks/replicas.py [--budgets 10k,55k,200k,600k,2M] [--rounds 3] [--replicas 8]

Real optimiser steps on the bundled S&P 500's own windows (batch 64), in worker processes like a
study's. *One after another* is one training at a time at its best: the fastest of one thread and
all cores, in fp32 and in bf16. *Side by side* is as many one-thread trainings as there are cores;
*stacks* are as many one-thread workers, each with a stack of replicas in one program. All ways are
measured in turn, round by round; medians. Goals on two cores: stacks 3 times at 10k parameters, 1.8
times at 200k.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from machine import write_results

from finscale.config import ExperimentConfig, load_config
from finscale.experiment import prepare
from finscale.study.crew import Crew
from finscale.training.devices import available_threads

RECIPE = Path(__file__).parents[1] / "configs/daily/threshold_1pct.yaml"
SECONDS = 1.0
BATCH = 64


@dataclass(frozen=True)
class Way:
    """One way of training many models."""

    name: str
    crew: Crew
    replicas: int
    precision: str


def ways(stack: ExitStack, replicas: int, cores: int) -> Iterator[Way]:
    one, all_cores, side = (
        stack.enter_context(Crew(size, threads))
        for size, threads in ((1, 1), (1, cores), (cores, 1))
    )
    for precision in ("fp32", "bf16-mixed"):
        yield Way("one after another, 1 thread", one, 1, precision)
        yield Way(f"one after another, {cores} threads", all_cores, 1, precision)
        yield Way("side by side", side, 1, precision)
        yield Way(f"stacks of {replicas}", side, replicas, precision)


def config_of(budget: str, way: Way) -> ExperimentConfig:
    settings = [
        f"model.budget={budget}",
        f"training.batch_size={BATCH}",
        f"training.threads={way.crew.threads}",
        f"training.precision={way.precision}",
    ]
    return load_config(ExperimentConfig, RECIPE, settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budgets", default="10k,55k,200k,600k,2M")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=8)
    arguments = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        contenders = list(ways(stack, arguments.replicas, available_threads()))
        for budget in arguments.budgets.split(","):
            prepare(config_of(budget, contenders[0]))  # makes sure that the data are there
            speeds: dict[str, list[float]] = {}
            for _ in range(arguments.rounds):
                for way in contenders:
                    speed = way.crew.samples_per_second(
                        config_of(budget, way), SECONDS, replicas=way.replicas
                    )
                    speeds.setdefault(f"{way.name}, {way.precision}", []).append(speed or 0.0)
            steps = {name: statistics.median(found) / BATCH for name, found in speeds.items()}
            best = max(value for name, value in steps.items() if name.startswith("one after"))
            figures[budget] = {name: round(value, 1) for name, value in steps.items()}
            print(f"{budget}: one after another at its best {best:.0f} model-steps/s")
            for name, value in steps.items():
                print(f"  {name:36} {value:8.1f} model-steps/s  {value / best:.2f} ×")
    write_results("replicas", {"model-steps a second": figures, "replicas": arguments.replicas})


if __name__ == "__main__":
    main()
