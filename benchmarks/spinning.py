"""What waiting threads cost: a step of 2M parameters on all cores, quiet and beside a training.

    python benchmarks/spinning.py [--rounds 3]

Each way of waiting in turn, every measurement a process of its own: OpenMP's default, threads that
sleep at once (``OMP_WAIT_POLICY=PASSIVE``), and some limits of ``GOMP_SPINCOUNT``. The neighbour
makes small products on all cores without pause and waits by OpenMP's default, as any other training
on the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from machine import precisions, write_results

WAYS: dict[str, dict[str, str]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{f"{n} rounds": {"GOMP_SPINCOUNT": str(n)} for n in (300, 1_000, 3_000, 10_000)},
}


#: Small products on all cores, as a training makes them, with OpenMP's default waiting.
NEIGHBOUR = """
import torch
x, w = torch.randn(600, 256), torch.randn(256, 768)
while True: (x @ w).relu()
"""


def plain_environment() -> dict[str, str]:
    chosen = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in chosen}


@contextlib.contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR], env=plain_environment())
    time.sleep(3)  # until torch is loaded
    try:
        yield
    finally:
        process.kill()
        process.wait()


def speed(way: str) -> float:
    """Return windows a second of ``benchmarks/training.py``'s own contender."""
    import training

    request = training.request_of("mixing-2M", "bf16", False).model_copy(update={"seconds": 0.5})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "finscale.training.probe"],
        input=request.model_dump_json(),
        env={**plain_environment(), **WAYS[way]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["samples_per_second"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if "bf16" not in precisions():
        sys.exit("this CPU has no bf16 products: there is nothing to measure")
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(arguments.rounds):
        for busy in (False, True):
            with neighbour(busy):
                for way in WAYS:
                    column = found.setdefault(way, {})
                    column.setdefault("busy" if busy else "quiet", []).append(speed(way))
    figures = {
        way: {name: round(statistics.median(values)) for name, values in columns.items()}
        for way, columns in found.items()
    }
    for way, columns in figures.items():
        print(f"{way:14} quiet {columns['quiet']:6,} windows/s, busy {columns['busy']:6,}")
    write_results("spinning", {"windows a second": figures})


if __name__ == "__main__":
    main()
