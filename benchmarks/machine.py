"""Shared by the benchmarks: the machine's name, interleaved rounds, a file of results."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine_name() -> str:
    """Return what speed depends on, and nothing that tells whose machine it is: 2-core-avx512-bf16.

    A graphics card's own name is used where there is one.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name().lower().replace(" ", "-")
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    if "avx512f" in flags:
        vectors = "avx512"
    else:
        vectors = "avx2" if "avx2" in flags else platform.machine().lower()
    halves = "-bf16" if flags & {"avx512_bf16", "amx_bf16"} else ""
    return f"{os.cpu_count()}-core-{vectors}{halves}"


def precisions() -> tuple[str, ...]:
    """Return the arithmetics that this CPU trains in: bf16 has to be supported."""
    from finscale.training.devices import supports

    return ("fp32", "bf16") if supports("cpu", "bf16-mixed") else ("fp32",)


@dataclass(frozen=True)
class Seconds:
    """Medians over the rounds."""

    wall: float
    cpu: float
    """Processor time of this process and of children that have ended, all threads."""
    ratio: float
    """Wall time over the first contender's, median of the rounds' ratios."""


def rounds(
    contenders: Mapping[str, Callable[[], object]], num_rounds: int, *, clock: str = "wall"
) -> dict[str, Seconds]:
    """Run the contenders in turn, a warm-up first, and return the medians.

    ``clock`` says whether the ratios are of ``wall`` or of ``cpu`` time.
    """
    for run in contenders.values():
        run()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(num_rounds):
        for name, run in contenders.items():
            wall, cpu = time.perf_counter(), _cpu_seconds()
            run()
            taken[name].append((time.perf_counter() - wall, _cpu_seconds() - cpu))
    column = ("wall", "cpu").index(clock)
    first = next(iter(taken.values()))
    return {
        name: Seconds(
            wall=statistics.median(wall for wall, _ in pairs),
            cpu=statistics.median(cpu for _, cpu in pairs),
            ratio=statistics.median(
                own[column] / base[column] for own, base in zip(pairs, first, strict=True)
            ),
        )
        for name, pairs in taken.items()
    }


def write_results(benchmark: str, content: dict[str, Any]) -> Path:
    """Write figures to ``benchmarks/results/<benchmark>-<machine>.json``."""
    import numpy
    import polars
    import torch

    about = {
        "machine": machine_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "polars": polars.__version__,
    }
    path = RESULTS / f"{benchmark}-{about['machine']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"benchmark": benchmark, **about, **content}, indent=2) + "\n")
    return path


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
