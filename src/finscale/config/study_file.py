"""A study file, read whole or as its own rehearsal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from finscale.config.loading import merged, override, read_yaml, validate
from finscale.config.recipes import config_file
from finscale.config.study import StudyConfig
from finscale.errors import ConfigError


def load_study(
    path: Path | str, settings: Iterable[str] = (), *, quick: bool = False
) -> StudyConfig:
    """Read a study file and lay ``settings`` over it.

    Parameters
    ----------
    path : path
        A YAML file or the name of a recipe; see :func:`finscale.config.load_config`.
    settings : iterable of str
        Overrides such as ``"experiment.training.epochs=5"``.
    quick : bool
        Lay the file's ``quick`` section over the others first, and call the study ``<name>_quick``.

    Raises
    ------
    ConfigError
        As ``load_config``, and for a quick study of a file that has no ``quick`` section.
    """
    content = read_yaml(config_file(path))
    if quick:
        changes = content.pop("quick", None)
        if not isinstance(changes, dict) or not changes:
            raise ConfigError(
                f"{path} has no quick section.", hint="quick: names the settings of a rehearsal"
            )
        content = merged(content, {"name": f"{content.get('name')}_quick", **changes})
    settings = list(settings)
    origins = {setting.split("=", 1)[0].strip() for setting in settings}
    return validate(StudyConfig, override(content, settings), place=str(path), overridden=origins)
