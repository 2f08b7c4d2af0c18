"""Time and memory as work grows: rows, features, assets, parameters.

    python benchmarks/scaling.py [--axes rows ...] [--quick] [--figure docs/figures/cost.png]

Each point is a process of its own: CPU seconds of each stage and the peak of its memory over what
the imports took. A slope is that of log(cost) on log(size) over the larger half of an axis, where
fixed costs no longer hide it: 1 is linear. Nothing may grow faster than its work; for parameters
the work is the FLOPs, and the step is held against them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

#: A stage is repeated until it has taken this long, or five times.
ENOUGH, MOST = 0.1, 5
#: Costs below are all fixed cost: they enter no slope.
FLOOR = {"seconds": 0.002, "MB": 30.0}

Stages = dict[str, float]


def seconds_of(run: Callable[[], object]) -> float:
    """Return the least CPU seconds of some calls."""
    taken: list[float] = []
    while not taken or (sum(taken) < ENOUGH and len(taken) < MOST):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return min(taken)


def peak_mb() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def from_bars(num_assets: int, rows_each: int, *, audited: bool = False) -> Stages:
    """Go from registered bars to datasets, windows, a split, the scale, an epoch of batches."""
    import polars as pl
    import torch

    from features import bars
    from finscale.config import DataConfig, ExperimentConfig, SplitConfig
    from finscale.data import Bars, DataStore, FinancialDataset
    from finscale.data.bars import conform
    from finscale.features import build_datasets, compute_features

    rng = np.random.default_rng(0)
    compute_features(bars(300, rng).cast({"date": pl.Date}), "a20")  # imports TA-Lib
    before = peak_mb()
    with tempfile.TemporaryDirectory() as folder:
        store = DataStore(folder)
        symbols = tuple(f"S{number:03d}" for number in range(num_assets))
        for symbol in symbols:
            frame = conform(symbol, bars(rows_each, rng))
            store.add_bars(Bars(symbol, frame, "split", "synthetic"))
        config = ExperimentConfig(
            data=DataConfig(symbols=symbols, root=folder, memory_map=False),
            split=SplitConfig(method="chunks"),
        )
        stages: Stages = {}
        started = time.process_time()
        build_datasets(store, symbols)
        stages["build datasets"] = time.process_time() - started
        started = time.process_time()
        dataset = FinancialDataset.from_config(config, DataStore(folder))
        stages["load"] = time.process_time() - started
        started = time.process_time()
        split = dataset.split(config.split)
        stages["split"] = time.process_time() - started
        stages["scale"] = seconds_of(lambda: dataset.scaled(split.train))
        ends = torch.from_numpy(split.train)
        buffer = dataset.buffer(64)

        def epoch() -> None:
            for ends_B in torch.split(ends, 64):
                dataset.batch(ends_B, buffer)

        stages["batches of an epoch"] = seconds_of(epoch)
        stages["peak MB"] = peak_mb() - before
        if audited:
            from finscale.audit import audit

            started = time.process_time()
            audit(config, data=store)
            stages["audit"] = time.process_time() - started
    return stages


def rows(count: int) -> Stages:
    rows_each = min(count, 10_000)
    return from_bars(count // rows_each, rows_each)


def assets(count: int) -> Stages:
    return from_bars(count, 2_000, audited=count <= 32)


def features(count: int) -> Stages:
    """Go from a frame of many columns to windows, and take a step of a 2M model on them."""
    import polars as pl
    import torch

    from features import bars
    from finscale.config import ModelConfig, SplitConfig, TaskConfig
    from finscale.data import FinancialDataset
    from finscale.models import resolve_model

    rng = np.random.default_rng(0)
    wide = {f"x{i}": rng.normal(size=5_000) for i in range(count - 5)}
    symbol = pl.lit("S").alias("symbol")
    frame = bars(5_000, rng).with_columns(symbol, **{n: pl.Series(x) for n, x in wide.items()})
    before = peak_mb()

    def load() -> FinancialDataset:
        return FinancialDataset.from_frames([frame], context_length=80, task=TaskConfig())

    dataset = load()
    stages = {"load": seconds_of(load)}
    split = dataset.split(SplitConfig(method="walk_forward"))
    stages["scale"] = seconds_of(lambda: dataset.scaled(split.train))
    buffer = dataset.buffer(64)
    batches = torch.split(torch.from_numpy(split.train)[: 64 * 20], 64)
    stages["20 batches"] = seconds_of(lambda: [dataset.batch(ends, buffer) for ends in batches])
    stages["peak MB"] = peak_mb() - before
    network = resolve_model(ModelConfig(budget=2_000_000), num_features=count, context_length=80)
    stages |= step(network, batch_size=64, num_features=count)
    return stages


def parameters(count: int) -> Stages:
    from finscale.config import ModelConfig
    from finscale.models import design, resolve_model

    shape = {"num_features": 25, "context_length": 80}
    network = resolve_model(ModelConfig(budget=count), **shape)
    before, batch_size = peak_mb(), 16
    flops = 3 * batch_size * design(network, **shape).flops
    stages = step(network, batch_size=batch_size, num_features=25)
    return {"GFLOP": flops / 1e9, **stages, "peak MB": peak_mb() - before}


def step(network: Any, *, batch_size: int, num_features: int) -> Stages:
    """Forward, backward and update, as the Trainer takes them."""
    import torch

    from finscale.config import TaskConfig, TrainingConfig
    from finscale.training import fit
    from finscale.training.probe import ProbeRequest, make_trainer

    training = TrainingConfig(
        device="cpu", threads=1, batch_size=batch_size, learning_rate=1e-3, precision="fp32"
    )
    request = ProbeRequest(
        network=network,
        training=training,
        task=TaskConfig(),
        num_features=num_features,
        context_length=80,
    )
    trainer = make_trainer(request)
    ends_B = torch.from_numpy(trainer.split.train[:batch_size])
    fit.setup(trainer)
    trainer.model.train()

    def one() -> None:
        fit.step(trainer, ends_B)
        trainer.state.step = 0

    one()  # allocates
    return {"training step": seconds_of(one)}


@dataclass(frozen=True)
class Growth:
    """One axis: what a point is measured with, and where."""

    measure: Callable[[int], Stages]
    sizes: tuple[int, ...]
    work: str
    """What the stages are held against: the size itself, or one of the stages."""


AXES = {
    "rows": Growth(rows, (1_000, 10_000, 100_000, 1_000_000), "size"),
    "features": Growth(features, (25, 100, 500, 2_000), "size"),
    "assets": Growth(assets, (1, 8, 32, 128, 500), "size"),
    "parameters": Growth(
        parameters, (10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 200_000_000), "GFLOP"
    ),
}


def measured(axis: str, size: int) -> Stages:
    """Return a point's figures, from a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--point", axis, str(size)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    stages: Stages = json.loads(done.stdout.splitlines()[-1])
    return stages


def slope(work: list[float], cost: list[float], floor: float) -> float | None:
    """Return d log(cost) / d log(work) over the larger half of the points, at least two."""
    pairs = [(w, c) for w, c in zip(work, cost, strict=True) if c > floor]
    pairs = pairs[-max(2, math.ceil(len(work) / 2)) :]
    if len(pairs) < 2:
        return None
    return float(np.polyfit(*np.log(np.array(pairs)).T, 1)[0])


def slopes(growth: Growth, points: dict[int, Stages]) -> dict[str, float | None]:
    """Return each stage's slope against the axis's work."""
    found = {}
    for name in dict.fromkeys(name for stages in points.values() for name in stages):
        if name == growth.work:
            continue
        own = {size: stages for size, stages in points.items() if name in stages}
        work = [size if growth.work == "size" else s[growth.work] for size, s in own.items()]
        floor = FLOOR["MB" if name.endswith("MB") else "seconds"]
        found[name] = slope(work, [stages[name] for stages in own.values()], floor)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=list(AXES))
    parser.add_argument("--quick", action="store_true", help="leave out each axis's largest size")
    parser.add_argument("--figure", help="draw the curves into this file")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        axis, size = options.point
        print(json.dumps(AXES[axis].measure(int(size))))
        return
    from machine import write_results

    started, results = time.perf_counter(), {}
    for axis in options.axes:
        growth = AXES[axis]
        sizes = growth.sizes[: -1 if options.quick else None]
        points = {size: stages for size in sizes if (stages := measured(axis, size))}
        if not points:
            print(f"{axis}: nothing to measure yet")
            continue
        results[axis] = {"points": points, "slopes": slopes(growth, points)}
        _print(axis, growth, points, results[axis]["slopes"])
    path = write_results("scaling", {"axes": results})
    print(f"written to {path} after {time.perf_counter() - started:.0f} s")
    if options.figure:
        from scaling_figure import draw

        draw(results, options.figure)


def _print(
    axis: str, growth: Growth, points: dict[int, Stages], found: dict[str, float | None]
) -> None:
    print(f"{axis:24}" + "".join(f"{size:>12,}" for size in points) + "       slope")
    for name, value in found.items():
        row = "".join(
            f"{stages[name]:>12.4g}" if name in stages else f"{'–':>12}"
            for stages in points.values()
        )
        print(f"  {name:22}{row}{'–' if value is None else f'{value:.2f}':>12}")


if __name__ == "__main__":
    main()
