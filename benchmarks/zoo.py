"""A training step of each architecture against neuralforecast's model of the same name and sizes.

    python benchmarks/zoo.py [--only gru,nhits] [--seconds 1.5] [--rounds 5]

32 windows of 80 rows × 25 channels, from which 24 rows of every channel are forecast; finscale's
sizes are those that 2M parameters buy, or stated below, and neuralforecast's network gets the same
widths, layers, heads and dropout. Where the paper treats each channel as a series of its own, both
do. A GRU and an MLP read all channels at once in neuralforecast only to forecast one of them: there
ours writes as many numbers, 24. Both do the same work on the same batch: forward, squared error,
backward, gradient clipping, fused AdamW, fp32. Ours also normalises its windows and has the CPU
kernels that every training has.

Every contender lives in a process of its own with all cores and takes its turn, round by round;
medians. *Ratio*: neuralforecast's seconds over finscale's, above 1 where finscale is faster.
Architectures that are not registered, and those that neuralforecast lacks, are left out. Results
are written where all others were run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from machine import write_results
from workers import Worker, serve

FEATURES, CONTEXT, AHEAD, BATCH = 25, 80, 24, 32
#: Architecture → finscale's settings.
CASES: dict[str, dict[str, Any]] = {
    "patchtst": {"budget": "2M", "channels": "independent"},
    "itransformer": {"budget": "2M"},
    # the paper's basic model, which is neuralforecast's
    "tsmixer": {"depth": 4, "ff_width": 512, "norm": "batch"},
    "dlinear": {},
    "nlinear": {},
    "tide": {"budget": "2M"},
    "nhits": {"budget": "2M"},
    "gru": {"budget": "2M"},
    "mlp": {"budget": "2M", "feature_embedding": None},
}
#: Read all channels to write numbers of one.
OF_ONE = ("gru", "mlp")
CONTENDERS = ("finscale", "neuralforecast")


def designed(kind: str) -> Any:
    """Return finscale's network on paper."""
    from finscale.config import validate
    from finscale.models import ARCHITECTURES, design

    config = validate(ARCHITECTURES[kind].config, {"kind": kind, **CASES[kind]}, place="zoo.py")
    head: dict[str, Any] = {"head": "forecast", "forecast_length": AHEAD}
    if kind in OF_ONE:
        head = {"head": "regression", "num_outputs": AHEAD}
    return design(config, num_features=FEATURES, context_length=CONTEXT, **head)


def network(kind: str, who: str) -> Any:
    """Return a contender: windows [B, L, F] → [B, H, F], or [B, H] of one channel."""
    made = designed(kind)
    if who == "finscale":
        from finscale.models.kernels.accelerate import accelerate

        return accelerate(made.build())
    from zoo_peers import build

    return build(kind, made.config, made.interface)


def step_of(kind: str, who: str) -> tuple[Callable[[], None], dict[str, Any]]:
    """Return a function that takes one optimiser step, and what the contender is."""
    import torch
    from torch.nn.functional import mse_loss

    from finscale.training.allocator import keep_freed_memory

    if who == "finscale":
        keep_freed_memory()  # as every training does
    torch.manual_seed(0)
    model = network(kind, who).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    x_BLF = torch.randn(BATCH, CONTEXT, FEATURES)
    target = torch.randn(BATCH, AHEAD) if kind in OF_ONE else torch.randn(BATCH, AHEAD, FEATURES)

    def step() -> None:
        optimizer.zero_grad()
        mse_loss(model(x_BLF), target).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step, {"parameters": sum(p.numel() for p in model.parameters())}


def work(kind: str, who: str) -> None:
    """Serve one contender: a line with what it is, then a line for each budget of seconds."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    step, about = step_of(kind, who)
    for _ in range(2):
        step()
    serve(about, lambda budget: {"seconds": _median(step, float(budget))})


def _median(step: Callable[[], None], budget: float) -> float:
    taken: list[float] = []
    until = time.perf_counter() + budget
    while len(taken) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def measure(kind: str, num_rounds: int, seconds: float) -> dict[str, Any]:
    """Let both contenders of one architecture take turns."""
    taken: dict[str, list[float]] = {who: [] for who in CONTENDERS}
    with ExitStack() as stack:
        workers = {
            who: Worker(__file__, [kind, who], stack, is_ours=who == "finscale")
            for who in CONTENDERS
        }
        for _ in range(num_rounds):
            for who, worker in workers.items():
                taken[who].append(worker.ask(seconds)["seconds"])
        parameters = {who: worker.about["parameters"] for who, worker in workers.items()}
    pairs = zip(taken["neuralforecast"], taken["finscale"], strict=True)
    return {
        "finscale": designed(kind).describe(),
        "parameters": parameters,
        "windows/s": {who: BATCH / statistics.median(found) for who, found in taken.items()},
        "ratio": statistics.median(theirs / ours for theirs, ours in pairs),
    }


def print_case(kind: str, found: dict[str, Any]) -> None:
    speeds = found["windows/s"]
    sizes = "  ".join(f"{who} {number:,}" for who, number in found["parameters"].items())
    print(
        f"{kind:13} finscale {speeds['finscale']:9.1f} windows/s  neuralforecast "
        f"{speeds['neuralforecast']:9.1f}  ratio {found['ratio']:5.2f} ×\n"
        f"{'':13} parameters: {sizes}",
        flush=True,
    )


def main() -> None:
    from finscale.models import ARCHITECTURES

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(*arguments.worker)
        return
    here = [kind for kind in CASES if kind in ARCHITECTURES]
    figures = {}
    for kind in arguments.only.split(","):
        if kind not in here:
            print(f"{kind}: not registered, left out")
            continue
        figures[kind] = measure(kind, arguments.rounds, arguments.seconds)
        print_case(kind, figures[kind])
    if set(figures) == set(here):
        write_results("zoo", {"batch": BATCH, "training step": figures})


if __name__ == "__main__":
    main()
