"""Runs of a study that a registered rule leaves out: far from the other seeds of their size.

The rules are those of :mod:`finscale.scaling.dropping`. A run is held against the other seeds of
its own architecture and sizes alone, by its mean loss on the test days, so that no rule can favour
one size over another; the seed noise is pooled along the first axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from finscale.config import StudyConfig
from finscale.config.redraws import draw_numbers
from finscale.judging.gather import predictions_of
from finscale.runs import Run
from finscale.scaling.dropping import DROP_RULES, dropped_runs
from finscale.study.axes import nominal
from finscale.study.daily import Completed, in_folds, series_key


def without_outlying(study: StudyConfig, completed: Completed) -> tuple[Completed, tuple[str, ...]]:
    """Leave out the series that the study's rules name; say how many, which and why.

    ``completed`` holds whole series, all folds of each.
    """
    rules = [rule for rule in study.exclusions if rule in DROP_RULES]
    if not rules:
        return completed, ()
    first = next(iter(study.axes))
    groups: dict[str, dict[str, Completed]] = {}
    for planned, run in completed:
        if planned.cell.is_baseline:
            continue
        others = {axis: size for axis, size in planned.cell.sizes.items() if axis != first}
        series = groups.setdefault(f"{planned.cell.family} {others}", {})
        series[series_key(planned)] = [*series.get(series_key(planned), ()), (planned, run)]
    gone: set[str] = set()
    words: list[str] = []
    for group in groups.values():
        keys, said = _outlying(first, group, rules)
        gone |= keys
        words += said
    kept = [(p, run) for p, run in completed if p.cell.is_baseline or series_key(p) not in gone]
    return kept, tuple(words)


def _outlying(
    axis: str, group: dict[str, Completed], rules: Sequence[str]
) -> tuple[set[str], tuple[str, ...]]:
    """Return the keys of series of one architecture and second size that rules leave out."""
    places = {
        key: (nominal(axis, members[0][0].cell.sizes[axis]), _replicate(members[0][1]))
        for key, members in group.items()
    }
    sizes = sorted({size for size, _ in places.values()})
    seeds = sorted({seed for _, seed in places.values()})
    runs_GS = np.full((len(sizes), len(seeds)), np.nan)
    for key, members in group.items():
        size, seed = places[key]
        runs_GS[sizes.index(size), seeds.index(seed)] = _daily_mean(in_folds(members))
    # seeds alone name the runs of a study of one draw
    numbers = zip(*(draws for draws, _ in seeds), strict=True)
    varying = next((place for place, one in enumerate(numbers) if len(set(one)) > 1), None)
    labels = [seed if varying is None else f"{draws[varying]}/{seed}" for draws, seed in seeds]
    found = dropped_runs(runs_GS, np.array(sizes)[:, None], rules, [labels] * len(sizes))
    keys = {
        key
        for key, (size, seed) in places.items()
        if found.mask_nS[sizes.index(size), seeds.index(seed)]
    }
    return keys, found.words


def _replicate(run: Run) -> tuple[tuple[int, ...], int]:
    """Return the numbers of the run's draws, and its seed."""
    return draw_numbers(run.config), run.config.seed


def _daily_mean(runs: Sequence[Run]) -> float:
    """Return the mean over test days of a series' mean loss on each."""
    predictions = predictions_of(runs)
    losses = predictions.test.select("date").with_columns(loss=pl.Series(predictions.losses_N))
    return float(losses.group_by("date").agg(pl.col("loss").mean())["loss"].to_numpy().mean())
