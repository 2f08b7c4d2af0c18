"""What a verdict is about: a loss, or an outcome for which higher is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from finscale.evaluation.bootstrap import Metric

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class Measure:
    """The name, unit and direction of what a study's sizes are compared by.

    All fits are of losses, which fall as things improve. An outcome for which higher is better is
    fitted as ``best - value``: its distance to the best possible value, which a power law reduces
    to a floor (1 - AUC; 1 - R², the share of variance left). Where no best value exists (a Sharpe
    ratio) ``best`` is 0 and only the sign is reversed: the curves behind a verdict have a free
    level, so they are the same for every ``best``.

    Parameters
    ----------
    title : str
        In the middle of a sentence: ``"loss"``, ``"AUC"``.
    unit : str
        Of values and of their differences; empty for a plain number.
    higher_is_better : bool
        Which way it improves.
    best : float
        The highest value, where higher is better and one exists.
    many : str
        The title where sizes have one each.
    digits : int
        Decimals in which sizes differ.

    Examples
    --------
    >>> auc = Measure("AUC", "", higher_is_better=True, best=1.0)
    >>> float(auc.as_loss(0.75)), float(auc.shown(0.25)), auc.moves(better=True)
    (0.25, 0.75, 'rises')
    """

    title: str = "loss"
    unit: str = "nats"
    higher_is_better: bool = False
    best: float = 0.0
    many: str = "losses"
    digits: int = 4

    def as_loss(self, value: Number) -> Number:
        """Return values as the losses that are fitted, or such losses as values again."""
        return self.best - value if self.higher_is_better else value

    shown = as_loss  # the mirror image of a mirror image

    def moves(self, *, better: bool) -> str:
        """Return ``rises`` or ``falls``: which way the outcome goes when things get better."""
        return "rises" if better == self.higher_is_better else "falls"

    def change(self, gain: Metric) -> Metric:
        """Return an improvement as a change of the outcome: losses saved are a fall."""
        return gain if self.higher_is_better else negated(gain)

    def amount(self, number: str) -> str:
        """Return a number of this measure with its unit."""
        return f"{number} {self.unit}".rstrip()

    @property
    def gain(self) -> str:
        """An improvement, in words: ``gain``, ``gain in AUC``."""
        return f"gain in {self.title}" if self.higher_is_better else "gain"

    @property
    def gained(self) -> str:
        """What an improvement brings, in words: ``loss saved``, ``AUC gained``."""
        return f"{self.title} {'gained' if self.higher_is_better else 'saved'}"


#: What verdicts are about unless a study says otherwise.
LOSS = Measure()


def negated(metric: Metric) -> Metric:
    """Return minus an estimate, with its interval reversed."""
    return Metric(-metric.value, -metric.high, -metric.low)
