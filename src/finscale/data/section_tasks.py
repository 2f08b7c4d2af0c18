"""Labels that compare the members of a day.

Every return spans the same days: from the close of t to that of the H-th session of the panel after
it. A session is a day on which at least ``task.min_members`` members have a bar. A member that has
no bar on the last day (halted, delisted, taken over) counts with its last close before it, so that
what disappears within H is not left out; one that has no bar after t has no label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finscale.config import TaskConfig
from finscale.data.cross_section import CrossSection, day_ranks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Members of a group on a day below which they are not compared with one another.
LEAST_IN_GROUP = 3
#: Above this share of the day lies the top fifth.
_TOP = 0.8


@dataclass(frozen=True, eq=False)
class Ahead:
    """What the members of each day earn up to the day on which its labels are known."""

    return_TS: Floats
    """Log return to the last close by then; NaN where a member has no label."""
    end_T: Ints
    """Position of that day; −1 where the day has no label."""


def returns_ahead(section: CrossSection, task: TaskConfig) -> Ahead:
    """Return the log returns that a cross-sectional label compares."""
    num_T = section.member_TS.sum(axis=1)
    sessions = np.flatnonzero(num_T >= task.min_members)
    starts, ends = sessions[: -task.horizon], sessions[task.horizon :]
    end_T = np.full(section.dates.size, -1)
    end_T[starts] = ends
    return_TS = np.full(section.close_TS.shape, np.nan)
    last_NS = section.last_TS[ends]
    close_NS = np.take_along_axis(section.close_TS, np.maximum(last_NS, 0), axis=0)
    known_NS = section.member_TS[starts] & (last_NS > starts[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        moved_NS = np.log(close_NS / section.close_TS[starts])
    return_TS[starts] = np.where(known_NS, moved_NS, np.nan)
    # those whose bars end at t are not there to be compared
    few_T = np.isfinite(return_TS).sum(axis=1) < task.min_members
    return_TS[few_T], end_T[few_T] = np.nan, -1
    return Ahead(return_TS, end_T)


def outperforms(section: CrossSection, return_TS: Floats, task: TaskConfig) -> Floats:
    """Return 1 where a return lies above the median of those it is compared with, else 0.

    One that equals the median does not lie above it: of an odd number, the middle one is a 0, and
    of equal returns all are.
    """
    label_TS = np.full(return_TS.shape, np.nan)
    for columns, valid_T in _compared(section, return_TS, task):
        among_NS = return_TS[np.ix_(valid_T, columns)]
        median_N1 = np.nanmedian(among_NS, axis=1, keepdims=True)
        above_NS = np.where(np.isfinite(among_NS), among_NS > median_N1, np.nan)
        label_TS[np.ix_(valid_T, columns)] = above_NS
    return label_TS


def in_top_fifth(section: CrossSection, return_TS: Floats, task: TaskConfig) -> Floats:
    """Return 1 where more than .8 of those it is compared with lie below, else 0.

    Shares are those of :func:`finscale.data.cross_section.day_ranks`; equal returns share one, and
    so have the same label.
    """
    share_TS = _shares(section, return_TS, task)
    return np.where(np.isfinite(share_TS), share_TS > _TOP, np.nan)


def rank_scores(section: CrossSection, return_TS: Floats, task: TaskConfig) -> Floats:
    """Return the normal score of each return's rank of the day: Φ⁻¹((rank − ½) / n)."""
    from scipy.special import ndtri

    scores_TS: Floats = ndtri(_shares(section, return_TS, task))
    return scores_TS


def residuals(section: CrossSection, return_TS: Floats, task: TaskConfig) -> Floats:
    """Return log returns less beta times the mean of those they are compared with.

    Beta is measured over the ``task.beta_days`` days up to t, on the same members' daily mean.
    """
    label_TS = np.full(return_TS.shape, np.nan)
    for columns, valid_T in _compared(section, return_TS, task):
        group = None if columns.size == len(section.symbols) else columns
        beta_TS, _ = section.betas(task.beta_days, columns=group)
        market_T = section.day_means(return_TS, columns)
        own_TS = return_TS - beta_TS * market_T[:, None]
        place = np.ix_(valid_T, columns)
        label_TS[place] = own_TS[place]
    return label_TS


def _shares(section: CrossSection, return_TS: Floats, task: TaskConfig) -> Floats:
    share_TS = np.full(return_TS.shape, np.nan)
    for columns, valid_T in _compared(section, return_TS, task):
        place = np.ix_(valid_T, columns)
        among_NS = return_TS[place]
        share_TS[place] = day_ranks(among_NS, np.isfinite(among_NS))[0]
    return share_TS


def _compared(
    section: CrossSection, return_TS: Floats, task: TaskConfig
) -> list[tuple[Ints, NDArray[np.bool_]]]:
    """Return the columns that are compared, with the days on which there are enough of them."""
    least = LEAST_IN_GROUP if task.neutral == "group" else 1
    return [
        (columns, np.isfinite(return_TS[:, columns]).sum(axis=1) >= least)
        for columns in section.compared(task.neutral, f"task {task.name}")
    ]
