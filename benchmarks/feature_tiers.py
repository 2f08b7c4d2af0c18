"""The large tiers: seconds of one symbol, datasets by processes, plain calls beside a200.

    python benchmarks/feature_tiers.py [SYMBOLS]

Bars of 8,400 days. Goals: a2000 of one symbol under 15 s of one core; its datasets of many symbols
with no more CPU seconds by one process a core than by one process, below 2 GiB; the columns of a200
that are one call of TA-Lib or polars within 2 × of these calls, and ten times faster than
pandas-ta-classic on what both have.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import polars as pl
import psutil
from feature_plain import pandas_columns, plain_columns
from machine import rounds, write_results

from features import bars
from finscale.data import Bars, DataStore
from finscale.data.bars import conform
from finscale.features import FEATURES, build_datasets, compute_columns, compute_features
from finscale.features.tiers import tier_names

ROWS = 8400
INPUTS = ("open", "high", "low", "close", "volume")


def beside_plain_calls(frame: pl.DataFrame) -> dict[str, Any]:
    """Compare the engine with plain calls of a200's columns, and with pandas-ta-classic's.

    Each on the columns that both have, CPU time of one thread, interleaved rounds.
    """
    arrays = {name: frame[name].to_numpy() for name in INPUTS}
    tier = set(tier_names("a200"))

    def compared(calls: dict[str, Callable[[Any], Any]], given: Any, num_rounds: int) -> Any:
        shared = {name: call for name, call in calls.items() if name in tier}
        features = [FEATURES[name] for name in shared]
        contenders = {
            "others": lambda: [call(given) for call in shared.values()],
            "finscale": lambda: [values.size for _, values in compute_columns(arrays, features)],
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = rounds(contenders, num_rounds, clock="cpu")
        return {"columns": len(shared)} | {name: vars(one) for name, one in found.items()}

    found = {"TA-Lib and polars": compared(plain_columns(), arrays, 9)}
    try:
        found["pandas-ta-classic"] = compared(pandas_columns(), frame.to_pandas(), 3)
    except ImportError:
        print("pandas-ta-classic is not installed and left out (pip install 'finscale[bench]')")
    return found


def datasets(symbols: int, workers: int) -> dict[str, float]:
    """Build and register a2000 datasets by processes; return seconds, and GiB of all together.

    CPU seconds are those of all processes: as many with several as with one is linear scaling where
    every process has a core.
    """
    names = [f"S{number:03d}" for number in range(symbols)]
    with tempfile.TemporaryDirectory() as folder:
        store = DataStore(folder)
        for number, name in enumerate(names):
            frame = conform(name, bars(ROWS, np.random.default_rng(number)))
            store.add_bars(Bars(name, frame, "split", "synthetic"))
        before, wall = _cpu(), time.perf_counter()
        with _PeakMemory() as memory:
            build_datasets(store, names, tier="a2000", workers=workers)
        taken = {"wall": time.perf_counter() - wall, "cpu": _cpu() - before}
        before = _cpu()
        build_datasets(store, names, tier="a2000", workers=workers)
        taken["again"] = _cpu() - before
    return {"symbols": symbols, "workers": workers, **taken, "peak": memory.peak / 2**30}


class _PeakMemory:
    """The most that this process and those below it held at once, looked at ten times a second."""

    def __enter__(self) -> _PeakMemory:
        self.peak, self._over = 0, threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        own = psutil.Process()
        while not self._over.wait(0.1):
            held = 0
            for process in (own, *own.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    held += process.memory_info().rss
            self.peak = max(self.peak, held)


def in_a_fresh_process(symbols: int, workers: int) -> dict[str, float]:
    """Return :func:`datasets` of a process that has measured nothing before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(datasets, symbols, workers).result()


def _cpu() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Print and write what the large tiers take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbols", type=int, nargs="?", default=4)
    symbols = parser.parse_args().symbols
    frame = bars(ROWS, np.random.default_rng(0))
    tiers: dict[str, float] = {}
    for tier in ("a20", "a200", "a2000"):
        compute_features(frame, tier)
        started = time.process_time()
        compute_features(frame, tier)
        tiers[tier] = time.process_time() - started
        print(f"{tier:6} {ROWS:,} rows: {tiers[tier]:.2f} s of one core")
    beside = beside_plain_calls(frame)
    for name, one in beside.items():
        print(f"{one['columns']} columns, finscale over {name}: {one['finscale']['ratio']:.3f}")
    scaled = []
    for workers in sorted({1, os.cpu_count() or 1}):
        scaled.append(in_a_fresh_process(symbols, workers))
        one = scaled[-1]
        print(
            f"a2000 datasets of {symbols} symbols, {workers} workers: {one['wall']:.1f} s, "
            f"CPU {one['cpu']:.1f} s, {one['peak']:.2f} GiB in all; unchanged {one['again']:.1f} s"
        )
    content = {"rows": ROWS, "seconds": tiers, "beside": beside, "datasets": scaled}
    print(f"written to {write_results('feature_tiers', content)}")


if __name__ == "__main__":
    main()
