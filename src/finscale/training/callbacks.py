"""What may watch a training and ask it to stop, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finscale.training.state import EpochRecord, FitResult
    from finscale.training.trainer import Trainer


class Callback:
    """Told what a training does; overrides what it wants to know.

    A callback reads ``trainer.state`` and may call ``trainer.request_stop(reason)`` (no further
    epoch; the training ends with its best weights) or ``trainer.request_pause(reason)`` (write a
    resume point after this step and raise ``TrainingPaused``). It never draws from the global
    random generators: that would change the run.
    """

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first step; ``trainer.state`` is loaded if the training is resumed."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After every optimiser step: be quick, and never wait for the device."""

    def on_epoch_end(self, trainer: Trainer, record: EpochRecord) -> None:
        """After validation, with the epoch's figures."""

    def on_fit_end(self, trainer: Trainer, result: FitResult | None) -> None:
        """After the last step, also after an error; ``result`` is None if there is none."""
