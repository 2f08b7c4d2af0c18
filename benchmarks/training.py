"""A whole training step against the field's, and against the machine's own peak.

    python benchmarks/training.py [--only independent-2M,mixing-20M] [--seconds 1.5] [--rounds 3]

Windows of 80 rows × 25 channels, patches of 16 rows every 8: nine tokens. *Independent*: each
channel a sequence of its own, against Hugging Face transformers' PatchTST and neuralforecast's.
*Mixing*: against ``nn.TransformerEncoder``. All have finscale's depth, width, heads, feed-forward
width and dropout, and do the same work: forward, backward, gradient clipping, fused AdamW. Ours
also gathers its windows from the dataset; the peers find theirs gathered. ``compiled`` is
``torch.compile``.

Every contender lives in a process of its own with all cores and takes its turn, round by round;
medians. *Peak*: the best of square matrix products of 512 to 2048 by torch's own kernel and by
oneDNN, measured in the same rounds; *share*: FLOPs of the step's products over that.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from machine import precisions, write_results
from workers import Worker, serve

FEATURES, CONTEXT = 25, 80
CASES = {
    "independent-2M": ("independent", "2M", 64),
    "independent-20M": ("independent", "20M", 8),
    "mixing-2M": ("mixing", "2M", 64),
    "mixing-20M": ("mixing", "20M", 64),
    "mixing-200M": ("mixing", "200M", 64),
}
PEERS = {"independent": ("transformers", "neuralforecast"), "mixing": ("torch",)}
#: torch.compile takes minutes at the larger sizes and decides nothing there.
COMPILED = ("mixing-2M",)


@dataclass(frozen=True)
class Contender:
    """One network under one arithmetic, or the products whose speed is the peak."""

    who: str
    precision: str
    compiled: bool = False

    @property
    def is_ours(self) -> bool:
        return self.who == "finscale"

    @property
    def title(self) -> str:
        return f"{self.who} {self.precision}{' compiled' if self.compiled else ''}"


def contenders(case: str) -> list[Contender]:
    channels = CASES[case][0]
    found = [
        Contender(who, precision)
        for who in ("finscale", *PEERS[channels])
        for precision in precisions()
    ]
    if case in COMPILED and "bf16" in precisions():
        found.append(Contender("finscale", "bf16", compiled=True))
        found += [Contender(who, "bf16", compiled=True) for who in PEERS[channels]]
    return [*found, *(Contender("peak", precision) for precision in precisions())]


def started(case: str, one: Contender, stack: ExitStack) -> Worker:
    words = [case, one.who, one.precision, str(int(one.compiled))]
    return Worker(__file__, words, stack, is_ours=one.is_ours)


def measure(case: str, num_rounds: int, seconds: float) -> dict[str, Any]:
    """Let all contenders of one case take turns."""
    taken: dict[str, list[float]] = {}
    with ExitStack() as stack:
        workers = {one.title: started(case, one, stack) for one in contenders(case)}
        for _ in range(num_rounds):
            for title, worker in workers.items():
                budget = min(seconds, 0.5) if title.startswith("peak") else seconds
                taken.setdefault(title, []).append(worker.ask(budget)["seconds"])
        about = {title: worker.about for title, worker in workers.items()}
    medians = {title: statistics.median(found) for title, found in taken.items()}
    peaks = {p: 1 / medians.pop(f"peak {p}") for p in precisions()}
    flops, batch = about["finscale fp32"]["flops"], CASES[case][2]
    rows = {
        title: {
            "windows/s": batch / step,
            "share of peak": flops / step / peaks["fp32" if "fp32" in title else "bf16"],
            "parameters": about[title]["parameters"],
        }
        for title, step in medians.items()
    }
    return {
        "batch": batch,
        "peak GFLOP/s": {p: peak / 1e9 for p, peak in peaks.items()},
        "steps": rows,
        **ratios(rows),
    }


def ratios(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return finscale's best speed over each peer's, and over the same arithmetic's."""
    speed = {title: row["windows/s"] for title, row in rows.items()}
    best = max(value for title, value in speed.items() if title.startswith("finscale"))
    return {
        f"finscale's best over {title}": best / value
        for title, value in speed.items()
        if not title.startswith("finscale")
    }


def work(case: str, who: str, precision: str, compiled: bool) -> None:
    """Serve one contender: a line with what it is, then a line for each budget of seconds."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    if who == "peak":
        step, about = _products(precision), {}
    elif who == "finscale":
        step, about = _our_step(case, precision, compiled)
    else:
        step, about = _peer_step(case, who, precision, compiled)
    for _ in range(2):
        step()
    serve(about, lambda budget: {"seconds": _median(step, float(budget))})


def _median(step: Callable[[], float | None], budget: float) -> float:
    taken: list[float] = []
    until = time.perf_counter() + budget
    while len(taken) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        own = step()
        taken.append(time.perf_counter() - started if own is None else own)
    return min(taken) if own is not None else statistics.median(taken)


def _products(precision: str) -> Callable[[], float]:
    """Return a function that measures seconds a FLOP of the best of some square products."""
    import torch

    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    pairs = [torch.randn(2, size, size, dtype=dtype) for size in (512, 1024, 1536, 2048)]
    kernels: list[Callable[..., Any]] = [lambda a, b: torch.mm(a, b.t())]
    if torch._C._has_mkldnn:
        kernels.append(lambda a, b: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))

    def best() -> float:
        found = []
        for a, b in pairs:
            for kernel in kernels:
                started = time.perf_counter()
                kernel(a, b)
                found.append((time.perf_counter() - started) / (2 * len(a) ** 3))
        return min(found)

    return best


def request_of(case: str, precision: str, compiled: bool) -> Any:
    from finscale.config import ModelConfig, TaskConfig, TrainingConfig
    from finscale.models import resolve_model
    from finscale.training.probe import ProbeRequest

    channels, budget, batch = CASES[case]
    network = resolve_model(
        ModelConfig.model_validate({"budget": budget, "channels": channels}),
        num_features=FEATURES,
        context_length=CONTEXT,
    )
    training = TrainingConfig(
        device="cpu",
        threads=os.cpu_count() or 1,
        batch_size=batch,
        learning_rate=1e-4,
        precision="fp32" if precision == "fp32" else "bf16-mixed",
        compile=compiled,
    )
    return ProbeRequest(
        network=network,
        training=training,
        task=TaskConfig(),
        num_features=FEATURES,
        context_length=CONTEXT,
    )


def _our_step(
    case: str, precision: str, compiled: bool
) -> tuple[Callable[[], None], dict[str, float]]:
    import torch

    from finscale.models.patchtst.counts import flops_per_sample
    from finscale.training import fit
    from finscale.training.allocator import keep_freed_memory
    from finscale.training.probe import make_trainer

    keep_freed_memory()  # as every training does
    request = request_of(case, precision, compiled)
    trainer = make_trainer(request)
    batch = int(request.training.batch_size)
    ends_B = torch.from_numpy(trainer.split.train[:batch])
    fit.setup(trainer)
    trainer.model.train()

    def step() -> None:
        fit.step(trainer, ends_B)
        trainer.state.step = 0

    about = {
        "flops": 3 * batch * flops_per_sample(trainer.model),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
    }
    return step, about


def _peer_step(
    case: str, who: str, precision: str, compiled: bool
) -> tuple[Callable[[], None], dict[str, float]]:
    import torch
    from peers import build
    from torch.nn.functional import binary_cross_entropy_with_logits

    from finscale.models.build import design
    from finscale.models.patchtst.entry import sizes_of

    request = request_of(case, precision, compiled)
    made = design(request.network, num_features=FEATURES, context_length=CONTEXT)
    model = build(who, sizes_of(made.config, made.interface)).train()
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    batch = int(request.training.batch_size)
    x_BLF, target_B = torch.randn(batch, CONTEXT, FEATURES), torch.randint(2, (batch,)).float()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits_B = forward(x_BLF)
        binary_cross_entropy_with_logits(logits_B.float(), target_B).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step, {"parameters": sum(p.numel() for p in model.parameters())}


def print_case(case: str, found: dict[str, Any]) -> None:
    peaks = ", ".join(f"{p} {peak:.0f}" for p, peak in found["peak GFLOP/s"].items())
    print(f"{case}, batch {found['batch']}; peak GFLOP/s {peaks}")
    for title, row in found["steps"].items():
        line = (
            f"  {title:28} {row['windows/s']:9.1f} windows/s  {row['share of peak']:4.0%} of peak"
        )
        ratio = found.get(f"finscale's best over {title}")
        print(line + (f"  finscale's best {ratio:.2f} ×" if ratio else ""), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        case, who, precision, compiled = arguments.worker
        work(case, who, precision, bool(int(compiled)))
        return
    figures = {}
    for case in arguments.only.split(","):
        figures[case] = measure(case, arguments.rounds, arguments.seconds)
        print_case(case, figures[case])
    if set(figures) == set(CASES):
        write_results("training", {"training step": figures})


if __name__ == "__main__":
    main()
