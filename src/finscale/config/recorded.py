"""Configs as runs of earlier versions recorded them: read as far as this version knows them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from finscale.config.base import marks
from finscale.config.experiment import ExperimentConfig
from finscale.config.loading import validate

#: What runs did before a setting of the science existed, where today's default is another.
_BEFORE = {
    "data": {"inputs": "level"},
    "model": {"linear_path": "none"},
    "training": {"parametrisation": "standard"},
}


def read_recorded(content: dict[str, Any], *, place: str) -> ExperimentConfig:
    """Return a run's recorded config, tolerant of what has changed since it was written.

    Settings that no longer exist are left out, and settings that did not exist yet are what runs
    did without them. A value of placement that no longer exists gives
    way to today's default: it says how the run was computed, not what it is. A file that a person
    writes is read by :func:`~finscale.config.load_config`, which forgives nothing.

    Parameters
    ----------
    content : dict
        ``config`` of a ``run.json``.
    place : str
        The file, for messages.

    Raises
    ------
    ConfigError
        If a setting of the science has a value that this version does not know.
    """
    known = copy.deepcopy(content)
    for section, settings in _BEFORE.items():
        known[section] = {**settings, **known.get(section, {})}
    while True:
        try:
            return ExperimentConfig.model_validate(known)
        except ValidationError as error:
            # asked for here alone: a study reads hundreds of configs, nearly all of today's
            marked = marks(ExperimentConfig)
            placement = {name for name, mark in marked if mark.role == "placement"}
            forgiven = [
                path
                for one in error.errors(include_url=False)
                if (path := _path(known, one["loc"]))
                and (one["type"] == "extra_forbidden" or _is_within(path, placement))
            ]
        if not forgiven:
            return validate(ExperimentConfig, known, place=place)
        for path in forgiven:
            _remove(known, path)


def _path(content: Any, loc: Sequence[str | int]) -> tuple[str, ...]:
    """Return the keys of a place in the content; names of a union's branches are no keys."""
    path: list[str] = []
    for part in loc:
        if isinstance(content, dict) and part in content:
            path.append(str(part))
            content = content[part]
    return tuple(path)


def _is_within(path: tuple[str, ...], names: set[str]) -> bool:
    return any(".".join(path[: length + 1]) in names for length in range(len(path)))


def _remove(content: dict[str, Any], path: tuple[str, ...]) -> None:
    *parents, leaf = path
    for parent in parents:
        content = content[parent]
    content.pop(leaf, None)
