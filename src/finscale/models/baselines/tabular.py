"""Linear models on all that is known of the last row, in one of several views."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.models.baselines.baseline import Floats, Ints, Setting
from finscale.models.baselines.linear import LinearBaseline, TunedLinear
from finscale.models.baselines.linear_fit import Standardiser
from finscale.models.baselines.views import View, design


def logistic(
    setting: Setting, *, view: View = "last", penalty: float | None = None
) -> LinearBaseline:
    """Return the logistic (or ridge) on the last row, standardised on train and clipped.

    Its penalty is chosen on validation unless it is given: L2 on the standardised weights, or for a
    ridge a multiple of its prior penalty.
    """
    if penalty is None:
        return TunedLinear(setting, design(setting, view))
    return LinearBaseline(setting, design(setting, view), penalty=penalty)


class RandomFourier(LinearBaseline):
    """A ridge-penalised linear model on random Fourier features of the last row.

    The dial is ``complexity``, the number P of random features: P above the number of train windows
    is the regime of Kelly, Malamud and Zhou (2024), "The virtue of complexity in return
    prediction". Nagel (2025) shows that there it becomes volatility-timed momentum.

    Parameters
    ----------
    setting : Setting
        The job; the seed draws the features.
    complexity : int
        P, an even number: sines and cosines of P/2 random projections (Rahimi and Recht 2007).
    bandwidth : float
        Length scale of the Gaussian kernel, in units of the typical distance of two rows.
    ridge : float
        L2 penalty on the weights in units of P, so that it means the same kernel at every P
        (classification).
    view : str, optional
        How windows are shown: ``last`` where there are relative columns. Levels are no inputs of a
        Gaussian kernel, so that without any it is ``window``.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        complexity: int = 512,
        bandwidth: float = 2.0,
        ridge: float = 4.0,
        view: View | None = None,
    ) -> None:
        penalty = ridge * complexity if setting.classifies else None
        super().__init__(setting, self._waves, penalty=penalty)
        self.inputs = design(setting, view or ("last" if setting.relative else "window"))
        self.complexity = complexity
        self.bandwidth = bandwidth

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Draw the features, fit their scale and weights."""
        x_BK = self.inputs(frame, ends)
        self.input_scale = Standardiser.fit(x_BK)
        # two standardised rows of K inputs lie about √(2K) apart
        length_scale = self.bandwidth * (2 * x_BK.shape[1]) ** 0.5
        draws = np.random.default_rng(self.setting.seed)
        self.projections = draws.normal(size=(x_BK.shape[1], self.complexity // 2)) / length_scale
        return super().fit(frame, ends, target)

    def _waves(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        angles = self.input_scale(self.inputs(frame, ends)) @ self.projections
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
