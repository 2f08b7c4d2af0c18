"""What the study could have seen: the smallest effect found with 80 % probability, and what was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from finscale.evaluation.bootstrap import Metric, mean_interval
from finscale.evaluation.influence import auc_by_day
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.score_power import (
    POWER,
    smallest_auc,
    smallest_difference,
    smallest_sharpe,
)
from finscale.scaling import Verdict


@dataclass(frozen=True)
class Reach:
    """One effect: the smallest that would have been seen, and what was measured."""

    what: str  #: The effect, in words
    smallest: float  #: Seen with 80 % probability at the study's level, two-sided
    measured: Metric  #: With its interval
    unit: str  #: Of both; empty for an AUC or a ratio
    null: float = 0.0  #: The value of no effect: 0, or .5 for an AUC


def gain_reach(verdict: Verdict) -> Reach:
    """Return the smallest gain from the smallest to the largest size that was in reach."""
    statement = verdict.statement
    contrast_G = np.zeros(len(statement.sizes))
    contrast_G[[0, -1]] = 1.0, -1.0
    _, error, _ = verdict.covariance.contrast(contrast_G)
    smallest = smallest_difference(error, level=statement.level)
    what = f"{statement.measure.gained} from the smallest to the largest size"
    return Reach(what, smallest, verdict.gain, statement.measure.unit)


def skill_reach(over: str, measured: Metric, *, level: float, unit: str) -> Reach:
    """Return the smallest skill over a baseline that was in reach, from its interval's width."""
    from scipy.stats import norm

    error = (measured.high - measured.low) / 2 / float(norm.ppf(1 - level / 2))
    smallest = smallest_difference(error, level=level)
    return Reach(f"skill over {over}", smallest, measured, unit)


def auc_reach(predictions: Predictions, *, level: float) -> Reach:
    """Return the smallest AUC that so many days could tell from .5, days ranked within folds."""
    test, horizon = predictions.test, predictions.horizon
    columns = (test[name].to_numpy() for name in ("date", "target", "logit"))
    known, value_T = auc_by_day(*columns, fold=test["fold"].to_numpy())
    measured = mean_interval(known, value_T, overlap=horizon, level=1 - level)
    days = test["date"].n_unique() / horizon
    rate = float(test["target"].cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]
    smallest = smallest_auc(days, base_rate=rate, level=level)
    return Reach("AUC, against .5 for guessing", smallest, measured, "", 0.5)


def sharpe_reach(num_days: int, measured: Metric, *, level: float, periods: float) -> Reach:
    """Return the smallest annualised Sharpe ratio that so many days could tell from 0.

    ``periods`` of these days make a year.
    """
    smallest = smallest_sharpe(num_days, periods=periods, level=level, power=POWER)
    return Reach("yearly Sharpe ratio after costs", smallest, measured, "")
