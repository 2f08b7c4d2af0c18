"""Replicas trained as one program against one after another, in model-steps a second.

    python benchmarks/ensemble.py [--budgets 10k,55k,200k] [--replicas 8] [--rounds 3]
                                  [--device auto]

Real optimiser steps on the bundled S&P 500's own windows (batch 64, fp32). *Together* is
``finscale.training.ensemble``, *alone* the ordinary loop with the kernels that the device's rule
takes. Both in one process, in turn, round by round; medians. On a GPU the ratio is what the study's
rule lives on (``study/execution/ensembles.py``). On a CPU it is informative: there studies train
side by side in processes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from machine import write_results

from finscale.config import ExperimentConfig, load_config
from finscale.experiment import make_trainer, prepare
from finscale.experiment.place import place
from finscale.training import Trainer, fit
from finscale.training.allocator import keep_freed_memory
from finscale.training.devices import synchronise, use_threads
from finscale.training.stack import Stack

RECIPE = Path(__file__).parents[1] / "configs/daily/threshold_1pct.yaml"
BATCH, SECONDS = 64, 2.0


def trainer_of(budget: str, device: str, seed: int, kernels: str) -> Trainer:
    settings = [
        f"model.budget={budget}",
        f"seed={seed}",
        f"training.batch_size={BATCH}",
        f"training.device={device}",
        f"training.kernels={kernels}",
    ]
    prepared = place(prepare(load_config(ExperimentConfig, RECIPE, settings)))
    trainer = make_trainer(prepared)
    fit.setup(trainer)
    trainer.model.train()
    return trainer


class Alone:
    """One training by the ordinary loop."""

    def __init__(self, budget: str, device: str) -> None:
        self.trainer = trainer_of(budget, device, 0, "auto")
        self.models = 1
        self._ends_B = torch.from_numpy(self.trainer.split.train[:BATCH]).to(self.trainer.device)

    def step(self) -> None:
        """Take one step."""
        fit.step(self.trainer, self._ends_B)
        self.trainer.state.step = 0


class Together:
    """Replicas as one program."""

    def __init__(self, budget: str, device: str, replicas: int) -> None:
        trainers = [trainer_of(budget, device, seed, "torch") for seed in range(replicas)]
        self.trainer, self.models = trainers[0], replicas
        # masks are drawn in turn; whose they are costs no less here than in training
        self._stack = Stack(trainers, [nullcontext] * replicas)
        ends_B = torch.from_numpy(self.trainer.split.train[:BATCH]).to(self.trainer.device)
        self._ends = [ends_B] * replicas

    def step(self) -> None:
        """Take one step of all."""
        self._stack.step(self._ends)
        for trainer in self._stack.trainers:
            trainer.state.step = 0


def speed(way: Alone | Together) -> float:
    """Return model-steps a second."""
    device, count = way.trainer.device, 0
    with use_threads(int(way.trainer.config.threads)):
        way.step()
        synchronise(device)
        started = time.perf_counter()
        while (seconds := time.perf_counter() - started) < SECONDS:
            way.step()
            synchronise(device)
            count += 1
    return way.models * count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budgets", default="10k,55k,200k")
    parser.add_argument("--replicas", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    keep_freed_memory()
    figures: dict[str, dict[str, float]] = {}
    for budget in arguments.budgets.split(","):
        ways = {
            "alone": Alone(budget, arguments.device),
            "together": Together(budget, arguments.device, arguments.replicas),
        }
        rounds = [{name: speed(way) for name, way in ways.items()} for _ in range(arguments.rounds)]
        row = {name: statistics.median(one[name] for one in rounds) for name in ways}
        figures[budget] = row
        print(
            f"{budget}: alone {row['alone']:.0f}, {arguments.replicas} together "
            f"{row['together']:.0f} model-steps/s: {row['together'] / row['alone']:.2f} ×",
            flush=True,
        )
    write_results("ensemble", {"model-steps a second": figures, "replicas": arguments.replicas})


if __name__ == "__main__":
    main()
