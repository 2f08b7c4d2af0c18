"""What a study could find, before it runs, in the terms of its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from finscale.config import StudyConfig
from finscale.config.losses import target_name
from finscale.config.outcomes import OUTCOMES as RULES
from finscale.errors import FinscaleError
from finscale.evaluation.targets import target_of
from finscale.scaling.simulation import simulate_verdicts
from finscale.scaling.verdict_power import StudyDesign, study_power
from finscale.study.axes import nominal
from finscale.study.outcome_noise import Expected, OutcomeNoise
from finscale.study.outcomes import measure_of, outcome_of
from finscale.study.planned import Planned

if TYPE_CHECKING:
    from finscale.study.study import Study

#: One-sided 5 % and 80 % power.
_SEEN = 1.645 + 0.842
_REPLICATES, _WANTED_POWER = 300, 0.8
_MOST_FACTOR = 256
#: Area under the ROC curve that a power calculation expects: a threshold is volatility timing.
_EXPECTED_AUC = {"direction": 0.55}
_THRESHOLD_AUC = 0.75


@dataclass(frozen=True)
class PowerPlan:
    """What the study could find, and what it would take to find the effect of interest."""

    #: What the study is about, and the unit of the gains; empty for a plain number.
    outcome: str
    unit: str
    num_days: int  #: Test days of one size and seed
    #: Smallest gain over the whole range that is seen, and whose power law is established, with 80
    #: % power.
    smallest_fall: float
    smallest_law: float
    sesoi: float  #: Smallest effect of interest
    #: Days, or seeds, with which it would be seen; None where it is seen already, or never.
    days_for_sesoi: int | None
    seeds_for_sesoi: int | None
    assumed: str  #: What the calculation takes for granted


def power_plan(study: Study, networks: Sequence[Planned]) -> tuple[PowerPlan | None, str]:
    """Simulate what the study could find; None, and why, where it cannot be said."""
    noise = _noise(study.config, networks)
    if noise is None:
        if _is_certain(study.config, networks):
            return (
                None,
                "every day of train ends alike, and nothing tells test days apart beforehand",
            )
        target = target_of(study.config.experiment)
        why = f"the power of a loss in units of {target.words.unit} is not worked out beforehand"
        other = "outcome r2 asks the same and has one"
        return None, f"{why}; {other}" if target.name in RULES["r2"].sesoi else why
    try:
        design = _design(study.config, networks, noise)
    except FinscaleError as error:
        return None, error.message
    found = study_power(design, [0.0], num_replicates=_REPLICATES)
    days = seeds = None
    if found.smallest_fall > design.sesoi:
        days = _factor(lambda k: replace(design, num_days=design.num_days * k))
        seeds = _factor(lambda k: replace(design, num_seeds=design.num_seeds * k))
    measure = measure_of(study.config)
    return PowerPlan(
        outcome=measure.title,
        unit=measure.unit,
        num_days=design.num_days,
        smallest_fall=found.smallest_fall,
        smallest_law=found.smallest_law,
        sesoi=design.sesoi,
        days_for_sesoi=days and days * design.num_days,
        seeds_for_sesoi=seeds and seeds * design.num_seeds,
        assumed=noise.assumed,
    ), ""


def smallest_seen(config: StudyConfig, networks: Sequence[Planned]) -> float | None:
    """Return the smallest gain that a paired comparison of two sizes would show; None: not said."""
    noise = _noise(config, networks)
    if noise is None:
        return None
    variance = 2 * (noise.day_variance / _num_days(networks) + noise.seeds**2 / len(config.seeds))
    return _SEEN * float(np.sqrt(variance))


def _noise(config: StudyConfig, networks: Sequence[Planned]) -> OutcomeNoise | None:
    """Return how the outcome is expected to vary; None where that is not known beforehand."""
    noise = outcome_of(config).noise.get(target_name(config.experiment))
    if noise is None or _is_certain(config, networks):
        return None
    prepared = networks[0].prepared
    auc = _EXPECTED_AUC.get(config.experiment.task.name, _THRESHOLD_AUC)
    return noise(Expected(prepared.dataset.base_rate(prepared.split.train), auc))


def _is_certain(config: StudyConfig, networks: Sequence[Planned]) -> bool:
    """Tell whether the event happens on each day of train, or on none."""
    prepared = networks[0].prepared
    rate = prepared.dataset.base_rate(prepared.split.train)
    return target_of(config.experiment).is_event and not 0 < rate < 1


def _design(config: StudyConfig, networks: Sequence[Planned], noise: OutcomeNoise) -> StudyDesign:
    """Return what the power calculation assumes of the study.

    Raises
    ------
    FinscaleError
        For fewer than four sizes or two seeds.
    """
    axis = next(iter(config.axes))
    return StudyDesign(
        sizes=tuple(sorted({_x(one, axis) for one in networks})),
        num_seeds=len(config.seeds),
        num_days=_num_days(networks),
        base_rate=noise.base_rate,
        seed_noise=noise.seeds,
        sesoi=config.sesoi,
        level=config.level,
        variance=noise.day_variance,
    )


def _x(planned: Planned, axis: str) -> float:
    counts = planned.prepared.counts
    if axis == "parameters" and counts:
        return float(counts.total)
    return nominal(axis, planned.cell.sizes[axis])


def _num_days(networks: Sequence[Planned]) -> int:
    """Return the test days of one size and seed, its folds together."""
    first = networks[0].cell
    folds = [
        one.prepared
        for one in networks
        if (one.cell.sizes, one.cell.config.seed) == (first.sizes, first.config.seed)
    ]
    days = [one.dataset.dates(one.split.test) for one in folds]
    return len(np.unique(np.concatenate(days)))


def _factor(design_at: Callable[[int], StudyDesign]) -> int | None:
    """Return the least multiple, found by doubling, at which the SESOI is seen; None beyond 256."""
    factor = 2
    while factor <= _MOST_FACTOR:
        design = design_at(factor)
        decisions = simulate_verdicts(
            design.sizes,
            design.covariance(),
            design.curve(design.sesoi),
            sesoi=design.sesoi,
            level=design.level,
            num_replicates=_REPLICATES,
        )
        if float(decisions.falls_B.mean()) >= _WANTED_POWER:
            return factor
        factor *= 2
    return None
