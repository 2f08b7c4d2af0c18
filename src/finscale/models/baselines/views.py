"""What the baselines that read many columns see of a window.

``last``
    The relative columns of the last row: scale-free and comparable across years and symbols. Where
    a frame has none, a user's own for one, the features of the last row as they stand.
``level``
    The features of the last row as they stand. A price that has doubled since train is new to it.
``summary``
    Of each column of ``last``, over the whole window: last value, mean, standard deviation, least,
    greatest, slope.
``window``
    What a transformer behind RevIN can know of the last row: each feature relative to its own
    window's mean and standard deviation, and the log of that deviation relative to the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl

from finscale.errors import FinscaleError, did_you_mean
from finscale.models.baselines.baseline import Design, Floats, Ints, Setting

View = Literal["last", "level", "summary", "window"]

_CHUNK = 2048  # windows at once: bounds the memory of the window view


def design(setting: Setting, view: str) -> Design:
    """Return the design that shows windows in a view.

    Raises
    ------
    FinscaleError
        For a view that does not exist.
    """
    if view == "last":
        return _last_row(setting.relative or setting.features)
    if view == "level":
        return _last_row(setting.features)
    if view == "summary":
        columns = setting.relative or setting.features
        return _over_window(columns, setting.context_length, _summary)
    if view == "window":
        return _over_window(setting.features, setting.context_length, _against_window)
    hint = did_you_mean(view, get_args(View))
    raise FinscaleError(f"{view!r} is no view of a window.", hint=hint)


def _last_row(columns: tuple[str, ...]) -> Design:
    def last_row(frame: pl.DataFrame, ends: Ints) -> Floats:
        return _columns(frame, columns)[ends].to_numpy()

    return last_row


def _columns(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return float64 columns of the frame; what is missing or infinite is NaN."""
    for name in columns:
        if name not in frame.columns:
            raise FinscaleError(
                f"a baseline reads column {name}, which the frame does not hold.",
                hint="a memory-mapped dataset keeps the bars alone: data.memory_map: false",
            )
    values = [pl.col(name).cast(pl.Float64) for name in columns]
    return frame.select(
        pl.when(value.is_finite()).then(value).otherwise(float("nan")) for value in values
    )


def _over_window(
    columns: tuple[str, ...], length: int, numbers: Callable[[Floats], Sequence[Floats]]
) -> Design:
    """Return the design of the numbers ``[B, F]`` that are made of windows ``[B, F, L]``."""

    def over_window(frame: pl.DataFrame, ends: Ints) -> Floats:
        rows_RF = _columns(frame, columns).to_numpy()
        windows = np.lib.stride_tricks.sliding_window_view(rows_RF, length, axis=0)
        firsts = np.asarray(ends) - (length - 1)
        # of no window at all too, which says how many numbers there are
        chunks = range(0, max(firsts.size, 1), _CHUNK)
        parts = [numbers(windows[firsts[start : start + _CHUNK]]) for start in chunks]
        return np.concatenate([np.concatenate(part, axis=1) for part in parts])

    return over_window


def _against_window(x_BFL: Floats) -> Sequence[Floats]:
    """Return the last row in units of its window, and how wide the window is."""
    mean_BF, spread_BF = x_BFL.mean(axis=2), x_BFL.std(axis=2)
    # a channel that stands still in the window has no spread to be measured in
    floor_BF = 1e-6 * np.abs(mean_BF) + 1e-12
    spread_BF = np.maximum(spread_BF, floor_BF)
    level_BF = np.maximum(np.abs(mean_BF), floor_BF)
    return (x_BFL[:, :, -1] - mean_BF) / spread_BF, np.log(spread_BF / level_BF)


def _summary(x_BFL: Floats) -> Sequence[Floats]:
    """Return the last value, mean, standard deviation, extremes and slope per bar."""
    length = x_BFL.shape[2]
    # least squares: weights that add up to nothing, and to one along a line of slope one
    bar_L = np.arange(length) - (length - 1) / 2
    weight_L = bar_L / max((bar_L**2).sum(), 0.5)
    return (
        x_BFL[:, :, -1],
        x_BFL.mean(axis=2),
        x_BFL.std(axis=2),
        x_BFL.min(axis=2),
        x_BFL.max(axis=2),
        x_BFL @ weight_L,
    )
