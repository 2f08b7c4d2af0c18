"""YAML in, settings from the command line on top, one clear sentence per mistake."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from finscale.config.base import Section
from finscale.config.mistakes import explain
from finscale.config.model import handed_over
from finscale.config.recipes import config_file, recipes
from finscale.config.tiers import is_tier_file
from finscale.config.yaml_text import parse_yaml, yaml_problem
from finscale.errors import ConfigError, did_you_mean

S = TypeVar("S", bound=Section)


def validate(
    kind: type[S], content: dict[str, Any], *, place: str, overridden: Iterable[str] = ()
) -> S:
    """Return ``content`` as a ``kind``; each mistake becomes a sentence that names its place."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise explain(kind, content, error, place, set(overridden)) from None


def each_setting(settings: Iterable[str] | Mapping[str, Any] | None) -> list[str]:
    """Return settings as ``name=value``; one alone and a mapping are understood too.

    Examples
    --------
    >>> each_setting("training.epochs=3"), each_setting({"seed": 1})
    (['training.epochs=3'], ['seed=1'])
    """
    if isinstance(settings, Mapping):
        return [f"{name}={json.dumps(value, default=str)}" for name, value in settings.items()]
    return [settings] if isinstance(settings, str) else list(settings or ())


def override(content: dict[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Return a copy of ``content`` with each ``a.b=value`` laid over it.

    A model of another kind takes over from the file what all networks share; what is laid over it
    stays, and is refused if it is unknown.
    """
    settings = tuple(settings)
    result = copy.deepcopy(content)
    for setting in settings:
        name, _, kind = (part.strip() for part in setting.partition("="))
        if name == "model.kind" or name.endswith(".model.kind"):
            _change_kind(result, name.split(".")[:-1], kind)
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator or not name.strip():
            raise ConfigError(
                f"--set {setting}: write a setting as name=value.",
                hint="e.g. --set training.lr=3e-4",
            )
        *parents, leaf = name.strip().split(".")
        section = result
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise ConfigError(f"--set {name}: {parent} is a value, not a section.")
        # `lr` and `learning_rate` are one setting: the later word wins
        for alias in _ALIASES.get(leaf, ()):
            section.pop(alias, None)
        value = _parse_yaml(text, f"--set {name}")
        if leaf == "universe" and parents[-1:] == ["data"]:
            _make_way(section, settings, ".".join(parents))
        section[leaf] = value if text.lstrip().startswith(("'", '"')) else _number(value)
    return result


#: What a universe says itself, so that a file's own words give way to it.
_OF_UNIVERSE = ("symbols", "source", "universe_digest")


def _make_way(section: dict[str, Any], settings: Sequence[str], path: str) -> None:
    """Take out of a data section what a universe laid over it says itself; what is set stays."""
    stated = {setting.partition("=")[0].strip() for setting in settings}
    for name in _OF_UNIVERSE:
        if f"{path}.{name}" not in stated:
            section.pop(name, None)


def _change_kind(content: dict[str, Any], path: Sequence[str], kind: str) -> None:
    """Leave in a model section what a model of another kind takes over."""
    parent: Any = content
    for part in path[:-1]:
        parent = parent.get(part) if isinstance(parent, dict) else None
    if isinstance(parent, dict) and isinstance(parent.get(path[-1]), dict):
        parent[path[-1]] = handed_over(parent[path[-1]], kind)


_ALIASES = {"lr": ("learning_rate",), "learning_rate": ("lr",)}


def _number(value: Any) -> Any:
    """Return 3e-4 as a number: YAML 1.1 reads it as text for want of a dot."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def read_yaml(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the settings of a YAML file, the files that it names included.

    ``above`` are the files, resolved, that name this one.
    """
    chain = (*above, Path(os.path.realpath(path)))
    if chain[-1] in above:
        named = " → ".join(one.name for one in chain[above.index(chain[-1]) :])
        raise ConfigError(
            f"{chain[-2]} names itself, directly or through others: {named}.",
            hint="a file can only name files that do not need it in turn",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigError(f"{path} cannot be read: {reason}.") from None
    content = _parse_yaml(text, str(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no settings: expected `name: value` lines.")
    return {
        key: _include(_tiers_beside(value, path), path, chain) for key, value in content.items()
    }


def _tiers_beside(value: Any, path: Path) -> Any:
    """Return settings with each tier file that lies beside the file that names it found there."""
    if not isinstance(value, dict):
        return value
    found = {key: _tiers_beside(part, path) for key, part in value.items()}
    if "tier" in found:
        tier = found["tier"]
        several = tier if isinstance(tier, list) else [tier]
        here = [
            str(path.parent / one) if is_tier_file(one) and (path.parent / one).is_file() else one
            for one in several
        ]
        found["tier"] = here if isinstance(tier, list) else here[0]
    return found


def included(settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return settings with the files that they name read in; ``path`` is where they stand."""
    chain = (Path(os.path.realpath(path)),)
    return {key: _include(value, path, chain) for key, value in settings.items()}


def _include(value: Any, path: Path, chain: tuple[Path, ...]) -> Any:
    if isinstance(value, str) and value.endswith((".yaml", ".yml")):
        return read_yaml((path.parent / value).resolve(), chain)
    if isinstance(value, dict) and "base" in value:
        changes = {key: part for key, part in value.items() if key != "base"}
        return merged(_base(value["base"], path, chain), changes)
    return value


def _base(base: Any, path: Path, chain: tuple[Path, ...]) -> Any:
    """Return the settings that a ``base`` names: a file beside this one, or else a recipe."""
    if isinstance(base, str) and not (path.parent / base).exists():
        recipe = config_file(base)
        if recipe is not None:
            return read_yaml(recipe, chain)
        if not base.endswith((".yaml", ".yml")):
            raise ConfigError(
                f"{path} has base: {base}, which is neither a file nor a recipe of finscale.",
                hint=did_you_mean(base, recipes()),
            )
    return _include(base, path, chain)


def merged(below: Any, above: Any) -> Any:
    """Return ``above`` laid over ``below``, section by section.

    Of a model of another kind only what all networks share shows through.
    """
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    if "kind" in above:
        below = handed_over(below, above["kind"])
    if "universe" in above:
        below = {name: value for name, value in below.items() if name not in _OF_UNIVERSE}
    return {**below, **{key: merged(below.get(key), part) for key, part in above.items()}}


def pop_quick(content: dict[str, Any], path: Path | str) -> dict[str, Any]:
    """Take a file's ``quick`` section out of its content; return what a rehearsal changes.

    Raises
    ------
    ConfigError
        If the file has none.
    """
    changes = content.pop("quick", None)
    if not isinstance(changes, dict) or not changes:
        raise ConfigError(
            f"{path} has no quick section.", hint="quick: names the settings of a rehearsal"
        )
    return {"name": f"{content.get('name')}_quick", **changes}


def _parse_yaml(text: str, place: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        where, problem = yaml_problem(error)
        at = f" {where}" if where else ""
        raise ConfigError(f"{place}{at}: not valid YAML ({problem}).") from None
