"""A study's grid: which runs it is made of."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from finscale.config import BaselineConfig, ExperimentConfig, StudyConfig, override, validate
from finscale.config.study import AXIS_SETTINGS


@dataclass(frozen=True)
class Cell:
    """One run of a study and its place in the grid.

    Parameters
    ----------
    config : ExperimentConfig
        What is run.
    sizes : dict of str to int
        Scale axis → size; empty for a baseline.
    """

    config: ExperimentConfig
    sizes: dict[str, int]

    @property
    def label(self) -> str:
        """Return a short name for progress lines."""
        return self.config.name


def expand(study: StudyConfig) -> list[Cell]:
    """Return the baselines, then every size with every seed, in the order of the study file."""
    return [*_baselines(study), *_networks(study)]


def _baselines(study: StudyConfig) -> list[Cell]:
    base = study.experiment
    return [
        Cell(
            base.model_copy(update={"name": name, "model": BaselineConfig(name=name), "seed": 0}),
            {},
        )
        for name in study.baselines
    ]


def _networks(study: StudyConfig) -> list[Cell]:
    axes: list[str] = list(study.axes)
    content = study.experiment.model_dump(mode="json")
    cells = []
    for sizes in itertools.product(*study.axes.values()):
        for seed in study.seeds:
            place: dict[str, int] = dict(zip(axes, sizes, strict=True))
            settings = [f"{AXIS_SETTINGS[axis]}={size}" for axis, size in place.items()]
            name = "-".join(f"{axis}{size}" for axis, size in place.items()) + f"-seed{seed}"
            changed = override(content, [*settings, f"seed={seed}", f"name={name}"])
            cells.append(Cell(validate(ExperimentConfig, changed, place=study.name), place))
    return cells
