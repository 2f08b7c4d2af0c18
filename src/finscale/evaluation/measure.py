"""A declared score, and how scores of the same replicates become values with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Literal, TypeVar

import numpy as np

from finscale.evaluation.blocks import Floats
from finscale.evaluation.intervals import Metric
from finscale.evaluation.resampler import Resampler
from finscale.evaluation.rows import Classified, Regressed

Rows = TypeVar("Rows", bound=Classified | Regressed)


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

    def bounded(self, metric: Metric) -> Metric:
        """Return the metric with an interval that holds nothing the score cannot be."""
        if self.interval == "none":
            return replace(metric, low=math.nan, high=math.nan)
        # NaN stays NaN
        low, high = (float(np.clip(end, *self.range)) for end in (metric.low, metric.high))
        return Metric(metric.value, low, high)


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
    metrics = resampler.metrics(
        {name: partial(score.of, rows) for name, score in scores.items()},
        centred=[name for name, score in scores.items() if score.interval == "centred"],
    )
    return {name: score.bounded(metrics[name]) for name, score in scores.items()}
