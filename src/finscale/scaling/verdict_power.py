r"""What a study could find, before it runs: the probability of each verdict.

A model's loss differs from another's on a day by about :math:`-(y - \pi)\,\Delta\eta`, with
:math:`\Delta\eta` the difference of their log odds. For calibrated scores of area under the curve
AUC the log odds have the standard deviation :math:`\tau = \sqrt 2\,\Phi^{-1}(\text{AUC})` within a
class (binormal), so that the daily loss of each size varies, beyond what sizes share, by

.. math:: v = \pi (1 - \pi)\,\tau^2 (1 - \rho)

for scores correlated :math:`\rho` between sizes and a base rate :math:`\pi`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finscale.errors import FinscaleError
from finscale.scaling.covariance import SizeCovariance
from finscale.scaling.decision import Decisions, VerdictName
from finscale.scaling.simulation import NUM_REPLICATES, least, simulate_verdicts
from finscale.scaling.trend import Float, shape

_WANTED_POWER = 0.8


@dataclass(frozen=True)
class StudyDesign:
    """What is known of a study before it runs.

    Parameters
    ----------
    sizes : tuple of float
        Sizes along the axis, rising; at least four.
    num_seeds : int
        Runs of each size.
    num_days : int
        Independent decision days of the test set.
    base_rate : float
        Share of days on which the event happens.
    correlation : float
        Correlation of the scores of two sizes (their log odds), in [0, 1).
    auc : float
        Area under the ROC curve that the models are expected to reach.
    seed_noise : float
        Standard deviation over seeds of a run's mean loss, in nats.
    exponent : float
        Exponent of the law that is looked for.
    sesoi : float
        Smallest effect of interest, in nats.
    level : float
        Significance level of the verdict's tests.
    variance : float, optional
        Variance of one size's value a day beyond what all sizes share, where the study is not about
        log loss; then ``seed_noise``, ``sesoi`` and all gains are of that outcome too.
    """

    sizes: tuple[float, ...]
    num_seeds: int
    num_days: int
    base_rate: float
    correlation: float = 0.9
    auc: float = 0.6
    seed_noise: float = 0.001
    exponent: float = 0.3
    sesoi: float = 0.005
    level: float = 0.05
    variance: float | None = None

    def __post_init__(self) -> None:
        in_range = {
            "base_rate": (0 < self.base_rate < 1, "between 0 and 1, such as .3"),
            "correlation": (0 <= self.correlation < 1, "0 or more and below 1, such as .9"),
            "auc": (0.5 < self.auc < 1, "between .5 and 1, such as .6"),
            "seed_noise": (self.seed_noise > 0, "above 0, such as .001"),
            "exponent": (self.exponent > 0, "above 0, such as .3"),
            "sesoi": (self.sesoi > 0, "above 0, such as .005"),
            "num_seeds": (self.num_seeds >= 2, "at least 2"),
            "num_days": (self.num_days >= 10, "at least 10 (a panel's days are those it is worth)"),
            "variance": (self.variance is None or self.variance > 0, "above 0"),
        }
        options = {"seed_noise": "--noise", "num_seeds": "--seeds", "num_days": "--days"}
        for name, (valid, allowed) in in_range.items():
            if not valid:
                option = options.get(name, f"--{name.replace('_', '-')}")
                at = "" if name == "variance" else f" (finscale law power {option})"
                raise FinscaleError(
                    f"{name} = {getattr(self, name):g} is out of its range.",
                    hint=f"it is {allowed}{at}",
                )
        if len(self.sizes) < 4 or list(self.sizes) != sorted(set(self.sizes)):
            raise FinscaleError(
                "a study needs at least four sizes, each once, in rising order.",
                hint="three sizes identify no exponent",
            )

    @property
    def day_variance(self) -> float:
        """Variance of one size's value a day beyond what all sizes share: of log loss, nats²."""
        if self.variance is not None:
            return self.variance
        from scipy.special import ndtri

        spread = math.sqrt(2.0) * float(ndtri(self.auc))
        return self.base_rate * (1 - self.base_rate) * spread**2 * (1 - self.correlation)

    def covariance(self) -> SizeCovariance:
        """Return the covariance of the mean losses that this design leads to."""
        num_sizes = len(self.sizes)
        return SizeCovariance(
            mean_G=np.zeros(num_sizes),
            day_GG=np.eye(num_sizes) * self.day_variance / self.num_days,
            seed_variance_G=np.full(num_sizes, self.seed_noise**2),
            seed_degrees_G=np.full(num_sizes, num_sizes * (self.num_seeds - 1.0)),
            seeds_G=np.full(num_sizes, self.num_seeds),
            num_days=self.num_days,
            bandwidth=0,
        )

    def curve(self, gain: float) -> Float:
        """Return the losses ``[G]`` of a law that gains ``gain`` nats from first to last size."""
        size_G, exponent = np.asarray(self.sizes, dtype=np.float64), np.array(-self.exponent)
        return np.asarray(-gain * shape(exponent, size_G, self.sizes[0], self.sizes[-1]))


@dataclass(frozen=True)
class PowerRow:
    """Probability of each verdict at one true gain, and of detecting that loss falls."""

    gain: float
    rates: dict[VerdictName, float]
    sees_fall: float


@dataclass(frozen=True)
class StudyPower:
    """The probabilities of a design, one row a true gain.

    ``smallest_fall`` is the smallest gain (nats, smallest to largest size) that is told from none
    with 80 % power; ``smallest_law`` the smallest whose power law is established, exponent and all,
    infinite where none is.
    """

    design: StudyDesign
    rows: tuple[PowerRow, ...]
    smallest_fall: float
    smallest_law: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return asdict(self)


def study_power(
    design: StudyDesign,
    gains: Sequence[float] | None = None,
    *,
    num_replicates: int = NUM_REPLICATES,
    seed: int = 0,
) -> StudyPower:
    """Simulate a design and return how often it would reach each verdict.

    Parameters
    ----------
    design : StudyDesign
        Sizes, seeds, days and noise.
    gains : sequence of float, optional
        True gains (nats) to tabulate; 0 and multiples of the SESOI when absent.
    num_replicates : int
        Studies drawn for each gain; 1,000 give a standard error of at most 1.6 points.
    seed : int
        Seed of the simulation.

    Examples
    --------
    >>> design = StudyDesign(sizes=(1e4, 1e5, 1e6, 1e7), num_seeds=5, num_days=1500, base_rate=0.2)
    >>> study_power(design, [0.0], num_replicates=200).rows[0].rates["LAW"] <= 0.05
    True
    """
    if gains is None:
        gains = [0.0] + [factor * design.sesoi for factor in (0.5, 1.0, 2.0, 4.0, 8.0)]

    def outcome(gain: float) -> Decisions:
        return simulate_verdicts(
            design.sizes,
            design.covariance(),
            design.curve(gain),
            sesoi=design.sesoi,
            level=design.level,
            num_replicates=num_replicates,
            seed=seed,
        )

    rows = []
    for gain in gains:
        decisions = outcome(gain)
        rows.append(PowerRow(float(gain), decisions.rates(), float(decisions.falls_B.mean())))
    scale = design.covariance().difference(0, -1)[1]
    # allow for the simulation's own error: one-sided 95 %, 1.645 standard errors
    wanted = _WANTED_POWER + 1.645 * math.sqrt(_WANTED_POWER * (1 - _WANTED_POWER) / num_replicates)
    low, high = 0.5 * scale, 500.0 * scale
    return StudyPower(
        design,
        tuple(rows),
        smallest_fall=least(lambda g: outcome(g).falls_B.mean() >= wanted, low, high, 9),
        # infinite for an exponent so steep or so flat that no size shows the curve's bend
        smallest_law=least(lambda g: outcome(g).rates()["LAW"] >= wanted, low, high, 9),
    )
