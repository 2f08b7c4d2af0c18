"""What may watch a training and ask it to stop, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from finscale.config import TrainingConfig
    from finscale.training.state import EpochRecord, FitResult, TrainState


class Training(Protocol):
    """What a callback may know of a training, and ask of it; a ``Trainer`` is one."""

    config: TrainingConfig
    state: TrainState
    callbacks: tuple[Callback, ...]

    @property
    def num_steps(self) -> int:
        """Optimiser steps taken so far."""

    @property
    def num_samples(self) -> int:
        """Windows seen so far, repeats counted."""

    @property
    def total_steps(self) -> int:
        """Optimiser steps of all epochs, if training does not stop early."""

    @property
    def windows_per_step(self) -> int:
        """Windows whose gradients make one optimiser step."""

    def request_stop(self, reason: str) -> None:
        """End after the current epoch, with the best weights; ``reason`` is a clause."""

    def request_pause(self, reason: str) -> None:
        """Write a resume point after the current step and raise ``TrainingPaused``."""


class Callback:
    """Told what a training does; overrides what it wants to know.

    A callback reads ``trainer.state`` and may call ``trainer.request_stop(reason)`` (no further
    epoch; the training ends with its best weights) or ``trainer.request_pause(reason)`` (write a
    resume point after this step and raise ``TrainingPaused``). It never draws from the global
    random generators: that would change the run.
    """

    def on_fit_start(self, trainer: Training) -> None:
        """Before the first step; ``trainer.state`` is loaded if the training is resumed."""

    def on_step_end(self, trainer: Training) -> None:
        """After every optimiser step: be quick, and never wait for the device."""

    def on_epoch_end(self, trainer: Training, record: EpochRecord) -> None:
        """After validation, with the epoch's figures."""

    def on_fit_end(self, trainer: Training, result: FitResult | None) -> None:
        """After the last step, also after an error; ``result`` is None if there is none."""


def overrides_step(callback: Callback) -> bool:
    """Tell whether a callback wants to know of every step."""
    return type(callback).on_step_end is not Callback.on_step_end
