"""Every setting of an experiment and of a study: name, type, default, meaning.

The meaning of a setting is the string below it in its class. Pydantic could keep these strings
with the fields, but it would read the sources at every import for that.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from finscale.config.base import mark_of
from finscale.config.model import MODEL_CONFIGS, NetworkConfig
from finscale.config.names import OneOf


@dataclass(frozen=True)
class Setting:
    """One setting, as ``--set`` names it."""

    name: str
    facts: str
    """Its type and default; empty for a section."""
    meaning: str


@dataclass(frozen=True)
class Group:
    """The settings of one section."""

    title: str
    summary: str
    settings: tuple[Setting, ...]


def markdown() -> str:
    """Return the settings of runs and of studies, one heading a section."""
    from finscale.config import ExperimentConfig, StudyConfig

    parts = ["## A run\n"]
    parts += [_section(group) for group in groups(ExperimentConfig)]
    parts += ["## A study\n"]
    # the sections of a run, and of its model, stand above
    told = (ExperimentConfig, *MODEL_CONFIGS.values())
    parts += [_section(group) for group in groups(StudyConfig, skip=told)]
    return "\n".join(parts)


def groups(
    section: type[BaseModel], prefix: str = "", skip: tuple[type, ...] = ()
) -> Iterator[Group]:
    """Yield the settings of a section and then of the sections inside it."""
    inner: list[tuple[str, type[BaseModel]]] = []
    settings = []
    for name, field in section.model_fields.items():
        sections = list(sections_of(field.annotation))
        inner += [(f"{prefix}{name}", one) for one in sections if one not in skip]
        where = "above" if set(sections) & set(skip) else "below"
        settings.append(_setting(section, prefix, name, field, sections, where))
    title = f"`{prefix.removesuffix('.')}`" if prefix else "At the top"
    yield Group(title, inspect.cleandoc(section.__doc__ or ""), tuple(settings))
    several = len({name for name, _ in inner}) < len(inner)
    for name, one in inner:
        for group in groups(one, f"{name}.", skip):
            yield _marked(group, one) if several and "kind" in one.model_fields else group


def _marked(group: Group, section: type[BaseModel]) -> Group:
    kind = section.model_fields["kind"].default
    return Group(f"{group.title} ({kind})", group.summary, group.settings)


def sections_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that an annotation admits, however it wraps them."""
    if annotation is NetworkConfig:
        yield from (one for one in MODEL_CONFIGS.values() if issubclass(one, NetworkConfig))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from sections_of(part)


def _setting(
    section: type[BaseModel],
    prefix: str,
    name: str,
    field: FieldInfo,
    inner: list[type[BaseModel]],
    where: str,
) -> Setting:
    meaning = docstrings(section).get(name, "")
    if inner and not meaning:
        meaning = " Or: ".join(_one_paragraph(inspect.cleandoc(one.__doc__ or "")) for one in inner)
    if inner:
        return Setting(f"{prefix}{name}", "", f"{meaning} *Its settings stand {where}.*")
    kind = (_names(field.metadata) or words(field.annotation)) + _limits(field.metadata)
    facts = f"{kind} · {_default(field)}"
    role = mark_of(field).role
    return Setting(f"{prefix}{name}", facts if role == "science" else f"{facts} · {role}", meaning)


def docstrings(section: type[BaseModel]) -> dict[str, str]:
    """Return the strings that stand below the fields of a class, those of its bases included."""
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            text = below.value if isinstance(below, ast.Expr) else None
            named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if named and isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[field.target.id] = " ".join(inspect.cleandoc(text.value).split())
    return found


_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "folder"}


def words(annotation: Any) -> str:
    """Return a type in words: ``one of a, b`` for literals, ``list of …`` for tuples."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return "anything"
    if annotation is type(None):
        return "nothing"
    if origin is Annotated:
        return (_names(parts[1:]) or words(parts[0])) + _limits(parts[1:])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        # nothing comes last, and each kind once
        kinds = dict.fromkeys(words(part) for part in parts if part is not type(None))
        return " or ".join([*kinds, *(["nothing"] if type(None) in parts else [])])
    if origin is tuple:
        if parts[-1] is Ellipsis:
            return f"list of {words(parts[0])}"
        return f"list of {len(parts)}: " + ", ".join(words(part) for part in parts)
    if origin is dict:
        return f"names ({words(parts[0])}) with {words(parts[1])}"
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    return {"date": "date"}.get(getattr(annotation, "__name__", ""), str(annotation))


def _names(metadata: Any) -> str:
    """Return the built-in names that a setting may have, where they are declared things."""
    listed = [mark.names.built_in for mark in metadata if isinstance(mark, OneOf)]
    return ", ".join(f"`{name}`" for names in listed for name in names)


def _limits(metadata: Any) -> str:
    """Return bounds as pydantic keeps them: ``> 0``, ``≤ 1``."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = [
        f"{sign} {getattr(mark, key):g}"
        for mark in metadata
        for key, sign in signs.items()
        if getattr(mark, key, None) is not None
    ]
    return f" {', '.join(found)}" if found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory_takes_validated_data:
        return "default by the other settings"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, tuple):
        value = f"[{', '.join(str(part) for part in value)}]"
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, BaseModel):
        value = None
    return "default nothing" if value in (None, "") else f"default `{value}`"


def _section(group: Group) -> str:
    lines = [f"### {group.title}\n", _one_paragraph(group.summary), ""]
    for setting in group.settings:
        facts = f"{{.setting-facts}}\n  {setting.facts}\n\n  " if setting.facts else ""
        lines += [f"`{setting.name}`", f": {facts}{setting.meaning}", ""]
    return "\n".join(lines)


def _one_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())
