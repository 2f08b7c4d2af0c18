"""Labels that are all the same: nothing can be learned from them, or judged by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from finscale.errors import DataError

if TYPE_CHECKING:
    from finscale.data import FinancialDataset, Split


def label_fault(
    dataset: FinancialDataset, split: Split, folds: Sequence[Split]
) -> DataError | None:
    """Return why the labels of a split are of no use; None where they are.

    Those of train must differ, and those of the test days of all folds together: a walk-forward's
    folds make one series, in which a calm year without the event has its place.

    Parameters
    ----------
    dataset : FinancialDataset
    split : Split
        Of the fold that is run.
    folds : sequence of Split
        Every fold.
    """
    tests = np.unique(np.concatenate([fold.test for fold in folds]))
    for part, ends in (("train", split.train), ("test", tests)):
        target = dataset.targets(ends)
        if (target == target[0]).all():
            return _fault(dataset, part, float(target[0]), len(target), folds=len(folds))
    return None


def _fault(
    dataset: FinancialDataset, part: str, value: float, num: int, *, folds: int
) -> DataError:
    task = dataset.task
    where = f"the test parts of all {folds} folds" if part == "test" and folds > 1 else part
    windows = f"{num:,} windows of {where}"
    if task.kind == "regression":
        return DataError(
            f"the target of all {windows} is {value:g}: there is nothing to learn or judge.",
            hint="choose other days (split), or bars that move",
        )
    rare = value < 0.5
    hint = "choose other days (split), or bars that move"
    if task.name.startswith("threshold"):
        far, other, horizon = "near", "larger", "shorter"
        if rare:
            far, other, horizon = "far", "smaller", "longer"
        hint = (
            f"{task.name} lies too {far} for these bars: a {other} threshold, a {horizon} "
            "task.horizon, or other days (split)"
        )
    label = "positive" if rare else "negative"
    return DataError(
        f"none of the {windows} has a {label} label ({task.name}, H = {task.horizon}): with one "
        "class alone there is nothing to learn or judge.",
        hint=hint,
    )
