"""Planned runs become jobs of an executor; what happens to each is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from finscale.config import ExperimentConfig
from finscale.study.execution.ensembles import ensembles
from finscale.study.execution.local import Event, Executor, Job, LocalExecutor
from finscale.study.planned import Planned


def compute(
    wanted: Sequence[Planned],
    engine: Executor,
    runs: Path,
    *,
    note: Callable[[Planned, Event], object],
    observe: Callable[[Event], object] | None = None,
) -> dict[str, str]:
    """Compute runs; those that fail are noted, and the others go on.

    Parameters
    ----------
    wanted : sequence of Planned
        Which.
    engine : Executor
        Where.
    runs : Path
        The folder of the run store.
    note : callable
        Told each run that is done or failed, with its event.
    observe : callable, optional
        Told every event.

    Returns
    -------
    dict of str to str
        Label → reason of each run that failed.
    """
    stacks = _local_ensembles(wanted, engine)
    jobs = [
        Job(index, planned.cell.label, _with_threads(planned), planned.cost, stack)
        for index, (planned, stack) in enumerate(zip(wanted, stacks, strict=True))
    ]
    failed: dict[str, str] = {}
    for event in engine.run(jobs, runs) if jobs else ():
        if event.kind == "failed":
            failed[event.job.label] = event.facts["error"]
        if event.kind in ("done", "failed"):
            note(wanted[event.job.index], event)
        if observe is not None:
            observe(event)
    return failed


def _local_ensembles(wanted: Sequence[Planned], engine: Executor) -> list[str]:
    """Return which runs train as one program: on this machine alone, whose devices are known."""
    if not wanted or not isinstance(engine, LocalExecutor):
        return [""] * len(wanted)
    from finscale.training.devices import choose_device, free_memory

    workers = engine.workers or os.cpu_count() or 1
    return ensembles(wanted, workers=workers, choose=choose_device, free=free_memory)


def _with_threads(planned: Planned) -> ExperimentConfig:
    """Return a run's config with its threads: the executor shares the cores by them."""
    config = planned.prepared.config
    training = config.training.model_copy(update={"threads": planned.threads})
    return config.model_copy(update={"training": training})
