"""What a run takes of a node: cores, a share of a GPU, memory. By its plan; nothing is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from finscale.study.execution.local import Job

#: What a process holds before it trains: its libraries.
_PROCESS_BYTES = 600 * 2**20
#: Parameters below which so many programs share a GPU; an ensemble counts its models together.
_SHARED = ((300_000, 8), (3_000_000, 4), (30_000_000, 2))
#: Share of a GPU's memory that programs on it may take together.
_GPU_MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class Needs:
    """What a scheduler is asked for."""

    cpus: int
    gpus: float
    """A share of one GPU; 1 takes all of it."""
    memory: int
    """Bytes of the node's memory."""


def needs_of(jobs: Sequence[Job], device: str, gpu_memory: int = 0) -> Needs:
    """Return what jobs that are one program take.

    Parameters
    ----------
    jobs : sequence of Job
        One, or an ensemble.
    device : {"cpu", "cuda", "mps"}
        Where they train.
    gpu_memory : int
        Bytes of a GPU; 0 where that is not known, and shares follow from the sizes alone.

    Examples
    --------
    >>> from finscale.config import ExperimentConfig
    >>> job = Job(0, "50k", ExperimentConfig(), 1e12, parameters=50_000, memory=2**28)
    >>> needs_of([job], "cuda", gpu_memory=2**33).gpus
    0.125
    >>> needs_of([job], "cpu").gpus
    0.0
    """
    memory = sum(job.memory for job in jobs)
    threads = jobs[0].config.training.threads
    cpus = threads if isinstance(threads, int) else 1
    trains = any(job.parameters for job in jobs)
    if device != "cuda" or not trains:
        return Needs(cpus, 0.0, _PROCESS_BYTES + memory)
    parameters = sum(job.parameters for job in jobs)
    share = 1 / next((programs for below, programs in _SHARED if parameters < below), 1)
    if gpu_memory:
        share = max(share, memory / (_GPU_MEMORY_SHARE * gpu_memory))
    # more than half of a GPU leaves no room for another like it
    share = 1.0 if share > 0.5 else math.ceil(share * 1000) / 1000
    return Needs(1, share, _PROCESS_BYTES)
