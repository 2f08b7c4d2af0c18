"""Skill: the loss gained over a baseline, by size, by year and by how wild the market was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.evaluation.bootstrap import Floats, Resampler, paired_difference_interval
from finscale.evaluation.evaluation import TERCILES
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.scores import weighted_mean
from finscale.judging.claims import settled
from finscale.study.findings.curve import with_seed_luck


def group_by_size(networks: Sequence[Predictions]) -> list[list[Predictions]]:
    """Return the seeds of each size, sizes rising."""
    groups: dict[tuple[float, ...], list[Predictions]] = {}
    for network in networks:
        groups.setdefault(tuple(network.sizes.values()), []).append(network)
    return list(groups.values())


def mean_losses(group: Sequence[Predictions]) -> Floats:
    """Return each test row's loss, averaged over seeds."""
    return np.asarray(np.mean([network.losses_N for network in group], axis=0))


def skill_by_size(
    group: Sequence[Predictions],
    baselines: Sequence[Mapping[str, Predictions]],
    luck: Mapping[float, float],
    *,
    level: float,
) -> pl.DataFrame:
    """Return the skill of one size over each baseline: size columns, over, value, low, high.

    ``baselines`` has those beside each network: of another nesting they read other features, and
    their losses are averaged as the networks' are. Intervals hold the luck of days (blocks of them,
    paired) and of seeds, which ``luck`` has by size
    (:func:`finscale.study.findings.curve.seed_luck`).
    """
    rows: list[dict[str, Any]] = []
    for name in baselines[0]:
        baseline_N = mean_losses([beside[name] for beside in baselines])
        metric = paired_difference_interval(
            group[0].test["date"].to_numpy(),
            baseline_N,
            mean_losses(group),
            overlap=group[0].horizon,
            level=1 - level,
        )
        metric = settled(metric, float(baseline_N.mean()))
        metric = with_seed_luck(metric, luck, next(iter(group[0].sizes.values())))
        rows.append({**group[0].sizes, "over": name, "seeds": len(group), **vars(metric)})
    return pl.DataFrame(rows, infer_schema_length=None)


def volatility_known(market: Market) -> pl.DataFrame:
    """Return date, symbol, volatility: what was known at each close (annualised, EWMA)."""
    volatility_TS = market.volatility
    return pl.concat(
        pl.DataFrame({"date": market.dates, "volatility": volatility_TS[:, column]}).with_columns(
            pl.col("date").cast(pl.Date), symbol=pl.lit(symbol)
        )
        for column, symbol in enumerate(market.symbols)
    )


def skill_by_group(
    group: Sequence[Predictions],
    baselines: Mapping[str, Predictions],
    volatility: pl.DataFrame,
    *,
    level: float,
) -> pl.DataFrame:
    """Return the skill of one size in each year and volatility tercile.

    Columns group (year or volatility), label, over, days, value, low, high. Losses are averaged
    over seeds; intervals hold the luck of days.
    """
    test, horizon = group[0].test, group[0].horizon
    date_N = test["date"].to_numpy()
    rows: list[dict[str, Any]] = []
    for name, baseline in baselines.items():
        gain_N = baseline.losses_N - mean_losses(group)
        resampler = Resampler.over(date_N, gain_N, overlap=horizon, level=1 - level)
        for kind, label, mask_N in _masks(test, volatility):
            score = partial(weighted_mean, gain_N[mask_N])
            metric = resampler.where(mask_N).metrics({"skill": score})["skill"]
            days = len(np.unique(date_N[mask_N]))
            place = {"group": kind, "label": label, "over": name, "days": days}
            rows.append({**place, **vars(metric)})
    return pl.DataFrame(rows, infer_schema_length=None)


def _masks(
    test: pl.DataFrame, volatility: pl.DataFrame
) -> list[tuple[str, str, NDArray[np.bool_]]]:
    year_N = test["date"].dt.year().to_numpy()
    masks = [("year", str(year), year_N == year) for year in np.unique(year_N)]
    known = test.join(volatility, on=("date", "symbol"), how="left", maintain_order="left")
    volatility_N = known["volatility"].to_numpy()
    tercile_N = np.searchsorted(np.quantile(volatility_N, [1 / 3, 2 / 3]), volatility_N)
    masks += [("volatility", name, tercile_N == index) for index, name in enumerate(TERCILES)]
    return masks
