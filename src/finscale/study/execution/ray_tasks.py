"""The tasks of one study at Ray: queued, followed, tried again, brought home."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from finscale.errors import FinscaleError
from finscale.locks import hold
from finscale.runs import RunStore
from finscale.study.execution.local import Event, Job
from finscale.study.execution.needs import Needs, needs_of
from finscale.study.execution.node_work import RunOutcome
from finscale.study.execution.parcels import Parcel, receive, unpack_resume
from finscale.study.execution.shipping import Shipping

if TYPE_CHECKING:
    from finscale.study.execution.ray_executor import RayExecutor

#: How often nodes may be lost under one run before it counts as failed; and how often a node that
#: is gone may be offered to it, before Ray has seen that it is.
_LOSSES, _OFFERS = 30, 500
#: Between two tries after a loss, at most; Ray may take seconds to see that a node is gone.
_LONGEST_PAUSE = 5.0
#: How long a stopped study waits for trainings to finish their step.
_STOP_SECONDS = 30.0
#: How long a shared folder may take to show what a node has written.
_VISIBLE_SECONDS = 30.0
#: How long what a run said may come after what it came to.
_HEARING_SECONDS = 10.0
#: Like needs come to like workers: memory is asked for in such steps.
_MEMORY_STEP = 256 * 2**20


@dataclass
class _Task:
    """Jobs that are one program, and what they have been through."""

    jobs: list[Job]
    attempt: int = 1
    losses: int = 0
    offers: int = 0
    not_before: float = 0.0


class RayTasks:
    """Follows jobs from the queue to the run store; made anew for each call of the executor."""

    def __init__(self, executor: RayExecutor, jobs: Sequence[Job], runs: Path) -> None:
        self._executor, self._cluster = executor, executor.cluster
        self._ray = self._cluster.ray
        self._store = RunStore(runs)
        self._shipping = Shipping(
            runs,
            self._ray.put,
            shared=executor.shared,
            resume_seconds=executor.resume_seconds,
        )
        bundles: dict[str, list[Job]] = {}
        for job in jobs:
            bundles.setdefault(job.stack or f"alone {job.index}", []).append(job)
        # the costliest first
        order = sorted(bundles.values(), key=lambda bundle: -sum(job.cost for job in bundle))
        self._waiting = [_Task(bundle) for bundle in order]
        self._running: dict[int, tuple[Any, _Task]] = {}
        self._num_heard: dict[int, int] = {}
        self._warned: set[Needs] = set()
        self._window = min(executor.workers or self._cluster.window, self._cluster.window)

    def events(self) -> Iterator[Event]:
        """Compute every job; yield what happens.

        Raises
        ------
        FinscaleError
            If the cluster is lost, or its workers cannot be set up.
        """
        with self._shipping.open():
            while self._waiting or self._running:
                yield from self._submit()
                try:
                    yield from self._follow(1.0)
                except self._ray.exceptions.RaySystemError as error:
                    raise FinscaleError(
                        f"the Ray cluster does not answer any more: {_first_line(error)}",
                        hint="the same command goes on where each run was, once it is back",
                    ) from error

    def stop(self, now: float) -> None:
        """End what is still at work: trainings finish their step, and their points come home."""
        if not self._running or not self._ray.is_initialized():
            return
        try:
            for reference, _ in self._running.values():
                self._ray.cancel(reference, force=False)
            while self._running and time.monotonic() < now + _STOP_SECONDS:
                for _ in self._follow(0.5):
                    pass
        except KeyboardInterrupt:
            for reference, _ in self._running.values():
                self._ray.cancel(reference, force=True)
            raise
        except self._ray.exceptions.RayError:
            return  # the cluster is gone; points that came before are there

    def _submit(self) -> Iterator[Event]:
        """Queue what waits, as far as Ray's queue has room."""
        now = time.monotonic()
        kept: list[_Task] = []
        for position, task in enumerate(self._waiting):
            if len(self._running) >= self._window:
                kept += self._waiting[position:]
                break
            if task.not_before > now:
                kept.append(task)
                continue
            try:
                yield from self._queue(task)
            except FinscaleError as error:
                yield from (Event("failed", job, {"error": str(error)}) for job in task.jobs)
        self._waiting = kept

    def _queue(self, task: _Task) -> Iterator[Event]:
        # another study may have computed a run since this one was planned
        present = [job for job in task.jobs if self._store.is_whole(self._shipping.run_id(job))]
        for job in present:
            yield Event("started", job)
            yield Event("done", job, {"run_id": self._shipping.run_id(job)})
        task.jobs = [job for job in task.jobs if job not in present]
        if not task.jobs:
            return
        device = self._executor.choose_device(task.jobs[0].config.training.device)
        needs = needs_of(task.jobs, device, self._executor.free_memory(device))
        options = self._fitting(needs)
        if options is None:
            yield from self._warn(task, needs)
            options = _options(needs)
        number = self._cluster.next_number()
        reference = self._cluster.submit(
            number,
            self._shipping.order(task.jobs, device),
            self._shipping.data(task.jobs[0]),
            threads=needs.cpus,
            **options,
        )
        self._running[number] = reference, task

    def _fitting(self, needs: Needs) -> dict[str, Any] | None:
        """Return what to ask for, no more cores than a node has; None where no node has the rest.

        On an instance that was started here there is nothing to wait for: it is asked for what it
        has.
        """
        cores, memory = (int(self._cluster.largest(name)) for name in ("CPU", "memory"))
        cpus = min(needs.cpus, cores) if cores else needs.cpus
        wanted = Needs(cpus, needs.gpus, needs.memory)
        if self._cluster.is_local:
            memory -= memory % _MEMORY_STEP
            wanted = Needs(cpus, needs.gpus, min(needs.memory, memory))
        fits = any(
            node.get("GPU", 0.0) >= wanted.gpus
            and node.get("CPU", 0.0) >= wanted.cpus
            and node.get("memory", 0.0) >= wanted.memory
            for node in self._cluster.nodes()
        )
        return _options(wanted) if fits else None

    def _warn(self, task: _Task, needs: Needs) -> Iterator[Event]:
        if needs in self._warned:
            return
        self._warned.add(needs)
        share = f", {needs.gpus:g} GPU" if needs.gpus else ""
        text = (
            f"no node of the cluster has {needs.cpus} CPU{share} and {needs.memory / 2**30:.1f} "
            f"GiB: runs such as {task.jobs[0].label} wait until one joins"
        )
        yield Event("warning", task.jobs[0], {"text": text})

    def _follow(self, seconds: float) -> Iterator[Event]:
        """Pass on what was said and what has ended, waiting for it for so many seconds."""
        pending = [reference for reference, _ in self._running.values()]
        yield from self._hear(seconds, pending)
        # with the first that has ended, all that have
        ended: set[Any] = set()
        if pending:
            ended |= set(self._ray.wait(pending, num_returns=len(pending), timeout=0)[0])
        for number, (reference, task) in list(self._running.items()):
            if reference in ended:
                yield from self._end(number, reference, task)

    def _hear(self, seconds: float, pending: Sequence[Any] = ()) -> Iterator[Event]:
        """Pass on what runs have said, waiting until something is or a task has ended."""
        for number, kind, place, facts, parcel in self._cluster.messages(seconds, pending):
            self._num_heard[number] = self._num_heard.get(number, 0) + 1
            if number not in self._running:
                continue  # of a task that was given up
            _, task = self._running[number]
            if kind == "resume":
                self._keep(task.jobs[place], parcel)
            else:
                yield Event(kind, task.jobs[place], facts)

    def _keep(self, job: Job, parcel: Parcel) -> None:
        """Write a resume point beside the run store's runs, unless another process has the run."""
        folder, run_id = self._store.folder, self._shipping.run_id(job)
        (folder / ".locks").mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Timeout), hold(folder / ".locks" / run_id, timeout=0):
            unpack_resume(parcel, folder, run_id)

    def _end(self, number: int, reference: Any, task: _Task) -> Iterator[Event]:
        errors = self._ray.exceptions
        lost = (errors.NodeDiedError, errors.ObjectLostError, errors.LocalRayletDiedError)
        try:
            num_said, outcomes = self._ray.get(reference)
        except (*lost, errors.TaskCancelledError) as error:
            del self._running[number]
            reason = f"its node was lost: {_first_line(error)}"
            yield from self._lose(task, reason, began=number in self._num_heard)
            return
        except errors.RayError as error:
            del self._running[number]
            what = {"error": _first_line(error), "traceback": str(error)}
            for job in task.jobs:
                yield from self._fail(job, task, what)
            return
        # what a run said is told before what it came to
        deadline = time.monotonic() + _HEARING_SECONDS
        while self._num_heard.get(number, 0) < num_said and time.monotonic() < deadline:
            yield from self._hear(1.0)
        del self._running[number]
        for outcome in outcomes:
            yield from self._settle(task.jobs[outcome.place], task, outcome)

    def _settle(self, job: Job, task: _Task, outcome: RunOutcome) -> Iterator[Event]:
        """Bring a finished run home; try again what did not come off."""
        if outcome.kind == "paused":
            alone = replace(task, jobs=[job])
            yield from self._lose(alone, outcome.facts["error"])
            return
        if outcome.kind == "done":
            try:
                self._bring_home(outcome)
            except FinscaleError as error:
                outcome = RunOutcome("failed", outcome.place, {"error": str(error)})
        if outcome.kind in ("done", "stopped"):
            yield Event(outcome.kind, job, outcome.facts)
        else:
            yield from self._fail(job, task, outcome.facts)

    def _bring_home(self, outcome: RunOutcome) -> None:
        run_id = outcome.facts["run_id"]
        if outcome.parcel:
            receive(outcome.parcel, self._store.folder, run_id)
            return
        # a network's file system may show a new folder late
        deadline = time.monotonic() + _VISIBLE_SECONDS
        while run_id not in self._store:
            if time.monotonic() > deadline:
                raise FinscaleError(
                    f"a node wrote run {run_id}, and {self._store.folder} does not show it.",
                    hint="nodes and the study must see the same folder",
                )
            time.sleep(0.1)

    def _fail(self, job: Job, task: _Task, facts: dict[str, Any]) -> Iterator[Event]:
        """Try a job again, alone, while it has attempts left."""
        if task.attempt < self._executor.attempts:
            self._waiting.insert(0, replace(task, jobs=[job], attempt=task.attempt + 1))
        else:
            yield Event("failed", job, facts)

    def _lose(self, task: _Task, reason: str, *, began: bool = True) -> Iterator[Event]:
        """Queue jobs again whose node was lost: that is no fault of theirs."""
        losses, offers = task.losses + began, task.offers + (not began)
        if losses > _LOSSES or offers > _OFFERS:
            facts = {"error": f"{reason}; so {losses + offers} times"}
            yield from (Event("failed", job, facts) for job in task.jobs)
            return
        # Ray may take seconds to see that a node is gone, and offers it meanwhile
        pause = min(0.25 * 2 ** min(losses + offers - 1, 8), _LONGEST_PAUSE)
        again = _Task(task.jobs, task.attempt, losses, offers, time.monotonic() + pause)
        self._waiting.insert(0, again)


def _options(needs: Needs) -> dict[str, Any]:
    """Return a task's options, its memory in whole steps: like needs come to like workers."""
    steps = -(-needs.memory // _MEMORY_STEP)
    options: dict[str, Any] = {"num_cpus": needs.cpus, "memory": steps * _MEMORY_STEP}
    return {**options, "num_gpus": needs.gpus} if needs.gpus else options


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
