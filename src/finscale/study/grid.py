"""A study's grid: which runs it is made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from finscale.config import BaselineConfig, ExperimentConfig, StudyConfig, validate
from finscale.config.redraws import StudyDraw
from finscale.study.aligned import aligned
from finscale.study.axes import AXES, Look, Size, look_at_windows


@dataclass(frozen=True)
class Cell:
    """One run of a study and its place in the grid."""

    config: ExperimentConfig  #: What is run
    #: Scale axis → size; of a baseline, only the axes that change what it is fitted to.
    sizes: dict[str, Size]
    #: Of several architectures that are compared, the one that is trained; empty for a baseline
    #: and where a study has one architecture.
    family: str = ""

    @property
    def label(self) -> str:
        """Return a short name for progress lines."""
        return self.config.name

    @property
    def is_baseline(self) -> bool:
        """Whether the run is a model without scale."""
        return isinstance(self.config.model, BaselineConfig)


def expand(study: StudyConfig, look: Look = look_at_windows) -> list[Cell]:
    """Return the baselines, then every size with every seed and fold, in the order of the file.

    Of several architectures each has its sizes after one another.
    """
    networks = [
        cell
        for family, alone in alone_studies(study).items()
        for sizes in grid_sizes(alone)
        for cell in networks_at(alone, sizes, look, family=family)
    ]
    return [*baseline_cells(study, look), *networks]


def alone_studies(study: StudyConfig) -> dict[str, StudyConfig]:
    """Return the study of each architecture alone; under "" the study itself where it has one."""
    return {name: study.of_family(name) for name in study.families} or {"": study}


def grid_sizes(study: StudyConfig, *, of_data: bool = False) -> Iterator[dict[str, Size]]:
    """Yield every combination of sizes; with ``of_data``, of the axes that change the data only."""
    axes = [axis for axis in study.axes if AXES[axis].of_data or not of_data]
    for sizes in itertools.product(*(study.axes[axis] for axis in axes)):
        yield dict(zip(map(str, axes), sizes, strict=True))


def _at_sizes(study: StudyConfig, sizes: dict[str, Size], look: Look) -> ExperimentConfig:
    """Return the experiment at some sizes; axes that change the data come first.

    The compute axis counts the windows of the data that the other axis has chosen.
    """
    config = aligned(study).experiment
    for axis in sorted(sizes, key=lambda name: not AXES[name].of_data):
        config = AXES[axis].apply(config, sizes[axis], look)
    return validate(ExperimentConfig, config.model_dump(mode="json"), place=study.name)


def baseline_cells(study: StudyConfig, look: Look) -> Iterator[Cell]:
    """Yield the baselines, fitted anew at the sizes that change the data."""
    for name, sizes in itertools.product(study.baselines, grid_sizes(study, of_data=True)):
        sized = _at_sizes(study, sizes, look)
        model = BaselineConfig(name=name)
        for draw, fold in itertools.product(study.run_draws, study.run_folds):
            yield _cell(study, sized, sizes, fold, draw, before=[name], model=model, seed=0)


def networks_at(
    study: StudyConfig, sizes: dict[str, Size], look: Look, *, family: str = ""
) -> list[Cell]:
    """Return the draws, seeds and folds of one size of one architecture.

    Raises
    ------
    BudgetError
        If axis compute finds no model that takes so many FLOPs.
    """
    sized = _at_sizes(study, sizes, look)
    before = [family] if family else []
    return [
        _cell(
            study,
            sized,
            sizes,
            fold,
            draw,
            before=before,
            after=[f"seed{draw.seed(seed)}"],
            family=family,
            seed=draw.seed(seed),
        )
        for draw, seed, fold in itertools.product(study.run_draws, study.seeds, study.run_folds)
    ]


def _cell(
    study: StudyConfig,
    sized: ExperimentConfig,
    sizes: dict[str, Size],
    fold: int,
    draw: StudyDraw,
    *,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    family: str = "",
    **changes: Any,
) -> Cell:
    """Return a cell on a fold; its name has its sizes between other words."""
    control = study.experiment.task.control
    written = [f"{axis}{size}" for axis, size in sizes.items()]
    if draw.word:
        written.append(draw.word)
    parts = [*([control] if control != "none" else []), *before, *written, *after]
    name = "-".join([*parts, *([f"fold{fold}"] if study.num_folds > 1 else [])])
    on_fold = sized.model_copy(update={"split": sized.split.model_copy(update={"fold": fold})})
    own = {"name": name, **draw.changes(on_fold), **changes}
    return Cell(on_fold.model_copy(update=own), sizes, family)
