"""The memory of training: the peak of a process, and what ``study plan`` says it will be.

    python benchmarks/memory.py [--budgets 2M,20M,200M] [--batch 32]

Each case is a process of its own that takes real optimiser steps (``Trainer``, fused AdamW, all
cores) on windows of 80 rows × 25 channels, channels mixed. *Process* is the largest resident memory
from its start to its end (``ru_maxrss``): interpreter and libraries too. *Predicted* is what a plan
tells before anything is trained: the process as it is then, and ``resident_memory`` on top. *Live*
are the bytes of tensors alone (``training_memory``). Goals: within 10 % of the prediction, and 200M
under 5 GB at a batch of 32.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from typing import Any

from machine import precisions, write_results

FEATURES, CONTEXT = 25, 80
STEPS = 4
GB = 1e9


def cases(budgets: list[str]) -> list[tuple[str, str, bool]]:
    """Return budget, precision, and whether activations are computed again."""
    names = {"fp32": "fp32", "bf16": "bf16-mixed"}
    here = [names[precision] for precision in precisions()]
    found = [(budget, p, False) for budget in budgets for p in here]
    return [*found, *((budgets[-1], p, True) for p in here)]


def measure(budget: str, precision: str, again: bool, batch_size: int) -> dict[str, float]:
    """Train some steps in this process; return what was predicted and what was taken."""
    import psutil
    import torch

    from finscale.config import ModelConfig, TaskConfig, TrainingConfig
    from finscale.models import resolve_model
    from finscale.models.build import design
    from finscale.training import fit
    from finscale.training.allocator import keep_freed_memory
    from finscale.training.devices import use_threads
    from finscale.training.probe import ProbeRequest, make_trainer

    threads = os.cpu_count() or 1
    config = ModelConfig.model_validate({"budget": budget, "activation_checkpointing": again})
    network = resolve_model(config, num_features=FEATURES, context_length=CONTEXT)
    before = psutil.Process().memory_info().rss
    made = design(network, num_features=FEATURES, context_length=CONTEXT)
    request = ProbeRequest(
        network=network,
        training=TrainingConfig.model_validate(
            {
                "device": "cpu",
                "threads": threads,
                "batch_size": batch_size,
                "learning_rate": 1e-4,
                "precision": precision,
            }
        ),
        task=TaskConfig(),
        num_features=FEATURES,
        context_length=CONTEXT,
    )
    trainer = make_trainer(request)
    ends_B = torch.from_numpy(trainer.split.train[:batch_size])
    peaks = []
    keep_freed_memory()  # where every training does: after the model is built
    with use_threads(threads):
        fit.setup(trainer)
        trainer.model.train()
        built = peak()
        for _ in range(STEPS):
            fit.step(trainer, ends_B)
            peaks.append(peak())
    return {
        "process": peaks[-1],
        "predicted": before + made.resident_memory(batch_size, precision),
        "before": before,
        "live": made.training_memory(batch_size, precision),
        "built": built,
        "after the first step": peaks[0],
    }


def peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budgets", default="2M,20M,200M")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        budget, precision, again = arguments.worker
        print(json.dumps(measure(budget, precision, again == "again", arguments.batch)))
        return
    figures: dict[str, Any] = {}
    print("                                        GB: process  predicted  error      live  before")
    for budget, precision, again in cases(arguments.budgets.split(",")):
        title = f"{budget} {precision}{', activation checkpointing' if again else ''}"
        words = [budget, precision, "again" if again else "once"]
        found = json.loads(
            subprocess.run(
                [sys.executable, __file__, "--batch", str(arguments.batch), "--worker", *words],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
        )
        found["error"] = found["predicted"] / found["process"] - 1
        figures[title] = found
        print(
            f"{title:43} {found['process'] / GB:7.2f}  {found['predicted'] / GB:9.2f}  "
            f"{found['error']:+5.0%}  {found['live'] / GB:8.2f}  {found['before'] / GB:6.2f}",
            flush=True,
        )
    if arguments.budgets == parser.get_default("budgets"):
        write_results("memory", {"batch": arguments.batch, "bytes": figures})


if __name__ == "__main__":
    main()
