"""A declared score, and how scores of the same replicates become values with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Literal, TypeVar

from finscale.evaluation.blocks import Floats
from finscale.evaluation.intervals import Metric
from finscale.evaluation.resampler import Resampler
from finscale.evaluation.rows import Classified, Regressed

Rows = TypeVar("Rows", bound=Classified | Regressed)
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Score(Generic[Rows]):
    """A declared score.

    Attributes
    ----------
    title : str
        As tables name it, with its unit.
    better : {"lower", "higher", ""}
        Which way is good; empty for a description.
    of : callable
        ``of(rows, weights_RN)`` gives one value for each replicate.
    interval : {"percentile", "centred", "none"}
        How its replicates become an interval. Noise can only raise a distance, so its replicates
        are centred on the value; for a minimum or maximum resampling says nothing.
    range : tuple of float
        Values that it can take; intervals stay inside.
    """

    title: str
    better: Literal["lower", "higher", ""]
    of: Callable[[Rows, Floats], Floats]
    interval: Literal["percentile", "centred", "none"] = "percentile"
    range: tuple[float, float] = (-math.inf, math.inf)


def measure(
    scores: Mapping[str, Score[Rows]], rows: Rows, resampler: Resampler
) -> dict[str, Metric]:
    """Return the value and interval of each declared score on some rows.

    Parameters
    ----------
    scores : mapping of str to Score
        By name; see ``finscale.evaluation.scores``.
    rows : Classified or Regressed
        The scored rows.
    resampler : Resampler
        Replicates of the days that the same rows lie on.
    """
    return measure_each({name: (score, rows) for name, score in scores.items()}, resampler)


def measure_each(
    declared: Mapping[Name, tuple[Score[Rows], Rows]], resampler: Resampler
) -> dict[Name, Metric]:
    """Return the value and interval of scores, each on rows of its own, from the same replicates.

    Parameters
    ----------
    declared : mapping of name to (Score, rows)
        The rows lie on the days that the resampler holds.
    resampler : Resampler
        Their replicates.
    """
    metrics = resampler.metrics(
        {name: partial(score.of, rows) for name, (score, rows) in declared.items()},
        centred=[name for name, (score, _) in declared.items() if score.interval == "centred"],
    )
    for _, rows in declared.values():
        rows.shared.clear()
    return {name: _bounded(metrics[name], score) for name, (score, _) in declared.items()}


def _bounded(metric: Metric, score: Score[Rows]) -> Metric:
    if score.interval == "none":
        return replace(metric, low=math.nan, high=math.nan)
    least, most = score.range
    # NaN stays NaN: no comparison with it holds
    low = least if metric.low < least else most if metric.low > most else metric.low
    high = least if metric.high < least else most if metric.high > most else metric.high
    return Metric(metric.value, low, high)
