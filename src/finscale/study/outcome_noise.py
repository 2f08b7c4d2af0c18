"""How each outcome is expected to vary, for the power of a study that has not run yet.

The variance is that of one size's value a day (``finscale.evaluation.influence``) beyond what all
sizes share: sizes judge the same days, and their predictions correlate. What is taken for granted
is said beside every figure that rests on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from finscale.evaluation.score_power import auc_error
from finscale.evaluation.sharpe import PERIODS
from finscale.scaling import StudyDesign

#: Correlation of what two sizes predict, and of what two strategies earn that follow them.
_SCORES, _RETURNS = 0.9, 0.8
#: Standard deviation over seeds: of an AUC, an R² and a Sharpe ratio; a loss's is the design's own.
_SEEDS_AUC, _SEEDS_R2, _SEEDS_SHARPE, _SEEDS_IC = 0.002, 0.001, 0.1, 0.001
#: The R² that daily returns are expected to allow.
_EXPECTED_R2 = 0.005
#: Days over which Hanley and McNeil's variance is taken; any large number gives the same a day.
_MANY = 10_000


@dataclass(frozen=True)
class OutcomeNoise:
    """How an outcome varies."""

    day_variance: float  #: Of one size's value a day, beyond what all sizes share
    seeds: float  #: Standard deviation over seeds
    base_rate: float  #: Share of events; .5 where there are none
    assumed: str  #: What this takes for granted


#: What is expected of the test days → how the outcome varies. First the share of events (of a
#: number instead of a class, its mean), then the area under the ROC curve: how well it is ranked.
NoiseOf = Callable[[float, float], OutcomeNoise]


def loss_noise(base_rate: float, auc: float) -> OutcomeNoise:
    """Return the noise of log loss; ``finscale.scaling.verdict_power`` has the formula."""
    design = StudyDesign((1.0, 2.0, 3.0, 4.0), 2, 10, base_rate, auc=auc)
    assumed = (
        f"AUC {auc:g}, scores of two sizes correlated {design.correlation:g}, "
        f"loss of seeds spread {design.seed_noise:g} nats"
    )
    return OutcomeNoise(design.day_variance, design.seed_noise, base_rate, assumed)


def auc_noise(base_rate: float, auc: float) -> OutcomeNoise:
    """Return the noise of an AUC: Hanley and McNeil (1982), AUCs correlated as scores are."""
    events = base_rate * _MANY
    variance = _MANY * auc_error(auc, events, _MANY - events) ** 2
    assumed = (
        f"AUC {auc:g}, those of two sizes correlated {_SCORES:g}, of seeds spread {_SEEDS_AUC:g}"
    )
    return OutcomeNoise((1 - _SCORES) * variance, _SEEDS_AUC, base_rate, assumed)


def r2_noise(base_rate: float, auc: float) -> OutcomeNoise:
    """Return the noise of R²: a day's value moves by 2·y·f / σ², with Var(f) = R²·σ²."""
    assumed = (
        f"R² {_EXPECTED_R2:g}, forecasts of two sizes correlated {_SCORES:g}, R² of seeds spread "
        f"{_SEEDS_R2:g}"
    )
    return OutcomeNoise(4 * _EXPECTED_R2 * (1 - _SCORES), _SEEDS_R2, 0.5, assumed)


def ic_noise(base_rate: float, auc: float) -> OutcomeNoise:
    """Return the noise of a rank correlation of one symbol a day: 1, to be shared by the symbols.

    Of N independent symbols a day's Spearman correlation varies by 1 / (N − 1) where there is none.
    """
    assumed = f"ranks of two sizes correlated {_SCORES:g}, rank ICs of seeds spread {_SEEDS_IC:g}"
    return OutcomeNoise(1 - _SCORES, _SEEDS_IC, 0.5, assumed)


def sharpe_noise(base_rate: float, auc: float) -> OutcomeNoise:
    """Return the noise of a yearly Sharpe ratio: Lo (2002), near 1 a day of a small daily ratio."""
    assumed = (
        f"returns of two sizes' positions correlated {_RETURNS:g}, Sharpe ratios of seeds spread "
        f"{_SEEDS_SHARPE:g}"
    )
    return OutcomeNoise(PERIODS * (1 - _RETURNS), _SEEDS_SHARPE, 0.5, assumed)
