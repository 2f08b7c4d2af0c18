"""What a node of a cluster does: computes runs, says how it goes, sends its resume points home.

Nothing here knows Ray. An order is plain values, configs as JSON; see :func:`compute`.
"""

from __future__ import annotations

import contextlib
import platform
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import ExperimentConfig
from finscale.errors import DivergedError, FinscaleError, TrainingPaused
from finscale.plugins import load_plugins
from finscale.runs import Run, RunStore
from finscale.study.execution.node_data import clear_old, data_folder, node_cache
from finscale.study.execution.parcels import (
    Parcel,
    pack,
    pack_resume,
    position_of,
    progress,
    unpack_resume,
)

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.training import Callback

#: Kind, place in the order, facts, and files where there are any.
Say = Callable[[str, int, dict[str, Any], Parcel], None]

#: Sending resume points takes at most this share of the time.
_SENDING_SHARE = 0.05


@dataclass(frozen=True)
class Order:
    """Runs that are computed as one program, on a node that may share no folder with its client."""

    configs: list[str]
    """Each run's config as JSON."""
    run_ids: list[str]
    runs: str
    """The run store where the study was started."""
    token: str
    """Name of a file in that store: a node that finds it there writes into the store itself."""
    cwd: str
    """Working folder there; what a config names relative to it is found where it is shared."""
    shared: bool | None = None
    """Whether nodes see the run store; None: each finds out."""
    resume: dict[str, Parcel] = field(default_factory=dict)
    """Run id → resume point of a run that was begun."""
    resume_seconds: float = 60.0
    """Seconds between two sendings of resume points."""
    limits: tuple[tuple[int, float], ...] = ()
    """Where a search stops the run, which is the order's only one then."""


@dataclass(frozen=True)
class RunOutcome:
    """What one run of an order came to: ``done``, ``failed``, ``stopped`` or ``paused``."""

    kind: str
    place: int
    facts: dict[str, Any]
    parcel: Parcel = field(default_factory=dict)
    """The run's folder; empty where it is in the store already."""


def compute(
    order: Order, parts: dict[str, Any], say: Say, fetch: Callable[[str], bytes]
) -> list[RunOutcome]:
    """Compute the runs of an order.

    Parameters
    ----------
    order : Order
    parts : dict
        The data that it reads; see ``node_data.DataParts``.
    say : callable
        Told ``started``, ``progress``, ``warning`` and ``resume``, the last with files.
    fetch : callable
        SHA-256 → content of a data file.

    Returns
    -------
    list of RunOutcome
        One a run; a training that was asked to stop is ``paused``.
    """
    outcomes: dict[int, RunOutcome] = {}
    for place in range(len(order.configs)):
        say("started", place, {"node": platform.node()}, {})
    kind, error = "failed", ""
    with warnings.catch_warnings():
        warnings.showwarning = lambda text, *_args, **_kwargs: say(
            "warning", 0, {"text": str(text)}, {}
        )
        try:
            load_plugins()
            _compute(order, parts, say, fetch, outcomes)
        except TrainingPaused as paused:
            kind, error = "paused", str(paused)
        except FinscaleError as fault:
            error = str(fault)
        except Exception as fault:
            error = f"{type(fault).__name__}: {fault}"
        facts = {"error": error, "traceback": traceback.format_exc() if error else ""}
        return [
            outcomes.get(place) or RunOutcome(kind, place, facts)
            for place in range(len(order.configs))
        ]


def _compute(
    order: Order,
    parts: dict[str, Any],
    say: Say,
    fetch: Callable[[str], bytes],
    outcomes: dict[int, RunOutcome],
) -> None:
    from finscale.data import DataStore

    cache = node_cache()
    is_shared = _sees_store(order)
    folder = Path(order.runs) if is_shared else cache / "runs" / order.token
    data = DataStore(data_folder(parts, cache, fetch))
    store = RunStore(folder)
    with contextlib.ExitStack() as stack:
        if is_shared:
            if Path(order.cwd).is_dir():
                stack.enter_context(contextlib.chdir(order.cwd))
        else:
            clear_old(cache / "runs")
            for run_id, parcel in order.resume.items():
                unpack_resume(parcel, folder, run_id)
            stack.enter_context(_points_sent(order, folder, say))
        _run(order, store, data, say, outcomes, is_shared=is_shared)


def _run(
    order: Order,
    store: RunStore,
    data: DataStore,
    say: Say,
    outcomes: dict[int, RunOutcome],
    *,
    is_shared: bool,
) -> None:
    from finscale.experiment.experiment import run_experiments
    from finscale.experiment.progress import EpochReporter
    from finscale.experiment.stop_rule import StopRule

    started = time.perf_counter()

    def done(place: int, outcome: Run | FinscaleError) -> None:
        if isinstance(outcome, FinscaleError):
            text = "".join(traceback.format_exception(outcome))
            diverged = isinstance(outcome, DivergedError)
            what = {"error": str(outcome), "traceback": text, "diverged": diverged}
            outcomes[place] = RunOutcome("failed", place, what)
            return
        seconds = time.perf_counter() - started
        facts: dict[str, Any] = {"run_id": outcome.id, "seconds": seconds}
        if is_shared:
            outcomes[place] = RunOutcome("done", place, facts)
        else:
            outcomes[place] = RunOutcome("done", place, facts, pack(outcome.folder))
            store.discard(outcome.id)

    rule = StopRule(order.limits) if order.limits else None

    def callbacks(place: int) -> list[Callback]:
        reporter = EpochReporter(lambda facts: say("progress", place, facts, {}))
        return [reporter] if rule is None else [reporter, rule]

    configs = [ExperimentConfig.model_validate_json(config) for config in order.configs]
    try:
        run_experiments(configs, runs=store, data=data, callbacks=callbacks, done=done)
    except TrainingPaused:
        if rule is None or rule.stopped is None:
            raise
        what = {"epoch": rule.stopped, "losses": rule.losses[: rule.stopped]}
        outcomes[0] = RunOutcome("stopped", 0, what)


def _sees_store(order: Order) -> bool:
    """Tell whether this node sees the study's run store.

    Raises
    ------
    FinscaleError
        If it should, and does not.
    """
    if order.shared is False:
        return False
    found = (Path(order.runs) / order.token).is_file()
    if order.shared and not found:
        raise FinscaleError(
            f"node {platform.node()} does not see the run store {order.runs}.",
            hint="mount the folder there; or leave `shared` out: files then go through Ray",
        )
    return found


@contextlib.contextmanager
def _points_sent(order: Order, runs: Path, say: Say) -> Iterator[None]:
    """Send each new resume point home while the block runs, and the last one when it ends early."""
    sender = _Sender(order, runs, say)
    sender.start()
    try:
        yield
    except BaseException:
        sender.end()
        sender.send()
        raise
    finally:
        sender.end()


class _Sender(threading.Thread):
    """Looks for new resume points and sends them."""

    def __init__(self, order: Order, runs: Path, say: Say) -> None:
        super().__init__(daemon=True)
        self._run_ids, self._runs, self._say = order.run_ids, runs, say
        self._seconds = order.resume_seconds
        self._sent = {one: position_of(order.resume.get(one, {})) for one in order.run_ids}
        self._ended = threading.Event()

    def run(self) -> None:
        pause = self._seconds
        while not self._ended.wait(pause):
            began = time.perf_counter()
            self.send()
            pause = max(self._seconds, (time.perf_counter() - began) / _SENDING_SHARE)

    def send(self) -> None:
        """Send the points that have not been sent."""
        for place, run_id in enumerate(self._run_ids):
            now = progress(self._runs, run_id)
            if now <= self._sent[run_id]:
                continue
            parcel = pack_resume(self._runs, run_id)
            if parcel:
                self._say("resume", place, {"epoch": now[0], "step": now[1]}, parcel)
                self._sent[run_id] = now

    def end(self) -> None:
        self._ended.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join()
