"""What a programme is: a grid of studies over tasks, timescales, assets and qualities of data."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from finscale.config.base import NAME_FORM, Section, content_hash
from finscale.config.data import Quality, Timescale
from finscale.config.loading import (
    each_setting,
    included,
    merged,
    override,
    pop_quick,
    read_yaml,
    validate,
)
from finscale.config.names import TaskName
from finscale.config.recipes import config_file, recipes
from finscale.config.study import StudyConfig
from finscale.config.universes import read_universe
from finscale.errors import ConfigError, did_you_mean

#: Of an experiment, which a row of assets may have settings of.
_SECTIONS = {"data", "task", "split", "model", "training"}


@dataclass(frozen=True)
class ProgrammeCell:
    """One cell of a programme: where it stands, and its study."""

    task: str
    timescale: str
    assets: str
    quality: str
    study: StudyConfig

    @property
    def name(self) -> str:
        """Name of the study, and of its folder."""
        return self.study.name


class ProgrammeConfig(Section):
    """A grid of studies from one file: each cell is the same study of other data or labels."""

    name: Annotated[str, Field(pattern=NAME_FORM)]
    """The programme's folder under ``studies/``."""
    question: str = ""
    """What it asks, for the top of the report."""
    study: dict[str, Any]
    """What the study of every cell shares; a study file, or a section with a ``base``."""
    tasks: tuple[TaskName, ...]
    """Rows of each heat map: ``[direction, threshold_1pct]``."""
    timescales: dict[Timescale, dict[str, Any]]
    """Columns of each heat map, each with the settings of an experiment that its bars need (a
    shorter context, other splits); a list of names will do."""
    assets: dict[Annotated[str, Field(pattern=NAME_FORM)], dict[str, Any]]
    """Rows of assets, ``A`` to ``E``, each with settings of ``experiment.data``: ``A: {symbols:
    [SP500]}``; a list of symbols will do. One that needs more names the sections: ``C: {data:
    {universe: us20, tier: c20}, task: {touch: close}}``."""
    quality: tuple[Quality, ...] = ("a",)
    """Qualities of the data."""
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Family-wise error of all verdicts of the programme together, by Holm's correction."""
    quick: dict[str, Any] = Field(default_factory=dict)
    """Settings that ``--quick`` lays over the others."""

    @field_validator("timescales", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list | tuple):
            return {name: {} for name in value}
        if isinstance(value, dict):
            return {name: part or {} for name, part in value.items()}
        return value

    @field_validator("assets", mode="before")
    @classmethod
    def _symbols(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            str(name): {"symbols": [row] if isinstance(row, str) else row}
            if isinstance(row, str | list | tuple)
            else row
            for name, row in value.items()
        }

    @field_validator("tasks", "quality", mode="before")
    @classmethod
    def _one(cls, value: Any, info: ValidationInfo) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> ProgrammeConfig:
        for name in ("tasks", "timescales", "assets", "quality"):
            values = tuple(getattr(self, name))
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name} needs at least one, each once")
        return self

    def cells(self) -> list[ProgrammeCell]:
        """Return every cell, in the order of the file: assets, quality, task, timescale.

        Rows that are :meth:`absent` have none.

        Raises
        ------
        ConfigError
            If one of them is no study (the message names it), or every row is absent.
        """
        cells = list(self._cells())
        if not cells:
            raise ConfigError("; ".join(self.absent().values()).rstrip("."))
        return cells

    def absent(self) -> dict[str, str]:
        """Return the rows of assets whose universe is not on this machine, each with the way."""
        found = {}
        for row in self.assets:
            data = self._own(row).get("data", {})
            if not data.get("universe"):
                continue
            shared = self.study.get("experiment", {}).get("data", {})
            try:
                read_universe(str(data["universe"]), {**shared, **data}.get("root", "data"))
            except ConfigError as error:
                found[row] = f"{error.message} {error.hint}".strip()
        return found

    def _own(self, row: str) -> dict[str, Any]:
        """Return the settings of an experiment that a row of assets has."""
        content = self.assets[row]
        return content if content.keys() & _SECTIONS else {"data": content}

    def _cells(self) -> Iterator[ProgrammeCell]:
        absent = self.absent()
        rows = [row for row in self.assets if row not in absent]
        for assets, quality, task, timescale in product(
            rows, self.quality, self.tasks, self.timescales
        ):
            name = re.sub(r"[^A-Za-z0-9_-]", "_", "-".join([task, timescale, assets, quality]))
            place_of = {"data": {"timescale": timescale, "quality": quality}}
            own = merged(merged(self._own(assets), place_of), self.timescales[timescale])
            changes = {"name": name, "experiment": merged(own, {"task": {"name": task}})}
            content = merged(self._shared(own["data"]), changes)
            content.setdefault("question", "")
            place = f"cell {task} · {timescale} · {assets} · {quality} of {self.name}"
            study = validate(StudyConfig, content, place=place)
            yield ProgrammeCell(task, timescale, assets, quality, study)

    def _shared(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what all cells share; without symbols where a row has a universe."""
        shared: dict[str, Any] = copy.deepcopy(self.study)
        if data.get("universe"):
            for name in {"symbols", "source"} - data.keys():
                shared.get("experiment", {}).get("data", {}).pop(name, None)
        return shared

    def hash(self) -> str:
        """Return the SHA-256 of every cell's resolved study, of absent rows and of the level."""
        cells = (cell.study.resolved() for cell in self.cells())
        return content_hash([self.level, *cells, *(self.assets[row] for row in self.absent())])


def load_programme(
    path: Path | str, settings: Iterable[str] | Mapping[str, Any] = (), *, quick: bool = False
) -> ProgrammeConfig:
    """Read a programme's file, or a recipe by its name, and lay ``settings`` over it.

    Parameters
    ----------
    path : path
        A YAML file, or the name of a recipe: ``seed``.
    settings : iterable of str
        Overrides such as ``"study.seeds=5"``.
    quick : bool
        Lay the file's ``quick`` section over the others first, and call it ``<name>_quick``.

    Raises
    ------
    ConfigError
        If the file is none of a programme, or a cell of it is no study.
    """
    found = config_file(path)
    if found is None:
        known = [name for name, file in recipes().items() if file.parent.name == "programmes"]
        raise ConfigError(
            f"{path} is neither a file nor a programme of finscale.",
            hint=did_you_mean(Path(path).stem, known),
        )
    if found.is_dir():
        raise ConfigError(f"{path} is a folder.", hint="a programme is a YAML file")
    content = read_yaml(found)
    if "timescales" not in content or "study" not in content:
        kind = "study" if "axes" in content else "training"
        verb = "study run" if kind == "study" else "train"
        raise ConfigError(
            f"{path} is no programme: it names no study, tasks, timescales and assets.",
            hint=f"of a {kind}, take finscale {verb} {path}",
        )
    if isinstance(content["study"], dict):
        content["study"] = included(content["study"], found)
    if quick:
        content = _over(content, pop_quick(content, path))
    settings = each_setting(settings)
    origins = {re.split("=", setting, maxsplit=1)[0].strip() for setting in settings}
    changed = override(content, settings)
    kept: dict[str, Any] = {
        name: changed[name] for name in ("timescales", "assets") if name in changed
    }
    changed = _over({**changed, **{name: content.get(name) for name in kept}}, kept)
    config = validate(ProgrammeConfig, changed, place=str(path), overridden=origins)
    config.cells()  # a cell that is no study is told before anything is spent
    return config


def _over(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return changes laid over a programme; rows and columns that they list are the only ones."""
    laid: dict[str, Any] = merged(content, changes)
    for name in ("timescales", "assets"):
        listed = changes.get(name)
        known = content.get(name)
        if isinstance(listed, list) and isinstance(known, dict):
            laid[name] = {one: known[one] for one in listed if one in known} | {
                one: {} for one in listed if one not in known
            }
    return laid
