"""Labels: what each task asks at the close of t about the bars after it.

A task is an entry of ``TASKS``; adding one is adding an entry (and its name to ``TaskConfig``).
Labels are computed in float64 on the adjusted open, high, low and close of one symbol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.errors import DataError
from finscale.registry import Registry

Prices = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Labels:
    """The labels of one symbol's rows.

    Parameters
    ----------
    target_R : ndarray of float32, shape [R]
        1 or 0 for classification, a log return for regression; NaN where the data end too early.
    reach_R : ndarray of int64, shape [R]
        Row of the last bar that counts for the label (the last row where it is undefined).
    timeline : str
        When the decision is made and which prices decide, in words.
    """

    target_R: NDArray[np.float32]
    reach_R: NDArray[np.int64]
    timeline: str


@dataclass(frozen=True)
class Task:
    """One question about the bars t+1 … t+H, asked at the close of t."""

    label: Callable[[Prices, TaskConfig], NDArray[np.float64]]
    """Labels of the first R - H rows."""
    words: Callable[[TaskConfig], str]
    """The question, naming the first and the last price that count."""


TASKS: Registry[Task] = Registry("task")


def label(frame: pl.DataFrame, task: TaskConfig) -> Labels:
    """Compute the labels of one symbol's rows.

    Parameters
    ----------
    frame : pl.DataFrame
        One symbol's adjusted bars, sorted by date: ``date``, ``high`` and ``close`` at least.
    task : TaskConfig
        The task's name, horizon H and, for thresholds, the price that must touch.

    Returns
    -------
    Labels
        Rows within H of the end have no label (NaN).

    Raises
    ------
    DataError
        If a price is missing or not positive.

    Examples
    --------
    >>> import datetime as dt
    >>> bars = pl.DataFrame({"date": [dt.date(2024, 1, d) for d in (2, 3, 4)],
    ...                      "high": [10.1, 10.1, 10.0], "close": [10.0, 10.0, 9.0]})
    >>> label(bars, TaskConfig(name="threshold_1pct")).target_R.tolist()
    [1.0, 0.0, nan]
    """
    prices = {name: _prices(frame, name) for name in ("high", "close")}
    num_rows = frame.height
    num_labelled = max(num_rows - task.horizon, 0)
    target_R = np.full(num_rows, np.nan, dtype=np.float32)
    if num_labelled:
        target_R[:num_labelled] = TASKS[task.name].label(prices, task)
    reach_R = np.minimum(np.arange(num_rows, dtype=np.int64) + task.horizon, num_rows - 1)
    return Labels(target_R, reach_R, timeline(task))


def timeline(task: TaskConfig) -> str:
    """Return the task in words: when it is decided, the first and last price that count.

    Examples
    --------
    >>> timeline(TaskConfig(name="threshold_1pct", horizon=5))
    'threshold_1pct, H = 5: decided at the close of t; yes if a high of t+1 … t+5 ≥ close·1.01'
    """
    words = TASKS[task.name].words(task)
    return f"{task.name}, H = {task.horizon}: decided at the close of t; {words}"


def _direction(prices: Prices, task: TaskConfig) -> NDArray[np.float64]:
    close = prices["close"]
    return (close[task.horizon :] > close[: -task.horizon]).astype(np.float64)


def _log_return(prices: Prices, task: TaskConfig) -> NDArray[np.float64]:
    close = prices["close"]
    result: NDArray[np.float64] = np.log(close[task.horizon :] / close[: -task.horizon])
    return result


def _threshold(percent: float) -> Task:
    factor = 1.0 + percent / 100.0

    def reached(prices: Prices, task: TaskConfig) -> NDArray[np.float64]:
        after = prices[task.touch][1:]  # [i] is the bar t+1 of decision row i
        highest = np.lib.stride_tricks.sliding_window_view(after, task.horizon).max(axis=1)
        reached_R: NDArray[np.bool_] = highest >= prices["close"][: -task.horizon] * factor
        return reached_R.astype(np.float64)

    def words(task: TaskConfig) -> str:
        article = "the" if task.horizon == 1 else "a"
        bars = "t+1" if task.horizon == 1 else f"t+1 … t+{task.horizon}"
        return f"yes if {article} {task.touch} of {bars} ≥ close·{factor:g}"

    return Task(reached, words)


TASKS.add(
    "direction", Task(_direction, lambda task: f"yes if the close of t+{task.horizon} > close")
)
for _percent in (0.5, 1, 2, 3, 5):
    TASKS.add(f"threshold_{_percent:g}pct", _threshold(_percent))
TASKS.add(
    "regression",
    Task(_log_return, lambda task: f"the target is log(close of t+{task.horizon} / close)"),
)


def _prices(frame: pl.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in frame.columns:
        raise DataError(f"labels need the column {column}, and the frame has none.")
    price_R = frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    bad = np.flatnonzero(~(np.isfinite(price_R) & (price_R > 0)))
    if bad.size:
        row = frame.row(int(bad[0]), named=True)
        raise DataError(
            f"{row.get('symbol', 'the frame')}: {column} is {row[column]} on {row['date']}; "
            "labels need positive prices.",
            hint="`finscale data import` finds and repairs such bars",
        )
    return price_R
