"""Finds the batch size that trains fastest and leaves the machine room to breathe.

Powers of two from 8, each measured in its own process with real optimiser steps at the real shapes.
The answer is the **smallest batch within 5 % of the best throughput** among those that fit: beyond
the knee of the curve a larger batch costs optimiser steps and memory and buys no time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from finscale.config import NetworkConfig, TaskConfig, TrainingConfig
from finscale.errors import TrainingError
from finscale.models import design
from finscale.training.devices import (
    device_name,
    free_memory,
    require_memory,
    total_memory,
)

#: Share of the device's memory that stays free.
KEPT_FREE = 0.15
#: A throughput this close to the best counts as equal to it.
_AS_GOOD = 0.95
#: So many doublings without a gain end the search.
_PATIENCE = 2
_SMALLEST = 8
_SECONDS_PER_PROBE = 180.0
_SECONDS_BETWEEN_LOOKS = 0.05

_OUT_OF_MEMORY = 77


@dataclass(frozen=True)
class Probe:
    """What one batch size came to."""

    batch_size: int
    samples_per_second: float | None
    """None if it could not be measured."""
    peak_bytes: int | None
    """Most memory in use."""
    note: str
    """Empty if it fits, else why not."""


@dataclass(frozen=True)
class BatchSizeReport:
    """The answer, and what it rests on."""

    batch_size: int
    probes: tuple[Probe, ...]
    device: str
    allowed_bytes: int
    """What training may use: free memory less the share that is kept free."""
    num_windows: int
    """Training windows, which cap the batch."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def find_batch_size(
    network: NetworkConfig,
    *,
    training: TrainingConfig,
    task: TaskConfig,
    num_features: int,
    context_length: int,
    num_windows: int,
    watch: Callable[[Probe], None] = lambda probe: None,
    command: tuple[str, ...] = (sys.executable, "-m", "finscale.training.probe"),
) -> BatchSizeReport:
    """Measure batch sizes and choose one.

    Parameters
    ----------
    network : NetworkConfig
        Resolved: all sizes filled in.
    training : TrainingConfig
        Resolved and placed: device, precision, threads and loss are those of the training to come.
    task : TaskConfig
        Classification or regression.
    num_features, context_length : int
        F and L.
    num_windows : int
        Training windows; no batch is larger.
    watch : callable
        Told about each probe as soon as it is done.
    command : tuple of str
        What runs one probe.

    Raises
    ------
    TrainingError
        If the model is too large for the machine, or not even the smallest batch fits.
    """
    # random windows have no columns for a linear path, whose cost is next to nothing
    settled = {"budget": None} if network.is_sized else {}
    network = network.model_copy(update={"linear_path": "none", **settled})
    device = training.device
    sizes = list(_sizes(num_windows))
    memory = _memory_of(network, training, task, num_features, context_length)
    require_memory(memory.num_parameters, device, memory.needed(sizes[0]))
    allowed = free_memory(device) - int(KEPT_FREE * total_memory(device))
    probes: list[Probe] = []
    for batch_size in sizes:
        request = {
            "network": network.model_dump(mode="json"),
            "training": training.model_dump(mode="json") | {"batch_size": batch_size},
            "task": task.model_dump(mode="json"),
            "num_features": num_features,
            "context_length": context_length,
        }
        if memory.needed(batch_size) > allowed:
            note = f"would need {memory.needed(batch_size) / 2**30:.1f} GiB"
            probe = Probe(batch_size, None, None, note)
        else:
            probe = _run_probe(command, json.dumps(request), batch_size, allowed, device)
        probes.append(probe)
        watch(probe)
        if probe.note or not _still_rising(probes):
            break
    chosen = _choose(probes, device, allowed)
    return BatchSizeReport(
        batch_size=chosen.batch_size,
        probes=tuple(probes),
        device=device_name(device),
        allowed_bytes=allowed,
        num_windows=num_windows,
    )


@dataclass(frozen=True)
class _Memory:
    """What training is bound to need, before anything is measured."""

    num_parameters: int
    needed: Callable[[int], int]
    """Batch size → bytes at the peak of a step."""


def _memory_of(
    network: NetworkConfig,
    training: TrainingConfig,
    task: TaskConfig,
    num_features: int,
    context_length: int,
) -> _Memory:
    made = design(network, num_features=num_features, context_length=context_length, head=task.kind)
    assert training.precision != "auto", "resolve_training comes first"
    precision = training.precision
    return _Memory(
        made.counts.total,
        lambda batch_size: made.training_memory(batch_size, precision, str(training.device)),
    )


def _sizes(num_windows: int) -> Iterator[int]:
    size = min(_SMALLEST, num_windows)
    while size <= num_windows:
        yield size
        size *= 2


def _still_rising(probes: list[Probe]) -> bool:
    """Tell whether one of the last doublings brought more than noise."""
    speeds = [probe.samples_per_second or 0.0 for probe in probes]
    if len(speeds) <= _PATIENCE:
        return True
    return max(speeds[-_PATIENCE:]) * _AS_GOOD > max(speeds[:-_PATIENCE])


def _choose(probes: list[Probe], device: str, allowed: int) -> Probe:
    fitting = [probe for probe in probes if not probe.note]
    if not fitting:
        raise TrainingError(
            f"Not even a batch of {probes[0].batch_size} fits on {device} with "
            f"{allowed / 2**30:.1f} GiB to use ({probes[0].note}).",
            hint="a smaller budget, or a machine with more memory",
        )
    best = max(probe.samples_per_second or 0.0 for probe in fitting)
    return next(p for p in fitting if (p.samples_per_second or 0.0) >= _AS_GOOD * best)


def _run_probe(
    command: tuple[str, ...], request: str, batch_size: int, allowed: int, device: str
) -> Probe:
    """Run one probe; whatever becomes of its process, this one goes on."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(request)
        process.stdin.close()
        process.stdin = None
        stopped = _guard(process, allowed if device == "cpu" else None)
        output, errors = process.communicate()
    if stopped:
        return Probe(batch_size, None, None, stopped)
    if process.returncode in (-9, _OUT_OF_MEMORY):
        return Probe(batch_size, None, None, "out of memory")
    if process.returncode != 0:
        last = (errors.strip() or f"exit status {process.returncode}").splitlines()[-1]
        raise TrainingError(f"The probe of batch size {batch_size} failed: {last}.")
    result = json.loads(output)
    peak = int(result["peak_bytes"])
    note = f"needs {peak / 2**30:.1f} GiB" if peak > allowed else ""
    return Probe(batch_size, float(result["samples_per_second"]), peak, note)


def _guard(process: subprocess.Popen[str], allowed: int | None) -> str:
    """Wait for a probe; end it before it takes the memory that is to stay free."""
    watched = psutil.Process(process.pid)
    deadline = time.monotonic() + _SECONDS_PER_PROBE
    while process.poll() is None:
        try:
            used = watched.memory_info().rss
        except psutil.Error:
            break
        if allowed is not None and used > allowed:
            process.kill()
            return f"needs more than {allowed / 2**30:.1f} GiB"
        if time.monotonic() > deadline:
            process.kill()
            return f"takes over {_SECONDS_PER_PROBE:.0f} s"
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return ""
