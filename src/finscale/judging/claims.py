"""What may be claimed over a baseline: one rule for every table, sentence and report.

The interval of the difference in loss decides (blocks of decision days, paired), and three things
are no skill however far from zero it lies:

- a gain over a baseline that **failed**: one that loses to the base rate by more than its error;
- a gain over a baseline by a model that is itself not seen to know more than the base rate;
- a gain over the base rate by a model that ranks no days: the rate moved between train and test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from finscale.config.titles import title
from finscale.evaluation.bootstrap import (
    LEVEL,
    Floats,
    Metric,
    mean_interval,
    paired_difference_interval,
)
from finscale.evaluation.influence import auc_by_day
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.targets import QUANTILE_PREFIX
from finscale.scaling.digits import fixed
from finscale.scaling.measure import negated
from finscale.scaling.sentences import interval

#: What every other baseline has to beat: a share, or a mean, known from train alone.
BASE_RATE = "base_rate"
#: Differences below this share of a loss are the rounding of equal forecasts: a network that stayed
#: at its linear start differs from the baseline by that of fp32.
ROUNDING = 1e-6

#: Where a model stands against a baseline: ``unfounded`` is a gain by a model that knows no more
#: than the base rate, ``moved`` one over a base rate that moved between train and test.
Standing = Literal["failed", "seen", "worse", "unfounded", "moved", "none"]


@dataclass(frozen=True)
class Known:
    """What a baseline knows beyond the base rate.

    Parameters
    ----------
    gain : Metric
        Loss gained on it.
    ranks : bool
        Whether days with the event are seen to be ranked above those without; a number has none.
    """

    gain: Metric
    ranks: bool = True

    @property
    def is_seen(self) -> bool:
        """Whether it is seen to know anything."""
        return self.gain.low > 0 and self.ranks


@dataclass(frozen=True)
class Claims:
    """What a model may be said to know beyond each baseline.

    Parameters
    ----------
    gains : mapping of str to Metric
        Loss gained over each baseline, in ``unit``.
    num_days : int
        Test days.
    unit : str
        Of the gains.
    known : mapping of str to Known
        What each baseline knows beyond the base rate: :func:`known_by_baselines`.
    auc : Metric or None
        Of the model, where an event is forecast.
    rates : tuple of float, optional
        Share of yes in train and on the test days, where an event is forecast.
    """

    gains: Mapping[str, Metric]
    num_days: int
    unit: str = "nats"
    known: Mapping[str, Known] = field(default_factory=dict)
    auc: Metric | None = None
    rates: tuple[float, float] | None = None

    @cached_property
    def failed(self) -> dict[str, Metric]:
        """The baselines that lose to the base rate by more than their error, and by how much."""
        return failed_of(self.known)

    @property
    def best_baseline(self) -> str:
        """The baseline that gains most on the base rate, of those that are seen to gain any.

        The base rate where none is; empty where the model is held against nothing.
        """
        seen = {
            name: one.gain.value
            for name, one in self.known.items()
            if one.is_seen and name in self.gains
        }
        best = max(seen, key=lambda name: seen[name], default=BASE_RATE)
        return best if best in self.gains else ""

    def standing(self, name: str) -> Standing:
        """Return where the model stands against a baseline, in a word."""
        gain = self.gains[name]
        if name in self.failed:
            return "failed"
        if gain.high < 0:
            return "worse"
        if not gain.low > 0:
            return "none"
        if name == BASE_RATE:
            return "seen" if self._ranks else "moved"
        return "seen" if self.is_founded else "unfounded"

    @property
    def is_founded(self) -> bool:
        """Whether the model itself is seen to know more than the base rate, where that is there."""
        known = self.gains.get(BASE_RATE)
        return known is None or (known.low > 0 and self._ranks)

    def sentence(self, name: str, smallest: str = "") -> str:
        """Return what may be said; ``smallest``: the gain that this test could have shown."""
        over, days = title(name), f"{self.num_days:,} test days"
        standing = self.standing(name)
        if standing == "failed":
            return f"{failure(name, self.failed[name], self.unit)}: nothing is claimed over it."
        if standing == "seen":
            return f"Skill over {over} is seen with {days}."
        if standing == "worse":
            return f"Worse than {over}: the difference is seen with {days}."
        if standing == "unfounded":
            return (
                f"Less loss than {over}, but no skill over the base rate is seen: nothing is "
                f"claimed over {over}."
            )
        if standing == "moved":
            return f"Less loss than {over}, but days are not ranked{self._why}: no skill."
        gain = self.gains[name]
        if not any((gain.value, gain.low, gain.high)):
            return f"The same as {over}: nothing is added to it."
        could = f"; they could show a gain of {smallest}" if smallest else ""
        return f"No skill over {over} is seen with {days}{could}."

    @property
    def _ranks(self) -> bool:
        return self.auc is None or self.auc.low > 0.5

    @property
    def _why(self) -> str:
        """Return what the gain of a model that ranks nothing is made of, in brackets."""
        facts = [] if self.auc is None else [f"AUC {fixed(self.auc.value, 3)}"]
        if self.rates is not None:
            train, test = (f"{100 * rate:.1f} %" for rate in self.rates)
            facts.append(f"the base rate moved from {train} in train to {test}")
        return f" ({'; '.join(facts)})" if facts else ""


def failure(name: str, lost: Metric, unit: str) -> str:
    """Return that a baseline failed, and by how much: the start of a sentence."""
    loses = f"it loses {interval(lost)} {unit} more than the base rate"
    return f"The {title(name)} baseline failed: {loses}"


def lost_to_base_rate(
    baselines: Mapping[str, Predictions], *, level: float = LEVEL
) -> dict[str, Metric]:
    """Return the baselines that failed: those that lose to the base rate by more than their error.

    Parameters are those of :func:`known_by_baselines`.

    Returns
    -------
    dict of str to Metric
        Name → by how much it loses, in the unit of its target's loss; empty where none failed.
    """
    return failed_of(known_by_baselines(baselines, level=level))


def failed_of(known: Mapping[str, Known]) -> dict[str, Metric]:
    """Return by how much those baselines lose that lose by more than their error."""
    return {name: negated(one.gain) for name, one in known.items() if one.gain.high < 0}


def known_by_baselines(
    baselines: Mapping[str, Predictions], *, level: float = LEVEL
) -> dict[str, Known]:
    """Return what each baseline knows beyond the base rate.

    Parameters
    ----------
    baselines : mapping of str to Predictions
        Any number of them. Where the base rate is not among them, the mean of each one's own
        training rows takes its place.
    level : float
        Confidence of the interval of the difference.

    Returns
    -------
    dict of str to Known
        By name; without base rates, and without those of which it cannot be told.
    """
    found = {}
    for name, one in baselines.items():
        known_N = None if name.startswith(BASE_RATE) else _base_rate_losses(one, baselines)
        if known_N is not None:
            dates_N = one.test["date"].to_numpy()
            gain = paired_difference_interval(
                dates_N, known_N, one.losses_N, overlap=one.horizon, level=level
            )
            gain = settled(gain, float(known_N.mean()))
            found[name] = Known(gain, _ranks(one, level))
    return found


def _ranks(one: Predictions, level: float) -> bool:
    """Tell whether days are seen to be ranked, within their folds."""
    if not one.target.is_event or one.test["target"].n_unique() < 2:
        return not one.target.is_event
    dates_N, target_N, logit_N = one.arrays("test")
    days, value_T = auc_by_day(dates_N, target_N, logit_N, fold=one.test["fold"].to_numpy())
    return mean_interval(days, value_T, overlap=one.horizon, level=level).low > 0.5


def settled(gain: Metric, loss: float) -> Metric:
    """Return a gain; none where it is rounding, as of a network that stayed at its start."""
    largest = max(map(abs, (gain.value, gain.low, gain.high)))
    return Metric(0.0, 0.0, 0.0) if largest < ROUNDING * loss else gain


def _base_rate_losses(one: Predictions, others: Mapping[str, Predictions]) -> Floats | None:
    """Return the base rate's loss on each test row of a baseline; None where it is not known."""
    base = others.get(BASE_RATE)
    if base is not None and base.target is one.target and base.keys.equals(one.keys):
        return base.losses_N
    spread = any(name.startswith(QUANTILE_PREFIX) for name in one.test.columns)
    if spread or not set(one.folds) <= set(one.train_means):
        return None
    mean_N = one.training_mean
    if one.target.is_event:
        share_N = np.clip(mean_N, 1e-6, 1 - 1e-6)
        mean_N = np.log(share_N / (1 - share_N))
    return one.target.loss(one.test.with_columns(logit=pl.Series(mean_N)))
