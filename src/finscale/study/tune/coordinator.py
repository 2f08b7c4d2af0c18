"""All searches of a study side by side: rounds of trials, computed by an executor.

The coordinator asks and tells. Workers make runs and know of no search: what they are given is a
run and the losses beyond which it is stopped.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from finscale.errors import BudgetError, FinscaleError
from finscale.experiment.stop_rule import stops_at
from finscale.locks import hold
from finscale.runs import RunStore
from finscale.study.execution.local import Event, Executor, Job
from finscale.study.planned import Planned, plan_cells
from finscale.study.tune.found import trial_facts
from finscale.study.tune.search import SizeSearch
from finscale.study.tune.settings import Base, trial_cells
from finscale.study.tune.trials import SearchTrial

if TYPE_CHECKING:
    from finscale.data import DataStore


@dataclass(frozen=True)
class TuneBudget:
    """What a search may take, beside its number of trials; None where it is not bounded."""

    seconds: float | None = None
    flops: float | None = None


@dataclass
class SearchedSize:
    """A size and the search at it."""

    base: Base
    search: SizeSearch

    def planned(self, trial: SearchTrial, data: DataStore) -> list[Planned]:
        """Return a trial's runs.

        Raises
        ------
        BudgetError
            If no network of that shape meets the budget.
        """
        plan = self.search.plan
        name = f"search-{plan.label}-{trial.number}"
        if trial.forced == "default":
            cell = self.base.cell
        else:
            cell = self.base.applied(self.search.stage().dims, trial.params, name)
        cells = trial_cells(self.base, cell, plan.config, name)
        return [plan_cells([one], data)[0] for one in cells]


@dataclass
class _AtWork:
    """A trial of the current round."""

    size: SearchedSize
    trial: SearchTrial
    runs: list[Planned]
    limits: tuple[tuple[int, float], ...] = ()


@dataclass
class _Ended:
    """How a run ended that is not whole."""

    kind: str
    facts: dict[str, Any]


@dataclass
class Coordinator:
    """Runs searches until they are done or the budget is spent.

    Attributes
    ----------
    failed : dict of str to str
        Label → reason of each run that failed for no fault of its settings; its trial stays open.
    stopped_by : str
        What ended the searches before they were done; empty where nothing did.
    """

    sizes: Sequence[SearchedSize]
    data: DataStore
    runs: RunStore
    engine: Executor
    budget: TuneBudget = TuneBudget()
    observe: Callable[[Event], None] = lambda event: None
    tell: Callable[[SearchedSize, SearchTrial], None] = lambda size, trial: None
    failed: dict[str, str] = field(default_factory=dict)
    stopped_by: str = ""
    _ended: dict[str, _Ended] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Make rounds until nothing is wanted."""
        while not self.failed and not self._is_spent():
            work = [one for size in self.sizes for one in self._round_of(size)]
            if not work:
                return
            # the first run of each trial decides whether its others are made
            self._compute([(one, one.runs[0]) for one in work if one.runs])
            if self.stopped_by or self.failed:
                return
            others = [(one, run) for one in work if not self._is_over(one) for run in one.runs[1:]]
            self._compute(others)
            if self.stopped_by or self.failed:
                return
            for one in work:
                self._tell(one)

    def _round_of(self, size: SearchedSize) -> Iterator[_AtWork]:
        for trial in size.search.next_round():
            try:
                runs = size.planned(trial, self.data)
            except BudgetError as error:
                size.search.begin(trial)
                yield _AtWork(size, replace(trial, reason=error.message), [])
                continue
            epochs = runs[0].prepared.config.training.epochs
            trial = replace(trial, epochs=epochs, runs=tuple(run.run_id for run in runs))
            size.search.begin(trial)
            limits = size.search.limits(trial, epochs)
            at = stops_at(trial.losses, limits)
            if at is not None and trial.runs[0] not in self.runs:
                # it was stopped already, by a coordinator that could not tell it any more
                self._ended[trial.runs[0]] = _Ended("stopped", {"losses": trial.losses[:at]})
            yield _AtWork(size, trial, runs, limits)

    def _is_over(self, one: _AtWork) -> bool:
        return not one.runs or one.runs[0].run_id in self._ended

    def _is_spent(self) -> bool:
        flops = sum(trial.flops for size in self.sizes for trial in size.search.trials)
        if self.budget.flops is not None and flops >= self.budget.flops:
            self.stopped_by = f"{flops:.2g} FLOP are spent"
        elif self._left() <= 0:
            self.stopped_by = "its time is over"
        return bool(self.stopped_by)

    def _left(self) -> float:
        if self.budget.seconds is None:
            return math.inf
        return self.budget.seconds - (time.monotonic() - self._started)

    def _compute(self, wanted: Sequence[tuple[_AtWork, Planned]]) -> None:
        """Compute the runs that are not there; two trials may want the same one."""
        missing: dict[str, tuple[_AtWork, Planned]] = {}
        for one, planned in wanted:
            if planned.run_id not in self._ended and not self.runs.is_whole(planned.run_id):
                missing.setdefault(planned.run_id, (one, planned))
        pairs = list(missing.values())
        if not pairs:
            return
        jobs = [
            Job(
                index,
                planned.cell.label,
                with_threads(planned),
                planned.cost,
                limits=one.limits if planned is one.runs[0] else (),
            )
            for index, (one, planned) in enumerate(pairs)
        ]
        events = self.engine.run(jobs, self.runs.folder)
        with contextlib.closing(events):  # type: ignore[type-var]
            for event in events:
                self._note(*pairs[event.job.index], event)
                if self._left() <= 0:
                    self.stopped_by = "its time is over"
                    return

    def _note(self, one: _AtWork, planned: Planned, event: Event) -> None:
        if event.kind == "progress" and planned is one.runs[0]:
            facts = event.facts
            one.size.search.log.report(one.trial.number, facts["epoch"], facts["validation_loss"])
        if event.kind == "stopped" or (event.kind == "failed" and event.facts.get("diverged")):
            self._ended[planned.run_id] = _Ended(event.kind, dict(event.facts))
        elif event.kind == "failed":
            self.failed[event.job.label] = event.facts["error"]
        self.observe(event)

    def _tell(self, one: _AtWork) -> None:
        told = self._outcome(one)
        one.size.search.tell(told)
        self.tell(one.size, told)

    def _outcome(self, one: _AtWork) -> SearchTrial:
        """Return how a trial of the round came out."""
        trial = one.trial
        if not one.runs:
            return replace(trial, state="impossible")
        values, flops = [], 0.0
        losses: tuple[float, ...] = ()
        for planned in one.runs:
            ended = self._ended.get(planned.run_id)
            if ended is not None and ended.kind == "failed":
                reason = str(ended.facts["error"]).splitlines()[0]
                return replace(trial, state="diverged", reason=reason, losses=losses, flops=flops)
            if ended is not None:
                losses = tuple(ended.facts["losses"])
                share = len(losses) / trial.epochs
                return replace(
                    trial,
                    state="stopped",
                    value=min(losses),
                    losses=losses,
                    flops=planned.cost * share,
                    reason=f"behind others after epoch {len(losses)}",
                )
            run = self.runs[planned.run_id]
            if planned is one.runs[0]:
                losses = tuple(run.metrics()["validation_loss"].to_list())
            values.append(float(run.info["training"]["best_validation_loss"]))
            flops += float(run.info["training"]["flops"])
        mean = sum(values) / len(values)
        return replace(trial, state="complete", value=mean, losses=losses, flops=flops)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a study's searches, so that two processes do not tell the same trials.

    Raises
    ------
    FinscaleError
        If another process is at them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with hold(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise FinscaleError(
            f"another process is at the search in {folder}.",
            hint="finscale tune status shows how far it is",
        ) from None


def trial_rows(size: SearchedSize) -> list[dict[str, Any]]:
    """Return the trials of a size as plain rows, with their settings as people read them."""
    dims = {dim.key: dim for dim in size.search.stage().dims}
    rate = float(size.base.config.training.learning_rate)
    rows = []
    for trial in size.search.trials:
        settings = {
            dims[key].name: dims[key].setting(value)
            for key, value in trial.params.items()
            if key in dims
        }
        if "rate" in settings:
            settings["learning_rate"] = settings.pop("rate") * rate
        if "epochs" in settings:
            settings["epochs"] = trial.epochs
        rows.append(trial_facts(trial, settings))
    return rows


def with_threads(planned: Planned) -> Any:
    """Return a run's config with its threads: an executor shares the cores by them."""
    config = planned.prepared.config
    training = config.training.model_copy(update={"threads": planned.threads})
    return config.model_copy(update={"training": training})
