"""Labels whose relation to the window is known: what a study runs beside the real ones.

``permuted``
    The real labels, shuffled within each calendar quarter. The drift of the base rate stays; within
    a quarter the labels are exchangeable, so that no model can rank its days.
``planted``
    Labels drawn from a known function of the window's last 21 bars, so that the best possible loss
    is known exactly.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.data.targets import Labels, label
from finscale.registry import Registry

Floats = NDArray[np.float64]

#: Bars of the move that is planted, and of the volatility that it is measured in.
MOVE, SCALE = 5, 20
_CLIP = 3.0
_EPOCH = np.datetime64("1900-01-01", "D")
#: Days from the epoch for which draws exist: up to 2229.
_NUM_DAYS = 120_000

#: Control → labels of one symbol's rows, from its bars, its real labels and the task.
CONTROLS: Registry[Callable[[pl.DataFrame, Floats, TaskConfig], Floats]] = Registry("control")


def controlled_label(frame: pl.DataFrame, task: TaskConfig) -> Labels:
    """Return the labels of one symbol's rows, replaced where the task is a control.

    The rows that a label reaches stay those of the real one: what a shuffled label tells of a later
    day has no relation to the window that it now belongs to.
    """
    real = label(frame, task)
    if task.control == "none":
        return real
    target_R = CONTROLS[task.control](frame, real.target_R.astype(np.float64), task)
    return replace(
        real,
        target_R=target_R.astype(np.float32),
        timeline=f"{real.timeline} (control: {task.control} labels, seed {task.control_seed})",
    )


def quarters(date_R: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the calendar quarter of each date, counted from 1970.

    Examples
    --------
    >>> quarters(np.array(["1970-01-02", "1970-04-01"], dtype="datetime64[D]")).tolist()
    [0, 1]
    """
    return date_R.astype("datetime64[M]").astype(np.int64) // 3


def signal(frame: pl.DataFrame) -> Floats:
    """Return the move of the last 5 bars in units of the last 20 bars' volatility, clipped at ±3.

    Zero on the first 20 rows, which have no volatility yet.
    """
    log_close_R = np.log(frame["close"].to_numpy())
    return_R = np.diff(log_close_R, prepend=log_close_R[:1])
    squared_R = np.cumsum(return_R**2)
    signal_R = np.zeros(len(log_close_R))
    late = np.arange(SCALE, len(log_close_R))
    variance = (squared_R[late] - squared_R[late - SCALE]) / SCALE
    move = log_close_R[late] - log_close_R[late - MOVE]
    # bars that never move have no volatility and no signal
    still = variance <= 0
    scale = np.sqrt(np.where(still, 1.0, variance) * MOVE)
    signal_R[late] = np.where(still, 0.0, np.clip(move / scale, -_CLIP, _CLIP))
    return signal_R


def optimum(frame: pl.DataFrame, task: TaskConfig) -> Floats:
    """Return the predictions of a planted task that no model can beat: log odds, or the mean.

    [R], for one symbol's rows, as :class:`finscale.data.FinancialDataset` holds them, and a task
    with ``control: planted``.
    """
    real_R = label(frame, task).target_R.astype(np.float64)
    base, scale = 0.0, task.control_strength
    if task.kind == "classification":
        rate = float(np.nanmean(real_R))
        base = math.log(rate / (1 - rate))
    else:
        # signal and noise together spread as the real returns do
        scale *= float(np.nanstd(real_R)) / math.hypot(1.0, task.control_strength)
    best_R: Floats = base + scale * signal(frame)
    return best_R


def _planted(frame: pl.DataFrame, real_R: Floats, task: TaskConfig) -> Floats:
    best_R = optimum(frame, task)
    if task.kind == "classification":
        drawn_R = draws(frame, task, "random") < 1 / (1 + np.exp(-best_R))
        target_R = drawn_R.astype(np.float64)
    else:
        noise = float(np.nanstd(real_R)) / math.hypot(1.0, task.control_strength)
        target_R = best_R + noise * draws(frame, task, "standard_normal")
    return np.where(np.isfinite(real_R), target_R, np.nan)


def _permuted(frame: pl.DataFrame, real_R: Floats, task: TaskConfig) -> Floats:
    order_R = draws(frame, task, "random")
    labelled = np.flatnonzero(np.isfinite(real_R))
    quarter = quarters(frame["date"].to_numpy().astype("datetime64[D]"))[labelled]
    target_R = real_R.copy()
    # sorted by a random number within its quarter: a shuffle that depends on days alone
    target_R[labelled] = real_R[labelled[np.lexsort((order_R[labelled], quarter))]]
    return target_R


def draws(frame: pl.DataFrame, task: TaskConfig, law: str) -> Floats:
    """Return a draw for each row; it belongs to its symbol and day, whatever rows come before."""
    symbol = zlib.crc32(str(frame["symbol"][0]).encode())
    rng = np.random.default_rng([task.control_seed, symbol])
    day_R = frame["date"].to_numpy().astype("datetime64[D]") - _EPOCH
    drawn_R: Floats = getattr(rng, law)(_NUM_DAYS)[day_R.astype(np.int64)]
    return drawn_R


CONTROLS.add("planted", _planted)
CONTROLS.add("permuted", _permuted)
