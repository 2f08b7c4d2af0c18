"""How long the rest of a study takes: expected before it starts, corrected by what it measures.

A run takes its windows over its speed. Speeds are, in this order: what this study has measured of
runs like it; what an earlier plan or study measured on this machine; the rule below, times how much
the runs measured so far differ from it. What a run takes beside its training (a panel is read, its
linear path fitted) and what a baseline takes is the mean of those that have ended. FLOPs alone
would be a poor clock: a small network's step is all overhead, and takes a tenth of the time of a
network with four hundred times its FLOPs.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finscale.config import content_hash
from finscale.errors import FinscaleError
from finscale.files import read_json, write_json
from finscale.study.execution.local import Executor, KnowsDevices, LocalExecutor
from finscale.study.planned import Planned
from finscale.study.speed import same_speed

if TYPE_CHECKING:
    from finscale.study.execution.local import Event, Job

#: Seconds of a step beside its arithmetic, and FLOP a second of one thread: a CPU's, by order. The
#: default study takes 10 minutes on two cores where this says 19, before any speed is measured.
_STEP_SECONDS, _THREAD_FLOPS = 2e-3, 4e10
#: Of a baseline's fit beside its train windows, and for each of these; of a run beside its
#: training; of a worker before its first run.
BASELINE_SECONDS, RUN_SECONDS, START_SECONDS = 1.0, 0.5, 4.0
_WINDOW_SECONDS = 5e-5

#: The speeds that were measured on this machine, in the folder of all studies.
SPEEDS = ".speeds.json"


def machine_key(planned: Planned) -> str:
    """Return what the speed of a run depends on, this machine included."""
    return content_hash([same_speed(planned), platform.node(), os.cpu_count()])[:16]


def baseline_seconds(planned: Planned) -> float:
    """Return what a baseline is expected to take, before any was measured."""
    return BASELINE_SECONDS + _WINDOW_SECONDS * len(planned.prepared.split.train)


def windows_of(planned: Planned) -> float:
    """Return how many training windows a run takes, if it does not stop early.

    A forward pass, on validation and test, is a third of a training step.
    """
    split, epochs = planned.prepared.split, planned.prepared.config.training.epochs
    return epochs * (len(split.train) + len(split.validation) / 3) + len(split.test) / 3


@dataclass
class _Running:
    """One run that is to be computed."""

    key: str  #: Runs of one key are as fast as one another; empty for a baseline
    windows: float  #: Training windows if it does not stop early
    threads: int
    expected: float  #: Windows a second by the rule; of a baseline a second over what it takes
    share: float = 0.0  #: Of its epochs, done
    epochs: int = 1
    since: float | None = None  #: When it was begun, by the clock
    is_done: bool = False


class TimeLeft:
    """The time that a study's missing runs still take here.

    Parameters
    ----------
    missing : sequence of Planned
        Runs that will be computed.
    workers : int, optional
        Runs at a time; one per core when absent.
    cores : int, optional
        Of all machines; this one's when absent.
    remembered : Path, optional
        File of speeds that were measured here before; see :meth:`remember`.
    clock : callable
        Returns seconds from any beginning.
    """

    def __init__(
        self,
        missing: Sequence[Planned],
        *,
        workers: int | None = None,
        cores: int | None = None,
        remembered: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._cores = cores or os.cpu_count() or 1
        self._workers = workers or self._cores
        self._path = remembered
        self._before = read_speeds(remembered)
        self._measured: dict[str, float] = {}
        self._shares: list[float] = []
        self._beside: list[float] = []  # seconds of ended runs beside their training
        self._baselines: list[float] = []  # seconds of ended baselines over those expected
        self._started = False
        self._runs = {one.cell.label: _running(one) for one in missing}

    def seconds(self) -> float:
        """Return the seconds until the last run has ended."""
        work = core_work = longest = 0.0
        for run in self._runs.values():
            if run.is_done:
                continue
            own = self._left(run)
            work += own
            core_work += own * min(run.threads, self._cores)
            longest = max(longest, own)
        if not longest:
            return 0.0
        start = 0.0 if self._started else START_SECONDS
        return start + max(work / self._workers, core_work / self._cores, longest)

    def observe(self, event: Event) -> None:
        """Take in what a worker says."""
        run = self._runs.setdefault(event.job.label, _of_job(event.job))
        if event.kind == "started":
            run.since = self._clock()
        elif event.kind == "progress":
            self._started = True
            facts = event.facts
            run.epochs, run.share = facts["epochs"], facts["epoch"] / facts["epochs"]
            if run.key:
                self._measured[run.key] = float(facts["samples_per_second"])
        elif event.kind in ("done", "failed", "stopped") and not run.is_done:
            self._started = run.is_done = True
            if event.kind == "done":
                self._learn(run)

    def remember(self) -> None:
        """Write the speeds that were measured, for the next plan and study on this machine."""
        if self._path is not None:
            write_speeds(self._path, self._measured)

    def _learn(self, run: _Running) -> None:
        """Take in what a run that has ended took."""
        if run.key and run.share:
            self._shares.append(run.share)
        if run.since is None:
            return
        took = self._clock() - run.since
        if not run.key:
            self._baselines.append(took * run.expected)
        elif run.share:
            self._beside.append(max(took - run.share * run.windows / self._speed(run), 0.0))

    def _left(self, run: _Running) -> float:
        if not run.key:
            return _mean(self._baselines, 1.0) / run.expected
        # early stopping, by the runs that have ended; one that never stops early counts with them
        usual = (sum(self._shares) + 1) / (len(self._shares) + 1)
        share = max(usual - run.share, 1 / run.epochs if run.share < 1 else 0.0)
        return _mean(self._beside, RUN_SECONDS) + share * run.windows / self._speed(run)

    def _speed(self, run: _Running) -> float:
        for known in (self._measured, self._before):
            if run.key in known:
                return known[run.key]
        return run.expected * self._correction()

    def _correction(self) -> float:
        """Return how much faster than the rule runs are here: a geometric mean of those known."""
        expected = {run.key: run.expected for run in self._runs.values() if run.key}
        known = {**self._before, **self._measured}
        ratios = [math.log(known[key] / rule) for key, rule in expected.items() if key in known]
        return math.exp(sum(ratios) / len(ratios)) if ratios else 1.0


def _mean(measured: Sequence[float], otherwise: float) -> float:
    """Return a mean in which what is expected ``otherwise`` counts until something is measured."""
    return sum(measured) / len(measured) if measured else otherwise


def time_left(missing: Sequence[Planned], engine: Executor, *, remembered: Path) -> TimeLeft:
    """Return the time that an executor takes; speeds are remembered of this machine alone."""
    if isinstance(engine, LocalExecutor):
        return TimeLeft(missing, workers=engine.workers, remembered=remembered)
    if missing and isinstance(engine, KnowsDevices):
        return TimeLeft(missing, workers=engine.slots, cores=engine.cores)
    return TimeLeft(missing)


def _running(planned: Planned) -> _Running:
    if planned.cell.is_baseline:
        return _Running("", 1.0, 1, 1 / baseline_seconds(planned))
    training = planned.prepared.config.training
    batch, threads = int(training.batch_size), planned.threads
    # a training step is three forward passes
    flops = 3 * planned.prepared.flops_per_sample
    seconds = _STEP_SECONDS / batch + flops / (_THREAD_FLOPS * threads)
    windows = windows_of(planned)
    return _Running(
        machine_key(planned), windows, threads, 1 / seconds, epochs=max(training.epochs, 1)
    )


def _of_job(job: Job) -> _Running:
    """Return a run that a sweep has added; its speed follows from its FLOPs alone."""
    if not job.cost:
        return _Running("", 1.0, 1, 1 / BASELINE_SECONDS)
    threads = job.config.training.threads
    return _Running(
        content_hash(job.config.model_dump(mode="json"))[:16],
        job.cost / _THREAD_FLOPS,
        threads if isinstance(threads, int) else 1,
        1.0,
        epochs=max(job.config.training.epochs, 1),
    )


def read_speeds(path: Path | None) -> dict[str, float]:
    """Return run key → windows a second, as measured before; empty where nothing is."""
    if path is None:
        return {}
    try:
        return {str(key): float(speed) for key, speed in read_json(path).items() if speed > 0}
    except (FinscaleError, AttributeError, TypeError, ValueError):
        return {}


def write_speeds(path: Path, measured: Mapping[str, float]) -> None:
    """Add measured speeds to a file, which is only a memory: a folder without it is whole."""
    if measured:
        with contextlib.suppress(FinscaleError):
            write_json(path, {**read_speeds(path), **measured})


def in_words(seconds: float) -> str:
    """Return a duration as one would say it: ``40 s``, ``12 min``, ``3.5 h``.

    Examples
    --------
    >>> in_words(41.3), in_words(754), in_words(12_600)
    ('41 s', '13 min', '3.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
