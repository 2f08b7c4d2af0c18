"""The labels of stacked symbols: of each symbol's own bars, or of the whole section of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.data.controls import controlled_label, optimum
from finscale.data.cross_section import CrossSection, members
from finscale.data.section_controls import SECTION_CONTROLS, section_optimum
from finscale.data.section_tasks import returns_ahead
from finscale.data.targets import TASKS, Labels, checked_prices, label, timeline
from finscale.errors import DataError


def stacked_labels(
    parts: Sequence[pl.DataFrame],
    task: TaskConfig,
    groups: Mapping[str, str] | None = None,
    *,
    control: bool = True,
) -> Labels:
    """Label the rows of symbols that are stacked in this order.

    Only a member's row has a label, of whatever task.

    Parameters
    ----------
    parts : sequence of polars.DataFrame
        One symbol's adjusted bars each, sorted by date: ``date``, ``symbol``, the task's inputs;
        ``member`` (whether the symbol is one of the universe on that day) where not all rows are.
    task : TaskConfig
        The task.
    groups : mapping of str to str, optional
        Symbol → its group, for ``task.neutral: group``.
    control : bool
        Whether a task that is a control gets its control labels; the real ones if not.

    Returns
    -------
    Labels
        Of all rows; ``reach_R`` counts rows of the stack. Of a task that compares symbols it is
        a row, of whichever symbol, of the day on which the label is known.

    Raises
    ------
    DataError
        If a price is missing or not positive, or no day has enough members to be compared.
    """
    if task.is_cross_sectional:
        return _section_labels(parts, task, groups, control=control)
    of_one = controlled_label if control else label
    found = [of_one(part, task) for part in parts]
    first_P = np.cumsum([0, *(part.height for part in parts[:-1])])
    target_R = np.concatenate([part.target_R for part in found])
    target_R[~np.concatenate([members(part) for part in parts])] = np.nan
    reach_R = np.concatenate(
        [part.reach_R + first for part, first in zip(found, first_P, strict=True)]
    )
    return Labels(target_R, reach_R, found[0].timeline)


def stacked_optimum(
    parts: Sequence[pl.DataFrame],
    task: TaskConfig,
    groups: Mapping[str, str] | None = None,
) -> NDArray[np.float64]:
    """Return the predictions of a planted task that no model can beat, of all stacked rows.

    Parameters and errors are those of :func:`stacked_labels`.
    """
    if not task.is_cross_sectional:
        return np.concatenate([optimum(part, task) for part in parts])
    section = CrossSection.of(parts, groups)
    real_R = stacked_labels(parts, task, groups, control=False).target_R.astype(np.float64)
    return section.rows(section_optimum(section, parts, section.wide(real_R), task))


def _section_labels(
    parts: Sequence[pl.DataFrame],
    task: TaskConfig,
    groups: Mapping[str, str] | None,
    *,
    control: bool,
) -> Labels:
    for part in parts:
        checked_prices(part, "close")
    section = CrossSection.of(parts, groups)
    _refuse_few(section, task)
    ahead = returns_ahead(section, task)
    section_label = TASKS[task.name].section
    assert section_label is not None
    target_TS = section_label(section, ahead.return_TS, task)
    words = timeline(task)
    if control and task.control != "none":
        target_TS = SECTION_CONTROLS[task.control](section, parts, target_TS, task)
        words = f"{words} (control: {task.control} labels, seed {task.control_seed})"
    target_R = section.rows(target_TS)
    return Labels(target_R.astype(np.float32), _reach(section, ahead.end_T), words)


def _reach(section: CrossSection, end_T: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a row of the day on which each row's label is known; without one, the row itself."""
    row_T = np.zeros(section.dates.size, dtype=np.int64)
    row_T[section.day_R] = np.arange(section.day_R.size)
    end_R = end_T[section.day_R]
    reach_R: NDArray[np.int64] = np.where(end_R >= 0, row_T[end_R], np.arange(end_R.size))
    return reach_R


def _refuse_few(section: CrossSection, task: TaskConfig) -> None:
    """Refuse a panel that is too small on every day, which would have no label at all."""
    num_T = section.member_TS.sum(axis=1)
    if (num_T >= task.min_members).sum() > task.horizon:
        return
    most = int(num_T.max(initial=0))
    raise DataError(
        f"task {task.name} compares at least {task.min_members} members a day, and these data have "
        f"at most {most} on a day ({len(section.symbols)} symbol"
        f"{'s' * (len(section.symbols) != 1)}).",
        hint="name more symbols (data.symbols), lower task.min_members, or take the absolute task "
        "direction",
    )
