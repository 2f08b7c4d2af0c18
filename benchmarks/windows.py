"""Windows a second, four ways, and the share of a training step that they take.

    python benchmarks/windows.py [--rounds 5] [--threads 1]

Batches of 64 windows of 80 rows at 25, 200 and 2,000 features. ``DataLoader`` takes windows one at
a time through a map-style dataset; ``fancy`` is one indexing of the rows by [64, 80] row numbers;
``gather`` is finscale's into fresh memory, ``buffer`` the same into a buffer that is used again.
The step is the Trainer's own (forward, backward, update) on a 2M model at that many features; it
gathers for itself. Goal: the gather takes at most 2 % of it. With one thread all figures are of
CPU time, which a busy machine does not stretch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import islice

import torch
from machine import rounds, write_results
from torch.utils.data import DataLoader

from finscale.config import ModelConfig, TaskConfig, TrainingConfig
from finscale.models import resolve_model
from finscale.training import Trainer, fit
from finscale.training.devices import use_threads
from finscale.training.probe import ProbeRequest, make_trainer

BATCH, LENGTH, SEED = 64, 80, 0
#: Features → batches in one measurement: some tenths of a second.
BATCHES = {25: 400, 200: 100, 2000: 20}
#: The DataLoader makes a fifth of them.
LOADER_SHARE = 5
STEPS = 4


def contenders(trainer: Trainer, num_batches: int) -> dict[str, Callable[[], None]]:
    """Return four ways to make ``num_batches`` batches of windows and targets, and two steps."""
    dataset = trainer.dataset
    generator = torch.Generator().manual_seed(SEED)
    places = torch.randint(len(dataset.ends_W), (num_batches * BATCH,), generator=generator)
    ends = torch.from_numpy(dataset.ends_W)[places]
    batches = torch.split(ends, BATCH)
    row_L = torch.arange(1 - LENGTH, 1)
    buffer = dataset.buffer(BATCH)
    loader = DataLoader(dataset.as_torch(ends.numpy()), batch_size=BATCH)

    def through_loader() -> None:
        for _ in islice(loader, num_batches // LOADER_SHARE):
            pass

    def fancy() -> None:
        for ends_B in batches:
            dataset.rows_RF[ends_B[:, None] + row_L], dataset.target_R[ends_B]

    def gather() -> None:
        for ends_B in batches:
            dataset.batch(ends_B)

    def buffered() -> None:
        for ends_B in batches:
            dataset.batch(ends_B, buffer)

    def steps() -> None:
        for ends_B in batches[:STEPS]:
            fit.step(trainer, ends_B)
            trainer.state.step = 0

    return {
        "buffer": buffered,
        "gather": gather,
        "fancy": fancy,
        "DataLoader": through_loader,
        "step": steps,
    }


def measured(num_features: int, threads: int, num_rounds: int) -> dict[str, float]:
    """Return batches a second of each contender, and the gather's share of a step."""
    network = resolve_model(
        ModelConfig(budget=2_000_000), num_features=num_features, context_length=LENGTH
    )
    training = TrainingConfig(
        device="cpu", threads=threads, batch_size=BATCH, learning_rate=1e-3, precision="fp32"
    )
    trainer = make_trainer(
        ProbeRequest(
            network=network,
            training=training,
            task=TaskConfig(),
            num_features=num_features,
            context_length=LENGTH,
        )
    )
    num_batches = BATCHES[num_features]
    with use_threads(threads):
        fit.setup(trainer)
        trainer.model.train()
        found = rounds(contenders(trainer, num_batches), num_rounds)
    clock = "cpu" if threads == 1 else "wall"
    calls = dict.fromkeys(found, num_batches)
    calls |= {"DataLoader": num_batches // LOADER_SHARE, "step": STEPS}
    taken = {name: getattr(seconds, clock) / calls[name] for name, seconds in found.items()}
    step = taken.pop("step")
    return {
        **{f"{name} batches/s": 1 / seconds for name, seconds in taken.items()},
        "step ms": step * 1e3,
        "buffer share": taken["buffer"] / step,
        "gather share": taken["gather"] / step,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    started = time.perf_counter()
    figures = {}
    for num_features in BATCHES:
        row = figures[num_features] = measured(num_features, options.threads, options.rounds)
        print(f"{num_features:5} features  " + "  ".join(_words(*each) for each in row.items()))
    path = write_results("windows", {"threads": options.threads, "figures": figures})
    print(f"written to {path} after {time.perf_counter() - started:.0f} s")


def _words(name: str, value: float) -> str:
    return f"{name} {value:.2%}" if name.endswith("share") else f"{name} {value:,.4g}"


if __name__ == "__main__":
    main()
