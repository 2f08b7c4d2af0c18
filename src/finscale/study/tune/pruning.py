"""Hyperband at the ends of epochs: which loss lets a trial go on, known before it starts.

A trial is held against those of earlier rounds alone. So its limits are numbers that travel with
its job, and neither the order in which workers finish nor a kill changes what is stopped.

Rungs lie at ``first_rung`` · η^(s + k) epochs of the longest training, s being the trial's bracket;
a shorter training has them at the same share of its own. One of η trials goes on beyond a rung.

References
----------
Li et al. (2018), "Hyperband", JMLR 18, algorithm 1; Li et al. (2020), "A system for massively
parallel hyperparameter tuning", algorithm 2. Brackets are drawn as Optuna's HyperbandPruner does.
"""

from __future__ import annotations

import math
from binascii import crc32
from collections.abc import Sequence
from dataclasses import dataclass

from finscale.study.tune.trials import SearchTrial


@dataclass(frozen=True)
class Hyperband:
    """The rungs of a search.

    Attributes
    ----------
    search : str
        Its name, from which the brackets are drawn.
    most_epochs : int
        Epochs of the longest training.
    first_rung : int
        Epochs before the first rung.
    reduction : int
        η: one of so many trials goes on.
    """

    search: str
    most_epochs: int
    first_rung: int = 2
    reduction: int = 3

    @property
    def num_brackets(self) -> int:
        """Brackets: log_η(longest / first rung), and one more."""
        ratio = max(self.most_epochs / self.first_rung, 1.0)
        # a whole power must not fall below itself by rounding
        return math.floor(math.log(ratio, self.reduction) + 1e-9) + 1

    def bracket(self, number: int) -> int:
        """Return the bracket of a trial; a later bracket has its first rung later."""
        count = self.num_brackets
        shares = [
            math.ceil(count * self.reduction ** (count - 1 - s) / (count - s)) for s in range(count)
        ]
        place = crc32(f"{self.search}_{number}".encode()) % sum(shares)
        for bracket, share in enumerate(shares):
            place -= share
            if place < 0:
                return bracket
        raise AssertionError("the shares sum to more than the place")

    def rungs(self, bracket: int) -> list[int]:
        """Return the epochs of a bracket's rungs, before the end of the longest training."""
        steps = []
        step = self.first_rung * self.reduction**bracket
        while step < self.most_epochs:
            steps.append(step)
            step *= self.reduction
        return steps

    def limits(
        self, number: int, epochs: int, earlier: Sequence[SearchTrial]
    ) -> tuple[tuple[int, float], ...]:
        """Return epoch → the highest loss with which a trial goes on.

        Parameters
        ----------
        number, epochs : int
            Of the trial, and how long it would train.
        earlier : sequence of SearchTrial
            Those of earlier rounds.
        """
        own = self.bracket(number)
        found = []
        for rung in self.rungs(own):
            epoch = self._epoch(rung, epochs)
            if epoch >= epochs:
                break
            others = sorted(
                loss
                for trial in earlier
                if self.bracket(trial.number) == own and trial.epochs
                for loss in [trial.best_until(self._epoch(rung, trial.epochs))]
                if loss is not None
            )
            # of all at the rung, this one among them, the best n // η go on, and always one
            last = max((len(others) + 1) // self.reduction - 1, 0)
            if last < len(others):
                found.append((epoch, others[last]))
        return tuple(found)

    def _epoch(self, rung: int, epochs: int) -> int:
        """Return the epoch of a training at the same share of it as a rung of the longest."""
        return max(1, math.ceil(rung * epochs / self.most_epochs))
