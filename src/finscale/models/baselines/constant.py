"""Base rates: what someone knows who looks at nothing but past labels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.models.baselines.baseline import Floats, Ints, Setting, rate_logit, symbol_slices


class BaseRate:
    """The train windows' base rate (classification) or mean label (regression), always."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Take the mean of the labels."""
        total = float(np.sum(target, dtype=np.float64))
        self.value = (
            rate_logit(total, len(target)) if self.setting.classifies else total / len(target)
        )
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return the same value for every window."""
        return np.full(len(ends), self.value)


class ExpandingBaseRate:
    """The base rate of all labels, of any symbol, that have come true by the day of decision.

    It learns nothing in :meth:`fit`: what it knows grows from day to day.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Return self."""
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return the base rate or mean label as of each decision."""
        realised_R = realised_labels(frame, self.setting)
        date_R = frame["date"].to_numpy()
        known = np.flatnonzero(np.isfinite(realised_R))
        known = known[np.argsort(date_R[known], kind="stable")]
        total_K = np.r_[0.0, np.cumsum(realised_R[known])]
        count_B = np.searchsorted(date_R[known], date_R[ends], side="right")
        total_B = total_K[count_B]
        if self.setting.classifies:
            logits: Floats = np.log((total_B + 0.5) / (count_B - total_B + 0.5))
            return logits
        means: Floats = total_B / np.maximum(count_B, 1)
        return means


def realised_labels(frame: pl.DataFrame, setting: Setting) -> Floats:
    """Return for each row t the symbol's newest label that is known at the close of t.

    That of its last row whose label is known by the day of t; NaN where there is none yet.
    """
    assert setting.label is not None
    if setting.task.is_cross_sectional:
        return _realised_across(frame, setting)
    realised_R = np.full(frame.height, np.nan)
    for rows in symbol_slices(frame):
        labels = setting.label(frame[rows], setting.task)
        known = np.isfinite(labels.target_R)
        realised_R[rows][labels.reach_R[known]] = labels.target_R[known]
    return realised_R


def _realised_across(frame: pl.DataFrame, setting: Setting) -> Floats:
    """Do so where a label is known on a day of the panel on which the symbol may have no row."""
    assert setting.label is not None
    labels = setting.label(frame, setting.task)
    date_R = frame["date"].to_numpy()
    realised_R = np.full(frame.height, np.nan)
    for rows in symbol_slices(frame):
        target_R = labels.target_R[rows]
        known = np.flatnonzero(np.isfinite(target_R))
        until_K = date_R[labels.reach_R[rows][known]]  # ascending, as the days are
        newest_R = np.searchsorted(until_K, date_R[rows], side="right") - 1
        realised_R[rows] = np.where(newest_R >= 0, np.r_[target_R[known], np.nan][newest_R], np.nan)
    return realised_R
