"""A study's planned runs as jobs, which any executor computes."""

from __future__ import annotations

from collections.abc import Sequence

from finscale.config import ExperimentConfig, TrackingConfig
from finscale.study.execution.ensembles import ensembles
from finscale.study.execution.local import Executor, Job, KnowsDevices
from finscale.study.planned import Planned
from finscale.study.speed import model_key, training_bytes


def jobs_of(wanted: Sequence[Planned], engine: Executor) -> list[Job]:
    """Return a job for each planned run, in their order, with what it takes of a machine.

    Parameters
    ----------
    wanted : sequence of Planned
        The runs that are to be computed.
    engine : Executor
        Where; if it knows its devices, small models on a GPU train as one program.
    """
    stacks = [""] * len(wanted)
    if wanted and isinstance(engine, KnowsDevices):
        stacks = ensembles(
            wanted, workers=engine.slots, choose=engine.choose_device, free=engine.free_memory
        )
    memory: dict[str, int] = {}
    jobs = []
    for index, (planned, stack) in enumerate(zip(wanted, stacks, strict=True)):
        counts = planned.prepared.counts
        needed = 0
        if counts is not None:
            training = planned.prepared.config.training
            key = f"{model_key(planned)} {training.batch_size} {training.precision}"
            if key not in memory:
                memory[key] = training_bytes(planned)
            needed = memory[key]
        jobs.append(
            Job(
                index,
                planned.cell.label,
                job_config(planned),
                planned.cost,
                stack,
                parameters=0 if counts is None else counts.total,
                memory=needed,
            )
        )
    return jobs


def job_config(planned: Planned) -> ExperimentConfig:
    """Return a run's config with its threads: the executor shares the cores by them.

    Trackers are left to the study, which sends each finished run under its own parent.
    """
    config = planned.prepared.config
    training = config.training.model_copy(update={"threads": planned.threads})
    return config.model_copy(update={"training": training, "tracking": TrackingConfig()})
