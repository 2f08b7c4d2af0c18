"""One trial of a search: a setting that was tried, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: complete: trained to its end. stopped: others did better at the end of an epoch. diverged: a loss
#: was not finite. impossible: no network of that shape meets the budget.
TrialState = Literal["running", "complete", "stopped", "diverged", "impossible"]
#: Dimension → value: numbers, as the sampler has them.
Params = Mapping[str, float]


@dataclass(frozen=True)
class SearchTrial:
    """A setting that was tried."""

    number: int  #: From 0, in the order in which they were asked for
    params: Params
    round: int  #: Trials of one round were asked for together
    together: int = 1  #: Trials of its round
    forced: str = ""  #: Why it was tried, where no sampler chose it: ``lowest rate``
    state: TrialState = "running"
    value: float | None = None  #: Mean validation loss; of a stopped one, its best so far
    losses: tuple[float, ...] = ()  #: Validation loss of its first run, epoch by epoch
    epochs: int = 0  #: Epochs that its runs would take
    runs: tuple[str, ...] = ()  #: Run ids, one a fold and seed, the first of them the prunable one
    flops: float = 0.0  #: Of training, as far as it went
    reason: str = ""  #: Why it ended, in words
    #: What the sampler keeps with a trial.
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_told(self) -> bool:
        """Whether it has ended."""
        return self.state != "running"

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to its end, with a loss that counts."""
        return self.state == "complete" and self.value is not None and math.isfinite(self.value)

    def best_until(self, epoch: int) -> float | None:
        """Return the least loss of the first run up to an epoch; None where it did not get there.

        One that ended early by itself keeps its best.
        """
        if epoch > len(self.losses) and not self.is_complete:
            return None
        return min(self.losses[:epoch], default=None)


def best_of(trials: Iterable[SearchTrial]) -> SearchTrial | None:
    """Return the complete trial with the least loss, of equal ones the first."""
    complete = [trial for trial in trials if trial.is_complete]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)
