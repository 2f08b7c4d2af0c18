"""One model's predictions over its folds: the table that everything is computed from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.evaluation.bootstrap import Floats
from finscale.evaluation.targets import TARGETS, Target, outputs

#: Columns of predictions.parquet; ``logit`` holds the number itself where one is predicted.
SCHEMA: dict[str, type[pl.DataType]] = {
    "date": pl.Date,
    "symbol": pl.String,
    "fold": pl.Int32,
    "split": pl.String,
    "target": pl.Float32,
    "logit": pl.Float64,
}
KEY = ("date", "symbol", "fold")

#: Dates, targets and logits of N rows, each of shape (N,).
Rows = tuple[NDArray[Any], Floats, Floats]


@dataclass(frozen=True, eq=False)
class Predictions:
    """One model's predictions over its folds, and what is needed to judge them.

    Parameters
    ----------
    table : polars.DataFrame
        One row a held-out window, with the columns of :data:`SCHEMA` and those that the target asks
        for (``quantile_0.1`` …). It is checked, and put in order of split, date, symbol and fold.
    target : Target
        What is predicted; an event when absent.
    horizon : int
        H, bars that a label looks ahead: labels of neighbouring days overlap.
    name : str
        The model's; errors have it.
    train_means : mapping of int to float
        Fold → mean target of its training rows: the historical mean.
    runs : tuple of str
        Ids of the runs, one a fold, where these are predictions of runs.
    compares : bool
        Whether the label compares the symbols of a day, so that one acts on a symbol's rank of the
        day rather than on a threshold.
    seed : int
        Of weights and data order.
    nesting : int
        The order in which features joined the tiers; 0 is the canonical one.
    draw : int
        Which symbols were drawn to be trained on.
    sizes : mapping of str to float
        Scale axis of a study → what was measured of the model, averaged over the runs of its size:
        a law's x. Of a baseline only the axes that change its data.
    budget : mapping
        Scale axis → size as the study file names it: a number, or a tier.

    Raises
    ------
    DataError
        For a missing column, no test rows, a value that is not a number, or a window twice.
    """

    table: pl.DataFrame
    target: Target = TARGETS["classification"]
    horizon: int = 1
    name: str = "predictions"
    train_means: Mapping[int, float] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    compares: bool = False
    seed: int = 0
    nesting: int = 0
    draw: int = 0
    sizes: Mapping[str, float] = field(default_factory=dict)
    budget: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _checked(self.table, self.name, self.target))

    @property
    def id(self) -> str:
        """The run's id; several folds are joined by a plus."""
        return "+".join(self.runs)

    @cached_property
    def test(self) -> pl.DataFrame:
        """Test rows in order of date, symbol and fold."""
        return self._part("test")

    @cached_property
    def validation(self) -> pl.DataFrame:
        """Validation rows in the same order."""
        return self._part("validation")

    @cached_property
    def keys(self) -> pl.DataFrame:
        """Date, symbol and fold of each test row."""
        return self.test.select(*KEY)

    def _part(self, split: str) -> pl.DataFrame:
        # the table is in order of its parts
        first, last = (self.table["split"].search_sorted(split, side) for side in ("left", "right"))
        return self.table[first:last]

    @cached_property
    def folds(self) -> list[int]:
        """The folds that test rows belong to, ascending."""
        return sorted(self.test["fold"].unique().to_list())

    def arrays(self, split: str, fold: int | None = None) -> Rows:
        """Return dates, targets (float64) and outputs of a part, of one fold if given."""
        rows, fold_N = self._arrays[split]
        if fold is None:
            return rows
        dates_N, target_N, logit_N = (column_N[fold_N == fold] for column_N in rows)
        return dates_N, target_N, logit_N

    @cached_property
    def _arrays(self) -> dict[str, tuple[Rows, NDArray[Any]]]:
        return {
            split: ((part["date"].to_numpy(), *outputs(part)), part["fold"].to_numpy())
            for split, part in (("test", self.test), ("validation", self.validation))
        }

    @cached_property
    def losses_N(self) -> Floats:
        """Loss of each test row, in the target's unit."""
        return self.target.loss(self.test)

    @cached_property
    def validation_loss(self) -> float:
        """Mean loss over validation rows of all folds."""
        return float(self.target.loss(self.validation).mean())

    @cached_property
    def known_mean(self) -> Floats:
        """For each test row the mean of the targets that were known when it was decided.

        These are the validation and test targets of its own fold decided at least H days earlier,
        whose last bar has closed; before the first is known the mean is taken as zero.
        """
        known = (
            self.table.group_by("fold", "date")
            .agg(pl.col("target").cast(pl.Float64).sum().alias("total"), pl.len().alias("number"))
            .sort("fold", "date")
            .with_columns(
                pl.col("total", "number")
                .cum_sum()
                .shift(self.horizon)
                .over("fold", order_by="date")
            )
            .select("fold", "date", mean=(pl.col("total") / pl.col("number")).fill_null(0.0))
        )
        rows = self.test.join(known, on=("fold", "date"), how="left")
        return rows.sort(*KEY)["mean"].to_numpy()

    @cached_property
    def training_mean(self) -> Floats:
        """For each test row the mean target of the training rows of its fold."""
        return np.array([self.train_means[int(fold)] for fold in self.test["fold"]])

    def of_symbols(self, symbols: Collection[str]) -> Predictions:
        """Return the rows of some symbols."""
        return replace(self, table=self.table.filter(pl.col("symbol").is_in(list(symbols))))


def aligned(predictions: Predictions, other: Predictions, name: str) -> pl.DataFrame:
    """Return the test rows of ``other`` in the order of those of ``predictions``.

    Two models are compared on exactly the same windows or not at all.

    Raises
    ------
    DataError
        When the windows differ, their targets do, or what is predicted of them.
    """
    if predictions.target is not other.target:
        raise DataError(
            f"{name} predicts {other.target.words.what}, {predictions.name} "
            f"{predictions.target.words.what}: their losses cannot be compared."
        )
    ours, theirs = predictions.test, other.test
    if ours.height != theirs.height or not predictions.keys.equals(other.keys):
        shared = ours.join(theirs, on=KEY, how="semi").height
        raise DataError(
            f"{name} was tested on other windows: {theirs.height:,} against {ours.height:,}, "
            f"{shared:,} in common.",
            hint="compare runs with the same data, task, context length and split",
        )
    if not np.array_equal(ours["target"].to_numpy(), theirs["target"].to_numpy()):
        raise DataError(f"{name} was tested on other targets of the same windows.")
    return theirs


def _checked(table: pl.DataFrame, name: str, target: Target) -> pl.DataFrame:
    """Return predictions in order of split, date, symbol and fold, or say what is wrong."""
    missing = [column for column in SCHEMA if column not in table.columns]
    if missing:
        raise DataError(f"{name}: column {missing[0]} is missing.", hint="has " + ", ".join(SCHEMA))
    own = target.columns(table.columns)
    numbers = ["target", "logit", *own]
    types: dict[str, type[pl.DataType]] = {**SCHEMA, **dict.fromkeys(own, pl.Float64)}
    table = table.select(pl.col(column).cast(kind) for column, kind in types.items())
    if table.filter(pl.col("split") == "test").is_empty():
        raise DataError(f"{name}: no row has split 'test', so there is nothing to evaluate.")
    broken = table.filter(~pl.all_horizontal(pl.col(numbers).is_finite().fill_null(value=False)))
    if not broken.is_empty():
        raise DataError(
            f"{name}: {broken.height:,} of {table.height:,} rows have no finite target or "
            f"prediction, the first on {broken['date'].min()!s}.",
            hint="a model that diverged is not evaluated on the rows that it survived",
        )
    twice = table.select("split", *KEY).is_duplicated()
    if twice.any():
        raise DataError(
            f"{name}: {table.filter(twice)['date'].min()!s} occurs twice for one symbol."
        )
    return table.sort("split", *KEY)
