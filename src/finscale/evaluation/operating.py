"""Where to act: a threshold chosen on validation, and what it finds on test."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from finscale.errors import ConfigError, did_you_mean
from finscale.evaluation.bootstrap import Floats, Integers, Resampler
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.ranking import Ordered, Ranking
from finscale.evaluation.scores import (
    Classified,
    Score,
    base_rates,
    measure_each,
    ratio,
    row_mean,
)
from finscale.evaluation.shared import Shared
from finscale.evaluation.targets import outputs
from finscale.registry import Registry


def _precision(rows: Classified, weights_RN: Floats) -> Floats:
    found = rows.sums(weights_RN)
    return ratio(found["found"], found["flagged"])


def _recall(rows: Classified, weights_RN: Floats) -> Floats:
    found = rows.sums(weights_RN)
    return ratio(found["found"], found["events"])


def _lift(rows: Classified, weights_RN: Floats) -> Floats:
    return ratio(_precision(rows, weights_RN), base_rates(rows, weights_RN))


def _share_flagged(rows: Classified, weights_RN: Floats) -> Floats:
    return row_mean(rows, weights_RN, "flagged")


#: A precision measured on fewer rows is luck, and no reason to choose a threshold.
_FEWEST_FLAGGED = 10

#: Scores of rows flagged by an operating point.
OPERATING: Registry[Score[Classified]] = Registry("operating score")
OPERATING.add("precision", Score("precision", "higher", _precision, range=(0, 1)))
OPERATING.add("recall", Score("recall", "higher", _recall, range=(0, 1)))
OPERATING.add("lift", Score("lift", "higher", _lift, range=(0, math.inf)))
OPERATING.add("flagged", Score("flagged", "", _share_flagged, range=(0, 1)))


@dataclass(frozen=True)
class Sweep:
    """What each possible threshold finds: thresholds are the distinct logits, falling.

    Attributes
    ----------
    logit, precision, recall, flagged : ndarray of shape (G,)
        Flagging every row at or above ``logit`` gives these; ``flagged`` is a share of the rows.
    count : ndarray of shape (G,)
        Rows flagged.
    """

    logit: Floats
    precision: Floats
    recall: Floats
    flagged: Floats
    count: Floats

    @classmethod
    def of(cls, target: ArrayLike, logit: ArrayLike) -> Sweep:
        """Sweep the threshold from the highest logit to the lowest."""
        target_N, logit_N = np.asarray(target, np.float64), np.asarray(logit, np.float64)
        ranking = Ranking.of(logit_N)
        num_flagged = np.cumsum(ranking.group(np.ones((1, len(logit_N))))[0, ::-1])
        num_found = np.cumsum(ranking.group(target_N[None])[0, ::-1])
        return cls(
            logit_N[ranking.order[ranking.starts]][::-1],
            num_found / num_flagged,
            ratio(num_found, target_N.sum()),
            num_flagged / len(logit_N),
            num_flagged,
        )


def _for_precision(sweep: Sweep, goal: float) -> float:
    """Return the lowest threshold that reaches the precision; the most precise if none does."""
    enough = np.flatnonzero(sweep.count >= _FEWEST_FLAGGED)
    if not len(enough):
        return float(sweep.logit[-1])
    precision = sweep.precision[enough]
    reached = np.flatnonzero(precision >= goal)
    return float(sweep.logit[enough[reached[-1] if len(reached) else np.argmax(precision)]])


def _for_recall(sweep: Sweep, goal: float) -> float:
    """Return the highest threshold that reaches the recall."""
    return float(sweep.logit[np.argmax(sweep.recall >= goal)])


def _for_top(sweep: Sweep, goal: float) -> float:
    """Return the lowest threshold that flags no more than the share; the highest if all do."""
    within = np.flatnonzero(sweep.flagged <= goal)
    return float(sweep.logit[within[-1] if len(within) else 0])


#: How an operating point can be chosen.
RULES: Registry[Callable[[Sweep, float], float]] = Registry("operating rule")
RULES.add("precision", _for_precision)
RULES.add("recall", _for_recall)
RULES.add("top", _for_top)


@dataclass(frozen=True)
class OperatingRule:
    """How the threshold is chosen on validation.

    Attributes
    ----------
    name : str
        ``precision`` or ``recall`` (reach at least ``goal``), or ``top`` (flag that share of rows).
    goal : float
        Between 0 and 1.

    Examples
    --------
    >>> OperatingRule.parse("top=10%")
    OperatingRule(name='top', goal=0.1)
    """

    name: str = "recall"
    goal: float = 0.5

    @classmethod
    def parse(cls, text: str) -> OperatingRule:
        """Read ``precision=0.4``, ``recall=.6`` or ``top=10%``.

        Raises
        ------
        ConfigError
            For another form, an unknown rule, or a goal outside (0, 1].
        """
        match = re.fullmatch(r"\s*(\w+)\s*=\s*([\d.]+)\s*(%?)\s*", text)
        if match is None or match[1] not in RULES:
            raise ConfigError(
                f"{text!r} is not an operating point.",
                hint="write precision=0.4, recall=0.5 or top=10%"
                if match is None
                else did_you_mean(match[1], RULES),
            )
        try:
            goal = float(match[2]) / (100 if match[3] else 1)
        except ValueError:
            goal = float("nan")
        if not 0 < goal <= 1:
            raise ConfigError(f"{text!r}: the goal must lie between 0 and 1, or 0 % and 100 %.")
        return cls(match[1], goal)

    def __str__(self) -> str:
        return f"{self.name} {self.goal:.3g}"

    def threshold(self, target: ArrayLike, logit: ArrayLike) -> float:
        """Return the logit at and above which rows are flagged, from validation rows."""
        return RULES[self.name](Sweep.of(target, logit), self.goal)


def operating_points(predictions: Predictions, rule: OperatingRule) -> dict[int, float]:
    """Return each fold's threshold, a logit, chosen on its own validation rows.

    Of a predicted number the sign decides: its threshold is 0.
    """
    parts = predictions.validation.partition_by("fold", maintain_order=True)
    if not predictions.target.is_event:
        return {int(part["fold"][0]): 0.0 for part in parts}
    return {int(part["fold"][0]): rule.threshold(*outputs(part)) for part in parts}


def threshold_sweep(
    rows: Classified, resampler: Resampler, thresholds: Sequence[float]
) -> pl.DataFrame:
    """Return precision, recall, lift and share flagged at each threshold, with intervals.

    Parameters
    ----------
    rows : Classified
        The scored rows.
    resampler : Resampler
        Replicates of their days.
    thresholds : sequence of float
        Probabilities; rows at or above are flagged.

    Returns
    -------
    polars.DataFrame
        threshold, score, value, low, high: one line for each threshold and score.
    """
    ranking = Ranking.of(rows.probability)
    rows, resampler = rows.where(ranking.order), resampler.where(ranking.order)
    # rows that are flagged come last
    below_K = np.searchsorted(rows.probability, np.asarray(thresholds))
    own = rows.target, rows.logit, rows.fold, rows.flagged
    swept = Ranking.of(rows.probability), below_K, rows.shared
    declared = {
        (number, name): (score, _Flagged(*own, *swept, number))
        for number in range(len(thresholds))
        for name, score in OPERATING.items()
    }
    lines = [
        {"threshold": thresholds[number], "score": name, **vars(metric)}
        for (number, name), metric in measure_each(declared, resampler).items()
    ]
    rows.shared.clear()
    return pl.DataFrame(lines)


@dataclass(frozen=True)
class _Flagged(Classified):
    """Rows in order of their probability, of which one threshold of a sweep flags the last."""

    by_probability: Ranking
    below: Integers
    swept: Shared
    number: int

    def sums(self, weights_RN: NDArray[Any]) -> dict[str, Floats]:
        found = self.swept.of(weights_RN, "sweep", lambda: self._swept(weights_RN))
        own = {name: found[name][self.number] for name in ("flagged", "found")}
        return {**found, **own}

    def _swept(self, weights_RN: NDArray[Any]) -> dict[str, Floats]:
        """Return the sums of all thresholds, each of shape (R,) or (thresholds, R)."""
        last = np.append(self.below, len(self.target))
        ordered = Ordered.of(self.by_probability, self.target, weights_RN)
        rows_KR, events_KR = ordered.upto(last)
        return {
            "rows": rows_KR[-1],
            "events": events_KR[-1],
            "flagged": rows_KR[-1] - rows_KR[:-1],
            "found": events_KR[-1] - events_KR[:-1],
        }
