"""Linear models and trees on all that is known of the last row, in one of several views."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import missing_extra
from finscale.models.baselines.baseline import Floats, Ints, Setting, rate_logit
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
    view : str
        How windows are shown.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        complexity: int = 512,
        bandwidth: float = 2.0,
        ridge: float = 4.0,
        view: View = "window",
    ) -> None:
        penalty = ridge * complexity if setting.classifies else None
        super().__init__(setting, self._waves, penalty=penalty)
        self.inputs = design(setting, view)
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


class TreeBaseline:
    """An ensemble of trees on the last row's features.

    Parameters
    ----------
    setting : Setting
        The job.
    classifier, regressor : estimator class
        scikit-learn's interface.
    options : dict
        Arguments of the estimator.
    view : str
        How windows are shown.
    """

    def __init__(
        self, setting: Setting, classifier: Any, regressor: Any, options: dict[str, Any], view: View
    ) -> None:
        self.setting = setting
        self.design = design(setting, view)
        self.model = (classifier if setting.classifies else regressor)(
            random_state=setting.seed, n_jobs=1, **options
        )

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Grow the trees on the windows that end at ``ends``."""
        target_B: NDArray[Any] = np.asarray(target, dtype=np.float64)
        self.num_train = target_B.size
        self.constant: float | None = None
        if self.setting.classifies:
            if target_B.min() == target_B.max():
                self.constant = rate_logit(target_B.sum(), target_B.size)
                return self
            target_B = target_B > 0.5
        self.model.fit(self.design(frame, ends), target_B)
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return a logit or prediction for each window; certainty is capped at 1 in 2n."""
        if self.constant is not None:
            return np.full(len(ends), self.constant)
        x_BK = self.design(frame, ends)
        if not self.setting.classifies:
            return np.asarray(self.model.predict(x_BK), dtype=np.float64)
        share_B = self.model.predict_proba(x_BK)[:, 1] * self.num_train
        logits: Floats = np.log((share_B + 0.5) / (self.num_train - share_B + 0.5))
        return logits


def random_forest(
    setting: Setting, *, trees: int = 200, min_leaf: int = 50, view: View = "last"
) -> TreeBaseline:
    """Return a random forest (Breiman 2001) whose leaves hold at least ``min_leaf`` windows."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    options = {"n_estimators": trees, "min_samples_leaf": min_leaf, "max_features": "sqrt"}
    return TreeBaseline(setting, RandomForestClassifier, RandomForestRegressor, options, view)


def boosting(
    setting: Setting,
    *,
    rounds: int = 150,
    leaves: int = 8,
    learning_rate: float = 0.03,
    min_leaf: int = 40,
    view: View = "last",
) -> TreeBaseline:
    """Return LightGBM's gradient-boosted trees (Ke et al. 2017), shallow and slow.

    Raises
    ------
    FinscaleError
        If lightgbm is not installed.
    """
    try:
        from lightgbm import LGBMClassifier, LGBMRegressor
    except ImportError:
        raise missing_extra("lightgbm", "boosting") from None
    options = {
        "n_estimators": rounds,
        "num_leaves": leaves,
        "learning_rate": learning_rate,
        "min_child_samples": min_leaf,
        "subsample": 0.7,
        "subsample_freq": 1,
        "colsample_bytree": 0.5,
        "reg_lambda": 1.0,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    return TreeBaseline(setting, LGBMClassifier, LGBMRegressor, options, view)
