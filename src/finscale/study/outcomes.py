"""The outcomes that a study may be about: what each is, and how test days add up to it.

An outcome is an entry of ``OUTCOMES``; adding one is adding an entry (and its rule to
``finscale.config.outcomes``). Each gives a value a day whose mean over days is the outcome, so that
the verdict's machinery (long-run covariance over days, luck of seeds) serves all of them; see
``finscale.evaluation.influence``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import StudyConfig
from finscale.config.outcomes import OUTCOMES as RULES
from finscale.config.outcomes import OutcomeName
from finscale.errors import FinscaleError
from finscale.evaluation.backtest import Costs, follow
from finscale.evaluation.bootstrap import Floats, day_means
from finscale.evaluation.influence import auc_by_day, r2_by_day, sharpe_by_day
from finscale.evaluation.losses import squared_errors
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.section import LEAST, PanelForecasts, rank_correlations
from finscale.evaluation.targets import Target, target_of
from finscale.registry import Registry
from finscale.scaling.measure import Measure
from finscale.study.outcome_noise import (
    NoiseOf,
    auc_noise,
    ic_noise,
    loss_noise,
    r2_noise,
    sharpe_noise,
)

#: Days and the value of each.
ByDay = tuple[NDArray[Any], Floats]
#: Prices of the predicted symbols, and what trading them costs.
Trade = tuple[Market, Costs]


@dataclass(frozen=True)
class Outcome:
    """What a study can be about."""

    name: OutcomeName  #: As the study file has it
    #: Target → title, unit and direction. ``finscale.config.outcomes`` says which targets it fits.
    measure: Callable[[Target], Measure]
    #: Predictions of a model, and prices where it trades → rows with ``day`` and what ``by_day``
    #: needs.
    rows: Callable[[Predictions, Trade | None], pl.DataFrame]
    #: Such rows, of any days → days and values whose mean is the outcome on those days.
    by_day: Callable[[pl.DataFrame], ByDay]
    axis: str  #: Title of a figure's axis
    does: str  #: What a better network does, for a question: ``Does a larger network …``
    #: Whether values compare across tasks that ask different things (another horizon); if not,
    #: differences from the base rate's value do.
    comparable: bool = True
    trades: bool = False  #: Whether prices are needed
    #: Target → how the outcome is expected to vary, for the power of a study; targets of which it
    #: is not known beforehand are missing.
    noise: Mapping[str, NoiseOf] = field(default_factory=dict)
    #: How the symbols of a day count in that: as many as its labels are worth, all of them, or the
    #: day as one.
    counts: Literal["labels", "symbols", "days"] = "labels"

    def daily(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return ``day`` and ``value`` of some rows."""
        days, value_T = self.by_day(rows)
        return pl.DataFrame({"day": days, "value": value_T})


OUTCOMES: Registry[Outcome] = Registry("study outcome")


def outcome_of(study: StudyConfig) -> Outcome:
    """Return the outcome that a study is about."""
    return OUTCOMES[study.outcome]


def measure_of(study: StudyConfig) -> Measure:
    """Return title, unit and direction of a study's outcome."""
    return outcome_of(study).measure(target_of(study.experiment)).finer(study.sesoi)


def loss_measure(study: StudyConfig) -> Measure:
    """Return title and unit of a study's loss, in the digits that its effects need."""
    loss = OUTCOMES["loss"].measure(target_of(study.experiment))
    return loss.finer(study.sesoi) if study.outcome == "loss" else loss


def costs_of(study: StudyConfig) -> Costs:
    """Return what a study takes trading to cost."""
    return Costs(**study.costs.model_dump())


def _arrays(rows: pl.DataFrame, *names: str) -> Iterator[NDArray[Any]]:
    return (rows[name].to_numpy() for name in names)


def _r2_rows(predictions: Predictions, trade: Trade | None) -> pl.DataFrame:
    _, target_N, output_N = predictions.arrays("test")
    return predictions.test.select(
        day="date",
        error=pl.Series(squared_errors(target_N, output_N)),
        benchmark=pl.Series(squared_errors(target_N, predictions.training_mean)),
    )


def _sharpe_rows(predictions: Predictions, trade: Trade | None) -> pl.DataFrame:
    if trade is None:
        raise FinscaleError("a backtest needs the bars behind the predictions.")
    result = follow(predictions, *trade)
    return pl.DataFrame({"day": result.dates, "return": result.returns}).with_columns(
        pl.col("day").cast(pl.Date), periods=pl.lit(float(result.periods))
    )


def _ic_rows(predictions: Predictions, trade: Trade | None) -> pl.DataFrame:
    if trade is None:
        raise FinscaleError("a rank IC needs the bars behind the predictions.")
    panel = PanelForecasts.of(predictions, trade[0])
    judged = panel.both_TS.sum(axis=1) >= LEAST
    # forecasts that are all equal rank nothing: no correlation
    ic_T = np.nan_to_num(rank_correlations(panel)[judged])
    return pl.DataFrame({"day": panel.dates[judged], "ic": ic_T}).with_columns(
        pl.col("day").cast(pl.Date)
    )


def _sharpe_by_day(rows: pl.DataFrame) -> ByDay:
    values_T = sharpe_by_day(rows["return"].to_numpy(), periods=rows["periods"][0])
    return rows["day"].to_numpy(), values_T


for _outcome in (
    Outcome(
        name="loss",
        measure=lambda target: Measure("loss", target.words.unit, digits=target.loss_digits),
        rows=lambda predictions, _: predictions.test.select(
            day="date", loss=pl.Series(predictions.losses_N)
        ),
        # a day is one observation, however many symbols it has
        by_day=lambda rows: day_means(*_arrays(rows, "day", "loss")),
        axis="test loss",
        does="lose less on days that it has never seen",
        comparable=False,
        noise={"classification": loss_noise},
    ),
    Outcome(
        name="auc",
        measure=lambda target: Measure("AUC", "", higher_is_better=True, best=1.0, many="AUCs"),
        rows=lambda predictions, _: predictions.test.select("target", "logit", "fold", day="date"),
        by_day=lambda rows: auc_by_day(
            *_arrays(rows, "day", "target", "logit"), fold=rows["fold"].to_numpy()
        ),
        axis="test AUC, days ranked within their fold (.5 is guessing, 1 perfect)",
        does="rank days better that it has never seen",
        noise={"classification": auc_noise},
    ),
    Outcome(
        name="r2",
        measure=lambda target: Measure(
            "R²", "", higher_is_better=True, best=1.0, many="R² values", digits=5
        ),
        rows=_r2_rows,
        by_day=lambda rows: r2_by_day(*_arrays(rows, "day", "error", "benchmark")),
        axis="test R² (0 is the mean of the training years)",
        does="explain more of the returns of days that it has never seen",
        noise={"regression": r2_noise},
    ),
    Outcome(
        name="sharpe",
        measure=lambda target: Measure(
            "Sharpe ratio after costs", "", higher_is_better=True, many="Sharpe ratios", digits=2
        ),
        rows=_sharpe_rows,
        by_day=_sharpe_by_day,
        axis="yearly Sharpe ratio after costs, test days",
        does="earn more for its risk, after costs, on days that it has never seen",
        trades=True,
        noise=dict.fromkeys(RULES["sharpe"].sesoi, sharpe_noise),
        counts="days",
    ),
    Outcome(
        name="ic",
        measure=lambda target: Measure(
            "rank IC", "", higher_is_better=True, best=1.0, many="rank ICs", digits=4
        ),
        rows=_ic_rows,
        by_day=lambda rows: (rows["day"].to_numpy(), rows["ic"].to_numpy()),
        axis="test rank IC, mean over days (0 is guessing)",
        does="rank a day's symbols better on days that it has never seen",
        trades=True,
        noise=dict.fromkeys(RULES["ic"].sesoi, ic_noise),
        counts="symbols",
    ),
):
    OUTCOMES.add(_outcome.name, _outcome)
