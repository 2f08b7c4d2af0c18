"""A run that may be stopped at the end of an epoch, because others did better there.

The rule is plain numbers, fixed before the run starts, and travels with the job: nobody has to
reach a worker while it trains, and whether a run is stopped depends on nothing but its own losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finscale.training.callbacks import Callback

if TYPE_CHECKING:
    from finscale.training.callbacks import Training
    from finscale.training.state import EpochRecord

#: (epoch, the highest loss with which a run goes on beyond it), the epochs rising.
Limits = Sequence[tuple[int, float]]


def stops_at(losses: Sequence[float], limits: Limits) -> int | None:
    """Return the epoch at whose end a rule stops a run; None where it goes on.

    Parameters
    ----------
    losses : sequence of float
        Validation loss of each epoch so far, the first one first.
    limits : sequence of (int, float)
        Epoch → highest loss; the best loss up to the epoch is held against it.

    Examples
    --------
    >>> stops_at([0.9, 0.8, 0.7], [(2, 0.85), (3, 0.6)])
    3
    >>> stops_at([0.9, 0.8], [(2, 0.85), (3, 0.6)]) is None
    True
    """
    for epoch, highest in limits:
        if epoch <= len(losses) and min(losses[:epoch]) > highest:
            return epoch
    return None


class StopRule(Callback):
    """Pause a training for good where a rule stops it; its resume point is kept.

    Attributes
    ----------
    stopped : int or None
        The epoch at whose end it was stopped.
    losses : list of float
        Validation loss of each epoch so far.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = tuple((int(epoch), float(loss)) for epoch, loss in limits)
        self.stopped: int | None = None
        self.losses: list[float] = []

    def on_fit_start(self, trainer: Training) -> None:
        """Look at the epochs of before: a run that was stopped there stays so."""
        self._look(trainer)

    def on_epoch_end(self, trainer: Training, record: EpochRecord) -> None:
        """Look at the epoch that has ended."""
        self._look(trainer)

    def _look(self, trainer: Training) -> None:
        self.losses = [record["validation_loss"] for record in trainer.state.history]
        self.stopped = stops_at(self.losses, self._limits)
        if self.stopped is not None:
            trainer.request_pause("a search goes on without it")
