"""How fast a run trains here, and what memory it takes: for a plan, never for a run."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from finscale.config import canonical_json
from finscale.experiment.preparation import Prepared
from finscale.study.planned import Planned

_FEWEST_STEPS, _MOST_STEPS = 3, 400


def measured_speed(prepared: Prepared, *, seconds: float) -> float:
    """Return the windows a second of real optimiser steps on a placed network's own windows.

    Measured steps take ``seconds``, and are three at least.
    """
    import torch

    from finscale.experiment.trainers import make_trainer
    from finscale.training.allocator import as_usual, keep_freed_memory
    from finscale.training.devices import synchronise, use_threads
    from finscale.training.fit import setup, step

    config = prepared.config
    batch_size = int(config.training.batch_size)
    # one long epoch of the run's own windows, so that the measurement cannot run out of steps
    training = config.training.model_copy(update={"epochs": 1})
    windows = np.resize(prepared.split.train, batch_size * _MOST_STEPS)
    trainer = make_trainer(
        replace(
            prepared,
            config=config.model_copy(update={"training": training}),
            split=replace(prepared.split, train=windows),
        )
    )
    ends_B = torch.from_numpy(windows[:batch_size]).to(trainer.device)
    taken: list[float] = []
    with use_threads(int(trainer.config.threads)):
        setup(trainer)
        keep_freed_memory()
        trainer.model.train()
        step(trainer, ends_B)  # the first step allocates
        while len(taken) < _FEWEST_STEPS or (sum(taken) < seconds and len(taken) < _MOST_STEPS - 1):
            started = time.perf_counter()
            step(trainer, ends_B)
            synchronise(trainer.device)
            taken.append(time.perf_counter() - started)
    as_usual()  # the process goes on to plan
    return batch_size / float(np.median(taken))


def same_speed(planned: Planned) -> str:
    """Return what speed depends on: runs with the same key are as fast as one another."""
    training = planned.prepared.config.training
    settings = [training.part("science", per_replica=False), training.part("placement")]
    return f"{model_key(planned)} {canonical_json(settings)}"


def model_key(planned: Planned) -> str:
    """Return what tells architectures and the windows they see apart."""
    config = planned.prepared.config
    windows = f"{config.data.context_length} {config.data.feature_set}"
    return f"{config.network.model_dump_json()} {windows}"


def training_bytes(planned: Planned) -> int:
    """Return the peak memory of one training beyond what its process holds before, in bytes."""
    from finscale.models.build import design

    config = planned.prepared.config
    made = design(config.network, **planned.prepared.interface())
    half = config.training.precision == "bf16-mixed"
    batch_size = int(config.training.batch_size)
    return made.resident_memory(batch_size, "bf16-mixed" if half else "fp32")
