"""Whether training in bf16 comes to what training in fp32 comes to, within the noise of seeds.

    python benchmarks/bf16_agreement.py [--budgets 55k,2M] [--seeds 5] [--epochs 8]

The bundled S&P 500's own windows, threshold 1 %, channels mixed, batch 64. Each seed trains twice,
in fp32 and in bf16-mixed, from the same weights, with the same order and the same dropout. Compared
are the *training loss* after 300 steps (the mean of steps 281 to 300) and the *test log loss* of
the best checkpoint, in nats. For each the mean over seeds of bf16 − fp32, its standard error and
95 % t interval, and the standard deviation from seed to seed in fp32. They *agree* where the mean
difference is smaller than that deviation; whether the interval holds zero is told beside it.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from machine import precisions, write_results
from scipy import stats
from workers import Worker, serve

from finscale.config import ExperimentConfig, load_config
from finscale.evaluation.scores import log_losses
from finscale.experiment import prepare
from finscale.experiment.trainers import make_trainer
from finscale.training import Callback, Trainer

RECIPE = Path(__file__).parents[1] / "configs/daily/threshold_1pct.yaml"
STEPS, LAST = 300, 20
PRECISIONS = ("fp32", "bf16-mixed")
SCORES = ("training loss", "test log loss")


class Losses(Callback):
    """Keeps the loss of each step."""

    def __init__(self) -> None:
        self.steps: list[float] = []

    def on_step_end(self, trainer: Trainer) -> None:
        self.steps.append(trainer.state.losses_S[trainer.state.step - 1].item())


def train(budget: str, precision: str, seeds: int, epochs: int) -> list[list[float]]:
    """Return the two scores of each seed."""
    trainers, watchers = [], []
    for seed in range(seeds):
        settings = [
            f"model.budget={budget}",
            f"seed={seed}",
            "training.batch_size=64",
            f"training.epochs={epochs}",
            "training.patience=null",
            f"training.precision={precision}",
        ]
        prepared = prepare(load_config(ExperimentConfig, RECIPE, settings))
        watchers.append(Losses())
        trainers.append(make_trainer(prepared, callbacks=[watchers[-1]]))
    if trainers[0].total_steps < STEPS:
        raise SystemExit(f"{trainers[0].total_steps} steps: more --epochs are needed for {STEPS}")
    for trainer in trainers:
        trainer.fit()
    test = trainers[0].split.test
    target = trainers[0].dataset.targets(test)
    return [
        [
            float(np.mean(losses.steps[STEPS - LAST : STEPS])),
            float(log_losses(target, trainer.predict(test)).mean()),
        ]
        for trainer, losses in zip(trainers, watchers, strict=True)
    ]


def compare(fp32: np.ndarray, bf16: np.ndarray) -> dict[str, Any]:
    """Compare one score over seeds."""
    differences = bf16 - fp32
    mean, error = differences.mean(), stats.sem(differences)
    half = error * stats.t.ppf(0.975, len(differences) - 1)
    spread = fp32.std(ddof=1)
    return {
        "fp32": fp32.tolist(),
        "bf16-mixed": bf16.tolist(),
        "mean difference": mean,
        "standard error": error,
        "95 % interval": [mean - half, mean + half],
        "fp32 seed deviation": spread,
        "agree": bool(abs(mean) < spread),
        "interval holds zero": bool(abs(mean) <= half),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budgets", default="55k,2M")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if "bf16" not in precisions():
        sys.exit("this CPU has no bf16 products: there is nothing to measure")
    if arguments.worker:
        budget, precision, *counts = arguments.worker
        serve({}, lambda _: {"scores": train(budget, precision, *map(int, counts))})
        return
    numbers = [str(arguments.seeds), str(arguments.epochs)]
    figures: dict[str, Any] = {}
    for budget in arguments.budgets.split(","):
        with ExitStack() as stack:
            fp32, bf16 = (
                np.array(
                    Worker(__file__, [budget, precision, *numbers], stack, is_ours=True).ask(
                        "train"
                    )["scores"]
                )
                for precision in PRECISIONS
            )
        figures[budget] = {
            name: compare(fp32[:, column], bf16[:, column]) for column, name in enumerate(SCORES)
        }
        for name, found in figures[budget].items():
            low, high = found["95 % interval"]
            print(
                f"{budget} {name}: fp32 {np.mean(found['fp32']):.4f}, bf16 − fp32 "
                f"{found['mean difference']:+.5f} ± {found['standard error']:.5f} "
                f"[{low:+.5f}, {high:+.5f}], from seed to seed "
                f"{found['fp32 seed deviation']:.5f}: "
                f"{'agree within' if found['agree'] else 'differ by more than'} seed noise; the "
                f"interval {'holds' if found['interval holds zero'] else 'leaves out'} zero",
                flush=True,
            )
    if arguments.budgets == parser.get_default("budgets"):
        write_results("bf16_agreement", {"seeds": arguments.seeds, "scores": figures})


if __name__ == "__main__":
    main()
