"""A study's runs as series: one model over all its folds, day after day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config import BaselineConfig
from finscale.evaluation.predictions import check_predictions, part
from finscale.evaluation.scores import log_losses, squared_errors
from finscale.study.axes import AXES

if TYPE_CHECKING:
    from finscale.runs import Run
    from finscale.study.study import Planned

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """The runs of one model, one for each fold, and what they predicted.

    Parameters
    ----------
    name : str
        A baseline's name; of a network, its architecture.
    sizes : mapping of str to float
        Scale axis → what was measured of it (:class:`finscale.study.axes.Axis`), averaged over the
        runs of one size: the law's x. Of a baseline, only the axes that change its data.
    budget : mapping
        Scale axis → size as the study file has it: a number, or a tier's name.
    seed : int
        Of weights and data order.
    runs : tuple of Run
        By fold.
    """

    name: str
    sizes: Mapping[str, float]
    budget: Mapping[str, Any]
    seed: int
    runs: tuple[Run, ...]

    @property
    def is_baseline(self) -> bool:
        """Whether this is a model without scale."""
        return isinstance(self.runs[0].config.model, BaselineConfig)

    @property
    def kind(self) -> str:
        """Of the task: classification or regression."""
        return self.runs[0].config.task.kind

    @cached_property
    def predictions(self) -> pl.DataFrame:
        """Validation and test rows of all folds, checked and in order."""
        return check_predictions(pl.concat([run.predictions() for run in self.runs]), self.name)

    @cached_property
    def test(self) -> pl.DataFrame:
        """Test rows of all folds, in order of date, symbol and fold."""
        return part(self.predictions, "test")

    @cached_property
    def losses_N(self) -> Floats:
        """Loss of each test row: nats, or squared return."""
        return self._losses(self.test)

    @cached_property
    def validation_loss(self) -> float:
        """Mean loss over validation rows of all folds."""
        return float(self._losses(part(self.predictions, "validation")).mean())

    def _losses(self, rows: pl.DataFrame) -> Floats:
        loss = log_losses if self.kind == "classification" else squared_errors
        return loss(rows["target"].cast(pl.Float64).to_numpy(), rows["logit"].to_numpy())


def gather(completed: Sequence[tuple[Planned, Run]]) -> tuple[list[Series], list[Series]]:
    """Return the baselines, and the networks by size and seed, rising; controls are left out.

    A series that lacks a fold which others have is left out: it would be judged on other days.
    """
    groups: dict[tuple[Any, ...], list[tuple[Planned, Run]]] = {}
    for planned, run in completed:
        if run.config.task.control == "none":
            place = tuple(planned.cell.sizes.items())
            groups.setdefault((_name(run), place, run.config.seed), []).append((planned, run))
    most = max((len(members) for members in groups.values()), default=0)
    baselines: list[Series] = []
    networks: list[Series] = []
    for (name, place, seed), members in groups.items():
        if len(members) < most:
            continue
        runs = tuple(run for _, run in sorted(members, key=lambda m: m[1].config.split.fold))
        measured = _measured(dict(place), groups, name)
        series = Series(name, measured, dict(place), seed, runs)
        (baselines if series.is_baseline else networks).append(series)
    networks.sort(key=lambda series: (*series.sizes.values(), series.seed))
    return baselines, networks


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


def _name(run: Run) -> str:
    model = run.config.model
    return model.name if isinstance(model, BaselineConfig) else model.kind


def same_windows(baselines: Sequence[Series], network: Series) -> dict[str, Series]:
    """Return by name the baselines that were tested on a network's windows, at its sizes."""
    key = network.test.select("date", "symbol", "fold", "target")
    return {
        baseline.name: baseline
        for baseline in baselines
        if all(network.budget.get(axis) == size for axis, size in baseline.budget.items())
        and baseline.test.select("date", "symbol", "fold", "target").equals(key)
    }


def median_by_validation(group: Sequence[Series]) -> Series:
    """Return the seed whose validation loss is the (lower) median: neither lucky nor unlucky."""
    ordered = sorted(group, key=lambda series: series.validation_loss)
    return ordered[(len(ordered) - 1) // 2]
