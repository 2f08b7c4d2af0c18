"""The live display of a study: the whole, and one line for each run at work."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.study import Event, Planned

#: What a run without FLOPs (a baseline) weighs beside the others: a thousandth of the study.
_BASELINE_SHARE = 1e-3


class StudyProgress:
    """Follow a study's events; progress counts training FLOPs, not runs, so the time left is fair.

    Parameters
    ----------
    missing : sequence of Planned
        The runs that will be computed.
    console : Console
        Where to draw.
    """

    def __init__(self, missing: Sequence[Planned], console: Console) -> None:
        total = sum(planned.cost for planned in missing) or 1.0
        self._least = total * _BASELINE_SHARE
        self._num_runs, self._num_done = len(missing), 0
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
        self._tasks: dict[int, TaskID] = {}
        self._shares: dict[int, float] = {}
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        index = event.job.index
        if event.kind == "warning":
            self._warn(event.facts["text"])
        elif event.kind == "started":
            self._tasks[index] = self._progress.add_task(
                f"  {event.job.label}", total=1.0, figures=""
            )
        elif event.kind == "progress":
            share = event.facts["epoch"] / event.facts["epochs"]
            loss, speed = event.facts["validation_loss"], event.facts["samples_per_second"]
            figures = f"epoch {event.facts['epoch']} · val {loss:.4f} · {speed:,.0f} samples/s"
            self._progress.update(self._tasks[index], completed=share, figures=figures)
            self._advance(event, share)
        else:
            self._num_done += 1
            self._advance(event, 1.0)
            if index in self._tasks:
                self._progress.remove_task(self._tasks.pop(index))
            if event.kind == "failed":
                self._progress.console.print(f"  {event.job.label} failed", style="red")

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._progress.console.print(f"warning: {text}", markup=False, soft_wrap=True)

    def _advance(self, event: Event, share: float) -> None:
        done = self._shares.get(event.job.index, 0.0)
        self._shares[event.job.index] = share
        weight = max(event.job.cost, self._least)
        self._progress.update(self._whole, advance=(share - done) * weight, figures=self._count())

    def _count(self) -> str:
        return f"{self._num_done} of {self._num_runs} runs"
