"""Where a study's runs are computed: an interface with one method, and worker processes here.

Workers speak JSON lines over their standard streams (see :mod:`finscale.experiment.worker`), so any
script or notebook can start a study without guarding its main module, and nothing is pickled.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.errors import FinscaleError
from finscale.runs.remote import require_shared
from finscale.spinning import limited_spinning
from finscale.training.oom import how_it_ended

#: How a job ends. ``stopped``: by its limits; the run is not whole, and can go on another time.
ENDS = ("done", "failed", "stopped")


@dataclass(frozen=True, eq=False)
class Job:
    """One run to compute."""

    index: int
    label: str
    config: ExperimentConfig
    cost: float  #: Training FLOPs if no run stops early: for the order and the time left
    stack: str = ""  #: Jobs that share a name here train as one program; see :mod:`.ensembles`
    parameters: int = 0  #: Of the network; 0 for a baseline
    memory: int = 0  #: Bytes that its training takes at its peak; 0 where that is not planned
    #: Where a search stops the run, see ``finscale.experiment.stop_rule``; such a job is alone.
    limits: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Event:
    """What a worker says: ``started``, ``progress``, ``warning``, or one of :data:`ENDS`."""

    kind: str
    job: Job
    facts: dict[str, Any] = field(default_factory=dict)


class Executor(Protocol):
    """Anything that can compute a study's runs."""

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        """Compute every job into the run store at ``runs``; yield what happens, in any order."""
        ...


@runtime_checkable
class KnowsDevices(Protocol):
    """An executor that knows the devices of its machines: small models then train as one program.

    Where it does not, each run trains alone.
    """

    @property
    def slots(self) -> int:
        """Programs at a time."""

    @property
    def cores(self) -> int:
        """Cores of its machines together."""

    def choose_device(self, wanted: str) -> str:
        """Return where a run with this ``training.device`` trains."""

    def free_memory(self, device: str) -> int:
        """Return the bytes that programs on one device can take together."""


class LocalExecutor:
    """Worker processes on this machine, the costliest run first.

    Parameters
    ----------
    workers : int, optional
        Processes at a time; one per core when absent. Runs at work never ask for more threads
        together than there are cores: one that takes all of them runs alone.
    attempts : int, default 2
        How often a run is tried before it counts as failed; a killed worker uses up one.

    Raises
    ------
    FinscaleError
        If there are no workers, which would wait for ever, or no attempts.
    """

    def __init__(self, workers: int | None = None, *, attempts: int = 2) -> None:
        for name, count in (("workers", workers), ("attempts", attempts)):
            if count is not None and count < 1:
                raise FinscaleError(f"{name} = {count}: runs need at least 1.")
        self.workers = workers
        self.attempts = attempts

    @property
    def slots(self) -> int:
        """Processes at a time."""
        return self.workers or self.cores

    @property
    def cores(self) -> int:
        """Cores of this machine."""
        return os.cpu_count() or 1

    def choose_device(self, wanted: str) -> str:
        """Return the device that a config means on this machine."""
        from finscale.training.devices import choose_device

        return choose_device(wanted)

    def free_memory(self, device: str) -> int:
        """Return the bytes that can be taken of a device of this machine."""
        from finscale.training.devices import free_memory

        return free_memory(device)

    def _require_arithmetic(self, jobs: Sequence[Job]) -> None:
        """Refuse what this machine cannot compute, before anything is queued."""
        halves = {
            (job.config.training.device, job.config.training.precision)
            for job in jobs
            if not isinstance(job.config.model, BaselineConfig)
            and job.config.training.precision != "fp32"
        }
        if not halves:  # torch, which takes seconds to import, is not asked
            return
        from finscale.training.devices import require_precision

        for device, precision in sorted(halves):
            require_precision(self.choose_device(device), precision)

    def run(self, jobs: Sequence[Job], runs: Path) -> Iterator[Event]:
        """Compute every job; a failed one yields ``failed`` and the rest goes on."""
        require_shared(runs)
        self._require_arithmetic(jobs)
        bundles: dict[str, list[Job]] = {}
        for job in jobs:
            bundles.setdefault(job.stack or f"alone {job.index}", []).append(job)
        waiting: queue.SimpleQueue[list[Job]] = queue.SimpleQueue()
        for bundle in sorted(bundles.values(), key=lambda bundle: -sum(job.cost for job in bundle)):
            waiting.put(bundle)
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        cores = _Cores(os.cpu_count() or 1)
        count = min(self.workers or cores.total, len(bundles))
        lanes = [_Lane(waiting, events, runs, self.attempts, cores) for _ in range(count)]
        for lane in lanes:
            lane.start()
        left = len(jobs)
        try:
            while left:
                event = events.get()
                left -= event.kind in ENDS
                yield event
        finally:
            _stop(lanes)


def _stop(lanes: Sequence[_Lane]) -> None:
    """End every worker: all are asked first, then waited for. Ctrl-C meanwhile ends them hard."""
    for lane in lanes:
        lane.ask_to_stop()
    try:
        for lane in lanes:
            lane.wait()
    except KeyboardInterrupt:
        for lane in lanes:
            lane.kill()
        raise


def start_worker(threads: int) -> subprocess.Popen[str]:
    """Start a process that computes jobs, as :mod:`finscale.experiment.worker` reads them."""
    return subprocess.Popen(
        [sys.executable, "-m", "finscale.experiment.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            # threads that wait by spinning take the cores from the other runs
            **limited_spinning(os.environ),
        },
        # Ctrl-C reaches the coordinator alone, which then stops its workers
        start_new_session=True,
    )


def _threads(job: Job) -> int:
    threads = job.config.training.threads
    return threads if isinstance(threads, int) else 1


class _Cores:
    """The machine's cores, taken by runs and given back."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Hold as many cores as a run has threads, at most all; wait until they are free."""
        wanted = min(wanted, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


class _Lane(threading.Thread):
    """Feeds one worker process, and replaces it when it dies."""

    def __init__(
        self,
        waiting: queue.SimpleQueue[list[Job]],
        events: queue.SimpleQueue[Event],
        runs: Path,
        attempts: int,
        cores: _Cores,
    ) -> None:
        super().__init__(daemon=True)
        self._waiting, self._events, self._runs, self._attempts = waiting, events, runs, attempts
        self._cores = cores
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()

    def ask_to_stop(self) -> None:
        """Ask the worker to end: a training finishes its step and writes a resume point."""
        self._stopped.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self) -> None:
        """Wait until the worker has ended."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """End the worker at once; a run at work goes on from its last resume point."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                bundle = self._waiting.get_nowait()
            except queue.Empty:
                break
            with self._cores.taken(_threads(bundle[0])):
                self._attempt(bundle)
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _attempt(self, bundle: list[Job]) -> None:
        """Compute jobs together; those that fail are tried again, each alone."""
        for job, failure in self._converse(bundle).items():
            outcome: Event | None = failure
            for _ in range(self._attempts - 1):
                if outcome is not None and not self._stopped.is_set():
                    outcome = self._converse([job]).get(job)
            if outcome is not None:
                self._events.put(outcome)

    def _converse(self, bundle: list[Job]) -> dict[Job, Event]:
        """Hand jobs to the worker, pass on its words, and return those that failed or died."""
        process = self._worker(_threads(bundle[0]))
        assert process.stdin is not None
        assert process.stdout is not None
        for job in bundle:
            self._events.put(Event("started", job))
        configs = [job.config.model_dump(mode="json") for job in bundle]
        message = {"configs": configs, "runs": str(self._runs), "limits": bundle[0].limits}
        left = dict(enumerate(bundle))
        failed: dict[Job, Event] = {}
        try:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        except OSError:
            return self._died(process, bundle)
        for line in process.stdout:
            kind, facts = (said := json.loads(line))["kind"], said["facts"]
            if kind == "finished":
                return failed
            if kind == "failed" and "place" not in facts:
                return failed | {job: Event(kind, job, facts) for job in left.values()}
            # a warning names no run: it is shown once
            place = facts.pop("place", min(left, default=0))
            event = Event(kind, bundle[place], facts)
            if kind in ENDS:
                del left[place]
            if kind == "failed":
                failed[event.job] = event
            else:
                self._events.put(event)
        return failed | self._died(process, list(left.values()))

    def _died(self, process: subprocess.Popen[str], jobs: list[Job]) -> dict[Job, Event]:
        status = process.wait()
        self._process = None
        error = f"the worker process {'was ' if status < 0 else ''}{how_it_ended(status)}"
        if -status == signal.SIGKILL:
            error += "; fewer --workers need less at a time"
        return {job: Event("failed", job, {"error": error}) for job in jobs}

    def _worker(self, threads: int) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = start_worker(threads)
        return self._process
