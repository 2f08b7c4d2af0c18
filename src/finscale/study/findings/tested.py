"""A study's models as they were tested: each over all its folds, day after day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from finscale.config.redraws import REDRAWS, draw_numbers
from finscale.evaluation.predictions import Predictions
from finscale.judging.gather import model_name, predictions_of
from finscale.runs import Run
from finscale.study.axes import AXES
from finscale.study.daily import Completed, in_folds
from finscale.study.planned import Planned

_WINDOW = ("date", "symbol", "fold", "target")


def gather(completed: Completed) -> tuple[list[Predictions], list[Predictions]]:
    """Return a study's baselines and its networks, sizes and seeds rising; controls left out.

    A model that lacks a fold which others have is left out: it would be judged on other days.
    """
    groups: dict[tuple[Any, ...], list[tuple[Planned, Run]]] = {}
    alike: dict[tuple[Any, ...], list[Run]] = {}
    for planned, run in completed:
        if run.config.task.control == "none":
            size = model_name(run.config), *planned.cell.sizes.items()
            replicate = *draw_numbers(run.config), run.config.seed
            groups.setdefault((size, replicate), []).append((planned, run))
            alike.setdefault(size, []).append(run)
    most = max(map(len, groups.values()), default=0)
    whole = {key: members for key, members in groups.items() if len(members) == most}
    networks = [run for group in whole.values() for p, run in group if not p.cell.is_baseline]
    baselines: list[Predictions] = []
    tested: list[Predictions] = []
    for (size, _), members in whole.items():
        cell, runs = members[0][0].cell, alike[size]
        # a baseline is judged by what the networks were trained for
        beside = networks[0].config if cell.is_baseline and networks else None
        # what an axis measures is averaged over all runs of a size
        sizes = {axis: sum(map(AXES[axis].measure, runs)) / len(runs) for axis in cell.sizes}
        (baselines if cell.is_baseline else tested).append(
            predictions_of(in_folds(members), beside=beside, sizes=sizes, budget=cell.sizes)
        )
    tested.sort(key=lambda one: (*one.sizes.values(), *drawn(one), one.seed))
    return baselines, tested


def same_windows(baselines: Sequence[Predictions], network: Predictions) -> dict[str, Predictions]:
    """Return by name the baselines tested on a network's windows and features, at its sizes."""
    key = network.test.select(_WINDOW)
    return {
        baseline.name: baseline
        for baseline in baselines
        if baseline.budget.items() <= network.budget.items()
        and drawn(baseline) == drawn(network)
        and baseline.test.select(_WINDOW).equals(key)
    }


def same_draw(group: Sequence[Predictions], network: Predictions) -> list[Predictions]:
    """Return the networks of a size with the same features and training symbols as one of them."""
    return [one for one in group if drawn(one) == drawn(network)]


def drawn(one: Predictions) -> tuple[int, ...]:
    """Return which nesting of features and which draw of symbols a model was trained on."""
    return tuple(getattr(one, redraw.noun) for redraw in REDRAWS)


def median_by_validation(group: Sequence[Predictions]) -> Predictions:
    """Return the seed whose validation loss is the (lower) median: neither lucky nor unlucky."""
    ordered = sorted(group, key=lambda network: network.validation_loss)
    return ordered[(len(ordered) - 1) // 2]


def seed_ensemble(group: Sequence[Predictions]) -> Predictions:
    """Return the mean of a size's seeds as one model: of a probability, the mean of its log-odds.

    All seeds answer the same windows; what tells rows apart is that of the first.
    """
    if len(group) == 1:
        return group[0]
    keys = [*_WINDOW, "split"]
    first = group[0].table
    said = [name for name in first.columns if name not in keys and first[name].dtype.is_float()]
    stacked = pl.concat([one.table.select(first.columns) for one in group])
    means = stacked.group_by(keys, maintain_order=True).agg(pl.col(said).mean())
    table = first.select(pl.exclude(said)).join(means, on=keys, how="left", maintain_order="left")
    return replace(group[0], table=table.select(first.columns))


def validation_loss(group: Sequence[Predictions], against: Sequence[Predictions]) -> float:
    """Return a size's mean validation loss, less the base rate's where sizes ask other things."""
    base_rate = same_windows(against, group[0]).get("base_rate")
    mean = sum(network.validation_loss for network in group) / len(group)
    return mean - base_rate.validation_loss if base_rate else mean
