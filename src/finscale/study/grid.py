"""A study's grid: which runs it is made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
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


def _grid_sizes(study: StudyConfig, *, of_data: bool = False) -> Iterator[dict[str, Size]]:
    """Yield every combination of sizes; with ``of_data``, of the axes that change the data only."""
    axes = [axis for axis in study.axes if AXES[axis].of_data or not of_data]
    for sizes in itertools.product(*(study.axes[axis] for axis in axes)):
        yield dict(zip(map(str, axes), sizes, strict=True))


def _at_sizes(study: StudyConfig, sizes: dict[str, Size], look: Look) -> ExperimentConfig:
    """Return the experiment at some sizes; axes that change the data come first.

    The compute axis counts the windows of the data that the other axis has chosen.
    """
    config = study.experiment
    for axis in sorted(sizes, key=lambda name: not AXES[name].of_data):
        config = AXES[axis].apply(config, sizes[axis], look)
    return validate(ExperimentConfig, config.model_dump(mode="json"), place=study.name)


def _baselines(study: StudyConfig, look: Look) -> Iterator[Cell]:
    for name, sizes in itertools.product(study.baselines, _grid_sizes(study, of_data=True)):
        sized = _at_sizes(study, sizes, look)
        model = BaselineConfig(name=name)
        for fold in study.run_folds:
            yield _cell(study, sized, sizes, fold, before=[name], model=model, seed=0)


def _networks(study: StudyConfig, look: Look) -> Iterator[Cell]:
    for sizes in _grid_sizes(study):
        sized = _at_sizes(study, sizes, look)
        for seed, fold in itertools.product(study.seeds, study.run_folds):
            yield _cell(study, sized, sizes, fold, after=[f"seed{seed}"], seed=seed)


def _cell(
    study: StudyConfig,
    sized: ExperimentConfig,
    sizes: dict[str, Size],
    fold: int,
    *,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    **changes: Any,
) -> Cell:
    """Return a cell on a fold; its name has its sizes between other words."""
    control = study.experiment.task.control
    written = [f"{axis}{size}" for axis, size in sizes.items()]
    parts = [*([control] if control != "none" else []), *before, *written, *after]
    name = "-".join([*parts, *([f"fold{fold}"] if study.num_folds > 1 else [])])
    split = sized.split.model_copy(update={"fold": fold})
    return Cell(sized.model_copy(update={"name": name, "split": split, **changes}), sizes)
