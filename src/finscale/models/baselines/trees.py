"""Forests and boosted trees on the last row, or on a summary of the window."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import FinscaleError, missing_extra
from finscale.models.baselines.baseline import Floats, Ints, Setting, rate_logit
from finscale.models.baselines.linear_fit import mean_loss
from finscale.models.baselines.views import View, design

#: Rounds between two looks at validation.
_STEP = 5


class TreeBaseline:
    """An ensemble of trees.

    Parameters
    ----------
    setting : Setting
        The job.
    model : estimator
        scikit-learn's interface: a classifier where the setting classifies, else a regressor.
    view : str
        How windows are shown.
    """

    def __init__(self, setting: Setting, model: Any, view: View) -> None:
        self.setting = setting
        self.design = design(setting, view)
        self.model = model
        #: Arguments of every prediction: how many trees of a boosting count.
        self.limit: dict[str, int] = {}

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Grow the trees on the windows that end at ``ends``."""
        target_B: NDArray[Any] = np.asarray(target, dtype=np.float64)
        self.limit = {}
        self.num_train = target_B.size
        self.constant: float | None = None
        if target_B.min() == target_B.max():
            rate = rate_logit(target_B.sum(), target_B.size)
            self.constant = rate if self.setting.classifies else float(target_B[0])
            return self
        if self.setting.classifies:
            target_B = target_B > 0.5
        self.model.fit(self.design(frame, ends), target_B)
        return self

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return a logit or prediction for each window; certainty is capped at 1 in 2n."""
        if self.constant is not None:
            return np.full(len(ends), self.constant)
        return self._outputs(self.design(frame, ends), self.limit)

    def _outputs(self, x_BK: Floats, limit: dict[str, int]) -> Floats:
        if not self.setting.classifies:
            return np.asarray(self.model.predict(x_BK, **limit), dtype=np.float64)
        share_B = self.model.predict_proba(x_BK, **limit)[:, 1] * self.num_train
        logits: Floats = np.log((share_B + 0.5) / (self.num_train - share_B + 0.5))
        return logits


class BoostedTrees(TreeBaseline):
    """Boosted trees that stop early: of all rounds grown, those count that validation wants.

    A round does not depend on later ones, so cutting rounds off is what stopping early does.

    Parameters
    ----------
    setting, model, view
        As of :class:`TreeBaseline`.
    rounds : int
        Rounds that the model grows. All count where there is no validation.
    limit : str
        What the model's ``predict`` calls the number of rounds that count.
    """

    def __init__(
        self, setting: Setting, model: Any, view: View, *, rounds: int, limit: str
    ) -> None:
        super().__init__(setting, model, view)
        self.rounds = rounds
        self.limit_name = limit

    def tune(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> None:
        """Keep the number of rounds with the least loss on validation windows, of equals fewest."""
        if self.constant is not None:
            return
        x_BK, y_B = self.design(frame, ends), np.asarray(target, dtype=np.float64)

        def loss(rounds: int) -> float:
            output_B = self._outputs(x_BK, {self.limit_name: rounds})
            return mean_loss(output_B, y_B, self.setting.classifies)

        counts = [*range(_STEP, self.rounds, _STEP), self.rounds]
        self.limit = {self.limit_name: min(counts, key=loss)}


def random_forest(
    setting: Setting, *, trees: int = 200, min_leaf: int = 50, view: View = "last"
) -> TreeBaseline:
    """Return a random forest (Breiman 2001) whose leaves hold at least ``min_leaf`` windows."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    make = RandomForestClassifier if setting.classifies else RandomForestRegressor
    model = make(
        n_estimators=trees,
        min_samples_leaf=min_leaf,
        max_features="sqrt",
        random_state=setting.seed,
        n_jobs=1,
    )
    return TreeBaseline(setting, model, view)


def lightgbm(
    setting: Setting,
    *,
    rounds: int = 300,
    leaves: int = 8,
    learning_rate: float = 0.03,
    min_leaf: int = 40,
    view: View = "last",
) -> BoostedTrees:
    """Return LightGBM's gradient-boosted trees (Ke et al. 2017), shallow and slow.

    Raises
    ------
    FinscaleError
        If LightGBM's library cannot be loaded, as on a Mac without OpenMP.
    """
    try:
        from lightgbm import LGBMClassifier, LGBMRegressor
    except OSError as error:
        raise FinscaleError(
            f"LightGBM is installed, but its library cannot be loaded ({error}).",
            hint="on macOS, brew install libomp brings what it needs; or name other baselines: "
            "--baseline, and `baselines` of a study",
        ) from None
    model = (LGBMClassifier if setting.classifies else LGBMRegressor)(
        n_estimators=rounds,
        num_leaves=leaves,
        learning_rate=learning_rate,
        min_child_samples=min_leaf,
        subsample=0.7,
        subsample_freq=1,
        colsample_bytree=0.5,
        reg_lambda=1.0,
        random_state=setting.seed,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )
    return BoostedTrees(setting, model, view, rounds=rounds, limit="num_iteration")


def catboost(
    setting: Setting,
    *,
    rounds: int = 300,
    depth: int = 4,
    learning_rate: float = 0.03,
    view: View = "last",
) -> BoostedTrees:
    """Return CatBoost's ordered boosting of symmetric trees (Prokhorenkova et al. 2018).

    Raises
    ------
    FinscaleError
        If catboost is not installed.
    """
    try:
        from catboost import CatBoostClassifier, CatBoostRegressor
    except ImportError:
        raise missing_extra("catboost", "boosting") from None
    model = (CatBoostClassifier if setting.classifies else CatBoostRegressor)(
        iterations=rounds,
        depth=depth,
        learning_rate=learning_rate,
        bootstrap_type="Bernoulli",
        subsample=0.7,
        rsm=0.5,
        random_seed=setting.seed % 2**32,  # it takes no larger one
        thread_count=1,
        allow_writing_files=False,
        verbose=False,
    )
    return BoostedTrees(setting, model, view, rounds=rounds, limit="ntree_end")
