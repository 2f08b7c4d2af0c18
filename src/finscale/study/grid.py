"""A study's grid: which runs it is made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from finscale.config import BaselineConfig, ExperimentConfig, StudyConfig, validate
from finscale.study.axes import AXES, Look, Size, look_at_windows


@dataclass(frozen=True)
class Cell:
    """One run of a study and its place in the grid."""

    config: ExperimentConfig  #: What is run
    #: Scale axis → size; of a baseline, only the axes that change what it is fitted to.
    sizes: dict[str, Size]

    @property
    def label(self) -> str:
        """Return a short name for progress lines."""
        return self.config.name

    @property
    def is_baseline(self) -> bool:
        """Whether the run is a model without scale."""
        return isinstance(self.config.model, BaselineConfig)


def expand(study: StudyConfig, look: Look = look_at_windows) -> list[Cell]:
    """Return the baselines, then every size with every seed and fold, in the order of the file."""
    return [*_baselines(study, look), *_networks(study, look)]


def grid_sizes(study: StudyConfig, *, of_data: bool = False) -> Iterator[dict[str, Size]]:
    """Yield every combination of sizes; with ``of_data``, of the axes that change the data only."""
    axes = [axis for axis in study.axes if AXES[axis].of_data or not of_data]
    for sizes in itertools.product(*(study.axes[axis] for axis in axes)):
        yield dict(zip(map(str, axes), sizes, strict=True))


def at_sizes(
    config: ExperimentConfig, sizes: dict[str, Size], look: Look, *, place: str
) -> ExperimentConfig:
    """Return the experiment at some sizes; axes that change the data come first.

    The compute axis counts the windows of the data that the other axis has chosen.
    """
    for axis in sorted(sizes, key=lambda name: not AXES[name].of_data):
        config = AXES[axis].apply(config, sizes[axis], look)
    content = config.model_dump(mode="json")
    return validate(ExperimentConfig, content, place=place)


def _baselines(study: StudyConfig, look: Look) -> Iterator[Cell]:
    base = study.experiment
    for name, sizes in itertools.product(study.baselines, grid_sizes(study, of_data=True)):
        sized = at_sizes(base, sizes, look, place=study.name)
        for fold in study.run_folds:
            changes = {
                "name": _name([name, *_written(sizes)], study, fold),
                "model": BaselineConfig(name=name),
                "split": _fold(sized, fold),
                "seed": 0,
            }
            yield Cell(sized.model_copy(update=changes), sizes)


def _networks(study: StudyConfig, look: Look) -> Iterator[Cell]:
    for sizes in grid_sizes(study):
        sized = at_sizes(study.experiment, sizes, look, place=study.name)
        for seed, fold in itertools.product(study.seeds, study.run_folds):
            changes = {
                "name": _name([*_written(sizes), f"seed{seed}"], study, fold),
                "split": _fold(sized, fold),
                "seed": seed,
            }
            yield Cell(sized.model_copy(update=changes), sizes)


def _fold(config: ExperimentConfig, fold: int) -> Any:
    return config.split.model_copy(update={"fold": fold})


def _written(sizes: dict[str, Size]) -> list[str]:
    return [f"{axis}{size}" for axis, size in sizes.items()]


def _name(parts: list[str], study: StudyConfig, fold: int) -> str:
    if study.experiment.task.control != "none":
        parts = [study.experiment.task.control, *parts]
    if study.num_folds > 1:
        parts = [*parts, f"fold{fold}"]
    return "-".join(parts)
