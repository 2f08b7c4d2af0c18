"""Linear models of a few numbers known at the close: logistic, or ridge for regression."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.models.baselines.baseline import Design, Floats, Ints, Setting
from finscale.models.baselines.held_out import held_out_blocks
from finscale.models.baselines.linear_fit import fit_linear


class LinearBaseline:
    """A standardised design with a linear head.

    Parameters
    ----------
    setting : Setting
        The job.
    design : callable
        The inputs of each decision.
    penalty : float, optional
        Of the standardised weights: L2 for a classification, a multiple of the prior penalty for a
        regression. By default 1e-3 and 1: next to nothing on the few inputs of most baselines.
    """

    def __init__(self, setting: Setting, design: Design, *, penalty: float | None = None) -> None:
        self.setting = setting
        self.design = design
        self.penalty = (1e-3 if setting.classifies else 1.0) if penalty is None else penalty

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Fit scale and weights on the windows that end at ``ends``."""
        classifies = self.setting.classifies
        x_BK = self.design(frame, ends)
        self.head = fit_linear(x_BK, target, classifies=classifies, penalty=self.penalty)
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return a logit or prediction for each window."""
        return self.head(self.design(frame, ends))


class TunedLinear(LinearBaseline):
    """A linear baseline of many inputs, whose penalty is chosen on validation windows.

    Of a panel blocks of train days choose with them (:mod:`finscale.models.baselines.held_out`).
    Without :meth:`tune` it keeps a middling penalty.
    """

    def __init__(self, setting: Setting, design: Design) -> None:
        super().__init__(setting, design)

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Fit scale and weights on the windows that end at ``ends``."""
        self.train = frame, ends, target
        self.head = fit_linear(self.design(frame, ends), target, classifies=self.setting.classifies)
        return self

    def tune(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> None:
        """Choose the penalty with the least loss on validation windows; fit on train with it."""
        train_frame, train_ends, train_target = self.train
        self.head = fit_linear(
            self.design(train_frame, train_ends),
            train_target,
            self.design(frame, ends),
            np.asarray(target, dtype=np.float64),
            classifies=self.setting.classifies,
            blocks_B=held_out_blocks(train_frame, train_ends, self.setting.task.horizon),
        )
