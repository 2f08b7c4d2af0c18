"""A size's settings: what the search numbers stand for, and the runs that try them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from finscale.config import BaselineConfig, ExperimentConfig, SplitConfig
from finscale.config.tune import SearchConfig
from finscale.errors import BudgetError, ConfigError
from finscale.models.interface import Interface
from finscale.models.shapes import ShapeAsked, shape_settings, solve_shape
from finscale.study.grid import Cell
from finscale.study.planned import Planned
from finscale.study.tune.space import Dimension, Limits
from finscale.study.tune.trials import Params

#: Training days that an earlier validation block leaves, in lengths of the block.
_LEAST_HISTORY = 1


@dataclass(frozen=True)
class Base:
    """A size before its search: its transferred settings, resolved on the first fold."""

    cell: Cell
    planned: Planned
    label: str
    holds_compute: bool = False  #: Whether the axis is compute, which epochs and shape would move

    @property
    def config(self) -> ExperimentConfig:
        """The experiment, every setting resolved."""
        return self.planned.prepared.config

    @property
    def interface(self) -> Interface:
        """Inputs and head of the network."""
        return Interface(**self.planned.prepared.interface())

    def limits(self, search: SearchConfig) -> Limits:
        """Return what of the space this size leaves open."""
        network = self.config.network
        shaped = network.budget is not None and not self.holds_compute
        shape = shape_settings(network) if shaped else ()
        asked = search.space.depth
        deepest = self._deepest(asked[1]) if asked and "depth" in shape else 1
        return Limits(
            num_windows=len(self.planned.prepared.split.train),
            shape=shape,
            has_dropout="dropout" in type(network).model_fields,
            most_depth=deepest,
            epochs=self.config.training.epochs,
        )

    def _deepest(self, asked: int) -> int:
        """Return the deepest network that meets the budget, up to four times what is asked."""
        for depth in [4 * asked, 2 * asked, *range(asked, 1, -1)]:
            try:
                solve_shape(self.cell.config.network, ShapeAsked(depth=depth), self.interface)
            except BudgetError:
                continue
            return int(depth)
        return 1

    def own(self, dims: Sequence[Dimension]) -> Params:
        """Return the numbers of the size's own settings, the nearest inside the ranges."""
        training, network = self.config.training, self.config.network
        width, ff_width = (getattr(network, name, None) for name in ("width", "ff_width"))
        heads = getattr(network, "heads", None)
        settings: dict[str, float] = {
            "rate": 1.0,
            "decay": float(training.weight_decay),
            "dropout": float(getattr(network, "dropout", 0.0)),
            "batch": float(training.batch_size),
            "epochs": 1.0,
            "depth": float(getattr(network, "depth", None) or 1),
            "ff_ratio": ff_width / width if width and ff_width else 4.0,
            "heads": float(heads or 1),
        }
        return {dim.key: dim.number(settings[dim.name]) for dim in dims}

    def applied(self, dims: Sequence[Dimension], params: Params, name: str = "") -> Cell:
        """Return the cell with a trial's settings.

        Raises
        ------
        BudgetError
            If no network of that shape meets the budget.
        """
        value = {dim.name: dim.setting(params[dim.key]) for dim in dims if dim.key in params}
        training: dict[str, Any] = {}
        if "rate" in value:
            training["learning_rate"] = float(self.config.training.learning_rate) * value["rate"]
        if "decay" in value:
            training["weight_decay"] = value["decay"]
        if "batch" in value:
            training["batch_size"] = round(value["batch"])
        if "epochs" in value:
            training["epochs"] = max(1, round(self.config.training.epochs * value["epochs"]))
        network = self.cell.config.network
        if "dropout" in value:
            network = network.model_copy(update={"dropout": value["dropout"]})
        if {"depth", "ff_ratio", "heads"} & set(value):
            depth, heads = value.get("depth"), value.get("heads")
            asked = ShapeAsked(
                None if depth is None else round(depth),
                value.get("ff_ratio"),
                None if heads is None else round(heads),
            )
            network = solve_shape(network, asked, self.interface)
        section = self.cell.config.training.model_copy(update=training)
        update = {"training": section, "model": network, "name": name or self.cell.config.name}
        return replace(self.cell, config=self.cell.config.model_copy(update=update))


def trial_cells(base: Base, cell: Cell, search: SearchConfig, name: str) -> list[Cell]:
    """Return the runs of a trial: each fold with each seed, the first of them the prunable one."""
    found = []
    for fold, split in enumerate(inner_splits(base.planned, search.folds)):
        for seed in search.seeds:
            parts = [name]
            parts += [f"block{fold}"] if search.folds > 1 else []
            parts += [f"seed{seed}"] if len(search.seeds) > 1 else []
            update = {"split": split, "seed": seed, "name": "-".join(parts)}
            found.append(replace(cell, config=cell.config.model_copy(update=update)))
    return found


def inner_splits(base: Planned, folds: int) -> Iterator[SplitConfig]:
    """Yield the splits that a trial is judged on, none of which reaches into a test block.

    The first is the study's own first fold. The others hold out blocks of the same length before
    its validation block, one after another; their runs predict no day of any test block either.

    Raises
    ------
    ConfigError
        If the history before is too short, or blocks are drawn at random.
    """
    own = base.prepared.config.split
    yield own
    if folds == 1:
        return
    if own.method == "chunks":
        raise ConfigError(
            f"tuning.search.folds = {folds}: blocks drawn at random have none before them.",
            hint="take folds: 1, or split.method: walk_forward",
        )
    dates, split = base.prepared.dataset.date_R, base.prepared.split
    held = np.unique(dates[split.validation])
    before = np.unique(dates[split.train])
    history, length = np.concatenate([before, held]), len(held)
    if len(before) < (folds - 1 + _LEAST_HISTORY) * length:
        most = max(1, len(before) // length - _LEAST_HISTORY + 1)
        raise ConfigError(
            f"tuning.search.folds = {folds}: {len(before):,} training days leave no room for so "
            f"many blocks of {length:,} validation days.",
            hint=f"take folds: {most}, or shorter validation blocks",
        )
    for fold in range(1, folds):
        end = len(history) - fold * length
        start = None
        if own.window == "rolling" and own.method == "walk_forward":
            start = history[max(0, end - length - len(before))].item()
        yield SplitConfig(
            method="dates",
            train_start=start,
            train_end=history[end - length - 1].item(),
            validation_end=history[end - 1].item(),
            test_end=history[min(end + length, len(history)) - 1].item(),
            embargo=own.embargo,
        )


def largest_epochs(base: Base, dims: Sequence[Dimension]) -> int:
    """Return the epochs of the longest training in a space."""
    own = base.config.training.epochs
    return max([own, *(math.ceil(own * dim.high) for dim in dims if dim.name == "epochs")])


def told_settings(cell: Cell, planned: Planned) -> dict[str, Any]:
    """Return a cell's settings as people read them, shape included."""
    config = planned.prepared.config
    assert not isinstance(config.model, BaselineConfig)
    training, network = config.training, config.network
    shape = ("depth", "width", "heads", "ff_width", "dropout")
    return {
        "learning_rate": float(training.learning_rate),
        "weight_decay": float(training.weight_decay),
        "batch_size": int(training.batch_size),
        "epochs": training.epochs,
        **{name: getattr(network, name) for name in shape if getattr(network, name, None)},
    }


def sections_of(cell: Cell) -> dict[str, Any]:
    """Return the settings that make a run this size's: what a search varies, and the network."""
    names = ("learning_rate", "weight_decay", "batch_size", "epochs")
    training = cell.config.training
    return {
        "training": {name: getattr(training, name) for name in names},
        "model": cell.config.model.model_dump(mode="json"),
    }
