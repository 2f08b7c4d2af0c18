"""One measurement of the batch-size finder, in a process of its own so that it may die.

``python -m finscale.training.probe`` reads a :class:`ProbeRequest` as JSON from standard input and
writes ``{"samples_per_second": …, "peak_bytes": …}`` to standard output.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import nn

from finscale.config import NetworkConfig, Section, TaskConfig, TrainingConfig
from finscale.config.model import AnyModel
from finscale.data import FinancialDataset, Split
from finscale.models import build_model
from finscale.training.allocator import keep_freed_memory
from finscale.training.devices import synchronise, use_threads
from finscale.training.distributed import ALONE, Ranks
from finscale.training.fit import setup, step
from finscale.training.losses import loss_name, num_outputs
from finscale.training.oom import die_first
from finscale.training.trainer import Trainer

#: Exit status of a probe that could not get the memory it needs.
OUT_OF_MEMORY = 77

_NUM_ROWS = 2_000
_MOST_STEPS = 50
_FEWEST_STEPS = 3


class ProbeRequest(Section):
    """What to measure."""

    network: AnyModel
    training: TrainingConfig
    task: TaskConfig
    num_features: int
    context_length: int
    seconds: float = 1.0
    """Time to spend on measured steps, once there are three of them."""
    kind: Literal["probe"] = "probe"


def measure(request: ProbeRequest) -> dict[str, float]:
    """Take real optimiser steps on random windows of the real shapes and time them."""
    trainer = make_trainer(request)
    batch_size = int(request.training.batch_size)
    ends_B = torch.from_numpy(trainer.split.train[:batch_size]).to(trainer.device)
    seconds: list[float] = []
    keep_freed_memory()
    with use_threads(int(trainer.config.threads)):
        setup(trainer)
        trainer.model.train()
        # the first step allocates (and compiles): it is not counted
        step(trainer, ends_B)
        while len(seconds) < _FEWEST_STEPS or (
            sum(seconds) < request.seconds and len(seconds) < _MOST_STEPS - 1
        ):
            started = time.perf_counter()
            step(trainer, ends_B)
            synchronise(trainer.device)
            seconds.append(time.perf_counter() - started)
    return {
        "samples_per_second": batch_size / float(np.median(seconds)),
        "peak_bytes": _peak_bytes(trainer.device),
    }


def make_trainer(request: ProbeRequest, ranks: Ranks = ALONE) -> Trainer:
    """Return a trainer on random windows of the real shapes; by several processes, of the same."""
    name = loss_name(request.training.loss, request.task.kind)
    assert isinstance(request.network, NetworkConfig)
    network = request.network

    def build() -> nn.Module:
        return build_model(
            network,
            num_features=request.num_features,
            context_length=request.context_length,
            head=request.task.kind,
            num_outputs=num_outputs(name, request.training.loss_options),
            parametrisation=request.training.parametrisation,
        )

    if ranks.together:
        torch.manual_seed(0)
    if ranks.together and request.training.strategy == "fsdp":
        from finscale.training.distributed_weights import build_shared

        model = build_shared(build, ranks, seed=0)
    else:
        model = build()
    dataset = _random_dataset(request)
    ends = np.resize(dataset.ends_W, int(request.training.batch_size) * _MOST_STEPS)
    split = Split(ends, ends[:1], ends[:1], 0, 0, 0, 0, ())
    training = request.training.model_copy(update={"epochs": 1})
    return Trainer(model, dataset, split, training, task=request.task, ranks=ranks)


def _random_dataset(request: ProbeRequest) -> FinancialDataset:
    num_rows = _NUM_ROWS + request.context_length
    rows = np.arange(num_rows)
    return FinancialDataset(
        frame=pl.DataFrame(),
        features=tuple(f"x{i}" for i in range(request.num_features)),
        rows_RF=torch.randn(num_rows, request.num_features),
        target_R=torch.randint(2, (num_rows,)).float(),
        reach_R=rows,
        date_R=np.datetime64("2000-01-01", "D") + rows,
        symbol_R=np.zeros(num_rows, dtype=np.int64),
        symbols=("random",),
        ends_W=rows[request.context_length - 1 :],
        context_length=request.context_length,
        task=request.task,
        timeline="random",
        scale_F=np.ones(request.num_features),
    )


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved())
    # kilobytes on Linux, bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Measure what standard input asks for."""
    die_first()
    request = ProbeRequest.model_validate_json(sys.stdin.read())
    try:
        result = measure(request)
    except (MemoryError, torch.OutOfMemoryError):
        sys.exit(OUT_OF_MEMORY)
    except RuntimeError as error:
        # the CPU allocator raises no class of its own
        if "allocate memory" not in str(error):
            raise
        sys.exit(OUT_OF_MEMORY)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
