"""Config files: of a training, of a study, and of a study's own rehearsal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from finscale.calling import spoken
from finscale.config.base import Section
from finscale.config.loading import each_setting, merged, override, pop_quick, read_yaml, validate
from finscale.config.recipes import config_file, recipes
from finscale.config.study import StudyConfig
from finscale.config.written import settings_of, similar_file
from finscale.errors import ConfigError, nearest

S = TypeVar("S", bound=Section)
#: What bars and tables of runs come in.
_TABLES = {".csv", ".tsv", ".parquet", ".feather", ".arrow", ".xlsx", ".gz", ".zip"}
Settings = Iterable[str] | Mapping[str, Any]


@spoken('load_config(ExperimentConfig, "threshold_1pct")')
def load_config(kind: type[S], path: Path | str, settings: Settings = ()) -> S:
    """Read a config file, lay ``settings`` over it and validate it.

    Parameters
    ----------
    kind : type
        ``ExperimentConfig`` or ``StudyConfig``.
    path : path
        A YAML file, or the name of a recipe that comes with finscale, such as
        ``threshold_1pct``. A section given as the path of another YAML file, relative to this one,
        is read from there: ``model: ../model/patchtst_2m.yaml``. One given as a section with a
        ``base`` takes that file and lays its other settings over it. What finscale wrote itself
        is read too: a study's ``study.yaml`` and ``registration.json``, a run's ``run.json``.
    settings : iterable of str
        Overrides such as ``"training.lr=3e-4"``; the value is read as YAML. One alone, and a dict
        of name and value, are understood too.

    Raises
    ------
    ConfigError
        For a file that cannot be read or is for another verb, an unknown setting (with the nearest
        right name), a wrong value or a contradiction.
    """
    content, settings = read_settings(kind, path), each_setting(settings)
    origins = {setting.split("=", 1)[0].strip() for setting in settings}
    return validate(kind, override(content, settings), place=str(path), overridden=origins)


def read_settings(kind: type[S], path: Path | str) -> dict[str, Any]:
    """Return the settings of a file that should hold a ``kind``; see :func:`load_config`."""
    asked, found = Path(path), config_file(path)
    if found is None:
        beside = asked.with_suffix(".yaml")
        if not asked.suffix and beside.is_file():
            settings_of(kind, read_yaml(beside), beside)  # one for another verb says so
        similar = similar_file(asked, kind) or nearest_recipe(asked, kind)
        hint = f"Did you mean {similar}?" if similar else ""
        alone = len(asked.parts) == 1 and not asked.suffix
        what = "is neither a file nor a recipe of finscale" if alone else "does not exist"
        raise ConfigError(f"{path} {what}.", hint=hint)
    return settings_of(kind, read_yaml(_file_in(found)), asked)


def _file_in(path: Path) -> Path:
    """Return the file that is meant, of a run's or a study's folder the one that says what it is.

    Raises
    ------
    ConfigError
        If it is another folder, or a table.
    """
    if path.is_dir():
        for name in ("run.json", "study.yaml"):
            if (path / name).is_file():
                return path / name
        raise ConfigError(
            f"{path} is a folder, and holds no run or study.",
            hint="a YAML file is needed, or the name of a recipe: " + ", ".join(recipes()),
        )
    if path.suffix.lower() in _TABLES:
        raise ConfigError(
            f"{path} is a table, not a file of settings.",
            hint=f"bars are brought in by finscale data import {path} --symbol NAME, a table of "
            f"runs is read by finscale law fit {path}",
        )
    return path


def nearest_recipe(path: Path, kind: type[Section]) -> str | None:
    """Return the recipe of this kind whose name is most like a file's."""
    folders = {"studies", "tune"} if kind is StudyConfig else {"daily"}
    names = [name for name, file in recipes().items() if file.parent.name in folders]
    return nearest(path.stem, names)


def load_study(path: Path | str, settings: Settings = (), *, quick: bool = False) -> StudyConfig:
    """Read a study file and lay ``settings`` over it.

    Parameters
    ----------
    path : path
        A YAML file; see :func:`finscale.config.load_config`.
    settings : iterable of str
        Overrides such as ``"experiment.training.epochs=5"``.
    quick : bool
        Lay the file's ``quick`` section over the others first, and call the study ``<name>_quick``.

    Raises
    ------
    ConfigError
        As ``load_config``, and for a quick study of a file that has no ``quick`` section.
    """
    content = read_settings(StudyConfig, path)
    if quick:
        content = merged(content, pop_quick(content, path))
    settings = each_setting(settings)
    origins = {setting.split("=", 1)[0].strip() for setting in settings}
    return validate(StudyConfig, override(content, settings), place=str(path), overridden=origins)
