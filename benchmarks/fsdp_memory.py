"""The memory of one model that several processes share, against one process that holds it all.

    python benchmarks/fsdp_memory.py [--budget 200M] [--batch 32] [--devices 2]

Each case takes real optimiser steps (``Trainer``, fused AdamW, fp32) on a CPU, on windows of 80
rows × 25 channels; processes talk by gloo. *Process* is the largest resident memory of a process
from its start to its end (``ru_maxrss``): interpreter and libraries too. *Planned* is what ``model
show --devices`` says, with the process as it was before on top. Goal: with two processes, each
under 60 % of one alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_results
from memory import CONTEXT, FEATURES, GB, peak

STEPS = 2


def measure(budget: str, batch: int, folder: Path) -> None:
    """Train some steps as one of the processes, and write what that took."""
    import psutil
    import torch

    from finscale.config import ModelConfig, TaskConfig, TrainingConfig
    from finscale.models import resolve_model
    from finscale.models.build import design
    from finscale.training import fit
    from finscale.training.allocator import keep_freed_memory
    from finscale.training.devices import use_threads
    from finscale.training.distributed import joined_ranks, several_started
    from finscale.training.distributed_plan import device_plan
    from finscale.training.probe import ProbeRequest, make_trainer

    shared = several_started() > 1
    if shared:
        from finscale.training import distributed_wrap  # noqa: F401 - a library, not the model
    network = resolve_model(
        ModelConfig.model_validate({"budget": budget}),
        num_features=FEATURES,
        context_length=CONTEXT,
    )
    made = design(network, num_features=FEATURES, context_length=CONTEXT)
    request = ProbeRequest(
        network=network,
        training=TrainingConfig(
            device="cpu",
            threads=1,
            batch_size=batch,
            learning_rate=1e-4,
            strategy="fsdp" if shared else "auto",
        ),
        task=TaskConfig(),
        num_features=FEATURES,
        context_length=CONTEXT,
    )
    with joined_ranks("cpu") as ranks:
        before = psutil.Process().memory_info().rss
        trainer = make_trainer(request, ranks)
        built = peak()
        ends_B = torch.from_numpy(trainer.split.train[:batch])
        if not shared:
            keep_freed_memory()  # where every training does: after the model is built
        with use_threads(1):
            fit.setup(trainer)
            trainer.model.train()
            for _ in range(STEPS):
                fit.step(trainer, ends_B)
        planned = made.resident_memory(batch)
        if shared:
            plan = device_plan(made, devices=ranks.size, strategy="fsdp", batch_size=batch)
            planned = plan.total
        found = {
            "process": peak(),
            "planned": before + planned,
            "before": before,
            "built": built,
            "parameters": made.counts.total,
            "loss": float(trainer.state.losses_S[0]),
        }
        (folder / f"{ranks.rank}.json").write_text(json.dumps(found))


def case(budget: str, batch: int, devices: int) -> list[dict[str, float]]:
    """Return what each process of a case took."""
    from finscale.training.distributed_launch import launch

    with tempfile.TemporaryDirectory() as folder:
        words = [__file__, "--budget", budget, "--batch", str(batch), "--worker", folder]
        if devices == 1:
            subprocess.run([sys.executable, *words], check=True)
        elif launch([sys.executable, *words], devices, again="the benchmark"):
            raise SystemExit("a process failed")
        files = [Path(folder) / f"{rank}.json" for rank in range(devices)]
        return [json.loads(file.read_text()) for file in files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budget", default="200M")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--out", type=Path, help="Write the figures there, and not to results/.")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        measure(arguments.budget, arguments.batch, Path(arguments.worker))
        return
    (alone,) = case(arguments.budget, arguments.batch, 1)
    shared = case(arguments.budget, arguments.batch, arguments.devices)
    share = max(one["process"] for one in shared) / alone["process"]
    print("GB                    process  planned  built  before")
    for title, row in [("alone", alone), *((f"of {len(shared)} by FSDP", one) for one in shared)]:
        figures = (f"{row[name] / GB:7.2f}" for name in ("process", "planned", "built", "before"))
        print(f"{title:20} {'  '.join(figures)}")
    print(f"each of {arguments.devices} takes {share:.0%} of what one alone takes")
    content: dict[str, Any] = {
        "budget": arguments.budget,
        "batch": arguments.batch,
        "devices": arguments.devices,
        "bytes": {"alone": alone, "shared": shared},
        "share": share,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(content, indent=2) + "\n")
    elif arguments.budget == parser.get_default("budget"):
        write_results("fsdp_memory", content)


if __name__ == "__main__":
    main()
