"""The live display of a study: the whole, and one line for each run at work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from finscale.cli.options import say

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.study import Event, Planned

#: What a run without FLOPs (a baseline) weighs beside the others: a thousandth of the study.
_BASELINE_SHARE = 1e-3
#: Between two readings of the temperature.
_HEAT_SECONDS = 5.0


class StudyProgress:
    """Follow a study's events; progress counts training FLOPs, not runs, so the time left is fair.

    ``missing`` are the runs that will be computed, ``console`` is where to draw.
    """

    def __init__(self, missing: Sequence[Planned], console: Console) -> None:
        total = sum(planned.cost for planned in missing) or 1.0
        self._least = total * _BASELINE_SHARE
        self._num_runs, self._num_done = len(missing), 0
        self._heat_text, self._heat_read = "", -_HEAT_SECONDS
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=not console.is_terminal,
        )
        weights = sum(max(planned.cost, self._least) for planned in missing)
        self._whole = self._progress.add_task("study", total=weights, figures=self._count())
        # keyed by label: a sweep's runs and the grid's both count from 0
        self._tasks: dict[str, TaskID] = {}
        self._shares: dict[str, float] = {}
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        label = event.job.label
        if event.kind == "warning":
            text = event.facts["text"]
            if text not in self._warned:
                self._warned.add(text)
                say(f"warning: {text}", self._progress.console)
        elif event.kind == "started":
            self._remove(label)  # of a first attempt
            self._tasks[label] = self._progress.add_task(f"  {label}", total=1.0, figures="")
        elif event.kind == "progress":
            share = event.facts["epoch"] / event.facts["epochs"]
            loss, speed = event.facts["validation_loss"], event.facts["samples_per_second"]
            figures = f"epoch {event.facts['epoch']} · val {loss:.4f} · {speed:,.0f} samples/s"
            self._progress.update(self._tasks[label], completed=share, figures=figures)
            self._advance(event, share)
        else:
            self._num_done += 1
            self._advance(event, 1.0)
            self._remove(label)
            if event.kind == "failed":
                self._progress.console.print(f"  {label} failed", style="red")

    def _remove(self, label: str) -> None:
        if label in self._tasks:
            self._progress.remove_task(self._tasks.pop(label))

    def _advance(self, event: Event, share: float) -> None:
        done = self._shares.get(event.job.label, 0.0)
        # a second attempt may start from an earlier epoch; the total never goes back
        share = max(share, done)
        self._shares[event.job.label] = share
        weight = max(event.job.cost, self._least)
        self._progress.update(self._whole, advance=(share - done) * weight, figures=self._count())

    def _count(self) -> str:
        # a sweep may add runs
        count = f"{self._num_done} of {max(self._num_runs, self._num_done)} runs"
        return f"{count} · {self._heat}" if self._heat else count

    @property
    def _heat(self) -> str:
        """How hot the machine is, read every few seconds; empty where no sensor can be read."""
        now = time.monotonic()
        if now - self._heat_read > _HEAT_SECONDS:
            from finscale.training.sensors import hottest

            reading = hottest()
            self._heat_text, self._heat_read = str(reading or ""), now
        return self._heat_text
