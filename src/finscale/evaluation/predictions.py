"""The table that everything is computed from: one row a held-out window."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.evaluation.bootstrap import Floats

#: Columns of predictions.parquet; ``logit`` holds the prediction itself where the task is a number.
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


def check_predictions(predictions: pl.DataFrame, name: str = "predictions") -> pl.DataFrame:
    """Return predictions in order of date, symbol and fold, or say what is wrong with them.

    Parameters
    ----------
    predictions : polars.DataFrame
        With the columns of :data:`SCHEMA`.
    name : str
        What an error calls them.

    Raises
    ------
    DataError
        For a missing column, no test rows, a value that is not a number, or a window twice.
    """
    missing = [column for column in SCHEMA if column not in predictions.columns]
    if missing:
        raise DataError(f"{name}: column {missing[0]} is missing.", hint="has " + ", ".join(SCHEMA))
    predictions = predictions.select(pl.col(column).cast(kind) for column, kind in SCHEMA.items())
    test = predictions.filter(pl.col("split") == "test")
    if test.is_empty():
        raise DataError(f"{name}: no row has split 'test', so there is nothing to evaluate.")
    broken = predictions.filter(
        ~pl.all_horizontal(pl.col("target", "logit").is_finite().fill_null(value=False))
    )
    if not broken.is_empty():
        raise DataError(
            f"{name}: {broken.height:,} of {predictions.height:,} rows have no finite target or "
            f"prediction, the first on {broken['date'].min()!s}.",
            hint="a model that diverged is not evaluated on the rows that it survived",
        )
    twice = predictions.select("split", *KEY).is_duplicated()
    if twice.any():
        raise DataError(
            f"{name}: {predictions.filter(twice)['date'].min()!s} occurs twice for one symbol."
        )
    return predictions.sort("split", *KEY)


def part(predictions: pl.DataFrame, split: str) -> pl.DataFrame:
    """Return the rows of one split, in order of date, symbol and fold."""
    return predictions.filter(pl.col("split") == split).sort(*KEY)


class Predicted:
    """Predictions that were checked, with their parts.

    Parameters
    ----------
    table : polars.DataFrame
        As :func:`check_predictions` returns them.
    """

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table

    @classmethod
    def of(cls, predictions: pl.DataFrame | Predicted, name: str = "predictions") -> Predicted:
        """Check predictions; those that were checked before are returned as they are."""
        if isinstance(predictions, Predicted):
            return predictions
        return cls(check_predictions(predictions, name))

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
        """Return dates, targets (float64) and logits of a part, of one fold if given."""
        rows, fold_N = self._arrays[split]
        if fold is None:
            return rows
        dates_N, target_N, logit_N = (column_N[fold_N == fold] for column_N in rows)
        return dates_N, target_N, logit_N

    @cached_property
    def _arrays(self) -> dict[str, tuple[Rows, NDArray[Any]]]:
        found: dict[str, tuple[Rows, NDArray[Any]]] = {}
        for split, part in (("test", self.test), ("validation", self.validation)):
            target_N = part["target"].cast(pl.Float64).to_numpy()
            rows = part["date"].to_numpy(), target_N, part["logit"].to_numpy()
            found[split] = rows, part["fold"].to_numpy()
        return found


def aligned(predictions: Predicted, other: Predicted, name: str) -> pl.DataFrame:
    """Return the test rows of ``other`` in the order of those of ``predictions``.

    Two models are compared on exactly the same windows or not at all.

    Raises
    ------
    DataError
        When the windows differ, or their targets do.
    """
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


def known_mean(predictions: pl.DataFrame, overlap: int) -> Floats:
    """Return for each test row the mean of the targets known when it was decided.

    These are the validation and test targets of its own fold decided at least ``overlap`` days
    earlier, whose last bar has closed; before the first is known the mean is taken as zero.

    Parameters
    ----------
    predictions : polars.DataFrame
        As :func:`check_predictions` returns them.
    overlap : int
        H, days until a target is known.

    Returns
    -------
    ndarray of shape (N,)
        In the order of ``part(predictions, "test")``.
    """
    known = (
        predictions.group_by("fold", "date")
        .agg(pl.col("target").cast(pl.Float64).sum().alias("total"), pl.len().alias("number"))
        .sort("fold", "date")
        .with_columns(
            pl.col("total", "number").cum_sum().shift(overlap).over("fold", order_by="date")
        )
        .select("fold", "date", mean=(pl.col("total") / pl.col("number")).fill_null(0.0))
    )
    rows = part(predictions, "test").join(known, on=("fold", "date"), how="left")
    return rows.sort(*KEY)["mean"].to_numpy()
