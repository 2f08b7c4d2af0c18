"""Which inputs, and which linear path? Validation decides; the test part is not looked at.

    python benchmarks/linear_path.py [--budgets 5k,55k] [--folds 3] [--seeds 2] [--epochs 8]
        [--bars SPY.csv,QQQ.csv … --adjustment split+dividend]
        [--ways none,frozen,fitted,zero] [--inputs level,relative,both]

For each inputs (``data.inputs``), linear path (``model.linear_path``) and budget: the validation
loss of the best epoch, averaged over folds and seeds, beside the logistic baseline's on the same
windows. On bundled S&P 500, or on a panel of the CSV files named. Also the epoch that was best: 0
is the linear start itself.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from machine import write_results

from finscale.config import ExperimentConfig
from finscale.runs import RunStore
from finscale.study.execution.local import Job, LocalExecutor

SPLIT = {"method": "walk_forward", "validation_days": 504, "test_days": 252}


def configs(arguments: argparse.Namespace, data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the row of the table that a run belongs to, and the run's settings."""
    folds = range(arguments.folds)
    for fold in folds:
        split = {**SPLIT, "folds": arguments.folds, "fold": fold}
        yield (
            "logistic",
            {"data": data, "split": split, "model": {"kind": "baseline", "name": "logistic"}},
        )
    grid = itertools.product(
        arguments.inputs.split(","), arguments.ways.split(","), arguments.budgets.split(",")
    )
    for inputs, way, budget in grid:
        for fold, seed in itertools.product(folds, range(arguments.seeds)):
            yield (
                f"{inputs} {way} {budget}",
                {
                    "data": {**data, "inputs": inputs},
                    "split": {**SPLIT, "folds": arguments.folds, "fold": fold},
                    "model": {"kind": arguments.kind, "budget": budget, "linear_path": way},
                    "training": {"epochs": arguments.epochs, "threads": 1, "device": "cpu"},
                    "seed": seed,
                },
            )


def validation_loss(run: Any) -> float:
    """Return a run's log loss on validation, from its predictions."""
    table = run.predictions("validation")
    logit, target = table["logit"].to_numpy(), table["target"].to_numpy()
    return float(np.mean(np.logaddexp(0, logit) - target * logit))


def measure(arguments: argparse.Namespace, data: dict[str, Any], runs: Path) -> dict[str, Any]:
    """Compute every run, two at a time, and return the table."""
    rows = list(configs(arguments, data))
    jobs = [
        Job(number, row, ExperimentConfig.model_validate(settings), 1.0)
        for number, (row, settings) in enumerate(rows)
    ]
    found: dict[str, list[tuple[float, int]]] = {}
    store = RunStore(runs)
    for event in LocalExecutor(workers=os.cpu_count() or 1).run(jobs, runs):
        if event.kind == "failed":
            raise SystemExit(f"{event.job.label}: {event.facts}")
        if event.kind == "done":
            run = store[event.facts["run_id"]]
            best = int(run.info["training"].get("best_epoch", 0))
            found.setdefault(event.job.label, []).append((validation_loss(run), best))
    order = dict.fromkeys(row for row, _ in rows)
    return {
        row: {
            "validation loss": float(np.mean([loss for loss, _ in found[row]])),
            "best epoch": float(np.mean([epoch for _, epoch in found[row]])),
            "runs": len(found[row]),
        }
        for row in order
    }


def panel(paths: Sequence[str], root: Path, adjustment: str) -> dict[str, Any]:
    """Register CSV files as bars and return the data section of their panel."""
    from finscale.data import DataStore, fetch_bars
    from finscale.data.adjustment import AdjustmentNeededError

    store = DataStore(root)
    for path in paths:
        fetch = partial(fetch_bars, "csv", Path(path).stem, file=path)
        try:
            store.add_bars(fetch())
        except AdjustmentNeededError:
            store.add_bars(fetch(adjustment=adjustment))
    return {"symbols": [Path(path).stem for path in paths], "root": str(root)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budgets", default="5k,55k")
    parser.add_argument("--kind", default="patchtst")
    parser.add_argument("--ways", default="none,frozen,fitted,zero")
    parser.add_argument("--inputs", default="level,relative,both")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--bars", default="")
    parser.add_argument("--adjustment", default="split+dividend")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        bars = [path for path in arguments.bars.split(",") if path]
        data = (
            panel(bars, root, arguments.adjustment)
            if bars
            else {"symbols": ["SP500"], "root": str(root)}
        )
        table = measure(arguments, data, Path(folder) / "runs")
    for row, figures in table.items():
        print(
            f"{row:24} {figures['validation loss']:.5f} nats"
            f"  best epoch {figures['best epoch']:4.1f}  {figures['runs']} runs"
        )
    write_results("linear_path", {"panel" if bars else "SP500": table})


if __name__ == "__main__":
    main()
