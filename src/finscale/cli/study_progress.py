"""The live display of a study: the whole, and one line for each run at work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from finscale.cli.live import LiveDisplay
from finscale.cli.options import say
from finscale.study.remaining import TimeLeft, in_words

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.study import Event, Planned

#: Between two readings of the temperature.
_HEAT_SECONDS = 5.0
#: Between two lines where no bar can be drawn: in the log of a job.
LINE_SECONDS = 60.0


class StudyProgress(LiveDisplay):
    """Follow a study's events; progress counts time, spent and expected, not runs.

    ``missing`` are the runs that will be computed, ``console`` is where to draw, and ``left`` knows
    how long they take.
    """

    def __init__(
        self, missing: Sequence[Planned], console: Console, left: TimeLeft | None = None
    ) -> None:
        super().__init__()
        self.left = left or TimeLeft(missing)
        self._num_runs, self._num_done = len(missing), 0
        self._started, self._share = time.monotonic(), 0.0
        self._told = self._started
        self._heat_text, self._heat_read = "", -_HEAT_SECONDS
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            _TimeLeftColumn(),
            console=console,
            transient=not console.is_terminal,
        )
        self._whole = self._progress.add_task(
            "study", total=1.0, figures=self._count(), ends=self._end()
        )
        # keyed by label: a sweep's runs and the grid's both count from 0
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        label = event.job.label
        self.left.observe(event)
        if event.kind == "warning":
            self.warn(event)
        elif event.kind == "started":
            self._remove(label)  # of a first attempt
            self._tasks[label] = self._progress.add_task(f"  {label}", total=1.0, figures="")
        elif event.kind == "progress":
            share = event.facts["epoch"] / event.facts["epochs"]
            loss, speed = event.facts["validation_loss"], event.facts["samples_per_second"]
            figures = f"epoch {event.facts['epoch']} · val {loss:.4f} · {speed:,.0f} samples/s"
            self._progress.update(self._tasks[label], completed=share, figures=figures)
            self._advance()
        else:
            self._num_done += 1
            self._advance()
            self._remove(label)
            self._tell()
            if event.kind == "failed":
                self._progress.console.print(f"  {label} failed", style="red")

    def _tell(self) -> None:
        """Write a line now and then where no bar can be drawn."""
        now, console = time.monotonic(), self._progress.console
        if console.is_terminal or now - self._told < LINE_SECONDS:
            return
        self._told = now
        say(f"{self._count()} · about {in_words(self.left.seconds())} left", console)

    def _remove(self, label: str) -> None:
        if label in self._tasks:
            self._progress.remove_task(self._tasks.pop(label))

    def _advance(self) -> None:
        spent, left = time.monotonic() - self._started, self.left.seconds()
        # what is expected may grow; the bar never goes back
        self._share = max(self._share, spent / (spent + left) if left else 1.0)
        self._progress.update(
            self._whole, completed=self._share, figures=self._count(), ends=self._end()
        )

    def _end(self) -> float:
        """Return when the study is expected to end, on the monotonic clock."""
        return time.monotonic() + self.left.seconds()

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


class _TimeLeftColumn(ProgressColumn):
    """The time left of the task that knows when it ends."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        ends = task.fields.get("ends")
        if ends is None or task.finished:
            return Text("")
        return Text(f"about {in_words(max(ends - time.monotonic(), 0.0))} left", style="cyan")
