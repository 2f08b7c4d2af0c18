"""Labels: what each task asks at the close of t about the bars after it.

A task is an entry of ``TASKS``; adding one is adding an entry. It declares the columns that it
reads and how far ahead it looks: purge, embargo and the audit of labels follow from that. Labels
are computed in float64 on the adjusted bars of one symbol, or, where the task compares the symbols
of a day, on those of all (``finscale.data.section_tasks``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.config.names import CROSS_SECTIONAL, TASK_KINDS, TASK_NAMES, TaskKind
from finscale.data.cross_section import CrossSection
from finscale.data.section_tasks import in_top_fifth, outperforms, rank_scores, residuals
from finscale.errors import DataError
from finscale.registry import Registry

Prices = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Labels:
    """The labels of one symbol's rows."""

    target_R: NDArray[np.float32]
    """1 or 0 for classification, a log return for regression; NaN where the data end too early."""
    reach_R: NDArray[np.int64]
    """Row of the last bar that counts for the label (the last row where it is undefined)."""
    timeline: str
    """When the decision is made and which prices decide, in words."""


#: Columns that a task may read: adjusted prices, and the volume.
COLUMNS = ("open", "high", "low", "close", "volume")

#: The panel, each member's log return over H [T, S] and the config → labels [T, S].
SectionLabel = Callable[[CrossSection, NDArray[np.float64], TaskConfig], NDArray[np.float64]]


@dataclass(frozen=True)
class Task:
    """One question about the bars after t, asked at the close of t."""

    label: Callable[[Prices, TaskConfig], NDArray[np.float64]] | None
    """``label(prices, task)``: one symbol's ``inputs`` by name, float64 [R] each, and the config →
    the labels of the first R − reach rows. None where ``section`` makes them."""
    words: Callable[[TaskConfig], str]
    """The question, naming the first and the last price that count."""
    inputs: tuple[str, ...]
    """The columns that ``label`` reads, out of :data:`COLUMNS`; it is handed no other."""
    reach: Callable[[TaskConfig], int] = lambda task: task.horizon
    """How many bars after t the label of t looks at, at least 1; the task's horizon when absent."""
    kind: TaskKind = "classification"
    """Whether labels are 1 and 0, or numbers."""
    title: Callable[[TaskConfig], str] | None = None
    """What is forecast, for a report's heading: "return over the next bar"; its name when
    absent."""
    needs: Callable[[TaskConfig], tuple[str, ...]] | None = None
    """Those of ``inputs`` that the labels of one config read; all of them when absent."""
    section: SectionLabel | None = None
    """``section(section, return_TS, task)``, of a task that compares the symbols of a day: the
    panel, each member's log return over H (NaN where it has none) and the config → labels [T, S].
    Which days have one, and when it is known, is the same for all such tasks."""


def _admit(name: str, task: Task) -> None:
    unknown = [column for column in task.inputs if column not in COLUMNS]
    if unknown or not task.inputs:
        raise ValueError(
            f"task {name!r} reads {', '.join(unknown) or 'nothing'}; inputs are some of "
            + ", ".join(COLUMNS)
        )
    if (task.label is None) == (task.section is None):
        raise ValueError(f"task {name!r} makes its labels by label or by section, one of the two")
    if task.section is not None and task.inputs != ("close",):
        raise ValueError(f"task {name!r} compares closes: its inputs are ('close',)")
    TASK_NAMES.add(name)
    TASK_KINDS[name] = task.kind
    if task.section is not None:
        CROSS_SECTIONAL.add(name)


TASKS: Registry[Task] = Registry("task", added=_admit)


def label(frame: pl.DataFrame, task: TaskConfig) -> Labels:
    """Compute the labels of one symbol's rows; NaN within the task's reach of the end.

    Parameters
    ----------
    frame : pl.DataFrame
        One symbol's adjusted bars, sorted by date: ``date`` and the task's inputs at least.
    task : TaskConfig
        The task's name, horizon H and, for thresholds, the price that must touch.

    Raises
    ------
    DataError
        If the bars lack what the task reads, a price is not positive, the task gives more or fewer
        labels than it must, or it compares symbols and has none of one alone.

    Examples
    --------
    >>> import datetime as dt
    >>> bars = pl.DataFrame({"date": [dt.date(2024, 1, d) for d in (2, 3, 4)],
    ...                      "high": [10.1, 10.1, 10.0], "close": [10.0, 10.0, 9.0]})
    >>> label(bars, TaskConfig(name="threshold_1pct")).target_R.tolist()
    [1.0, 0.0, nan]
    """
    declared, reach = TASKS[task.name], task_reach(task)
    if declared.label is None:
        raise DataError(
            f"task {task.name} compares the symbols of a day: one symbol alone has no labels.",
            hint="finscale.data.stacked_labels(parts, task) labels a panel",
        )
    _refuse_missing(frame, task)
    prices = {name: checked_prices(frame, name) for name in task_inputs(task)}
    num_rows = frame.height
    num_labelled = max(num_rows - reach, 0)
    target_R = np.full(num_rows, np.nan, dtype=np.float32)
    if num_labelled:
        labels = np.asarray(declared.label(prices, task), dtype=np.float64)
        if labels.shape != (num_labelled,):
            raise DataError(
                f"task {task.name} gives labels of shape {labels.shape} for {num_rows:,} rows.",
                hint=f"with a reach of {reach} it has to give the first {num_labelled:,}",
            )
        target_R[:num_labelled] = labels
    reach_R = np.minimum(np.arange(num_rows, dtype=np.int64) + reach, num_rows - 1)
    return Labels(target_R, reach_R, timeline(task))


def task_inputs(task: TaskConfig) -> tuple[str, ...]:
    """Return the columns of bars that the labels of a config read.

    Examples
    --------
    >>> task_inputs(TaskConfig(name="threshold_1pct", touch="close"))
    ('close',)
    """
    declared = TASKS[task.name]
    return declared.inputs if declared.needs is None else declared.needs(task)


def _refuse_missing(frame: pl.DataFrame, task: TaskConfig) -> None:
    missing = [name for name in task_inputs(task) if name not in frame.columns]
    if not missing:
        return
    who = f"the bars of {frame['symbol'][0]} have" if "symbol" in frame.columns else "there is"
    ways = [f"{name} (--set task.name={name})" for name in ("direction", "regression")]
    if task.touch == "high" and task_inputs(task.model_copy(update={"touch": "close"})) == (
        "close",
    ):
        ways.insert(0, "whether a close reaches it (--set task.touch=close)")
    raise DataError(
        f"the labels of {task.name} need the column {', '.join(missing)}, and {who} none.",
        hint=f"of closes alone can be asked: {', '.join(ways)}",
    )


def task_reach(task: TaskConfig) -> int:
    """Return how many bars after t the label of t looks at.

    Raises
    ------
    DataError
        If the task says that it looks at none.

    Examples
    --------
    >>> task_reach(TaskConfig(name="direction", horizon=5))
    5
    """
    reach = int(TASKS[task.name].reach(task))
    if reach < 1:
        raise DataError(
            f"task {task.name} says that its labels reach {reach} bars ahead.",
            hint="a label looks at one bar after t or more",
        )
    return reach


def timeline(task: TaskConfig) -> str:
    """Return the task in words: when it is decided, the first and last price that count.

    Examples
    --------
    >>> timeline(TaskConfig(name="threshold_1pct", horizon=5))
    'threshold_1pct, H = 5: decided at the close of t; yes if a high of t+1 … t+5 ≥ close·1.01'
    """
    words = TASKS[task.name].words(task)
    return f"{task.name}, H = {task.horizon}: decided at the close of t; {words}"


def task_title(task: TaskConfig) -> str:
    """Return what is forecast, in a few words.

    Examples
    --------
    >>> task_title(TaskConfig(name="threshold_1pct", horizon=5))
    'whether the high of the next 5 bars reaches +1 %'
    """
    title = TASKS[task.name].title
    return title(task) if title else f"{task.name} over {_ahead(task)}"


def _ahead(task: TaskConfig) -> str:
    return "the next bar" if task.horizon == 1 else f"the next {task.horizon} bars"


def _rises(task: TaskConfig) -> str:
    return f"whether {_ahead(task)} close{'s' if task.horizon == 1 else ''} higher"


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

    def title(task: TaskConfig) -> str:
        return f"whether the {task.touch} of {_ahead(task)} reaches +{percent:g} %"

    def needs(task: TaskConfig) -> tuple[str, ...]:
        return tuple(dict.fromkeys((task.touch, "close")))

    return Task(reached, words, inputs=("high", "close"), needs=needs, title=title)


TASKS.add(
    "direction",
    Task(
        _direction,
        lambda task: f"yes if the close of t+{task.horizon} > close",
        inputs=("close",),
        title=_rises,
    ),
)
for _percent in (0.5, 1, 2, 3, 5):
    TASKS.add(f"threshold_{_percent:g}pct", _threshold(_percent))
TASKS.add(
    "regression",
    Task(
        _log_return,
        lambda task: f"the target is log(close of t+{task.horizon} / close)",
        inputs=("close",),
        kind="regression",
        title=lambda task: f"return over {_ahead(task)}",
    ),
)


def _section_words(what: str) -> Callable[[TaskConfig], str]:
    def words(task: TaskConfig) -> str:
        among = "its group" if task.neutral == "group" else "the day's members"
        beta = f", beta of the {task.beta_days} days to t" if task.name == "residual" else ""
        return (
            f"{what.format(H=task.horizon, among=among)}{beta}; members without a bar then count "
            f"at their last close, days with fewer than {task.min_members} members have no label"
        )

    return words


_RETURN = "log(close of t+{H} / close)"
TASKS.add(
    "outperform",
    Task(
        None,
        _section_words(f"yes if {_RETURN} > its median among {{among}}"),
        inputs=("close",),
        title=lambda task: f"whether a symbol beats the median of its day over {_ahead(task)}",
        section=outperforms,
    ),
)
TASKS.add(
    "top_fifth",
    Task(
        None,
        _section_words(f"yes if {_RETURN} is in the top fifth of {{among}}"),
        inputs=("close",),
        title=lambda task: f"whether a symbol is in the top fifth of its day over {_ahead(task)}",
        section=in_top_fifth,
    ),
)
TASKS.add(
    "rank",
    Task(
        None,
        _section_words(f"the target is the normal score of the rank of {_RETURN} among {{among}}"),
        inputs=("close",),
        kind="regression",
        title=lambda task: f"rank of the return over {_ahead(task)}",
        section=rank_scores,
    ),
)
TASKS.add(
    "residual",
    Task(
        None,
        _section_words(f"the target is {_RETURN} less beta · its mean over {{among}}"),
        inputs=("close",),
        kind="regression",
        title=lambda task: f"return over {_ahead(task)} less beta times the market's",
        section=residuals,
    ),
)


def checked_prices(frame: pl.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column that labels are made of, float64 [R].

    Raises
    ------
    DataError
        If a price is missing or not positive; the day is named.
    """
    price_R = frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    least = 0 if column == "volume" else np.nextafter(0, 1)  # a day may have no volume
    bad = np.flatnonzero(~(np.isfinite(price_R) & (price_R >= least)))
    if bad.size:
        row = frame.row(int(bad[0]), named=True)
        raise DataError(
            f"{row.get('symbol', 'the frame')}: {column} is {row[column]} on {row['date']}; "
            "labels need positive prices and no missing volume.",
            hint="`finscale data import` finds and repairs such bars",
        )
    return price_R
