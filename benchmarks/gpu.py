"""One script for a borrowed GPU: steps, share of the bf16 peak, ensembles, memory. Under 8 minutes.

    python benchmarks/gpu.py [--minutes 8] [--out FILE]          a GPU, the real sizes
    python benchmarks/gpu.py --tiny                              a CPU, to see that it runs

*Step* is a whole optimiser step (``Trainer``: forward, backward, clipping, fused AdamW) in
bf16-mixed, ``torch.compile`` on, attention by torch's fused kernel, on windows of 80 rows × 25
channels; the median of several, after the compilation. *Share of peak* is the FLOPs of the model's
products (three times the forward pass's, ``NetworkDesign.flops``) a second over those of the
fastest square bf16 product measured here. The peer is ``transformers.PatchTSTForClassification`` at
the same sizes; it treats each channel as a sequence, so our own PatchTST with ``channels:
independent``, which does the same work, stands beside it. *Together* trains 32 seeds of one small
model as one program, *alone* one after another, compiled or not, whichever is faster: goal 10 ×.
Memory is the largest that torch's allocator held.

Cases are taken in the order of their worth, and what no longer fits the minutes is left out and
said. What fails, such as a size that the memory does not hold, stands as its error.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from machine import machine_name, write_results
from torch import nn

from finscale.config import TaskConfig, TrainingConfig
from finscale.config.model import model_section
from finscale.errors import FinscaleError
from finscale.models import ARCHITECTURES, NetworkDesign
from finscale.models.build import design
from finscale.training import Trainer, fit
from finscale.training.devices import synchronise
from finscale.training.probe import ProbeRequest, make_trainer
from finscale.training.stack import Stack

FEATURES, CONTEXT = 25, 80
#: Windows of a step, by budget: enough for a GPU to be full, and what its memory holds.
BATCHES = {"2M": 2048, "20M": 1024, "200M": 512, "2B": 128}
TINY = {"5k": 8}
#: Steps that are timed, and seconds after which no further one is begun.
STEPS, SECONDS = 20, 6.0


@dataclass(frozen=True)
class Case:
    """One network that takes steps."""

    budget: str
    batch: int
    kind: str = "patchtst"
    peer: bool = False
    """Whether transformers' network of these sizes stands in for ours."""
    independent: bool = False
    """Each channel as a sequence of its own."""
    compiled: bool = True

    @property
    def title(self) -> str:
        """The case in words."""
        words = [self.budget, "transformers" if self.peer else self.kind]
        words += ["independent"] if self.independent and not self.peer else []
        return " ".join([*words, "" if self.compiled else "not compiled"]).strip()


def cases(batches: dict[str, int], compiled: bool) -> Iterator[Case]:
    """Yield all cases, the most wanted first."""
    # a sequence per channel costs 25 times the tokens
    apart = {budget: max(batch // 16, 2) for budget, batch in batches.items()}
    for budget, batch in batches.items():
        yield Case(budget, batch, compiled=compiled)
        yield Case(budget, apart[budget], independent=True, compiled=compiled)
        yield Case(budget, apart[budget], independent=True, peer=True, compiled=compiled)
    for budget, batch in batches.items():
        if compiled:
            yield Case(budget, batch, compiled=False)
        for kind in ARCHITECTURES:
            if kind != "patchtst":
                yield Case(budget, batch, kind=kind, compiled=compiled)


def designed(case: Case) -> NetworkDesign:
    content: dict[str, Any] = {"kind": case.kind, "budget": case.budget}
    if case.kind == "patchtst":
        content |= {"channels": "independent" if case.independent else "mixing"}
    network = model_section(content).model_validate(content)
    return design(network, num_features=FEATURES, context_length=CONTEXT)


def trainer_of(made: NetworkDesign, case: Case, device: str) -> Trainer:
    training = TrainingConfig(
        device=device,
        threads=1,
        batch_size=case.batch,
        learning_rate=1e-4,
        precision="bf16-mixed" if device == "cuda" else "fp32",
        compile=case.compiled,
        kernels="torch",
    )
    request = ProbeRequest(
        network=made.config,
        training=training,
        task=TaskConfig(),
        num_features=FEATURES,
        context_length=CONTEXT,
    )
    trainer = make_trainer(request)
    fit.setup(trainer)
    trainer.model.train()
    return trainer


def our_step(made: NetworkDesign, case: Case, device: str) -> Callable[[], None]:
    trainer = trainer_of(made, case, device)
    ends_B = torch.from_numpy(trainer.split.train[: case.batch]).to(trainer.device)

    def step() -> None:
        fit.step(trainer, ends_B)
        trainer.state.step = 0

    return step


def peer_step(made: NetworkDesign, case: Case, device: str) -> Callable[[], None]:
    from peers import build

    from finscale.models.patchtst.entry import sizes_of

    model: nn.Module = build("transformers", sizes_of(made.config, made.interface))  # type: ignore[arg-type]
    model = model.to(device).train()
    forward = torch.compile(model) if case.compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    x_BLF = torch.randn(case.batch, CONTEXT, FEATURES, device=device)
    target_B = torch.randint(2, (case.batch,), device=device).float()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits_B = forward(x_BLF)
        nn.functional.binary_cross_entropy_with_logits(logits_B.float(), target_B).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def seconds_of(step: Callable[[], None], device: torch.device) -> float:
    """Return the median time of a step; the first two, which compile and allocate, do not count."""
    for _ in range(2):
        step()
    synchronise(device)
    taken: list[float] = []
    began = time.perf_counter()
    while len(taken) < 3 or (len(taken) < STEPS and time.perf_counter() - began < SECONDS):
        started = time.perf_counter()
        step()
        synchronise(device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def peak_flops(device: str) -> float:
    """Return FLOP/s of the fastest square product in the arithmetic of the steps."""
    on_gpu = device == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    best = 0.0
    for size in (4096, 8192, 16384) if on_gpu else (256, 512):
        a, b = torch.randn(2, size, size, device=device, dtype=dtype)
        seconds = seconds_of(lambda a=a, b=b: a @ b, torch.device(device))  # type: ignore[misc]
        best = max(best, 2 * size**3 / seconds)
    return best


def measure(case: Case, device: str, peak: float) -> dict[str, Any]:
    """Return a case's figures; its error where it cannot be computed here."""
    _forget(device)
    try:
        made = designed(case)
        step = (peer_step if case.peer else our_step)(made, case, device)
        began = time.perf_counter()
        seconds = seconds_of(step, torch.device(device))
        took = time.perf_counter() - began
    except (FinscaleError, RuntimeError, MemoryError, AssertionError, ImportError) as error:
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"}
    flops = 3 * case.batch * made.flops
    return {
        "parameters": made.counts.total,
        "batch": case.batch,
        "step_seconds": seconds,
        "windows_per_second": case.batch / seconds,
        "flops_per_step": flops,
        "share_of_peak": flops / seconds / peak,
        "peak_bytes": _peak_memory(device),
        "seconds_in_all": took,
    }


def ensemble(budget: str, batch: int, replicas: int, device: str) -> dict[str, Any]:
    """Return model-steps a second of seeds together and of one alone, and their ratio."""
    _forget(device)
    alone = Case(budget, batch, compiled=False)
    try:
        made = designed(alone)
        ways = [alone, replace(alone, compiled=True)] if device == "cuda" else [alone]
        taken = []
        for way in ways:
            taken.append(seconds_of(our_step(made, way, device), torch.device(device)))
            _forget(device)
        seconds = min(taken)
        trainers = [trainer_of(made, alone, device) for _ in range(replicas)]
        stack = Stack(trainers, [nullcontext] * replicas)
        ends_B = torch.from_numpy(trainers[0].split.train[:batch]).to(trainers[0].device)

        def step() -> None:
            stack.step([ends_B] * replicas)
            for trainer in trainers:
                trainer.state.step = 0

        together = seconds_of(step, torch.device(device)) / replicas
    except (FinscaleError, RuntimeError, MemoryError) as error:
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"}
    return {
        "replicas": replicas,
        "batch": batch,
        "alone_steps_per_second": 1 / seconds,
        "together_steps_per_second": 1 / together,
        "ratio": seconds / together,
        "peak_bytes": _peak_memory(device),
    }


def _forget(device: str) -> None:
    """Give all memory back, and count the peak anew."""
    gc.collect()
    torch._dynamo.reset()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_memory(device: str) -> int | None:
    return int(torch.cuda.max_memory_reserved()) if device == "cuda" else None


def table(found: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = [f"{found['device']}, measured peak {found['peak_flops'] / 1e12:.3g} TFLOP/s", ""]
    lines += ["                                 batch  ms a step  windows/s  of peak     GiB"]
    for title, row in found["steps"].items():
        if "error" in row:
            lines.append(f"{title:32} {row['error']}")
            continue
        memory = "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**30:.1f}"
        lines.append(
            f"{title:32} {row['batch']:5}  {1e3 * row['step_seconds']:9.2f}  "
            f"{row['windows_per_second']:9,.0f}  {row['share_of_peak']:7.1%}  {memory:>6}"
        )
    for title, row in found["ensembles"].items():
        said = row.get("error") or (
            f"{row['together_steps_per_second']:,.0f} model-steps/s together, "
            f"{row['alone_steps_per_second']:,.0f} alone: {row['ratio']:.1f} ×"
        )
        lines.append(f"{title}: {said}")
    if found["left_out"]:
        lines.append(f"left out for want of time: {', '.join(found['left_out'])}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="Sizes for a CPU, not compiled.")
    parser.add_argument("--out", type=Path, help="Write the figures there, and not to results/.")
    arguments = parser.parse_args()
    device, began = arguments.device, time.perf_counter()
    if device == "cpu" and not arguments.tiny:
        parser.error("no GPU is here: --tiny shows that the script runs")
    batches, replicas = (TINY, 2) if arguments.tiny else (BATCHES, 32)
    torch.set_float32_matmul_precision("high")
    peak = peak_flops(device)
    found: dict[str, Any] = {
        "device": machine_name() if device == "cpu" else torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "precision": "bf16-mixed" if device == "cuda" else "fp32",
        "peak_flops": peak,
        "ensembles": {},
        "steps": {},
        "left_out": [],
    }

    def write() -> None:
        if arguments.out:
            arguments.out.write_text(json.dumps(found, indent=2) + "\n")
        elif not arguments.tiny:
            write_results("gpu", found)

    # a compilation takes up to half a minute: none is begun in the last one
    last = 60 * (arguments.minutes - (0 if arguments.tiny else 1))
    smallest = next(iter(batches))
    for budget in dict.fromkeys([smallest, *(["55k"] if not arguments.tiny else [])]):
        title = f"{replicas} seeds at {budget}"
        found["ensembles"][title] = ensemble(budget, 64, replicas, device)
    for case in cases(batches, compiled=not arguments.tiny):
        if time.perf_counter() - began > last:
            found["left_out"].append(case.title)
            continue
        found["steps"][case.title] = measure(case, device, peak)
        # what is measured is kept, whatever comes
        write()
    found["minutes"] = (time.perf_counter() - began) / 60
    write()
    print(table(found))


if __name__ == "__main__":
    main()
