"""What a caller in Python asks of a dataset, checked before any frame is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import polars as pl

from finscale.calling import one_of
from finscale.config import TaskConfig, validate
from finscale.config.data import InputsName
from finscale.data.frames import polars_frame
from finscale.errors import CallError

FRAMES_CALL = (
    'FinancialDataset.from_frames([frame], context_length=80, task=TaskConfig(name="direction"))'
)
PANDAS_CALL = (
    'FinancialDataset.from_pandas(frame, symbol="SPY", context_length=80, task="direction")'
)


def asked_task(task: Any) -> TaskConfig:
    """Return the task that is meant: a config, its settings, or its name alone.

    Raises
    ------
    ConfigError
        If there is no such task.
    CallError
        If it is none of these.
    """
    if isinstance(task, TaskConfig):
        return task
    if isinstance(task, str):
        task = {"name": task}
    if not isinstance(task, dict):
        raise CallError(
            f"task is {task!r}: a task's name is needed, or a TaskConfig.",
            hint='task="direction", or task=TaskConfig(name="threshold_1pct", horizon=5)',
        )
    return validate(TaskConfig, task, place="task")


def check_columns(features: Any, inputs: Any) -> None:
    """Refuse channels that are no list of names, and inputs that there are not."""
    if isinstance(features, str):
        raise CallError(
            f"features is {features!r}: a list of columns is needed.",
            hint=f'features=["{features}"]',
        )
    one_of("inputs", inputs, get_args(InputsName))


def polars_frames(frames: Any, symbol: str | None) -> list[pl.DataFrame]:
    """Return pandas frames, one or several, the way a dataset wants them; one a symbol."""
    if symbol is not None and not isinstance(symbol, str):
        raise CallError(f"symbol is {symbol!r}: a text is needed.", hint=f'symbol="{symbol}"')
    several: Sequence[Any] = frames if isinstance(frames, list | tuple) else [frames]
    found = [polars_frame(one, symbol) for one in several]
    return [part for one in found for part in one.partition_by("symbol", maintain_order=True)]
