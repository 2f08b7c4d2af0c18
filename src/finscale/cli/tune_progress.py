"""The live display of a search: how many trials have ended, and the best loss of each size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from finscale.cli.live import LiveDisplay
from finscale.cli.options import say

if TYPE_CHECKING:
    from rich.console import Console

    from finscale.study import Event
    from finscale.study.tune.coordinator import SearchedSize
    from finscale.study.tune.trials import SearchTrial
    from finscale.study.tune.tune_plan import SearchCost


class TuneProgress(LiveDisplay):
    """Follow the searches: a bar for each size, a line for each trial where there is no terminal.

    ``costs`` are the sizes with their trials, ``console`` is where to draw.
    """

    def __init__(self, costs: Sequence[SearchCost], console: Console) -> None:
        super().__init__()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f} of {task.total:.0f} trials {task.fields[figures]}"),
            TimeElapsedColumn(),
            console=console,
            transient=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {
            cost.label: self._progress.add_task(
                cost.label, total=max(cost.trials, 1), completed=cost.tried, figures=""
            )
            for cost in costs
        }
        self._best: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Show a warning, each once; trials are told by :meth:`tell`."""
        if event.kind == "warning":
            self.warn(event)

    def tell(self, size: SearchedSize, trial: SearchTrial) -> None:
        """Count a trial that has ended."""
        label = size.base.label
        if trial.is_complete and trial.value is not None:
            self._best[label] = min(trial.value, self._best.get(label, trial.value))
        best = self._best.get(label)
        told = sum(one.is_told for one in size.search.trials)
        self._progress.update(
            self._tasks[label],
            completed=told,
            total=max(told, size.search.stage().wanted),
            figures="" if best is None else f"· best {best:.5f}",
        )
        if not self._progress.console.is_terminal:
            loss = "" if trial.value is None else f" {trial.value:.5f}"
            name = f" ({trial.forced})" if trial.forced else ""
            say(f"{label} trial {trial.number}{name}: {trial.state}{loss}", self._progress.console)
