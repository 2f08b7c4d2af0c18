"""A training that can be stopped and goes on: resume points, pauses, and who may ask for them."""

from __future__ import annotations

import abc
import contextlib
import time
import warnings
from typing import TYPE_CHECKING, NoReturn

from finscale.errors import FinscaleWarning, TrainingPaused
from finscale.training.holding import load_point, save_point

if TYPE_CHECKING:
    import torch

    from finscale.config import TrainingConfig
    from finscale.training.checkpoint import CheckpointFolder
    from finscale.training.distributed import Ranks
    from finscale.training.state import TrainState


class ResumableTraining(abc.ABC):
    """What a ``Trainer`` keeps of itself on disk, and how it stops before its end."""

    config: TrainingConfig
    device: torch.device
    ranks: Ranks
    seed: int
    state: TrainState
    pause_reason: str
    _stop: str
    #: Whether all processes have agreed to pause.
    _pauses: bool = False
    _checkpoints: CheckpointFolder | None

    def resume(self) -> None:
        """Go on from the newest resume point, if there is one."""
        point = load_point(self._checkpoints, self.state, self.ranks) if self._checkpoints else None
        if point is None:
            return
        self.state.load(point, seed=self.seed)
        before, here = point.facts["device"], self.device.type
        if before != here:
            warnings.warn(
                f"this training was begun on {before} and goes on on {here}: its figures will be "
                "the same up to rounding and dropout's own random masks",
                FinscaleWarning,
                stacklevel=2,
            )

    def request_stop(self, reason: str) -> None:
        """End after the current epoch, with the best weights; ``reason`` is a clause."""
        self._stop = reason

    def request_pause(self, reason: str) -> None:
        """Write a resume point after the current step and raise ``TrainingPaused``."""
        self.pause_reason = reason

    def is_due(self, *, epoch_end: bool = False) -> bool:
        """Tell whether it is time for a resume point; the first process has the clock."""
        return (
            self.ranks.leads
            and self._checkpoints is not None
            and self._checkpoints.is_due(self.config.checkpoint_minutes, epoch_end=epoch_end)
        )

    def _agree(self, *, epoch_end: bool = False) -> bool:
        """Agree on whether a resume point is due, and on a pause that one process was asked for."""
        due, self._pauses = self.ranks.any(
            self.is_due(epoch_end=epoch_end), bool(self.pause_reason)
        )
        if self._pauses and not self.pause_reason:
            self.pause_reason = "another of its processes was asked to stop"
        return due and not self._pauses

    def save(self) -> None:
        """Write a resume point; only ever one whose losses are finite."""
        if self._checkpoints is not None:
            if self.state.step:
                self.check_losses()
            save_point(self._checkpoints, self.state, self.ranks)

    def save_if_due(self) -> float:
        """Write a resume point if it is time; return the seconds that it took."""
        started = time.perf_counter()
        if self._agree():
            self.save()
        return time.perf_counter() - started

    def pause_if_asked(self) -> None:
        """Write a resume point and raise ``TrainingPaused``, if a pause was asked for."""
        # a signal may reach one of several processes after they have agreed on this step
        asked = self._pauses if self.ranks.together else bool(self.pause_reason)
        if asked and not self.state.stopped:
            self.save()
            self.raise_paused()

    def raise_paused(self) -> NoReturn:
        """Raise ``TrainingPaused``, with the reason and what to do."""
        where = f"epoch {self.state.epoch + 1}, step {self.state.step}"
        if self._checkpoints:
            kept, hint = "a resume point is written", "start it again in the same way to go on"
        else:
            kept, hint = "nothing was kept", "give a folder, and a stopped training can go on"
        raise TrainingPaused(
            f"Training stopped in {where}: {self.pause_reason}; {kept}.", hint=hint
        )

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder, if there is one, so that nobody else trains into it."""
        mine = self._checkpoints if self.ranks.leads else None
        return mine.exclusive() if mine else contextlib.nullcontext()

    @abc.abstractmethod
    def check_losses(self) -> None:
        """Look at the losses since the last look."""
