"""Panels of closes and volume at c50: `python benchmarks/panel.py [--symbols 1,20,100,431]`.

For each number of symbols, in a process of its own: seconds to build the datasets, seconds and
memory to make the windows (in memory and mapped), and the share of a training step that gathering
them takes. Bars are simulated, 2,518 days each, as many as us431 has.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

NUM_DAYS, TIER, CONTEXT, BATCH, STEPS = 2518, "c50", 80, 512, 20
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", default="1,20,100,431,500")
    parser.add_argument("--out", type=Path, help="Write the figures as JSON.")
    parser.add_argument("--one", nargs=3, metavar=("FOLDER", "SYMBOLS", "STEP"))
    asked = parser.parse_args()
    if asked.one:
        folder, symbols, step = asked.one
        print(json.dumps(_STEPS[step](Path(folder), int(symbols))))
        return
    rows = [measure(int(count)) for count in asked.symbols.split(",")]
    for row in rows:
        print(
            f"{row['symbols']:4} symbols: {row['rows']:>9,} rows, build {row['build_cpu_s']:.1f} s "
            f"CPU · in memory {row['memory']['peak_gb']:.2f} GB, mapped "
            f"{row['mapped']['peak_gb']:.2f} GB · gather {row['memory']['gather_share']:.1%} of a "
            f"step in memory, {row['mapped']['gather_share']:.1%} mapped"
        )
    if asked.out:
        asked.out.write_text(json.dumps(rows, indent=2) + "\n")


def measure(symbols: int) -> dict[str, Any]:
    """Measure one number of symbols, each step in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"symbols": symbols, **_apart(folder, symbols, "build")}
        return {**found, **{step: _apart(folder, symbols, step) for step in ("memory", "mapped")}}


def _apart(folder: str, symbols: int, step: str) -> dict[str, Any]:
    words = [sys.executable, __file__, "--one", folder, str(symbols), step]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _names(symbols: int) -> list[str]:
    return [f"S{number:03d}" for number in range(symbols)]


def _build(folder: Path, symbols: int) -> dict[str, Any]:
    from finscale.data import Bars, DataStore
    from finscale.data.bars import conform
    from finscale.features import build_datasets

    rng, store = np.random.default_rng(0), DataStore(folder)
    days = np.busday_offset("2007-01-03", np.arange(NUM_DAYS)).astype("datetime64[D]")
    bars = []
    for name in _names(symbols):
        close = 100 * np.exp(np.cumsum(0.015 * rng.standard_normal(NUM_DAYS)))
        volume = np.exp(rng.normal(10, 0.4, NUM_DAYS))
        frame = pl.DataFrame({"date": days, "close": close, "volume": volume})
        bars.append(Bars(name, conform(name, frame), "split+dividend", "csv"))
    store.add_all_bars(bars)
    wall, cpu = time.perf_counter(), time.process_time()
    entries = build_datasets(store, _names(symbols), tier=TIER)
    return {
        "rows": sum(entry.rows for entry in entries),
        "build_s": time.perf_counter() - wall,
        "build_cpu_s": time.process_time() - cpu,
        "build_peak_gb": _peak(),
    }


def _train(folder: Path, symbols: int, *, mapped: bool) -> dict[str, Any]:
    import torch

    from finscale.config import ExperimentConfig
    from finscale.data import DataStore, FinancialDataset
    from finscale.models import build_model, design

    data = {"symbols": _names(symbols), "root": folder, "tier": TIER, "memory_map": mapped}
    config = ExperimentConfig(data=data, task={"name": "direction"}, model={"budget": "100k"})
    started = time.perf_counter()
    dataset = FinancialDataset.from_config(config, DataStore(folder))
    dataset = dataset.scaled(dataset.ends_W[: len(dataset) * 7 // 10])
    made_s = time.perf_counter() - started
    shape = {
        "num_features": dataset.num_features,
        "context_length": CONTEXT,
        "normalise": False,
        "num_relative": len(dataset.relative),
        "head": "classification",
        "num_outputs": 1,
        "parametrisation": "mup",
    }
    model = build_model(design(config.network, **shape).config, **shape)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    buffer, rng = dataset.buffer(BATCH), np.random.default_rng(0)
    gathered = total = 0.0
    for step in range(STEPS + 2):
        ends_B = torch.from_numpy(rng.choice(dataset.ends_W, BATCH))
        began = time.process_time()
        x_BLF, y_B = dataset.batch(ends_B, buffer)
        last_BK = dataset.last_rows(ends_B)
        got = time.process_time()
        logits_B = model(x_BLF, last_BK) if model.reads_last_row else model(x_BLF)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits_B, y_B)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step >= 2:  # the first two warm up
            gathered += got - began
            total += time.process_time() - began
    return {
        "windows": len(dataset),
        "made_s": made_s,
        "peak_gb": _peak(),
        "gather_ms": 1e3 * gathered / STEPS,
        "step_ms": 1e3 * total / STEPS,
        "gather_share": gathered / total,
    }


def _peak() -> float:
    """Return the most memory that this process held, in GB; pages of a mapped file count."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


_STEPS = {
    "build": _build,
    "memory": lambda folder, symbols: _train(folder, symbols, mapped=False),
    "mapped": lambda folder, symbols: _train(folder, symbols, mapped=True),
}

if __name__ == "__main__":
    main()
