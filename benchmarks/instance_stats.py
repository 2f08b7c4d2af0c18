"""What feeding a window's statistics back to the encoder brings, on the bundled S&P 500.

RevIN normalises each window by its own moments and so deletes the level of volatility, which is
most of what can be known about tomorrow's high. The table shows test log loss (nats per decision,
threshold_1pct, H = 1, train to 2011, validation 2012–2014, test 2015–2018) with and without
``instance_stats``, beside the base rate and the logistic regression on volatility.

    python benchmarks/instance_stats.py [--budgets 10k 50k 250k 1M] [--seeds 3] [--set NAME=VALUE]
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finscale.config import ExperimentConfig, format_count, load_config, parse_count
from finscale.files import write_json

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "configs/daily/threshold_1pct.yaml"


@dataclass(frozen=True)
class Score:
    """One training, in nats per decision."""

    budget: int
    parameters: int
    instance_stats: bool
    seed: int
    validation: float
    test: float
    auc: float
    best_epoch: int
    seconds: float


def log_loss(logit_N: np.ndarray, target_N: np.ndarray) -> float:
    """Return the mean cross-entropy of logits."""
    return float(np.mean(np.logaddexp(0, logit_N) - target_N * logit_N))


def auc(logit_N: np.ndarray, target_N: np.ndarray) -> float:
    """Return the chance that a yes is ranked above a no."""
    yes, no = logit_N[target_N == 1], logit_N[target_N == 0]
    above = (yes[:, None] > no).mean() + (yes[:, None] == no).mean() / 2
    return float(above)


def score(budget: int, instance_stats: bool, seed: int, settings: list[str]) -> Score:
    """Train one model and score it on validation and test."""
    from finscale.experiment.preparation import prepare
    from finscale.experiment.trainers import make_trainer

    flag = str(instance_stats).lower()
    grid = [f"model.budget={budget}", f"model.instance_stats={flag}", f"seed={seed}"]
    prepared = prepare(load_config(ExperimentConfig, RECIPE, [*settings, *grid]))
    trainer = make_trainer(prepared)
    began = time.perf_counter()
    result = trainer.fit()
    seconds = time.perf_counter() - began
    split, targets = prepared.split, prepared.dataset.targets
    test_N = trainer.predict(split.test)
    assert prepared.counts is not None
    return Score(
        budget=budget,
        parameters=prepared.counts.total,
        instance_stats=instance_stats,
        seed=seed,
        validation=log_loss(trainer.predict(split.validation), targets(split.validation)),
        test=log_loss(test_N, targets(split.test)),
        auc=auc(test_N, targets(split.test)),
        best_epoch=result.best_epoch,
        seconds=seconds,
    )


def baselines(settings: list[str]) -> dict[str, dict[str, float]]:
    """Return the log losses of what a model has to beat."""
    from finscale.data import label
    from finscale.experiment.preparation import prepare
    from finscale.models import make_baseline

    prepared = prepare(load_config(ExperimentConfig, RECIPE, settings))
    dataset, split = prepared.dataset, prepared.split
    losses = {}
    for name in ("base_rate", "volatility"):
        baseline = make_baseline(
            name,
            task=prepared.config.task,
            context_length=dataset.context_length,
            features=dataset.features,
            seed=0,
            label=label,
        )
        baseline.fit(dataset.frame, split.train, dataset.targets(split.train))
        losses[name] = {
            part: log_loss(baseline.predict(dataset.frame, ends), dataset.targets(ends))
            for part, ends in (("validation", split.validation), ("test", split.test))
        }
    return losses


def show(scores: list[Score]) -> None:
    """Print a line for each budget, without and with statistics."""
    print(f"{'budget':>7} {'statistics':>10} {'validation':>10} {'test':>7}  seeds, test", end="")
    print(f"{'AUC':>16} {'epoch':>6} {'s/run':>6}")
    for key in sorted({(s.budget, s.instance_stats) for s in scores}):
        group = [s for s in scores if (s.budget, s.instance_stats) == key]
        tests = " ".join(f"{s.test:.4f}" for s in group)

        def mean(name: str, group: list[Score] = group) -> float:
            return float(np.mean([getattr(s, name) for s in group]))

        print(
            f"{format_count(key[0]):>7} {'fed back' if key[1] else 'hidden':>10} "
            f"{mean('validation'):10.4f} {mean('test'):7.4f}  {tests}  {mean('auc'):7.3f} "
            f"{mean('best_epoch'):6.1f} {mean('seconds'):6.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--budgets", nargs="+", type=parse_count, default=[10**4, 50_000, 250_000, 10**6]
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["hidden", "fed"], help="one of the two columns")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/instance_stats.json")
    args = parser.parse_args()
    settings = ["training.threads=1", *args.set]
    references = baselines(settings)
    for name, losses in references.items():
        print(f"{name:12s} validation {losses['validation']:.4f}  test {losses['test']:.4f}")
    flags = {"hidden": [False], "fed": [True], None: [False, True]}[args.only]
    grid: list[tuple[Any, ...]] = [
        (budget, flag, seed, settings)
        for budget in args.budgets
        for flag in flags
        for seed in range(args.seeds)
    ]
    with ProcessPoolExecutor(args.workers) as pool:
        scores = list(pool.map(score, *zip(*grid, strict=True)))
    show(scores)
    write_json(
        args.out,
        {
            "benchmark": "instance_stats on SP500, threshold_1pct, H = 1",
            "settings": args.set,
            "baselines": references,
            "runs": [asdict(s) for s in scores],
        },
    )


if __name__ == "__main__":
    main()
