"""Control labels of tasks that compare the symbols of a day.

``permuted``
    The real labels, shuffled among the members of each day: a day keeps its share of yes, and
    within it no symbol can be told from another.
``planted``
    Labels drawn from the planted signal less the day's mean of it, so that the best possible loss
    is known exactly and no bet on the whole day gains anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from finscale.config import TaskConfig
from finscale.data.controls import draws, signal
from finscale.data.cross_section import CrossSection, Floats
from finscale.registry import Registry

#: Control → labels [T, S], from the panel, its parts, the real labels [T, S] and the task.
SECTION_CONTROLS: Registry[
    Callable[[CrossSection, Sequence[pl.DataFrame], Floats, TaskConfig], Floats]
] = Registry("control across the section")


def section_optimum(
    section: CrossSection, parts: Sequence[pl.DataFrame], target_TS: Floats, task: TaskConfig
) -> Floats:
    """Return the predictions of a planted task that no model can beat, (T, S): log odds, or means.

    ``target_TS`` are the real labels, which give the base rate or the spread.
    """
    signal_TS = section.wide(np.concatenate([signal(part) for part in parts]))
    labelled_TS = np.where(np.isfinite(target_TS), signal_TS, np.nan)
    apart_TS = signal_TS - section.day_means(labelled_TS)[:, None]
    if task.kind == "classification":
        rate = float(np.nanmean(target_TS))
        best_TS: Floats = math.log(rate / (1 - rate)) + task.control_strength * apart_TS
        return best_TS
    scale = float(np.nanstd(target_TS)) / math.hypot(1.0, task.control_strength)
    spread_TS: Floats = scale * task.control_strength * apart_TS
    return spread_TS


def _planted(
    section: CrossSection, parts: Sequence[pl.DataFrame], target_TS: Floats, task: TaskConfig
) -> Floats:
    best_TS = section_optimum(section, parts, target_TS, task)
    if task.kind == "classification":
        drawn_TS = _drawn(section, parts, task, "random")
        chosen_TS = (drawn_TS < 1 / (1 + np.exp(-best_TS))).astype(np.float64)
    else:
        noise = float(np.nanstd(target_TS)) / math.hypot(1.0, task.control_strength)
        chosen_TS = best_TS + noise * _drawn(section, parts, task, "standard_normal")
    return np.where(np.isfinite(target_TS), chosen_TS, np.nan)


def _permuted(
    section: CrossSection, parts: Sequence[pl.DataFrame], target_TS: Floats, task: TaskConfig
) -> Floats:
    drawn_TS = _drawn(section, parts, task, "random")
    labelled_TS = np.isfinite(target_TS)
    # sorted by a random number within its day; what has no label comes last and stays away
    order_TS = np.argsort(np.where(labelled_TS, drawn_TS, np.inf), axis=1, kind="stable")
    shuffled_TS = np.take_along_axis(target_TS, order_TS, axis=1)
    permuted_TS = np.full(target_TS.shape, np.nan)
    # the k-th labelled member of a day gets the k-th of the shuffled labels
    place_TS = np.argsort(~labelled_TS, axis=1, kind="stable")
    np.put_along_axis(permuted_TS, place_TS, shuffled_TS, axis=1)
    return permuted_TS


def _drawn(
    section: CrossSection, parts: Sequence[pl.DataFrame], task: TaskConfig, law: str
) -> Floats:
    return section.wide(np.concatenate([draws(part, task, law) for part in parts]))


SECTION_CONTROLS.add("planted", _planted)
SECTION_CONTROLS.add("permuted", _permuted)
