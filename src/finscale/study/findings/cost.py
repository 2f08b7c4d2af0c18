"""What ten times the largest size would cost, from what the study's own runs did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from finscale.evaluation.bootstrap import Metric
from finscale.study.axes import nominal


@dataclass(frozen=True)
class TenfoldCost:
    """The price of one size ten times the largest, with as many seeds and folds."""

    num_runs: int  #: Seeds times folds
    flops: float  #: Training FLOPs of one run
    #: Of one run, on the machine that ran the study; the interval is the range over the runs of the
    #: largest size.
    seconds: Metric
    seconds_per_flop: float  #: Median over the runs of the largest size

    @property
    def total_seconds(self) -> float:
        """Of all runs, one after another."""
        return self.num_runs * self.seconds.value


def tenfold_cost(networks: pl.DataFrame, axis: str) -> TenfoldCost | None:
    """Return what ten times the largest size would cost; None where FLOPs were not recorded.

    FLOPs are carried on by the power of size that the study's own runs followed; seconds by the
    speed of its largest runs.

    Parameters
    ----------
    networks : polars.DataFrame
        Rows of the results table with ``size_<axis>``, ``training_flops`` and ``seconds``.
    """
    size = f"size_{axis}"
    timed = networks.filter((pl.col("training_flops") > 0) & (pl.col("seconds") > 0))
    if timed.is_empty() or timed[size].n_unique() < 2:
        return None
    # a tier's size is a name: how many features it holds is what its FLOPs grow with
    numbers = [nominal(axis, value) for value in timed[size].to_list()]
    timed = timed.with_columns(pl.Series("x", numbers, dtype=pl.Float64))
    by_size = timed.group_by("x").agg(pl.col("training_flops").median()).sort("x")
    power, _ = np.polyfit(np.log(by_size["x"]), np.log(by_size["training_flops"]), 1)
    flops = float(by_size["training_flops"][-1] * 10**power)
    largest = timed.filter(pl.col("x") == pl.col("x").max())
    speeds = (largest["seconds"] / largest["training_flops"]).to_numpy()
    middle = float(np.median(speeds))
    seconds = Metric(middle * flops, float(speeds.min()) * flops, float(speeds.max()) * flops)
    return TenfoldCost(len(largest), flops, seconds, middle)
