"""Architectures of one study held against one another: a curve and a verdict each, and differences.

It answers whether a result is one of size or of the architecture. Each architecture is judged along
its sizes like a study of its own. Between architectures every pair is compared at each size, and at
the size that is best for each, which validation chooses; all of it on the same days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from finscale.config import StudyConfig
from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Floats, Metric
from finscale.evaluation.predictions import Predictions
from finscale.scaling.measure import Measure
from finscale.study.analysis import beyond_linear, longest_horizon, verdict, whole
from finscale.study.axes import AXES, nominal
from finscale.study.beyond import BeyondLinear
from finscale.study.daily import Completed, replicates, study_values
from finscale.study.families import LeftOut, family_title, of_family, sized_words
from finscale.study.family_differences import SeedLuck, cell_deviations, separate, simultaneous
from finscale.study.family_results import (
    AT_BEST,
    FamilyComparison,
    FamilyDifference,
    FamilyResult,
    FamilySize,
)
from finscale.study.findings.skill import group_by_size
from finscale.study.findings.tested import gather, validation_loss
from finscale.study.outcomes import measure_of


@dataclass(frozen=True)
class _Cells:
    """Every architecture at every size, as K columns over T common days."""

    keys: list[tuple[str, tuple[float, ...]]]  #: Family and sizes
    days: Any
    loss_TK: Floats  #: Averaged over seeds
    runs: list[Floats]  #: Mean loss of each seed
    facts: list[dict[str, Any]]


def compare_families(
    study: StudyConfig,
    completed: Completed,
    data: DataStore | None = None,
    left_out: Sequence[LeftOut] = (),
    *,
    seed: int = 0,
) -> FamilyComparison:
    """Compare the architectures of a study.

    Parameters
    ----------
    study : StudyConfig
        With ``architectures``.
    completed : sequence of (Planned, Run)
        Finished runs.
    data : DataStore, optional
        Where the bars lie, for an outcome that trades.
    left_out : sequence of LeftOut
        What some architecture cannot have, to be named beside what was found.
    seed : int
        Of the bootstrap.

    Raises
    ------
    FinscaleError
        If fewer than two architectures have a finished size.
    """
    kept, _ = whole(study, completed)
    names = [n for n in study.families if any(p.cell.family == n for p, _ in kept)]
    if len(names) < 2:
        raise FinscaleError("fewer than two architectures have finished, and none is compared.")
    measure = measure_of(study)
    cells = _cells(
        replicates(study_values(study, kept, data, common=True)), list(study.axes), measure
    )
    luck = _seed_luck(cells)
    places, pairs = _pairs(study, names, kept, cells)
    every_KK = np.eye(len(cells.keys)) - 1 / len(cells.keys)
    contrast_CK = np.array([_contrast(len(cells.keys), *pair) for _, pair in pairs])
    deviation_RK = cell_deviations(
        cells.days,
        cells.loss_TK,
        luck,
        contrast_CK,
        overlap=longest_horizon(study),
        level=1 - study.level,
        seed=seed,
    )
    mean_K = cells.loss_TK.mean(axis=0)
    own = separate(every_KK @ mean_K, deviation_RK @ every_KK.T, level=1 - study.level)
    tests = simultaneous(contrast_CK @ mean_K, deviation_RK @ contrast_CK.T, level=1 - study.level)
    sizes = [
        _size(place, float(mean), metric, facts, measure)
        for place, mean, metric, facts in zip(places, mean_K, own, cells.facts, strict=True)
    ]
    families = tuple(_result(study, name, completed, data, cells, sizes) for name in names)
    titles = [family_title(study, family) for family, _ in cells.keys]
    differences = tuple(
        FamilyDifference(
            at, titles[a], sizes[a].label, titles[b], sizes[b].label, test.difference, test.p_value
        )
        for (at, (a, b)), test in zip(pairs, tests, strict=True)
    )
    lead = min(families, key=lambda one: one.best.validation_loss).name
    return FamilyComparison(
        families,
        differences,
        lead,
        measure,
        study.level,
        study.sesoi,
        len(cells.days),
        all(one.is_known for one in luck),
        tuple(left_out),
    )


def _cells(table: pl.DataFrame, axes: Sequence[str], measure: Measure) -> _Cells:
    sizes = [f"size_{axis}" for axis in axes]
    days = table["day"].unique().sort().to_numpy()
    keys, columns, runs, facts = [], [], [], []
    # sizes of one family rise along the first axis, at each size of the second
    ordered = table.sort([*reversed(sizes), "seed", "day"])
    for part in ordered.partition_by(["family", *sizes], maintain_order=True):
        values_ST = part["value"].to_numpy().reshape(-1, len(days))
        loss_ST = measure.as_loss(values_ST)
        first = part.row(0, named=True)
        keys.append((first["family"], tuple(float(first[name]) for name in sizes)))
        columns.append(loss_ST.mean(axis=0))
        runs.append(loss_ST.mean(axis=1))
        means = {name: float(part[name].mean()) for name in (axes[0], "parameters")}  # type: ignore[arg-type]
        place = {"x": means[axes[0]], "parameters": means["parameters"]}
        facts.append({**place, "num_seeds": len(values_ST)})
    # families stay together, and within them the sizes of one level of the second axis
    order = sorted(range(len(keys)), key=lambda k: (keys[k][0], keys[k][1][1:], keys[k][1][0]))
    return _Cells(
        [keys[k] for k in order],
        days,
        np.column_stack([columns[k] for k in order]),
        [runs[k] for k in order],
        [facts[k] for k in order],
    )


def _seed_luck(cells: _Cells) -> list[SeedLuck]:
    """Return the luck of seeds, pooled over the sizes of a family at one level of a second axis."""
    groups: dict[Any, list[Floats]] = {}
    for (family, sizes), runs in zip(cells.keys, cells.runs, strict=True):
        groups.setdefault((family, sizes[1:]), []).append(runs)
    return [SeedLuck.of(runs) for runs in groups.values()]


@dataclass(frozen=True)
class _Place:
    label: str
    words: str
    at: str
    validation_loss: float


def _pairs(
    study: StudyConfig, names: Sequence[str], kept: Completed, cells: _Cells
) -> tuple[list[_Place], list[tuple[str, tuple[int, int]]]]:
    """Return what each cell is in words, and the pairs that are compared, by name of the place."""
    axis, relative = next(iter(study.axes)), any(AXES[name].relative for name in study.axes)
    places: dict[int, _Place] = {}
    best: list[int] = []
    for name in names:
        baselines, networks = gather(of_family(kept, name))
        own = []
        for group in group_by_size(networks):
            sizes = dict(group[0].budget)
            key = name, tuple(float(nominal(other, sizes[other])) for other in study.axes)
            index = cells.keys.index(key)
            loss = validation_loss(group, baselines if relative else [])
            first = AXES[axis].words(sizes[axis])
            places[index] = _Place(sized_words(sizes), first, _at(group[0]), loss)
            own.append(index)
        best.append(min(own, key=lambda index: places[index].validation_loss))
    by_size: dict[tuple[float, ...], list[int]] = {}
    for name in names:
        for index, (family, at) in enumerate(cells.keys):
            if family == name:
                by_size.setdefault(at, []).append(index)
    pairs = [
        (places[a].label, (a, b))
        for _, there in sorted(by_size.items())
        for a, b in combinations(there, 2)
    ]
    pairs += [(AT_BEST, pair) for pair in combinations(best, 2)]
    return [places[index] for index in range(len(cells.keys))], pairs


def _at(network: Predictions) -> str:
    """Return the size of the second axis in words; nothing with one axis."""
    return sized_words(dict(list(network.budget.items())[1:]))


def _contrast(num_cells: int, first: int, second: int) -> Floats:
    """Return the weights whose product with losses is what the first saves over the second."""
    weight_K = np.zeros(num_cells)
    weight_K[[first, second]] = -1.0, 1.0
    return weight_K


def _size(
    place: _Place, mean: float, distance: Metric, facts: Mapping[str, Any], measure: Measure
) -> FamilySize:
    half = (distance.high - distance.low) / 2
    value = float(measure.shown(mean))
    interval = Metric(value, value - half, value + half)
    return FamilySize(
        label=place.label,
        words=place.words,
        at=place.at,
        value=interval,
        validation_loss=place.validation_loss,
        **facts,
    )


def _result(
    study: StudyConfig,
    name: str,
    completed: Completed,
    data: DataStore | None,
    cells: _Cells,
    sizes: Sequence[FamilySize],
) -> FamilyResult:
    own = tuple(size for (family, _), size in zip(cells.keys, sizes, strict=True) if family == name)
    judged, why_not = None, ""
    try:
        judged = verdict(study.of_family(name), of_family(completed, name), data)
    except FinscaleError as error:
        why_not = error.message
    best = min(own, key=lambda size: size.validation_loss)
    beyond = _beyond(study, name, completed, data)
    there = beyond
    if best.at != own[-1].at:
        second, levels = list(study.axes.items())[1]
        level = next(one for one in levels if sized_words({second: one}) == best.at)
        there = _beyond(study, name, completed, data, level)
    return FamilyResult(
        name,
        family_title(study, name),
        own,
        best,
        judged,
        why_not,
        beyond,
        there.at(best.x) if there else None,
    )


def _beyond(
    study: StudyConfig,
    name: str,
    completed: Completed,
    data: DataStore | None,
    level: int | str | None = None,
) -> BeyondLinear | None:
    return beyond_linear(study.of_family(name), of_family(completed, name), level, data)
