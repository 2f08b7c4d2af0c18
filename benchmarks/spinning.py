"""What waiting threads cost: a step of 2M parameters on all cores, quiet and beside a busy process.

    python benchmarks/spinning.py [--rounds 3]

Each way of waiting in turn, every measurement a process of its own: OpenMP's default, threads that
sleep at once (``OMP_WAIT_POLICY=PASSIVE``), and some limits of ``GOMP_SPINCOUNT``. The neighbour is
one process that computes without pause.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

from machine import write_results

WAYS: dict[str, dict[str, str]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{f"{n} rounds": {"GOMP_SPINCOUNT": str(n)} for n in (300, 1_000, 3_000, 10_000)},
}


@contextlib.contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def speed(way: str) -> float:
    """Return windows a second of ``benchmarks/training.py``'s own contender."""
    import training

    request = training.request_of("mixing-2M", "bf16", False).model_copy(update={"seconds": 0.5})
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "finscale.training.probe"],
        input=request.model_dump_json(),
        env={**environment, **WAYS[way]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["samples_per_second"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
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
