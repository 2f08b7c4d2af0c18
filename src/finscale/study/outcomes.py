"""The outcomes that a study may be about: what each is, and how test days add up to it.

An outcome is an entry of ``OUTCOMES``; adding one is adding an entry (and its rule to
``finscale.config.outcomes``). Each gives a value a day whose mean over days is the outcome, so that
the verdict's machinery (long-run covariance over days, luck of seeds) serves all of them; see
``finscale.evaluation.influence``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import StudyConfig
from finscale.config.outcomes import OutcomeName
from finscale.errors import FinscaleError
from finscale.evaluation.backtest import Backtest, Costs, Market, Strategy, backtest
from finscale.evaluation.bootstrap import Floats, day_means
from finscale.evaluation.influence import auc_by_day, r2_by_day, sharpe_by_day
from finscale.evaluation.operating import OperatingRule
from finscale.evaluation.predictions import check_predictions, part
from finscale.evaluation.scores import log_losses, probabilities, squared_errors
from finscale.registry import Registry
from finscale.scaling.measure import Measure
from finscale.study.outcome_noise import NoiseOf, auc_noise, loss_noise, r2_noise, sharpe_noise

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.runs import Run

#: Days and the value of each.
ByDay = tuple[NDArray[Any], Floats]


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


@dataclass(frozen=True)
class Outcome:
    """What a study can be about.

    Parameters
    ----------
    name : str
        As the study file has it.
    measures : mapping of str to Measure
        Kind of task that it fits → title, unit and direction.
    rows : callable
        Test days of a model → rows with ``day`` and what ``by_day`` needs.
    by_day : callable
        Such rows, of any days → days and values whose mean is the outcome on those days.
    axis : str
        Title of a figure's axis.
    does : str
        What a better network does, for a question: ``Does a larger network …``
    comparable : bool
        Whether values compare across tasks that ask different things (another horizon); if not,
        differences from the base rate's value do.
    trades : bool
        Whether prices are needed.
    noise : mapping of str to callable
        Kind of task → how the outcome is expected to vary, for the power of a study; kinds of which
        it is not known beforehand are missing.
    """

    name: OutcomeName
    measures: Mapping[str, Measure]
    rows: Callable[[Forecasts], pl.DataFrame]
    by_day: Callable[[pl.DataFrame], ByDay]
    axis: str
    does: str
    comparable: bool = True
    trades: bool = False
    noise: Mapping[str, NoiseOf] = field(default_factory=dict)

    def measure(self, kind: str) -> Measure:
        """Return title, unit and direction for a kind of task."""
        return self.measures[kind]

    def daily(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return ``day`` and ``value`` of some rows."""
        days, value_T = self.by_day(rows)
        return pl.DataFrame({"day": days, "value": value_T})


OUTCOMES: Registry[Outcome] = Registry("study outcome")
_AUC_COLUMNS = ("day", "target", "logit")
_R2_COLUMNS = ("day", "error", "benchmark")


def outcome_of(study: StudyConfig) -> Outcome:
    """Return the outcome that a study is about."""
    return OUTCOMES[study.outcome]


def measure_of(study: StudyConfig) -> Measure:
    """Return title, unit and direction of a study's outcome."""
    return outcome_of(study).measure(study.experiment.task.kind)


def costs_of(study: StudyConfig) -> Costs:
    """Return what a study takes trading to cost."""
    return Costs(**study.costs.model_dump())


def _target(test: pl.DataFrame) -> Floats:
    return test["target"].cast(pl.Float64).to_numpy()


def _loss_rows(tested: Forecasts) -> pl.DataFrame:
    test = tested.test
    loss = log_losses if tested.kind == "classification" else squared_errors
    return test.select(day="date", loss=pl.Series(loss(_target(test), test["logit"].to_numpy())))


def _auc_rows(tested: Forecasts) -> pl.DataFrame:
    return tested.test.select("target", "logit", "fold", day="date")


def _r2_rows(tested: Forecasts) -> pl.DataFrame:
    test = tested.test
    mean_N = np.array([tested.train_means[int(fold)] for fold in test["fold"]])
    target_N = _target(test)
    return test.select(
        day="date",
        error=pl.Series(squared_errors(target_N, test["logit"].to_numpy())),
        benchmark=pl.Series(squared_errors(target_N, mean_N)),
    )


def _sharpe_rows(tested: Forecasts) -> pl.DataFrame:
    result = tested.traded()
    return pl.DataFrame({"day": result.dates, "return": result.returns}).with_columns(
        pl.col("day").cast(pl.Date)
    )


OUTCOMES.add(
    "loss",
    Outcome(
        name="loss",
        measures={
            "classification": Measure("loss", "nats"),
            "regression": Measure("loss", "squared return", digits=7),
        },
        rows=_loss_rows,
        # a day is one observation, however many symbols it has
        by_day=lambda rows: day_means(rows["day"].to_numpy(), rows["loss"].to_numpy()),
        axis="test loss",
        does="lose less on days that it has never seen",
        comparable=False,
        noise={"classification": loss_noise},
    ),
)
OUTCOMES.add(
    "auc",
    Outcome(
        name="auc",
        measures={
            "classification": Measure("AUC", "", higher_is_better=True, best=1.0, many="AUCs")
        },
        rows=_auc_rows,
        by_day=lambda rows: auc_by_day(
            *(rows[name].to_numpy() for name in _AUC_COLUMNS), fold=rows["fold"].to_numpy()
        ),
        axis="test AUC, days ranked within their fold (.5 is guessing, 1 perfect)",
        does="rank days better that it has never seen",
        noise={"classification": auc_noise},
    ),
)
OUTCOMES.add(
    "r2",
    Outcome(
        name="r2",
        measures={
            "regression": Measure(
                "R²", "", higher_is_better=True, best=1.0, many="R² values", digits=5
            )
        },
        rows=_r2_rows,
        by_day=lambda rows: r2_by_day(*(rows[name].to_numpy() for name in _R2_COLUMNS)),
        axis="test R² (0 is the mean of the training years)",
        does="explain more of the returns of days that it has never seen",
        noise={"regression": r2_noise},
    ),
)
OUTCOMES.add(
    "sharpe",
    Outcome(
        name="sharpe",
        measures={
            kind: Measure(
                "Sharpe ratio after costs",
                "",
                higher_is_better=True,
                many="Sharpe ratios",
                digits=2,
            )
            for kind in ("classification", "regression")
        },
        rows=_sharpe_rows,
        by_day=lambda rows: (rows["day"].to_numpy(), sharpe_by_day(rows["return"].to_numpy())),
        axis="yearly Sharpe ratio after costs, test days",
        does="earn more for its risk, after costs, on days that it has never seen",
        trades=True,
        noise=dict.fromkeys(("classification", "regression"), sharpe_noise),
    ),
)
