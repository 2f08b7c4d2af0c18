"""What can be predicted, and how predictions of it are judged: an entry of ``TARGETS`` each.

Everything that depends on what is predicted is told by its entry: the loss of a decision, the
scores, and the words of tables. Adding a target is adding an entry (its name and default loss stand
in ``finscale.config.losses``, its outcomes in ``finscale.config.outcomes``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import polars as pl

from finscale.config import ExperimentConfig
from finscale.config.losses import DEFAULT_LOSSES, quantile_levels, target_name
from finscale.config.outcomes import TARGET_WORDS
from finscale.errors import DataError
from finscale.evaluation.blocks import Floats
from finscale.evaluation.losses import log_losses, mean_pinball_losses, squared_errors
from finscale.evaluation.rows import Classified, ForecastQuantiles, Regressed
from finscale.evaluation.scores import CLASSIFICATION, QUANTILE, REGRESSION, Score
from finscale.registry import Registry

#: Columns of predicted quantiles are called ``quantile_0.1`` and so on.
QUANTILE_PREFIX = "quantile_"


@dataclass(frozen=True)
class TargetWords:
    """How tables and sentences speak of a target.

    Attributes
    ----------
    what : str
        What is forecast: ``"a yes or no"``.
    unit, change : str
        Unit of a loss, and of a difference of losses where there is little room.
    first, second : str
        Heads of columns for the first and the second score.
    title : str
        The first score with its unit.
    its : tuple of str
        Heads for a baseline's own two scores.
    region : str
        What conformal prediction makes: ``"sets"`` or ``"intervals"``.
    """

    what: str
    unit: str
    change: str
    first: str
    second: str
    title: str
    its: tuple[str, str]
    region: str


@dataclass(frozen=True, eq=False)
class Target:
    """What is predicted.

    Attributes
    ----------
    name : str
        In ``TARGETS``.
    words : TargetWords
        For tables and sentences.
    training_loss : str
        The loss that trains for it where a config names none.
    is_event : bool
        Whether outputs are log odds of an event. Calibration, thresholds, reliability, AUC tests
        and the power of a test are of events alone.
    loss : callable
        Rows of predictions → the loss of each, shape (N,).
    rows : callable
        Test rows → what scores are computed from. The rows have ``historical_mean`` (the mean that
        R² is measured against) and may have ``flagged`` (1.0 above an operating point).
    scores : mapping of str to Score
        By name.
    first, second : str
        The score that orders models, and the one shown beside it.
    card : tuple of str
        Scores that ``finscale train`` shows.
    digits, range_digits, loss_digits : int
        Decimals of the first score, of its range over runs, and of losses whose differences count.
    columns : callable
        Columns of a table → those that its predictions lie in, beside ``logit``.
    complete : callable
        Checked rows of all folds and the config of a model → the same rows with the columns that
        the model is judged by, for a model that predicted less (a baseline).
    """

    name: str
    words: TargetWords
    training_loss: str
    is_event: bool
    loss: Callable[[pl.DataFrame], Floats]
    rows: Callable[[pl.DataFrame], Classified | Regressed]
    scores: Mapping[str, Score[Any]]
    first: str
    second: str
    card: tuple[str, ...]
    digits: int = 5
    range_digits: int = 5
    loss_digits: int = 7
    columns: Callable[[Iterable[str]], list[str]] = lambda columns: []
    complete: Callable[[pl.DataFrame, ExperimentConfig], pl.DataFrame] = lambda rows, config: rows


TARGETS: Registry[Target] = Registry("target")


def target_of(config: ExperimentConfig) -> Target:
    """Return what an experiment predicts.

    Examples
    --------
    >>> target_of(ExperimentConfig()).name
    'classification'
    """
    target = TARGETS[target_name(config)]
    return _scored(target) if config.task.name == "rank" and not target.is_event else target


@cache
def _scored(target: Target) -> Target:
    """Return the target of a task whose numbers are normal scores of a rank, and no returns."""
    unit = "squared normal score" if target.words.unit == "squared return" else "normal score"
    title = target.words.title.replace("(return)", "(normal score)")
    return replace(target, words=replace(target.words, unit=unit, title=title))


def score_target(columns: Iterable[str]) -> Target:
    """Return the target that a table of results is about: its first score is a column.

    Raises
    ------
    DataError
        If no target's first score is there.
    """
    known = set(columns)
    for target in TARGETS.values():
        if target.first in known:
            return target
    raise DataError("these results have no score that any target is judged by.")


def outputs(rows: pl.DataFrame) -> tuple[Floats, Floats]:
    """Return targets (float64) and outputs of rows, each of shape (N,)."""
    return rows["target"].cast(pl.Float64).to_numpy(), rows["logit"].to_numpy()


def _row_loss(loss: Callable[[Floats, Floats], Floats], rows: pl.DataFrame) -> Floats:
    return loss(*outputs(rows))


def _event_rows(test: pl.DataFrame) -> Classified:
    flagged_N = test["flagged"].to_numpy() if "flagged" in test.columns else None
    return Classified.of(*outputs(test), fold=test["fold"].to_numpy(), flagged=flagged_N)


def _number_rows(test: pl.DataFrame) -> Regressed:
    return Regressed(*outputs(test), test["historical_mean"].to_numpy())


def quantile_columns(columns: Iterable[str]) -> list[str]:
    """Return the columns of predicted quantiles, levels ascending."""
    found = [name for name in columns if name.startswith(QUANTILE_PREFIX)]
    return sorted(found, key=_level)


def _level(column: str) -> float:
    return float(column.removeprefix(QUANTILE_PREFIX))


def _quantiles(rows: pl.DataFrame) -> tuple[Floats, tuple[float, ...]]:
    """Return predicted quantiles [N, Q] and their levels."""
    names = quantile_columns(rows.columns)
    if not names:
        raise DataError(
            "these predictions have no quantiles.",
            hint=f"columns such as {QUANTILE_PREFIX}0.5 hold them",
        )
    return rows.select(pl.col(names).cast(pl.Float64)).to_numpy(), tuple(map(_level, names))


def _quantile_loss(rows: pl.DataFrame) -> Floats:
    return mean_pinball_losses(outputs(rows)[0], *_quantiles(rows))


def _quantile_rows(test: pl.DataFrame) -> ForecastQuantiles:
    predicted_NQ, levels = _quantiles(test)
    mean_N = test["historical_mean"].to_numpy()
    return ForecastQuantiles(*outputs(test), mean_N, outputs=predicted_NQ, levels=levels)


def _with_quantiles(rows: pl.DataFrame, config: ExperimentConfig) -> pl.DataFrame:
    """Give a model that predicts one number the quantiles of its own validation errors.

    Each fold's quantiles are its prediction plus that quantile of the errors on its validation
    rows, so that the base rate becomes the spread of past returns. One number held against every
    level would be a straw man.
    """
    if quantile_columns(rows.columns):
        return rows
    known = rows.filter(split="validation")
    error = (pl.col("target").cast(pl.Float64) - pl.col("logit")).alias("error")
    by_fold = {
        int(part["fold"][0]): part["error"].to_numpy()
        for part in known.select("fold", error).partition_by("fold")
    }
    missing = sorted(set(rows["fold"].unique().to_list()) - set(by_fold))
    if missing:
        raise DataError(f"fold {missing[0]} has no validation rows to take quantiles of errors of.")
    fold, added = pl.col("fold"), {}
    for level in quantile_levels(config):
        shifts = {number: float(np.quantile(e_N, level)) for number, e_N in by_fold.items()}
        shift = fold.replace_strict(shifts, return_dtype=pl.Float64)
        added[f"{QUANTILE_PREFIX}{level:g}"] = pl.col("logit") + shift
    return rows.with_columns(**added)


TARGETS.add(
    "classification",
    Target(
        name="classification",
        words=TargetWords(
            what=TARGET_WORDS["classification"],
            unit="nats",
            change="nats",
            first="log loss",
            second="AUC",
            title="log loss (nats)",
            its=("its loss", "its AUC"),
            region="sets",
        ),
        training_loss=DEFAULT_LOSSES["classification"],
        is_event=True,
        loss=partial(_row_loss, log_losses),
        rows=_event_rows,
        scores=CLASSIFICATION,
        first="log_loss",
        second="auc",
        card=("log_loss", "auc"),
        digits=4,
        range_digits=3,
        loss_digits=4,
    ),
)
TARGETS.add(
    "regression",
    Target(
        name="regression",
        words=TargetWords(
            what=TARGET_WORDS["regression"],
            unit="squared return",
            change="squared",
            first="RMSE",
            second="rank corr.",
            title="RMSE (return)",
            its=("its RMSE", "its rank corr."),
            region="intervals",
        ),
        training_loss=DEFAULT_LOSSES["regression"],
        is_event=False,
        loss=partial(_row_loss, squared_errors),
        rows=_number_rows,
        scores=REGRESSION,
        first="rmse",
        second="rank_correlation",
        card=("rmse", "r2_oos", "rank_correlation"),
    ),
)
TARGETS.add(
    "quantile",
    Target(
        name="quantile",
        words=TargetWords(
            what=TARGET_WORDS["quantile"],
            unit="return",
            change="return",
            first="pinball",
            second="rank corr.",
            title="pinball loss (return)",
            its=("its pinball", "its rank corr."),
            region="intervals",
        ),
        training_loss="quantile",
        is_event=False,
        loss=_quantile_loss,
        rows=_quantile_rows,
        scores=QUANTILE,
        first="pinball",
        second="rank_correlation",
        card=("pinball", "coverage", "rank_correlation"),
        columns=quantile_columns,
        complete=_with_quantiles,
    ),
)
