"""What one model forecast over all its folds, and what acting on it would have earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from finscale.errors import FinscaleError
from finscale.evaluation.backtest import Backtest, Costs, Strategy, backtest
from finscale.evaluation.market import Market
from finscale.evaluation.operating import OperatingRule
from finscale.evaluation.predictions import check_predictions, part
from finscale.evaluation.scores import probabilities

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.runs import Run


@dataclass(frozen=True)
class Forecasts:
    """What one model predicted over all its folds, with all that any outcome asks for.

    Parameters
    ----------
    kind : {"classification", "regression"}
        Of the task.
    horizon : int
        Bars that a label looks ahead.
    predictions : polars.DataFrame
        Validation and test rows of all folds, as ``check_predictions`` returns them.
    train_means : mapping of int to float
        Fold → mean target of its training rows: the historical mean.
    market : Market or None
        Prices of the predicted symbols; None where nothing is traded.
    costs : Costs
        Of trading.
    """

    kind: str
    horizon: int
    predictions: pl.DataFrame
    train_means: Mapping[int, float]
    market: Market | None
    costs: Costs

    @classmethod
    def of(
        cls,
        runs: Sequence[Run],
        *,
        symbols: frozenset[str] | None = None,
        market: Market | None = None,
        costs: Costs | None = None,
    ) -> Forecasts:
        """Gather the folds of one model; of some symbols alone, if given."""
        first = runs[0].config
        rows = check_predictions(pl.concat([run.predictions() for run in runs]), first.name)
        if symbols is not None:
            rows = rows.filter(pl.col("symbol").is_in(list(symbols)))
        means = {run.config.split.fold: run.info["windows"]["train_mean"] for run in runs}
        task = first.task
        return cls(task.kind, task.horizon, rows, means, market, costs or Costs())

    @property
    def test(self) -> pl.DataFrame:
        """Test rows, in order of date, symbol and fold."""
        return part(self.predictions, "test")

    def traded(self) -> Backtest:
        """Return what acting on the predictions earned after costs.

        Long at and above the threshold that validation chose, else in cash; a position is taken at
        the close that decides it and lasts as long as the label looks ahead.
        """
        if self.market is None:
            raise FinscaleError("a backtest needs the bars behind the predictions.")
        limits = thresholds(self.predictions, self.kind)
        margin_TS = self.market.margins(self.predictions, limits)
        return backtest(self.market, margin_TS, Strategy(holding=self.horizon), self.costs)


def thresholds(predictions: pl.DataFrame, kind: str) -> dict[int, float]:
    """Return each fold's threshold as a probability, chosen on its own validation rows.

    For a number instead of a class the sign decides: .5 on the scale of margins.
    """
    rule = OperatingRule()
    folds = part(predictions, "validation").partition_by("fold", maintain_order=True)
    if kind == "regression":
        return {int(rows["fold"][0]): 0.5 for rows in folds}
    return {
        int(rows["fold"][0]): float(
            probabilities(rule.threshold(rows["target"].to_numpy(), rows["logit"].to_numpy()))
        )
        for rows in folds
    }


def bars_of(run: Run, data: DataStore) -> pl.DataFrame:
    """Return date, symbol, open and close of the bars behind a run."""
    frames: list[pl.DataFrame] = []
    for entry in run.info["data"]:
        frame, _ = data.frame(entry["id"], entry["version"])
        frames.append(frame.select("date", "symbol", "open", "close"))
    return pl.concat(frames)


def market_of(bars: pl.DataFrame, symbols: Sequence[str]) -> Market:
    """Return the market of some symbols."""
    return Market.of(bars.filter(pl.col("symbol").is_in(list(symbols))))
