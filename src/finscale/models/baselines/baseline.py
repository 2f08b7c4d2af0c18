"""What a baseline is, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Stacked frame and decision rows → the inputs of each decision, [B, K]; NaN counts as average.
Design = Callable[[pl.DataFrame, Ints], Floats]


class Baseline(Protocol):
    """A model without scale, trained and scored on exactly the windows that transformers get.

    It reads the dataset's stacked frame (date, symbol, adjusted OHLCV, features; one symbol's rows
    below another's, each sorted by date) and never a row after the one that it decides at.
    One that has something to choose on validation is a :class:`TunableBaseline` as well.
    """

    def fit(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> Self:
        """Learn from the windows that end at ``ends``, labelled ``target`` (one for each)."""
        ...

    def predict(self, frame: pl.DataFrame, ends: Ints) -> Floats:
        """Return a finite logit (classification) or prediction (regression) for each window."""
        ...


@runtime_checkable
class TunableBaseline(Protocol):
    """A baseline that chooses a penalty, a number of rounds … on windows that it did not learn."""

    def tune(self, frame: pl.DataFrame, ends: Ints, target: NDArray[Any]) -> None:
        """Choose by the validation windows; called once, after ``fit``, before any ``predict``."""
        ...


class Labelled(Protocol):
    """What a labelling function returns: a target for each row, NaN where there is none."""

    @property
    def target_R(self) -> NDArray[np.float32]:
        """Labels, shape [R]."""
        ...

    @property
    def reach_R(self) -> NDArray[np.int64]:
        """Row of the last bar that counts for each label, shape [R]."""
        ...


#: One symbol's rows and the task → their labels; ``finscale.data.label`` is one. Of a task that
#: compares symbols: the stacked rows of all, and ``reach_R`` counts them.
LabelFunction = Callable[[pl.DataFrame, TaskConfig], Labelled]


@dataclass(frozen=True)
class Setting:
    """What every baseline is told about the job.

    Parameters
    ----------
    task : TaskConfig
        The question.
    context_length : int
        L, bars that a window shows.
    features : tuple of str
        Channels of a window, for baselines that read them.
    seed : int
        Of everything random.
    label : callable, optional
        Labels of one symbol's rows, for baselines that look at what came true before.
    relative : tuple of str
        Columns that show bars and features free of scale; empty where the frame has none.
    """

    task: TaskConfig
    context_length: int
    features: tuple[str, ...]
    seed: int
    label: LabelFunction | None = None
    relative: tuple[str, ...] = ()

    @property
    def classifies(self) -> bool:
        """Whether logits are asked for."""
        return self.task.kind == "classification"


@dataclass(frozen=True)
class BaselineKind:
    """An entry of ``BASELINES``."""

    make: Callable[..., Baseline]
    """Called with the setting and the kind's own keyword options."""
    summary: str
    """One line for tables and help."""
    needs_label: bool = False
    """Whether it looks at labels that have come true."""
    package: str = ""
    """The module of an extra that it cannot do without."""
    pretrained: bool = False
    """Whether it is a network with weights from elsewhere: slow, and to be asked for by name."""

    @property
    def is_installed(self) -> bool:
        """Whether what it needs is installed."""
        return not self.package or find_spec(self.package) is not None

    @property
    def is_at_hand(self) -> bool:
        """Whether it can be fitted here, in seconds."""
        return self.is_installed and not self.pretrained


def rate_logit(successes: float, count: float) -> float:
    """Return the logit of a rate, drawn half an observation to each side so that it is finite.

    Krichevsky and Trofimov (1981): ``(k + 1/2) / (n + 1)``.

    Examples
    --------
    >>> rate_logit(0, 0), round(rate_logit(9, 9), 3)
    (0.0, 2.944)
    """
    return float(np.log((successes + 0.5) / (count - successes + 0.5)))


def symbol_slices(frame: pl.DataFrame) -> list[slice]:
    """Return where each symbol's rows lie in a stacked frame."""
    run_R = frame["symbol"].rle_id().to_numpy()
    edges = np.flatnonzero(np.diff(run_R, prepend=-1, append=run_R[-1] + 1)).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]


def columns_at(frame: pl.DataFrame, expressions: Sequence[pl.Expr], ends: Ints) -> Floats:
    """Evaluate expressions within each symbol and return their values at rows, [B, K]."""
    values = frame.select(
        expression.over("symbol").cast(pl.Float64).alias(str(number))
        for number, expression in enumerate(expressions)
    )
    result: Floats = values[ends].fill_null(float("nan")).to_numpy()
    return result
