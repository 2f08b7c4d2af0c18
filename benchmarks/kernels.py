"""What each of finscale's CPU kernels brings to a training step: the table that keeps or ends it.

    python benchmarks/kernels.py [--seconds 240] [--only 5k,2M] [--threads 1]

A step is forward, backward, clipping and fused AdamW of a PatchTST on 64 windows of 80 bars × 21
channels (the default study's), and of one with independent channels at 2M. Contenders, in turn,
round by round: all kernels; all but one of them; none (plain torch). A figure is the median over
the rounds of *its time over that of all kernels*, so 1.10 beside ``without dropout`` says that
dropout's kernel saves 10 % of a step; beside ``torch``, what all of them save together.

Each processor class is a process of its own: this machine as it is, and as one with AVX2 alone
(ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_ENABLE_INSTRUCTIONS). bf16 is measured where the
processor computes in it. Threads are those of the rule, one below 300k parameters and else all
cores; with ``--threads 1`` all is measured on one, in processor time, which a busy machine disturbs
least.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from machine import precisions, write_results

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
CLASSES: dict[str, dict[str, str]] = {"as it is": {}, "AVX2": AVX2}
FEATURES, CONTEXT = 21, 80
#: Budget, channels, windows of a step. Independent channels make 21 sequences of a window.
SHAPES = {
    "5k": ("5k", "mixing", 64),
    "55k": ("55k", "mixing", 64),
    "600k": ("600k", "mixing", 64),
    "2M": ("2M", "mixing", 64),
    "independent-2M": ("2M", "independent", 8),
}
#: Kernels that are left out in turn, and all of them at once.
OFF = {
    "without linear": ("linear",),
    "without narrow": ("narrow",),
    "without explicit": ("explicit",),
    "without dropout": ("dropout",),
    "torch": ("linear", "attention", "dropout"),
}
FEWEST_ROUNDS = 3
#: Seconds that one contender's turn should last, for the clock and the switch to be small in it.
TURN = 0.03


def steps_of(shape: str, precision: str, threads: int | None) -> dict[str, Callable[[], None]]:
    """Return a training step for each contender; all start from the same weights."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from finscale.config import ModelConfig
    from finscale.models import build_model
    from finscale.models.kernels.accelerate import accelerate

    budget, channels, batch = SHAPES[shape]
    config = ModelConfig.model_validate({"budget": budget, "channels": channels})
    torch.manual_seed(0)
    plain = build_model(config, num_features=FEATURES, context_length=CONTEXT).train()
    num_parameters = sum(p.numel() for p in plain.parameters())
    by_rule = 1 if num_parameters < 300_000 else os.cpu_count() or 1
    torch.set_num_threads(threads or by_rule)
    x_BLF = torch.randn(batch, CONTEXT, FEATURES)
    target_B = torch.randint(2, (batch,)).float()

    def step_of(without: tuple[str, ...]) -> Callable[[], None]:
        model = accelerate(copy.deepcopy(plain), without=without)
        prepared = model.prepare(x_BLF)  # once a training
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

        def step() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                logits_B = model.encode(*prepared)
            binary_cross_entropy_with_logits(logits_B.float(), target_B).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

        return step

    return {"all": step_of(()), **{name: step_of(without) for name, without in OFF.items()}}


def measure(shape: str, precision: str, seconds: float, threads: int | None) -> dict[str, Any]:
    """Let the contenders take turns for so many seconds; medians of the rounds' ratios."""
    steps = steps_of(shape, precision, threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    alone = [timed(step, 2, clock) / 2 for step in steps.values() for _ in range(2)]
    repeats = max(1, round(TURN / statistics.median(alone)))
    ratios: dict[str, list[float]] = {name: [] for name in steps}
    milliseconds = []
    until = time.perf_counter() + seconds
    while len(milliseconds) < FEWEST_ROUNDS or time.perf_counter() < until:
        taken = {name: timed(step, repeats, clock) for name, step in steps.items()}
        milliseconds.append(1e3 * taken["all"] / repeats)
        for name, one in taken.items():
            ratios[name].append(one / taken["all"])
        # the same order twice would favour whoever follows a small one
        steps = dict(sorted(steps.items(), key=lambda _: os.urandom(4)))
    return {
        "ms a step": statistics.median(milliseconds),
        "rounds": len(milliseconds),
        "over all kernels": {name: statistics.median(ratios[name]) for name in OFF},
    }


def timed(step: Callable[[], None], repeats: int, clock: Callable[[], float]) -> float:
    started = clock()
    for _ in range(repeats):
        step()
    return clock() - started


def work(shapes: list[str], seconds: float, threads: int | None) -> None:
    """Measure every shape and arithmetic that this process can; print one JSON object."""
    from finscale.models.kernels.processor import this_processor
    from finscale.training.allocator import keep_freed_memory

    keep_freed_memory()  # as every training does
    processor = vars(this_processor())
    here = precisions()
    each = seconds / len(shapes) / len(here)
    found = {f"{s} {p}": measure(s, p, each, threads) for s in shapes for p in here}
    print(json.dumps({"processor": processor, "steps": found}))


def markdown(figures: dict[str, Any]) -> str:
    """Return the table of all classes."""
    names = list(OFF)
    lines = [f"| processor | step | ms | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for title, found in figures.items():
        vectors = found["processor"]["vectors"]
        for step, row in found["steps"].items():
            ratios = " | ".join(f"{row['over all kernels'][name]:.2f}" for name in names)
            lines.append(f"| {title} ({vectors}) | {step} | {row['ms a step']:.2f} | {ratios} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=240.0, help="for all of it, about")
    parser.add_argument("--only", default=",".join(SHAPES), help="shapes, with commas")
    parser.add_argument("--threads", type=int, help="for all shapes; by the rule when absent")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    shapes = arguments.only.split(",")
    if arguments.worker:
        work(shapes, arguments.seconds, arguments.threads)
        return
    figures = {}
    for title, environment in CLASSES.items():
        words = ["--only", arguments.only, "--seconds", str(arguments.seconds / len(CLASSES))]
        words += ["--threads", str(arguments.threads)] if arguments.threads else []
        done = subprocess.run(
            [sys.executable, __file__, "--worker", *words],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        figures[title] = json.loads(done.stdout)
    print(markdown(figures))
    print(write_results("kernels", {"figures": figures}))


if __name__ == "__main__":
    main()
