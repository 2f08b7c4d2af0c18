"""What a study's runs allow to be said: daily losses by size and seed, and the verdict on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from finscale.config import BaselineConfig, StudyConfig
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import day_means
from finscale.scaling import Verdict, decide
from finscale.study.scoring import losses

if TYPE_CHECKING:
    from finscale.runs import Run
    from finscale.study.study import Planned


def daily_losses(completed: Sequence[tuple[Planned, Run]]) -> pl.DataFrame:
    """Return one row per run and test day: axis sizes, parameters, seed, fold, day, loss.

    Several symbols on one day are averaged: a day is one observation. Runs whose size is named by
    parameters carry the built count, not the budget.
    """
    frames = [
        _one_run(planned, run)
        for planned, run in completed
        if not isinstance(run.config.model, BaselineConfig)
    ]
    if not frames:
        raise FinscaleError("no network of this study is finished yet.")
    return pl.concat(frames)


def _one_run(planned: Planned, run: Run) -> pl.DataFrame:
    test = run.predictions("test")
    days, means = day_means(test["date"].to_numpy(), losses(run, "test"))
    sizes = {axis: float(size) for axis, size in planned.cell.sizes.items()}
    return pl.DataFrame({"day": days, "loss": means}).with_columns(
        *(pl.lit(size).alias(axis) for axis, size in sizes.items()),
        pl.lit(float(run.info["parameters"]["total"])).alias("parameters"),
        pl.lit(run.config.seed).alias("seed"),
        pl.lit(run.config.split.fold).alias("fold"),
    )


def verdict(study: StudyConfig, completed: Sequence[tuple[Planned, Run]]) -> Verdict:
    """Judge the study by the statement that it made before its first run.

    Raises
    ------
    FinscaleError
        If too few runs are finished to judge.
    """
    table = daily_losses(completed)
    axis = next(iter(study.axes))
    days = table["day"].unique().sort()
    size_G = np.sort(table[axis].unique().to_numpy())
    seeds = table["seed"].unique().sort()
    # a day is tested in one fold only, so the folds of a size and seed make one series
    wide = table.pivot(on="day", index=[axis, "seed"], values="loss", sort_columns=True)
    losses_GST = np.full((len(size_G), len(seeds), len(days)), np.nan)
    for size, seed, *values in wide.iter_rows():
        place = np.searchsorted(size_G, size), seeds.index_of(seed)
        losses_GST[place] = values
    whole_GS = np.isfinite(losses_GST).all(axis=2)
    losses_GST[~whole_GS] = np.nan
    return decide(
        losses_GST,
        size_G,
        sesoi=study.sesoi,
        axis=axis,
        level=study.level,
        horizon=study.experiment.task.horizon,
        unit="nats" if study.experiment.task.kind == "classification" else "squared return",
    )
