"""One line that says how a training goes."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from finscale.training.callbacks import Callback, Training
from finscale.training.thermal import ThermalCallback

if TYPE_CHECKING:
    from finscale.training.state import EpochRecord, FitResult

_SECONDS_BETWEEN_LOOKS = 0.25


class ProgressBar(Callback):
    """Shows epoch, speed, losses, temperature and time left, four times a second at most.

    Parameters
    ----------
    console : rich Console, optional
        Where to; standard error when absent.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._next_look = 0.0

    def on_fit_start(self, trainer: Training) -> None:
        """Draw the bar; a resumed training starts where it was left."""
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            auto_refresh=False,
        )
        self._started = time.perf_counter()
        self._first_step = trainer.num_steps
        self._task: TaskID = self._progress.add_task(
            "", total=trainer.total_steps, epoch="", figures="starting"
        )
        self._progress.start()
        self._draw(trainer)

    def on_step_end(self, trainer: Training) -> None:
        """Redraw if it is time."""
        if time.perf_counter() >= self._next_look:
            self._draw(trainer)

    def on_epoch_end(self, trainer: Training, record: EpochRecord) -> None:
        """Redraw with the epoch's validation loss, if it is time; else the next step will."""
        self.on_step_end(trainer)

    def on_fit_end(self, trainer: Training, result: FitResult | None) -> None:
        """Leave the last line standing."""
        self._draw(trainer)
        self._progress.stop()

    def _draw(self, trainer: Training) -> None:
        self._next_look = time.perf_counter() + _SECONDS_BETWEEN_LOOKS
        epochs = trainer.config.epochs
        self._progress.update(
            self._task,
            completed=trainer.num_steps,
            epoch=f"{min(trainer.state.epoch + 1, epochs)}/{epochs}",
            figures=" · ".join(self._figures(trainer)),
            refresh=True,
        )

    def _figures(self, trainer: Training) -> list[str]:
        state, history = trainer.state, trainer.state.history
        last = history[-1] if history else None
        figures = []
        if state.step and state.seconds:
            speed = state.step * trainer.windows_per_step / state.seconds
            # the only look at a loss on the device, four times a second
            train_loss = state.losses_S[: state.step].mean().item()
            figures += [rate(speed), f"train {short(train_loss)}"]
        elif last is not None:
            speed = float(last["samples_per_second"])
            figures += [rate(speed), f"train {short(float(last['train_loss']))}"]
        if last is not None:
            best = "best" if last["best"] else f"(best {short(state.best_loss or 0.0)})"
            figures.append(f"val {short(float(last['validation_loss']))} {best}")
        figures += [
            str(callback.reading)
            for callback in trainer.callbacks
            if isinstance(callback, ThermalCallback) and callback.reading is not None
        ]
        return [*figures, self._time_left(trainer)]

    def _time_left(self, trainer: Training) -> str:
        if trainer.state.stopped:
            return "done"
        num_done = trainer.num_steps - self._first_step
        if not num_done:
            return "time left unknown yet"
        seconds_per_step = (time.perf_counter() - self._started) / num_done
        return f"{clock(seconds_per_step * (trainer.total_steps - trainer.num_steps))} left"


def rate(speed: float) -> str:
    """Return 2,380 samples/s, or 3.1 samples/s for the large and slow."""
    return f"{speed:,.0f} samples/s" if speed >= 10 else f"{speed:.2g} samples/s"


def short(value: float) -> str:
    """Return four decimals without the leading zero: .3712; of a small loss four digits.

    Squares of daily returns are about .0001, which four decimals would show as one digit.
    """
    digits = 4
    if 0 < abs(value) < 0.01:
        digits = 3 - math.floor(math.log10(abs(value)))
    if digits > 9:
        return f"{value:.3e}"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def clock(seconds: float) -> str:
    """Return seconds as 0:41, 12:07 or 3:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
