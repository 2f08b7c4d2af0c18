"""What finscale computes its own way, against torch's way: attention, products, kept memory.

    python benchmarks/kernels.py [--rounds 15]

One thread, CPU time, forwards and backwards, all ways in turn; medians. *Attention*: 64 windows of
nine tokens, batched products and softmax against windows and heads innermost. *Products*: 576 rows
(64 windows of nine tokens), ``nn.Linear`` against what ``models/products.py`` takes here.
*Memory*: a training step of 2M parameters in a process whose freed memory goes back to the kernel,
and in one that keeps it (``training/allocator.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from machine import rounds, write_results
from torch import Tensor, nn

from finscale.models.kernels.products import Linear
from finscale.models.patchtst.attention import SelfAttention
from finscale.training.allocator import keep_freed_memory

WINDOWS, TOKENS = 64, 9
#: Width and heads of models of 10k, 55k, 200k, 600k and 2M parameters, and of a wide one.
HEADS = ((24, 6), (56, 7), (112, 14), (144, 9), (256, 8), (1024, 16))
SHAPES = ((56, 212), (112, 416), (144, 624), (256, 1312), (544, 2176))
REPEATS = 10
STEPS = 8


def passes(module: nn.Module, x: Tensor) -> Callable[[], None]:
    """Return some passes forwards and backwards through a module that returns tokens first."""
    upstream = torch.randn(WINDOWS, TOKENS, module(x)[0].shape[-1])

    def run() -> None:
        for _ in range(REPEATS):
            y = module(x)
            (y if isinstance(y, Tensor) else y[0]).backward(upstream)

    return run


def attention(num_rounds: int) -> dict[str, float]:
    found = {}
    for width, heads in HEADS:
        x = torch.randn(WINDOWS, TOKENS, width, requires_grad=True)
        contenders = {}
        for method in ("explicit", "auto"):
            torch.manual_seed(0)
            contenders[method] = passes(SelfAttention(width, heads, method=method), x)
        seconds = rounds(contenders, num_rounds, clock="cpu")
        found[f"{heads} heads of {width // heads}"] = 1 / seconds["auto"].ratio
    return found


def products(num_rounds: int) -> dict[str, float]:
    found = {}
    for inputs, outputs in SHAPES:
        x = torch.randn(WINDOWS, TOKENS, inputs, requires_grad=True)
        pair = {"nn.Linear": nn.Linear(inputs, outputs), "finscale": Linear(inputs, outputs)}
        upstream = torch.randn(WINDOWS, TOKENS, outputs)

        def runs(module: nn.Module, x: Tensor = x, up: Tensor = upstream) -> Callable[[], None]:
            return lambda: [module(x).backward(up) for _ in range(REPEATS)] and None

        seconds = rounds({name: runs(m) for name, m in pair.items()}, num_rounds, clock="cpu")
        found[f"{inputs} → {outputs}"] = 1 / seconds["finscale"].ratio
    return found


def step_seconds(batch_size: int, *, keep: bool) -> float:
    """Return the CPU seconds of a step of 2M parameters in this process."""
    from finscale.config import ModelConfig, TaskConfig, TrainingConfig
    from finscale.models import resolve_model
    from finscale.training import fit
    from finscale.training.probe import ProbeRequest, make_trainer

    if keep:
        keep_freed_memory()
    trainer = make_trainer(
        ProbeRequest(
            network=resolve_model(
                ModelConfig(budget=2_000_000), num_features=25, context_length=80
            ),
            training=TrainingConfig(
                device="cpu", threads=1, batch_size=batch_size, learning_rate=1e-3
            ),
            task=TaskConfig(),
            num_features=25,
            context_length=80,
        )
    )
    ends_B = torch.from_numpy(trainer.split.train[:batch_size])
    fit.setup(trainer)
    trainer.model.train()
    taken = []
    for _ in range(STEPS):
        started = time.process_time()
        fit.step(trainer, ends_B)
        taken.append(time.process_time() - started)
        trainer.state.step = 0
    return statistics.median(taken[2:])


def memory(num_rounds: int) -> dict[str, float]:
    found = {}
    for batch_size in (64, 512):
        ratios = []
        for _ in range(max(2, num_rounds // 5)):
            given, kept = (
                float(
                    subprocess.run(
                        [sys.executable, __file__, "--step", str(batch_size), *words],
                        env={**os.environ, "OMP_NUM_THREADS": "1"},
                        stdout=subprocess.PIPE,
                        text=True,
                        check=True,
                    ).stdout
                )
                for words in ((), ("--keep",))
            )
            ratios.append(given / kept)
        found[f"batch {batch_size}"] = statistics.median(ratios)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--step", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.step:
        print(step_seconds(arguments.step, keep=arguments.keep))
        return
    # first: the others run as training does
    kept = memory(arguments.rounds)
    keep_freed_memory()
    figures = {
        "attention, × explicit": attention(arguments.rounds),
        "products in fp32, × nn.Linear": products(arguments.rounds),
        "step of 2M with kept memory, × without": kept,
    }
    print(json.dumps(figures, indent=1, ensure_ascii=False))
    write_results("kernels", figures)


if __name__ == "__main__":
    main()
