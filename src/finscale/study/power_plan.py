"""What a study could find, before it runs, in the terms of its own outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from finscale.config import StudyConfig
from finscale.config.outcomes import OUTCOMES as RULES
from finscale.config.redraws import redraw_of
from finscale.data.timescales import TIMESCALES
from finscale.errors import FinscaleError
from finscale.evaluation.sharpe import PERIODS
from finscale.evaluation.targets import target_of
from finscale.scaling.simulation import simulate_verdicts
from finscale.scaling.verdict_power import StudyDesign, study_power
from finscale.study.axes import nominal
from finscale.study.daily import series_key
from finscale.study.outcome_noise import OutcomeNoise
from finscale.study.outcomes import measure_of, outcome_of
from finscale.study.planned import Planned

#: One-sided 5 % and 80 % power.
_SEEN = 1.645 + 0.842
_REPLICATES, _WANTED_POWER = 300, 0.8
_FACTORS = (2, 4, 8, 16, 32, 64, 128, 256)
#: Area under the ROC curve that a power calculation expects: a threshold is volatility timing.
_EXPECTED_AUC = {"direction": 0.55, "outperform": 0.52, "top_fifth": 0.6}
_THRESHOLD_AUC = 0.75
#: Symbols a day from which a data set is a panel.
_PANEL = 1.5


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


def power_plan(config: StudyConfig, networks: Sequence[Planned]) -> tuple[PowerPlan | None, str]:
    """Simulate what the study could find; None, and why, where it cannot be said."""
    noise = _noise(config, networks)
    if isinstance(noise, str):
        return None, noise
    axis = next(iter(config.axes))
    if config.num_replicates < 2:
        return None, "one seed a size says nothing of the luck of training; give seeds: 2 or more"
    try:
        design = StudyDesign(
            sizes=tuple(sorted({_x(one, axis) for one in networks})),
            num_seeds=config.num_replicates,
            num_days=_num_days(networks),
            base_rate=noise.base_rate,
            seed_noise=noise.seeds,
            sesoi=config.sesoi,
            level=config.level,
            variance=noise.day_variance,
        )
    except FinscaleError as error:  # fewer than four sizes or two seeds
        return None, error.message
    found = study_power(design, [0.0], num_replicates=_REPLICATES)
    days = seeds = None
    if found.smallest_fall > design.sesoi:
        days = _factor(lambda k: replace(design, num_days=design.num_days * k))
        seeds = _factor(lambda k: replace(design, num_seeds=design.num_seeds * k))
    measure = measure_of(config)
    return PowerPlan(
        outcome=measure.title,
        unit=measure.unit,
        num_days=design.num_days,
        smallest_fall=found.smallest_fall,
        smallest_law=found.smallest_law,
        sesoi=design.sesoi,
        days_for_sesoi=days and days * design.num_days,
        seeds_for_sesoi=seeds and seeds * design.num_seeds,
        assumed=noise.assumed + _luck_of_draws(config),
    ), ""


def _luck_of_draws(config: StudyConfig) -> str:
    redraw = redraw_of(config)
    if redraw is None:
        return ""
    return f"; {redraw.plural} vary as seeds do, and how much more is known when they have run"


def smallest_seen(config: StudyConfig, networks: Sequence[Planned]) -> float | None:
    """Return the smallest gain that a paired comparison of two sizes would show; None: not said."""
    noise = _noise(config, networks)
    if isinstance(noise, str):
        return None
    variance = 2 * (
        noise.day_variance / _num_days(networks) + noise.seeds**2 / config.num_replicates
    )
    return _SEEN * float(np.sqrt(variance))


def _noise(config: StudyConfig, networks: Sequence[Planned]) -> OutcomeNoise | str:
    """Return how the outcome is expected to vary, or why that is not known beforehand."""
    target, rate = target_of(config.experiment), _widest(networks).facts.base_rate
    if target.is_event and not 0 < rate < 1:
        return "every day of train ends alike, and nothing tells test days apart beforehand"
    noise = outcome_of(config).noise.get(target.name)
    if noise is not None:
        auc = _EXPECTED_AUC.get(config.experiment.task.name, _THRESHOLD_AUC)
        found = _shared(noise(rate, auc), config, networks)
        if config.outcome != "sharpe":
            return found
        # a yearly ratio of slower bars has fewer of them in its year: their noise counts less
        bars = TIMESCALES[config.experiment.data.timescale].bars_a_year
        return replace(found, day_variance=found.day_variance * bars / PERIODS)
    why = f"the power of a loss in units of {target.words.unit} is not worked out beforehand"
    other = "outcome r2 asks the same and has one"
    return f"{why}; {other}" if target.name in RULES["r2"].sesoi else why


@dataclass(frozen=True)
class PanelSize:
    """How many symbols a test day has, and for how many their labels count."""

    symbols: float  #: A day, on average
    correlation: float  #: Of two labels of one day, in train
    horizon: int  #: H, days that a label spans

    @property
    def effective(self) -> float:
        """Independent symbols a day: ``N / (1 + (N − 1) ρ)``."""
        return self.symbols / (1 + (self.symbols - 1) * self.correlation)

    def words(self, config: StudyConfig) -> str:
        """Return the size in words, and the task that would count all of them."""
        said = (
            f"{self.symbols:,.0f} symbols a day, {self.effective:,.1f} effective "
            f"(labels of one day correlate {self.correlation:.2f}: N/(1+(N−1)ρ))"
        )
        if self.effective > self.symbols / 2 or config.experiment.task.is_cross_sectional:
            return said
        other = "rank" if config.experiment.task.kind == "regression" else "outperform"
        return f"{said}; task {other} compares the symbols of a day, and about all of them count"


def panel_size(networks: Sequence[Planned]) -> PanelSize | None:
    """Return what is known of a panel from its train labels; None of one symbol."""
    widest = _widest(networks)
    facts, task = widest.facts, widest.prepared.config.task
    if facts.symbols_a_day < _PANEL:
        return None
    return PanelSize(facts.symbols_a_day, facts.correlation, task.horizon)


def _widest(networks: Sequence[Planned]) -> Planned:
    """Return the run that trains on the most windows: it tells most of the panel's labels."""
    return max(networks, key=lambda one: len(one.prepared.split.train))


def _shared(noise: OutcomeNoise, config: StudyConfig, networks: Sequence[Planned]) -> OutcomeNoise:
    """Return the noise of a day that its symbols share; neighbouring days share what H spans."""
    panel, outcome = panel_size(networks), outcome_of(config)
    if panel is None or outcome.counts == "days":
        return noise
    num, seeds = panel.symbols - 1, noise.seeds
    if outcome.counts == "labels":
        # a seed's luck is in its scores of single symbols, too
        num, seeds = panel.effective, noise.seeds / math.sqrt(panel.effective)
    assumed = f"{noise.assumed}; days and seeds vary less by {num:,.1f} symbols a day"
    if panel.horizon > 1:
        assumed += f", days more by labels over {panel.horizon}"
    variance = noise.day_variance * panel.horizon / num
    return replace(noise, day_variance=variance, seeds=seeds, assumed=assumed)


def _x(planned: Planned, axis: str) -> float:
    counts = planned.prepared.counts
    if axis == "parameters" and counts:
        return float(counts.total)
    return nominal(axis, planned.cell.sizes[axis])


def _num_days(networks: Sequence[Planned]) -> int:
    """Return the test days of one size and seed, its folds together."""
    first = series_key(networks[0])
    days = [one.facts.test_days for one in networks if series_key(one) == first]
    return len(np.unique(np.concatenate(days)))


def _factor(design_at: Callable[[int], StudyDesign]) -> int | None:
    """Return the least multiple, found by doubling, at which the SESOI is seen; None beyond 256."""
    for factor in _FACTORS:
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
    return None
