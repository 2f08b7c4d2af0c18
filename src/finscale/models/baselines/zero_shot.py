"""Pretrained forecasting models, asked as they are: nothing of them is trained here.

Each reads the log closes of a window and forecasts the deciles of the log return over the horizon,
through its own package and with its own loading code. The deciles say how likely the event is, or
what return to expect; two parameters fitted on train, a slope and an intercept, calibrate that one
number.

A pretrained model may have read the test years while it was made. What it knows of them cannot be
told from skill, so its score bounds what such a model is worth from above.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.errors import FinscaleError, missing_extra
from finscale.models.baselines.baseline import Floats, Ints, Setting
from finscale.models.baselines.linear import LinearBaseline

#: What every model is asked for.
DECILES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
#: Paths of log prices that end at 0, [B, L], and H → deciles of the log price H bars on, [B, 9].
Forecaster = Callable[[NDArray[np.float32], int], Floats]

_CHUNK = 16  # windows at once: Fracast pads each to 2,048 bars, and larger batches leave the cache
_LOGIT_OF_DECILES = np.log(DECILES) - np.log1p(-np.array(DECILES))


class ZeroShot(LinearBaseline):
    """A pretrained forecaster and the pair of parameters that calibrates it.

    Parameters
    ----------
    setting : Setting
        The job.
    forecaster : callable
        Log prices → deciles of the horizon's return.
    calibrate_on : int
        How many train windows, evenly spaced, the two parameters are fitted on; forecasts are slow.
    """

    def __init__(
        self, setting: Setting, forecaster: Forecaster, *, calibrate_on: int = 1000
    ) -> None:
        super().__init__(setting, self._number)
        self.forecaster = forecaster
        self.calibrate_on = calibrate_on

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Calibrate on train windows."""
        count = min(self.calibrate_on, len(ends))
        chosen = np.linspace(0, len(ends) - 1, count).round().astype(np.int64)
        return super().fit(frame, np.asarray(ends)[chosen], np.asarray(target)[chosen])

    def _number(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return for each decision the log odds of the event, or the expected return, [B, 1]."""
        task = self.setting.task
        parts = [self.forecaster(path_BL, task.horizon) for path_BL in self._paths(frame, ends)]
        deciles_BQ = np.concatenate([np.empty((0, len(DECILES))), *parts])
        if not self.setting.classifies:
            # each decile stands for a tenth of the distribution, the outer ones for a little more
            mean_B: Floats = deciles_BQ.mean(axis=1)
            return mean_B[:, None]
        return event_logit(deciles_BQ, threshold(task))[:, None]

    def _paths(self, frame: pl.DataFrame, ends: Ints) -> Iterator[NDArray[np.float32]]:
        length = self.setting.context_length
        log_close_R = np.log(frame["close"].cast(pl.Float64).to_numpy())
        windows = np.lib.stride_tricks.sliding_window_view(log_close_R, length)
        for start in range(0, len(ends), _CHUNK):
            path_BL = windows[np.asarray(ends)[start : start + _CHUNK] - (length - 1)]
            yield (path_BL - path_BL[:, -1:]).astype(np.float32)


def threshold(task: TaskConfig) -> float:
    """Return the log return that the event is about; 0 for any other question than a threshold.

    Whether a high reaches it is asked as whether the last close does: the calibration makes up for
    what highs add.

    Examples
    --------
    >>> round(threshold(TaskConfig(name="threshold_2pct")), 4)
    0.0198
    >>> threshold(TaskConfig(name="direction"))
    0.0
    """
    percent = re.fullmatch(r"threshold_([\d.]+)pct", task.name)
    return float(np.log1p(float(percent[1]) / 100)) if percent else 0.0


def event_logit(deciles_BQ: Floats, at_least: float) -> Floats:
    """Return the log odds that a return is ``at_least`` so much, from its deciles.

    Log odds are interpolated between deciles, and beyond the outer ones go on along the line from
    the median through them, up to ten times as far.

    Examples
    --------
    >>> deciles = np.linspace(-0.04, 0.04, 9)[None]
    >>> event_logit(deciles, 0.0), event_logit(deciles, 0.04).round(3)
    (array([-0.]), array([-2.197]))
    """
    deciles_BQ = np.sort(deciles_BQ, axis=1)
    middle_B1 = deciles_BQ[:, 4:5]
    first_B1 = middle_B1 + 10 * (deciles_BQ[:, :1] - middle_B1)
    last_B1 = middle_B1 + 10 * (deciles_BQ[:, -1:] - middle_B1)
    knots = np.concatenate([first_B1, deciles_BQ, last_B1], axis=1)
    below = np.r_[10 * _LOGIT_OF_DECILES[0], _LOGIT_OF_DECILES, 10 * _LOGIT_OF_DECILES[-1]]
    return -np.array([np.interp(at_least, row, below) for row in knots])


def fracast(setting: Setting, *, weights: str = "", calibrate_on: int = 1000) -> ZeroShot:
    """Return Fracast-0, 85 thousand parameters, whose weights come with its package.

    Parameters
    ----------
    setting : Setting
        The job.
    weights : str
        A folder or a Hugging Face repository in place of the package's own weights.
    calibrate_on : int
        Train windows of the calibration.
    """
    try:
        from fracast import FracastModel
    except ImportError:
        raise missing_extra("fracast", "foundation") from None
    model = _loaded(FracastModel.from_pretrained, weights or None, weights="fp32")

    def forecaster(path_BL: NDArray[np.float32], horizon: int) -> Floats:
        quantiles_BHQ = model.forecast_batch(path_BL, horizon=horizon)
        return _deciles(quantiles_BHQ[:, -1], model.quantiles)

    return ZeroShot(setting, forecaster, calibrate_on=calibrate_on)


def chronos(
    setting: Setting, *, weights: str = "amazon/chronos-bolt-small", calibrate_on: int = 1000
) -> ZeroShot:
    """Return Chronos-Bolt or Chronos-2 (Ansari et al. 2024, 2025), by the weights.

    Parameters
    ----------
    setting : Setting
        The job.
    weights : str
        A folder or a Hugging Face repository: ``amazon/chronos-2``, ``amazon/chronos-bolt-base`` …
    calibrate_on : int
        Train windows of the calibration.
    """
    try:
        from chronos import BaseChronosPipeline
    except ImportError:
        raise missing_extra("chronos-forecasting", "foundation") from None
    pipeline = _loaded(BaseChronosPipeline.from_pretrained, weights, dtype="float32")

    def forecaster(path_BL: NDArray[np.float32], horizon: int) -> Floats:
        import torch

        # a list of series: each is forecast from itself alone, by Chronos-2 too
        quantiles, _ = pipeline.predict_quantiles(
            [torch.from_numpy(path_L) for path_L in path_BL],
            prediction_length=horizon,
            quantile_levels=list(DECILES),
        )
        last = [np.asarray(of_one).reshape(horizon, len(DECILES))[-1] for of_one in quantiles]
        return np.stack(last).astype(np.float64)

    return ZeroShot(setting, forecaster, calibrate_on=calibrate_on)


def timesfm(
    setting: Setting, *, weights: str = "google/timesfm-3.0-pytorch", calibrate_on: int = 1000
) -> ZeroShot:
    """Return TimesFM 3 (Das et al. 2024 describe the first).

    Parameters
    ----------
    setting : Setting
        The job.
    weights : str
        A folder or a Hugging Face repository.
    calibrate_on : int
        Train windows of the calibration.
    """
    try:
        from timesfm3 import TimesFM3Forecaster
    except ImportError:
        raise missing_extra("timesfm", "foundation") from None
    model = _loaded(
        TimesFM3Forecaster.from_pretrained, weights, device="cpu", per_core_batch_size=_CHUNK
    )

    def forecaster(path_BL: NDArray[np.float32], horizon: int) -> Floats:
        outputs = model.predict_batch(list(path_BL), horizon, return_quantiles=True)
        last_BQ = np.stack([output.quantiles[-1] for output in outputs])
        return _deciles(last_BQ, model.config.quantiles)

    return ZeroShot(setting, forecaster, calibrate_on=calibrate_on)


def _deciles(quantiles_BQ: NDArray[Any], levels: list[float]) -> Floats:
    """Return the columns of the deciles, out of those of the levels that a model forecasts."""
    columns = [int(np.abs(np.array(levels) - decile).argmin()) for decile in DECILES]
    return np.asarray(quantiles_BQ, dtype=np.float64)[:, columns]


def _loaded(load: Callable[..., Any], source: str | None, **options: Any) -> Any:
    """Return a model with its weights.

    Raises
    ------
    FinscaleError
        If they cannot be had.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what is printed is no result of finscale's
            return load(source, **options)
    except Exception as error:  # no network, no such folder, other files: each package has its own
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise FinscaleError(
            f"the weights of {source or 'the package'} cannot be had: {reason}.",
            hint="fetch them where there is a network, and name their folder: options.weights",
        ) from error
