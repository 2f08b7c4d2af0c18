"""What kind of file is read: a training's, a study's, or one that finscale wrote itself."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from finscale.config.experiment import ExperimentConfig
from finscale.config.redraws import ASSETS_RULE
from finscale.config.study import StudyConfig, expected
from finscale.errors import ConfigError

#: What the identity of an experiment holds beside its settings: which rule of ours it followed.
_RULES_OF_OURS = {
    ("split", "counted"): "from the end",
    ("model", "fitted"): "on clipped inputs",
    ("model", "penalties"): "by blocks of train days",
}
#: The same of a study.
_RULES_OF_STUDIES = {"assets": ASSETS_RULE}
_ALIKE = 0.75


def settings_of(kind: type[BaseModel], content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the settings of a file as a person would have written them.

    A run's ``run.json`` and a study's ``registration.json`` hold them in a section; a study's own
    ``study.yaml`` also says what finscale worked out. That is left out here, and has to be what
    finscale would write again.

    Raises
    ------
    ConfigError
        If the file is for another verb, or says of itself what does not follow from its settings.
    """
    if kind is ExperimentConfig:
        if isinstance(content.get("config"), dict) and "id" in content:
            content = content["config"]
        if _is_study(content):
            raise ConfigError(
                f"{path} is a study, not one training.",
                hint=f"finscale study plan {path} says what it takes; finscale study run {path}",
            )
        return _without_rules(content, str(path))
    if kind is StudyConfig:
        if isinstance(content.get("study"), dict) and "registered" in content:
            content = content["study"]
        if not _is_study(content) and set(content) & set(ExperimentConfig.model_fields):
            raise ConfigError(
                f"{path} is one training, not a study: it names no axes.",
                hint=f"finscale train {path} trains it; finscale study new NAME writes a study",
            )
        return _plain_study(content, path)
    return content


def _is_study(content: Mapping[str, Any]) -> bool:
    return "axes" in content or "experiment" in content


def _plain_study(content: dict[str, Any], path: Path) -> dict[str, Any]:
    for name, rule in _RULES_OF_STUDIES.items():
        if content.get(name, rule) != rule:
            raise ConfigError(
                f"{path}: {name} = {content[name]!r}: this version knows {rule!r} alone.",
                hint=f"leave {name} out: finscale writes it; sizes stand under axes.{name}",
            )
    content = {key: value for key, value in content.items() if key not in _RULES_OF_STUDIES}
    experiment, controls = content.get("experiment"), content.get("controls")
    if isinstance(experiment, dict):
        content = {**content, "experiment": _without_rules(experiment, f"{path}: experiment")}
    if not isinstance(controls, dict) or "expected" not in controls:
        return content
    said, outcome = controls["expected"], content.get("outcome", "loss")
    kinds = controls.get("kinds") or ()
    try:
        follows = {kind: expected(kind, outcome) for kind in kinds}
    except KeyError:  # the outcome is unknown, and refused as such
        follows = said
    if said != follows:
        raise ConfigError(
            f"controls.expected in {path} is not what controls.kinds and outcome lead to.",
            hint="leave controls.expected out: finscale writes it",
        )
    left = {name: value for name, value in controls.items() if name != "expected"}
    return {**content, "controls": left}


def _without_rules(experiment: dict[str, Any], place: str) -> dict[str, Any]:
    for (section, name), rule in _RULES_OF_OURS.items():
        inner = experiment.get(section)
        if not isinstance(inner, dict) or name not in inner:
            continue
        if inner[name] != rule:
            raise ConfigError(
                f"{place}.{section}.{name} = {inner[name]!r}: this version knows {rule!r} alone.",
                hint=f"leave {section}.{name} out: finscale writes it",
            )
        left = {key: value for key, value in inner.items() if key != name}
        experiment = {**experiment, section: left}
    return experiment


def similar_file(path: Path, kind: type[BaseModel]) -> Path | None:
    """Return the file beside ``path`` that was most likely meant: alike by name, and of its kind.

    Parameters
    ----------
    path : Path
        The file that is not there.
    kind : type
        What is wanted of it: a file of another kind is never proposed.
    """
    folder = path.parent
    if not folder.is_dir():
        return None
    there = {one.name: one for one in (*folder.glob("*.yaml"), *folder.glob("*.yml"))}
    wanted = path.name if path.suffix in (".yaml", ".yml") else f"{path.name}.yaml"
    for name in difflib.get_close_matches(wanted, there, n=3, cutoff=_ALIKE):
        try:
            content = yaml.safe_load(there[name].read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if not isinstance(content, dict):
            continue
        study = _is_study(content)
        if study if kind is StudyConfig else not study and _known(kind, content):
            return there[name]
    return None


def _known(kind: type[BaseModel], content: Mapping[str, Any]) -> bool:
    return bool(set(content) & set(kind.model_fields))
