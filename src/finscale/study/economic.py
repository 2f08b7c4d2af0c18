"""What computing earns: the Sharpe ratio after costs of a panel's models, against their compute.

The outcome of each size is that of a study about the Sharpe ratio: each run's own strategy,
averaged over its seeds (and draws), on the same days. Errors are those of a verdict: of days,
which all sizes share, and of replicates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from finscale.config import StudyConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.backtest import FREE, Costs
from finscale.evaluation.bootstrap import Floats, Metric, mean_interval
from finscale.evaluation.score_power import smallest_difference
from finscale.scaling import size_covariance
from finscale.scaling.digits import flops, number, signed
from finscale.study.analysis import at_level, longest_horizon, values_by_size
from finscale.study.axes import AXES, nominal
from finscale.study.daily import Completed, daily_values, replicates
from finscale.study.outcomes import OUTCOMES, costs_of

#: Compute that spans less than this says nothing of its tenfold.
LEAST_SPAN = 4.0
#: Timmermann and Vulicevic (2026): with a quarter more compute, a tenth more Sharpe ratio.
PUBLISHED = math.log(1.10) / math.log(1.25)


@dataclass(frozen=True)
class EconomicScaling:
    """Sharpe ratio after costs by training compute, and its slope."""

    axis: str
    table: pl.DataFrame
    """One row a size: label, flops (of one training, mean over runs), value, low, high."""
    slope: Metric
    """Sharpe ratio, a year, that ten times the compute adds."""
    costs: float
    """Sharpe ratio, a year, that trading costs take off, mean over sizes."""
    smallest: float
    """The smallest slope, of either sign, that is seen with 80 % probability."""
    level: float
    compares: bool
    """Whether the strategy is long and short of the symbols of a day."""

    @property
    def is_seen(self) -> bool:
        """Whether the slope is told from 0."""
        return self.slope.low > 0 or self.slope.high < 0

    @property
    def published(self) -> float | None:
        """Slope that the published figure would give from the smallest size's Sharpe ratio.

        None where the smallest size earns nothing that could be multiplied.
        """
        first = float(self.table["value"][0])
        if first <= 0:
            return None
        x_G = np.log10(self.table["flops"].to_numpy())
        return float(_slope_weights(x_G) @ (first * 10 ** (PUBLISHED * (x_G - x_G[0]))))

    @property
    def sentence(self) -> str:
        """Return the slope, whether it is seen, and how it stands to the published figure."""
        first, last = (flops(float(self.table["flops"][place])) for place in (0, -1))
        what = "the long–short" if self.compares else "the strategy"
        said = (
            "it rises with compute"
            if self.slope.low > 0
            else "it falls with compute"
            if self.slope.high < 0
            else "that it changes with compute is not seen"
        )
        return (
            f"The yearly Sharpe ratio of {what} after costs changes by {signed(self.slope, 3)} per "
            f"tenfold of training compute, from {first} to {last} a training: {said} (a "
            f"slope of ±{number(self.smallest)} is seen with 80 % probability). {self._beside()}"
        )

    def _beside(self) -> str:
        told = (
            "Timmermann and Vulicevic (2026) report, without an interval, 10 % more Sharpe ratio "
            f"for 25 % more compute, ×{10**PUBLISHED:.2g} per tenfold"
        )
        theirs = self.published
        if theirs is None:
            return f"{told}; the smallest size earns nothing that could be multiplied."
        inside = "inside" if self.slope.low <= theirs <= self.slope.high else "outside"
        return (
            f"{told}: from the {number(float(self.table['value'][0]))} of the smallest size that "
            f"is {number(theirs)} per tenfold, {inside} the interval."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "table": self.table.to_dicts(),
            "slope_per_tenfold": vars(self.slope),
            "costs_take": self.costs,
            "is_seen": self.is_seen,
            "smallest_seen": self.smallest,
            "published_slope": self.published,
            "sentence": self.sentence,
        }


def economic_scaling(
    study: StudyConfig, completed: Completed, data: DataStore | None = None
) -> EconomicScaling | None:
    """Return how the Sharpe ratio after costs goes with compute; None where that is not known.

    At the largest size of a second axis, as the verdict. Not known is it where the task's outcome
    cannot be traded, the compute of its sizes spans less than ×4, or too few runs are finished.
    """
    axis = next(iter(study.axes))
    kept, _ = at_level(study, completed, None)
    computed = _flops_by_size(axis, kept)
    if len(computed) < 3 or max(computed.values()) < LEAST_SPAN * min(computed.values()):
        return None
    horizon = longest_horizon(study)

    def earned(costs: Costs) -> pl.DataFrame:
        outcome = OUTCOMES["sharpe"]
        return replicates(daily_values(kept, outcome, costs=costs, data=data, common=True))

    try:
        table, before = earned(costs_of(study)), earned(FREE)
        values_GST, _ = values_by_size(table, axis)
        found = size_covariance(values_GST, horizon=horizon)
    except FinscaleError:
        return None
    places = table.select(axis, f"size_{axis}").unique().sort(axis)[f"size_{axis}"].to_list()
    flops_G = np.array([computed[size] for size in places])
    value, error, degrees = found.contrast(_slope_weights(np.log10(flops_G)))
    return EconomicScaling(
        axis=axis,
        table=_by_compute(study, table, computed, horizon),
        slope=_student(value, error, degrees, study.level),
        costs=_mean_of_sizes(before, axis) - _mean_of_sizes(table, axis),
        smallest=smallest_difference(error, level=study.level),
        level=study.level,
        compares=study.experiment.task.is_cross_sectional,
    )


def _flops_by_size(axis: str, kept: Completed) -> dict[float, float]:
    """Return the mean training FLOPs of a size's runs; {} where a run does not tell them."""
    found: dict[float, list[float]] = {}
    for planned, run in kept:
        if planned.cell.is_baseline:
            continue
        own = run.info["training"].get("flops") or 0.0
        found.setdefault(nominal(axis, planned.cell.sizes[axis]), []).append(float(own))
    means = {size: sum(each) / len(each) for size, each in found.items()}
    return means if all(mean > 0 for mean in means.values()) else {}


def _mean_of_sizes(table: pl.DataFrame, axis: str) -> float:
    sizes = table.group_by(f"size_{axis}").agg(pl.col("value").mean())
    return float(sizes["value"].to_numpy().mean())


def _slope_weights(x_G: Floats) -> Floats:
    """Return the weights of sizes whose sum is the slope of least squares on x."""
    centred_G = x_G - x_G.mean()
    return np.asarray(centred_G / (centred_G**2).sum())


def _student(value: float, error: float, degrees: float, level: float) -> Metric:
    from scipy.stats import t

    half = error * float(t.ppf(1 - level / 2, degrees))
    return Metric(value, value - half, value + half)


def _by_compute(
    study: StudyConfig, table: pl.DataFrame, computed: dict[float, float], horizon: int
) -> pl.DataFrame:
    """Return one row a size, compute rising: its Sharpe ratio with the interval of its days."""
    axis, level = next(iter(study.axes)), study.level
    words = {nominal(axis, size): AXES[axis].words(size) for size in study.axes[axis]}
    rows = []
    for size, own in table.group_by(f"size_{axis}"):
        daily = own.group_by("day").agg(pl.col("value").mean()).sort("day")
        days, value_T = daily["day"].to_numpy(), daily["value"].to_numpy()
        metric = mean_interval(days, value_T, overlap=horizon, level=1 - level)
        known = float(size[0])
        rows.append({"label": words[known], "flops": computed[known], **vars(metric)})
    return pl.DataFrame(rows).sort("flops")
