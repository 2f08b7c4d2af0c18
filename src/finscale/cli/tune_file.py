"""The study that a file's search belongs to: a study file's, or one of a training alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.cli.options import with_options
from finscale.cli.study_file import find_study
from finscale.errors import ConfigError, FinscaleError

if TYPE_CHECKING:
    from finscale.study import Study
    from finscale.study.tune.tuner import SearchTuner


def searched_study(
    file: Path,
    settings: list[str] | None,
    options: Mapping[str, object],
    runs: Path,
    studies: Path,
    data_root: Path | None,
) -> tuple[Study, SearchTuner]:
    """Return the study of a file with its searches.

    A study whose rule is another gets the search that is the default. A training becomes the study
    of its own budget.

    Parameters
    ----------
    file : Path
        As typed.
    settings : list of str, optional
        Of ``--set``.
    options : mapping
        Settings of the search that have an option; None where it was not given.
    runs, studies, data_root : Path
        Folders.

    Raises
    ------
    FinscaleError
        If the file is neither, or a training has no budget.
    """
    from finscale.config.files import load_study
    from finscale.runs import RunStore
    from finscale.study import Study
    from finscale.study.tune.tuner import SearchTuner

    changes = with_options(settings, data_root=("experiment.data.root", data_root))
    try:
        path, _ = find_study(file, studies)
        config = load_study(path, changes)
    except FinscaleError as error:
        alone = _alone(file, settings, data_root)
        if alone is None:
            raise error
        config = alone
    tuning: dict[str, Any] = config.tuning.model_dump()
    tuning["rule"] = "search"
    tuning["search"] |= {name: value for name, value in options.items() if value is not None}
    content = config.model_dump()
    content["tuning"] = tuning
    from finscale.config import StudyConfig, validate

    config = validate(StudyConfig, content, place=str(file))
    study = Study(config, studies=studies, runs=RunStore(runs))
    assert isinstance(study.tuner, SearchTuner)
    return study, study.tuner


def _alone(file: Path, settings: list[str] | None, data_root: Path | None) -> Any:
    """Return the study of a training's own budget; None where the file is no training."""
    from finscale.config import ExperimentConfig, StudyConfig, load_config
    from finscale.config.model import NetworkConfig

    try:
        changes = with_options(settings, data_root=("data.root", data_root))
        config = load_config(ExperimentConfig, file, changes)
    except ConfigError:
        return None
    network = config.model
    if not isinstance(network, NetworkConfig) or network.budget is None:
        raise ConfigError(
            f"{file} has no model.budget, and a search holds the budget.",
            hint="--set model.budget=250k",
        )
    return StudyConfig(
        name=f"{config.name}_search",
        question=f"Which settings suit {config.name}?",
        experiment=config,
        axes={"parameters": (network.budget,)},
        seeds=(config.seed,),
    )
