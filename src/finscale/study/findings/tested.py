"""A study's models as they were tested: each over all its folds, day after day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finscale.config import BaselineConfig
from finscale.evaluation.predictions import Predictions
from finscale.judging.gather import model_name, predictions_of
from finscale.study.axes import AXES

if TYPE_CHECKING:
    from finscale.runs import Run
    from finscale.study.planned import Planned


def gather(
    completed: Sequence[tuple[Planned, Run]],
) -> tuple[list[Predictions], list[Predictions]]:
    """Return a study's baselines and its networks, sizes and seeds rising; controls left out.

    A model that lacks a fold which others have is left out: it would be judged on other days.
    """
    groups: dict[tuple[Any, ...], list[tuple[Planned, Run]]] = {}
    for planned, run in completed:
        if run.config.task.control == "none":
            place = tuple(planned.cell.sizes.items())
            groups.setdefault((model_name(run.config), place, run.config.seed), []).append(
                (planned, run)
            )
    most = max((len(members) for members in groups.values()), default=0)
    whole = {key: members for key, members in groups.items() if len(members) == most}
    networks = [key for key, members in whole.items() if not _is_baseline(members)]
    # a baseline is judged by what the networks were trained for
    beside = whole[networks[0]][0][1].config if networks else None
    found: dict[bool, list[Predictions]] = {True: [], False: []}
    for (name, place, _), members in whole.items():
        runs = [run for _, run in sorted(members, key=lambda m: m[1].config.split.fold)]
        sizes, of_baseline = _measured(dict(place), groups, name), _is_baseline(members)
        found[of_baseline].append(
            predictions_of(
                runs, beside=beside if of_baseline else None, sizes=sizes, budget=dict(place)
            )
        )
    found[False].sort(key=lambda network: (*network.sizes.values(), network.seed))
    return found[True], found[False]


def _is_baseline(members: Sequence[tuple[Planned, Run]]) -> bool:
    return isinstance(members[0][1].config.model, BaselineConfig)


def _measured(
    place: dict[str, Any], groups: Mapping[tuple[Any, ...], list[tuple[Planned, Run]]], name: str
) -> dict[str, float]:
    """Return the mean over all runs of one size of what each axis measures."""
    runs = [
        run
        for (other, sizes, _), members in groups.items()
        if other == name and dict(sizes) == place
        for _, run in members
    ]
    return {axis: sum(map(AXES[axis].measure, runs)) / len(runs) for axis in place}


def same_windows(baselines: Sequence[Predictions], network: Predictions) -> dict[str, Predictions]:
    """Return by name the baselines that were tested on a network's windows, at its sizes."""
    key = network.test.select("date", "symbol", "fold", "target")
    return {
        baseline.name: baseline
        for baseline in baselines
        if all(network.budget.get(axis) == size for axis, size in baseline.budget.items())
        and baseline.test.select("date", "symbol", "fold", "target").equals(key)
    }


def median_by_validation(group: Sequence[Predictions]) -> Predictions:
    """Return the seed whose validation loss is the (lower) median: neither lucky nor unlucky."""
    ordered = sorted(group, key=lambda network: network.validation_loss)
    return ordered[(len(ordered) - 1) // 2]
