"""Runs become predictions of one model, and the bars behind them a market."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.data import DataStore
from finscale.data.bars import present
from finscale.data.targets import task_reach
from finscale.errors import FinscaleError
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.targets import target_of
from finscale.runs import Run


def predictions_of(
    runs: Sequence[Run],
    *,
    beside: ExperimentConfig | None = None,
    sizes: Mapping[str, float] | None = None,
    budget: Mapping[str, Any] | None = None,
) -> Predictions:
    """Gather what one model predicted over its folds.

    Parameters
    ----------
    runs : sequence of Run
        One a fold, of equal config but for the fold.
    beside : ExperimentConfig, optional
        Of the model that this one is held against, a baseline against a network: it is judged by
        that model's target. Its own target when absent.
    sizes, budget : mapping, optional
        See :class:`Predictions`.

    Raises
    ------
    DataError
        If the predictions are incomplete.
    """
    config = runs[0].config
    judged_as = beside or config
    target = target_of(judged_as)
    table = pl.concat([run.predictions() for run in runs])
    return Predictions(
        table=target.complete(table, judged_as),
        target=target,
        horizon=task_reach(config.task),
        name=model_name(config),
        train_means={run.config.split.fold: run.info["windows"]["train_mean"] for run in runs},
        runs=tuple(run.id for run in runs),
        compares=config.task.is_cross_sectional,
        seed=config.seed,
        nesting=config.data.nesting,
        draw=config.split.train_draw,
        sizes=sizes or {},
        budget=budget or {},
    )


def test_loss(run: Run) -> float | None:
    """Return a run's mean test loss, in its own target's terms; None where it cannot be read.

    That is a reading of the test part, and recorded as one.
    """
    try:
        loss = float(predictions_of([run]).losses_N.mean())
    except FinscaleError:
        return None
    return loss if math.isfinite(loss) else None


def model_name(config: ExperimentConfig) -> str:
    """Return a baseline's name; of a network, its architecture's."""
    model = config.model
    return model.name if isinstance(model, BaselineConfig) else model.kind


def bars_of(run: Run, data: DataStore) -> pl.DataFrame:
    """Return date, symbol, open (where there is one) and close of the bars behind a run."""
    columns = "date", "symbol", "open", "close"
    frames = (data.frame(entry["id"], entry["version"])[0] for entry in run.info["data"])
    parts = [pl.DataFrame(frame) for frame in frames]
    return pl.concat([part.select(present(part, columns)) for part in parts], how="diagonal")


def market_of(bars: pl.DataFrame, symbols: Sequence[str]) -> Market:
    """Return the market of some symbols."""
    return Market.of(bars.filter(pl.col("symbol").is_in(list(symbols))))
