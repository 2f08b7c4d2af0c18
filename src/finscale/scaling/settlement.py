"""How many more days or seeds would settle an open study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finscale.scaling.covariance import SizeCovariance
from finscale.scaling.simulation import least, simulate_verdicts
from finscale.scaling.trend import Float

_WANTED_POWER = 0.8


@dataclass(frozen=True)
class Settlement:
    """What would settle an open study with 80 % probability.

    Test days with as many seeds as now, seeds a size with as many days, or both multiplied alike;
    None where that cannot settle it within a hundredfold. ``assumption``: what is taken as true.
    """

    num_days: int | None
    num_seeds: int | None
    both: tuple[int, int] | None
    assumption: str

    def __str__(self) -> str:
        ways = []
        if self.num_days is not None:
            ways.append(_days(self.num_days))
        if self.num_seeds is not None:
            ways.append(f"{self.num_seeds} seeds a size")
        if not ways and self.both is not None:
            ways = [f"{_days(self.both[0])} and {self.both[1]} seeds a size together"]
        if not ways:
            return (
                "Even a hundred times as many test days and seeds would probably not settle it, "
                f"{self.assumption}"
            )
        means = " or ".join(ways)
        return f"{means[0].upper()}{means[1:]} would probably settle it, {self.assumption}"


def _days(count: int) -> str:
    """Return a number of days, rounded up to two digits, in words."""
    unit = int(10 ** max(len(str(count)) - 2, 0))
    return f"about {-(-count // unit) * unit:,} test days"


def settlement(
    sizes: Sequence[float],
    covariance: SizeCovariance,
    truth_G: Float,
    *,
    sesoi: float,
    level: float = 0.05,
    assumption: str = "if the curve given is the truth",
    num_replicates: int = 300,
    seed: int = 0,
) -> Settlement:
    """Return how many days and seeds would lead to a verdict other than INDETERMINATE."""
    num_days, num_seeds = covariance.num_days, float(covariance.seeds_G.mean())

    def settles(days_factor: float, seeds_factor: float) -> bool:
        planned = covariance.scaled(
            num_days=num_days * days_factor, num_seeds=num_seeds * seeds_factor
        )
        rates = simulate_verdicts(
            sizes,
            planned,
            truth_G,
            sesoi=sesoi,
            level=level,
            num_replicates=num_replicates,
            seed=seed,
        ).rates()
        return 1 - rates["INDETERMINATE"] >= _WANTED_POWER

    days = least(lambda f: settles(f, 1), 1.0, 100.0, 6) if num_days else np.inf
    seeds = least(lambda f: settles(1, f), 1.0, 100.0, 6)
    both = least(lambda f: settles(f, f), 1.0, 100.0, 6) if num_days else np.inf

    def grown(count: float, factor: float) -> int | None:
        return int(np.ceil(count * factor)) if np.isfinite(factor) else None

    alike = grown(num_days, both), grown(num_seeds, both)
    return Settlement(
        num_days=grown(num_days, days),
        num_seeds=grown(num_seeds, seeds),
        both=(alike[0], alike[1]) if alike[0] and alike[1] else None,
        assumption=assumption,
    )
