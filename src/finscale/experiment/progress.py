"""What a run says while it trains: one small message an epoch, for displays elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from finscale.training import Callback

if TYPE_CHECKING:
    from finscale.training.callbacks import Training
    from finscale.training.state import EpochRecord


class EpochReporter(Callback):
    """Tell ``say`` the epoch, the losses and the speed after each epoch."""

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say

    def on_epoch_end(self, trainer: Training, record: EpochRecord) -> None:
        """Report one epoch."""
        self._say({**record, "epochs": trainer.config.epochs})
