"""Where to act: a threshold chosen on validation, and what it finds on test."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from finscale.errors import ConfigError, did_you_mean
from finscale.evaluation.bootstrap import Floats, Resampler
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.ranking import Ranking
from finscale.evaluation.scores import Classified, Score, ratio
from finscale.evaluation.targets import outputs
from finscale.registry import Registry

#: A precision measured on fewer rows is luck, and no reason to choose a threshold.
_FEWEST_FLAGGED = 10

#: What is measured of rows flagged by an operating point, from numbers of rows, of events, of
#: flagged rows and of events found among them.
_OF_NUMBERS: dict[str, Callable[[Mapping[str, Floats]], Floats]] = {
    "precision": lambda n: ratio(n["found"], n["flagged"]),
    "recall": lambda n: ratio(n["found"], n["events"]),
    "lift": lambda n: ratio(ratio(n["found"], n["flagged"]), n["events"] / n["rows"]),
    "flagged": lambda n: n["flagged"] / n["rows"],
}


def _operating_score(name: str, better: Literal["higher", ""], most: float) -> Score[Classified]:
    of = _OF_NUMBERS[name]
    return Score(name, better, lambda rows, weights_RN: of(rows.sums(weights_RN)), range=(0, most))


#: Scores of rows flagged by an operating point.
OPERATING: Registry[Score[Classified]] = Registry("operating score")
OPERATING.add("precision", _operating_score("precision", "higher", 1))
OPERATING.add("recall", _operating_score("recall", "higher", 1))
OPERATING.add("lift", _operating_score("lift", "higher", math.inf))
OPERATING.add("flagged", _operating_score("flagged", "", 1))


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
    flagged_NK = np.greater_equal.outer(rows.probability, np.asarray(thresholds))
    event_N1 = rows.target[:, None]
    columns = [np.ones_like(event_N1), event_N1, flagged_NK, flagged_NK * event_N1]
    sums_C, sums_RC = resampler.row_sums(np.hstack(columns))
    # the sample comes first; all are whole numbers
    rows_S, events_S, *numbers_S = np.rint(np.vstack([sums_C, sums_RC])).T
    lines = []
    for place, threshold in enumerate(thresholds):
        flagged_S, found_S = numbers_S[place], numbers_S[len(thresholds) + place]
        numbers = {"rows": rows_S, "events": events_S, "flagged": flagged_S, "found": found_S}
        for name, score in OPERATING.items():
            value, *replicates = _OF_NUMBERS[name](numbers)
            metric = resampler.interval(value, replicates)
            lines.append({"threshold": threshold, "score": name, **vars(score.bounded(metric))})
    return pl.DataFrame(lines)
